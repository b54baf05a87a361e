//! The drawings of `fusiform detect --draw`. In: a photo's pixels and its faces. Out: a JPEG or PNG
//! with boxes, points and scores.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fusiform::Face;
use fusiform::image::{self, Image};

use crate::context::corners;
use crate::drawing::{MarkedFace, RgbCanvas, draw_faces};

/// Where drawings are written.
pub(super) enum Drawing {
    File(PathBuf),
    Folder(PathBuf),
}

impl Drawing {
    pub(super) fn new(out: &Path, n_files: usize) -> Result<Drawing> {
        if is_picture(out) && !out.is_dir() {
            ensure!(
                n_files <= 1,
                "{}: one file cannot hold {n_files} drawings; name a folder",
                out.display()
            );
            return Ok(Drawing::File(out.into()));
        }
        fs::create_dir_all(out).with_context(|| {
            format!(
                "{}: not a .jpg or .png file, and no folder can be made there",
                out.display()
            )
        })?;
        Ok(Drawing::Folder(out.into()))
    }

    fn path(&self, photo: &Path) -> PathBuf {
        match self {
            Drawing::File(file) => file.clone(),
            Drawing::Folder(dir) => {
                let mut name = photo.file_stem().unwrap_or_default().to_owned();
                name.push("-faces.jpg");
                dir.join(name)
            }
        }
    }

    pub(super) fn draw(&self, photo: &Path, image: Image, faces: &[Face]) -> Result<()> {
        let out = self.path(photo);
        // A photo, perhaps the one that is drawn, or an earlier drawing.
        ensure!(
            !out.exists(),
            "{} is there already; name another {} for the drawing",
            out.display(),
            match self {
                Drawing::File(_) => "file",
                Drawing::Folder(_) => "folder",
            }
        );
        let marks: Vec<MarkedFace> = faces.iter().map(marked).collect();
        let (width, height) = (image.width(), image.height());
        let mut canvas = RgbCanvas {
            width: width as usize,
            height: height as usize,
            rgb: image.into_rgb(),
        };
        draw_faces(&mut canvas, &marks)?;
        write(&Image::new(width, height, canvas.rgb)?, &out)
    }
}

/// Writes a JPEG, or a PNG if the file is called so.
pub(super) fn write(drawn: &Image, out: &Path) -> Result<()> {
    let png = |e: &std::ffi::OsStr| e.eq_ignore_ascii_case("png");
    let bytes = if out.extension().is_some_and(png) {
        image::encode_png(drawn)?
    } else {
        image::encode_jpeg(drawn, 90)?
    };
    fs::write(out, bytes).with_context(|| out.display().to_string())
}

pub(super) fn is_picture(path: &Path) -> bool {
    let picture = |e: &str| ["jpg", "jpeg", "png"].contains(&e.to_ascii_lowercase().as_str());
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(picture)
}

fn marked(face: &Face) -> MarkedFace {
    let landmarks = face.landmarks.map(|l| l.as_array().map(|p| (p.x, p.y)));
    MarkedFace {
        bbox: corners(&face.bbox),
        landmarks,
        label: format!("{:.0}%", face.score * 100.0),
    }
}

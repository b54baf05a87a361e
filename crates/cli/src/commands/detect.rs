//! `fusiform detect`. In: photos. Out: one row per face, and drawings if asked.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fusiform::detect::DetectOptions;
use fusiform::engine::Engine;
use fusiform::image::{self, Image};
use fusiform::pipeline::DescribedFace;
use serde::Serialize;

use crate::args::Looking;
use crate::exit::Exit;
use crate::pictures::{Marked, RgbCanvas, draw_faces};
use crate::session::{Session, shown};

/// A face as JSON; boxes and points in pixels of the upright photo.
#[derive(Debug, Serialize)]
pub(crate) struct FaceRow {
    /// `x_min, y_min, x_max, y_max`.
    pub(crate) bbox: [f32; 4],
    score: f32,
    /// Subject's right eye, left eye, nose tip, right and left mouth corner.
    landmarks: Option<[[f32; 2]; 5]>,
    quality: QualityRow,
}

#[derive(Debug, Serialize)]
struct QualityRow {
    overall: f32,
    size: f32,
    sharpness: f32,
    exposure: f32,
    frontal: f32,
    yaw_deg: f32,
    pitch_deg: f32,
    roll_deg: f32,
}

#[derive(Serialize)]
struct PhotoRow {
    photo: String,
    width_px: u32,
    height_px: u32,
    faces: Vec<FaceRow>,
}

#[derive(Serialize)]
struct Problem {
    photo: String,
    problem: String,
}

#[derive(Serialize)]
struct Answer {
    photos: Vec<PhotoRow>,
    problems: Vec<Problem>,
}

impl FaceRow {
    pub(crate) fn of(face: &DescribedFace) -> FaceRow {
        let (b, q) = (&face.face.bbox, &face.quality);
        FaceRow {
            bbox: [b.x_min, b.y_min, b.x_max, b.y_max],
            score: face.face.score,
            landmarks: face
                .face
                .landmarks
                .map(|l| l.as_array().map(|p| [p.x, p.y])),
            quality: QualityRow {
                overall: q.overall,
                size: q.size,
                sharpness: q.sharpness,
                exposure: q.exposure,
                frontal: q.frontal,
                yaw_deg: q.pose.yaw_deg,
                pitch_deg: q.pose.pitch_deg,
                roll_deg: q.pose.roll_deg,
            },
        }
    }
}

pub(crate) fn run(
    session: &Session,
    files: &[PathBuf],
    draw: Option<&Path>,
    looking: Looking,
) -> Result<Exit> {
    let drawing = draw.map(|out| Drawing::new(out, files.len())).transpose()?;
    let engine = session.engine()?;
    let options = looking.options();
    let printer = session.printer;
    let mut answer = Answer {
        photos: Vec::new(),
        problems: Vec::new(),
    };
    session.on_all_threads(|| -> Result<()> {
        for file in files {
            match one(&engine, file, &options, drawing.as_ref()) {
                Ok(row) => {
                    show(session, &row)?;
                    answer.photos.push(row);
                }
                Err(e) => {
                    let problem = crate::printer::chain(&e.context(shown(file)));
                    printer.problem(&problem);
                    answer.problems.push(Problem {
                        photo: shown(file),
                        problem,
                    });
                }
            }
        }
        Ok(())
    })??;
    printer.record(&answer)?;
    Ok(if answer.problems.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

fn one(
    engine: &Engine,
    file: &Path,
    options: &DetectOptions,
    drawing: Option<&Drawing>,
) -> Result<PhotoRow> {
    let image = engine.read(file)?.image;
    let faces = engine.describe(&image, options)?;
    let (width_px, height_px) = (image.width(), image.height());
    let rows = faces.iter().map(FaceRow::of).collect();
    if let Some(drawing) = drawing {
        drawing.draw(file, image, &faces)?;
    }
    Ok(PhotoRow {
        photo: shown(file),
        width_px,
        height_px,
        faces: rows,
    })
}

fn show(session: &Session, photo: &PhotoRow) -> Result<()> {
    let n = photo.faces.len();
    let noun = if n == 1 { "face" } else { "faces" };
    let (width_px, height_px) = (photo.width_px, photo.height_px);
    session.printer.row(format_args!(
        "{}\t{n} {noun}\t{width_px}x{height_px}",
        photo.photo
    ))?;
    for (i, face) in photo.faces.iter().enumerate() {
        let [x_min, y_min, x_max, y_max] = face.bbox;
        let q = &face.quality;
        session.printer.row(format_args!(
            "  {:>3}  box {x_min:.0},{y_min:.0} {:.0}x{:.0}  score {:.2}  quality {:.2} \
             (size {:.2}, sharpness {:.2}, exposure {:.2}, frontal {:.2})  \
             yaw {:.0}° pitch {:.0}° roll {:.0}°",
            i + 1,
            x_max - x_min,
            y_max - y_min,
            face.score,
            q.overall,
            q.size,
            q.sharpness,
            q.exposure,
            q.frontal,
            q.yaw_deg,
            q.pitch_deg,
            q.roll_deg
        ))?;
    }
    Ok(())
}

/// Where drawings go.
enum Drawing {
    File(PathBuf),
    Folder(PathBuf),
}

impl Drawing {
    fn new(out: &Path, n_files: usize) -> Result<Drawing> {
        if is_picture(out) && !out.is_dir() {
            if n_files > 1 {
                bail!(
                    "{}: one file cannot hold {n_files} drawings; name a folder",
                    out.display()
                );
            }
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

    fn place(&self, photo: &Path) -> PathBuf {
        match self {
            Drawing::File(file) => file.clone(),
            Drawing::Folder(dir) => {
                let mut name = photo.file_stem().unwrap_or_default().to_owned();
                name.push("-faces.jpg");
                dir.join(name)
            }
        }
    }

    fn draw(&self, photo: &Path, image: Image, faces: &[DescribedFace]) -> Result<()> {
        let out = self.place(photo);
        let marks: Vec<Marked> = faces.iter().map(marked).collect();
        let (width, height) = (image.width(), image.height());
        let mut canvas = RgbCanvas {
            width: width as usize,
            height: height as usize,
            rgb: image.into_rgb(),
        };
        draw_faces(&mut canvas, &marks)?;
        let drawn = Image::new(width, height, canvas.rgb)?;
        let bytes = if out
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"))
        {
            image::encode_png(&drawn)?
        } else {
            image::encode_jpeg(&drawn, 90)?
        };
        fs::write(&out, bytes).with_context(|| out.display().to_string())
    }
}

fn is_picture(path: &Path) -> bool {
    let picture = |e: &str| ["jpg", "jpeg", "png"].contains(&e.to_ascii_lowercase().as_str());
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(picture)
}

fn marked(face: &DescribedFace) -> Marked {
    let row = FaceRow::of(face);
    Marked {
        bbox: row.bbox,
        landmarks: row.landmarks.map(|l| l.map(|[x, y]| (x, y))),
        label: format!("{:.0}%", face.face.score * 100.0),
    }
}

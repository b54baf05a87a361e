//! `fusiform detect`. In: photos. Out: one row per face, and drawings if asked.

use std::path::{Path, PathBuf};

use anyhow::Result;
#[cfg(not(feature = "draw"))]
use fusiform::image::Image;
use fusiform::scan::read_photo;
use fusiform::{AnalyseOptions, Engine, Face};
use serde::Serialize;

#[cfg(feature = "draw")]
use super::draw::Drawing;
use crate::args::DetectArgs;
use crate::context::{Context, corners, shown};
use crate::exit::Exit;
use crate::remedy::explain;

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
    recognisability: f32,
}

#[derive(Serialize)]
struct PhotoRow {
    photo: String,
    width_px: u32,
    height_px: u32,
    /// Clockwise degrees that bring the faces upright.
    turn_deg: u16,
    /// Shorter side of the smallest face that was looked for.
    smallest_face_px: f32,
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
    pub(crate) fn of(face: &Face) -> FaceRow {
        let q = &face.quality;
        FaceRow {
            bbox: corners(&face.bbox),
            score: face.score,
            landmarks: face.landmarks.map(|l| l.as_array().map(|p| [p.x, p.y])),
            quality: QualityRow {
                overall: q.overall,
                size: q.size,
                sharpness: q.sharpness,
                exposure: q.exposure,
                frontal: q.frontal,
                yaw_deg: q.pose.yaw_deg,
                pitch_deg: q.pose.pitch_deg,
                roll_deg: q.pose.roll_deg,
                recognisability: q.recognisability,
            },
        }
    }
}

pub(crate) fn run(
    context: &Context,
    files: &[PathBuf],
    draw: Option<&Path>,
    detect: DetectArgs,
) -> Result<Exit> {
    let drawing = draw.map(|out| Drawing::new(out, files.len())).transpose()?;
    let engine = context.engine()?;
    let options = context.analysing(detect);
    let printer = context.printer;
    let mut answer = Answer {
        photos: Vec::new(),
        problems: Vec::new(),
    };
    context.on_all_threads(|| -> Result<()> {
        for file in files {
            match one(&engine, file, &options, drawing.as_ref()) {
                Ok(row) => {
                    show(context, &row)?;
                    answer.photos.push(row);
                }
                Err(e) => {
                    let problem = explain(&e.context(shown(file)));
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
    options: &AnalyseOptions,
    drawing: Option<&Drawing>,
) -> Result<PhotoRow> {
    let bytes = read_photo(file, options.limits.max_bytes)?;
    let photo = engine.analyse(&bytes, options)?;
    if let Some(drawing) = drawing {
        // Every pixel is needed to draw on; the faces may come from a smaller decoding.
        drawing.draw(file, engine.decode(&bytes)?.image, &photo.faces)?;
    }
    Ok(PhotoRow {
        photo: shown(file),
        width_px: photo.width_px,
        height_px: photo.height_px,
        turn_deg: photo.turn_deg,
        smallest_face_px: photo.smallest_face_px,
        faces: photo.faces.iter().map(FaceRow::of).collect(),
    })
}

fn show(context: &Context, photo: &PhotoRow) -> Result<()> {
    let n = photo.faces.len();
    let noun = if n == 1 { "face" } else { "faces" };
    let (width_px, height_px) = (photo.width_px, photo.height_px);
    let turned = match photo.turn_deg {
        0 => String::new(),
        deg => format!("\tupright when turned by {deg}°"),
    };
    context.printer.row(format_args!(
        "{}\t{n} {noun}\t{width_px}x{height_px}{turned}",
        photo.photo
    ))?;
    for (i, face) in photo.faces.iter().enumerate() {
        let [x_min, y_min, x_max, y_max] = face.bbox;
        let q = &face.quality;
        let unclear = if q.overall > 0.0 { "" } else { "  unclear" };
        context.printer.row(format_args!(
            "  {:>3}  box {x_min:.0},{y_min:.0} {:.0}x{:.0}  score {:.2}  quality {:.2} \
             (size {:.2}, sharpness {:.2}, exposure {:.2}, frontal {:.2})  \
             yaw {:.0}° pitch {:.0}° roll {:.0}°{unclear}",
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

/// Stands in for the drawing that this build lacks: nothing can make one.
#[cfg(not(feature = "draw"))]
enum Drawing {}

#[cfg(not(feature = "draw"))]
impl Drawing {
    fn new(out: &Path, _n_files: usize) -> Result<Drawing> {
        anyhow::bail!(
            "{}: this build cannot draw (--draw); build fusiform with its feature `draw`, which is \
             on unless it is turned off",
            out.display()
        )
    }

    fn draw(&self, _photo: &Path, _image: Image, _faces: &[Face]) -> Result<()> {
        match *self {}
    }
}

//! Aligned crops of photos as one picture: `cargo run --example crops -- OUT.png PHOTO...`.
//!
//! Best quality first. The detector comes from the folder `models` in the folder that
//! FUSIFORM_SHARED names (else `../shared` beside the repository). A short lesson in the crate:
//! load, analyse, encode.

use fusiform_face::align::ALIGNED_SIDE_PX;
use fusiform_face::backend::{Backend, NnBackend, Precision};
use fusiform_face::detect::{Detector, DetectorSpec};
use fusiform_face::image::{Image, encode_png};
use fusiform_face::pipeline::{AnalyseOptions, Pipeline};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments
        .next()
        .ok_or("give the picture to write, then photos")?;
    let shared = std::env::var("FUSIFORM_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into());
    let onnx = std::fs::read(format!("{shared}/models/yunet_n_dynamic.onnx"))?;
    let network = NnBackend.load(onnx.into(), Precision::default())?;
    let pipeline = Pipeline::new(Detector::new(network, DetectorSpec::default())?, None, None);

    let mut faces = Vec::new();
    for path in arguments {
        let photo = pipeline.analyse(&std::fs::read(&path)?, &AnalyseOptions::default())?;
        for face in photo.faces {
            let q = &face.quality;
            println!(
                "{path}: quality {:.2} = size {:.2} sharpness {:.2} exposure {:.2} frontal {:.2} \
                 score {:.2}, yaw {:.0} pitch {:.0} roll {:.0}",
                q.overall,
                q.size,
                q.sharpness,
                q.exposure,
                q.frontal,
                q.detector_score,
                q.pose.yaw_deg,
                q.pose.pitch_deg,
                q.pose.roll_deg
            );
            faces.push(face);
        }
    }
    faces.sort_by(|a, b| b.quality.overall.total_cmp(&a.quality.overall));

    const COLUMNS: usize = 10;
    let side = ALIGNED_SIDE_PX as usize;
    let (width, height) = (COLUMNS * side, faces.len().div_ceil(COLUMNS).max(1) * side);
    let mut sheet = vec![255; width * height * 3];
    for (i, face) in faces.iter().enumerate() {
        let (left, top) = (i % COLUMNS * side, i / COLUMNS * side);
        for (y, row) in face.aligned.rgb.chunks(side * 3).enumerate() {
            let start = ((top + y) * width + left) * 3;
            sheet[start..start + side * 3].copy_from_slice(row);
        }
    }
    std::fs::write(
        out,
        encode_png(&Image::new(width as u32, height as u32, sheet)?)?,
    )?;
    Ok(())
}

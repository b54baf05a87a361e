//! Aligned crops of photos as one picture, to look at: `cargo run --example crops -- OUT.png PHOTO...`.
//!
//! Best quality first; the networks come from `../shared/models`. A short lesson in the crate: decode, describe, encode.

use fusiform_face::align::ALIGNED_SIDE_PX;
use fusiform_face::detect::{DetectOptions, Detector, DetectorSpec};
use fusiform_face::image::{DecodeLimits, Image, decode, encode_png};
use fusiform_face::pipeline::Pipeline;
use fusiform_nn::{Limits, Model, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments
        .next()
        .ok_or("give the picture to write, then photos")?;
    let model = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/models/yunet_n_dynamic.onnx"
    );
    let session = Session::new(Model::from_bytes(
        &std::fs::read(model)?,
        &Limits::default(),
    )?)?;
    let pipeline = Pipeline::new(Detector::new(session, DetectorSpec::default())?, None);

    let mut faces = Vec::new();
    for path in arguments {
        let photo = decode(&std::fs::read(&path)?, &DecodeLimits::default())?.image;
        for face in pipeline.describe(&photo, &DetectOptions::default())? {
            let q = &face.quality;
            println!(
                "{path}: quality {:.2} = size {:.2} sharpness {:.2} exposure {:.2} frontal {:.2} score {:.2}, \
                 yaw {:.0} pitch {:.0} roll {:.0}",
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
            let at = ((top + y) * width + left) * 3;
            sheet[at..at + side * 3].copy_from_slice(row);
        }
    }
    std::fs::write(
        out,
        encode_png(&Image::new(width as u32, height as u32, sheet)?)?,
    )?;
    Ok(())
}

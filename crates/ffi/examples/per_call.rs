//! What the boundary to C costs: one picture analysed by Rust and through C, in turn. In: a photo.
//! Out: the least and the median CPU time of a call, in milliseconds, as one line of
//! JSON.
//!
//! ```text
//! cargo run --release -p fusiform-ffi --example per_call -- PHOTO [CALLS]
//! ```

use std::ptr::{null, null_mut};

use fusiform::{AnalyseOptions, Engine};
use fusiform_ffi::*;
use rustix::time::{ClockId, clock_gettime};

/// Time that this thread has worked.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let photo = arguments.next().ok_or("usage: per_call PHOTO [CALLS]")?;
    let calls: usize = arguments.next().map_or(Ok(200), |n| n.parse())?;

    let rust = Engine::builtin()?;
    let image = rust.decode_file(&photo)?.image;
    let mut c = FusiformEngine { id: 0 };
    let mut found = FusiformPhoto { id: 0 };
    let bytes = image.rgb();
    let plane = FusiformPlane {
        bytes: bytes.as_ptr(),
        n_bytes: bytes.len(),
        stride_bytes: image.width() as usize * 3,
    };
    let frame = FusiformFrame {
        format: FUSIFORM_FORMAT_RGB,
        width_px: image.width(),
        height_px: image.height(),
        rotation_deg: 0,
        yuv: FUSIFORM_YUV_USUAL,
        planes: [plane; 3],
    };
    // SAFETY: good pointers; an error is not asked for.
    let code = unsafe { fusiform_engine_open_builtin(&mut c, null_mut()) };
    assert_eq!(code, FusiformCode::Ok);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..calls {
        let began = cpu_ms();
        let photo = rust.analyse_image(&image, &AnalyseOptions::default())?;
        times[0].push(cpu_ms() - began);
        std::hint::black_box(photo);

        let began = cpu_ms();
        // SAFETY: good pointers; the frame's memory lives until the end.
        let code = unsafe { fusiform_analyse_frame(c, &frame, null(), &mut found, null_mut()) };
        times[1].push(cpu_ms() - began);
        assert_eq!(code, FusiformCode::Ok);
        // SAFETY: no pointer.
        let code = unsafe { fusiform_photo_close(found, null_mut()) };
        assert_eq!(code, FusiformCode::Ok);
    }
    let line = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        format!("[{:.4}, {:.4}]", times[0], times[times.len() / 2])
    };
    let [rust, c] = &mut times;
    println!("{{\"rust_ms\": {}, \"c_ms\": {}}}", line(rust), line(c));
    Ok(())
}

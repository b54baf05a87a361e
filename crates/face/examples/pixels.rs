//! Decodes files for a program that compares pixels. In: paths, one a line, on standard input. Out:
//! for each file a line of JSON on standard output, then its RGB bytes if it was decoded.
//!
//!     ls photos/* | cargo run -p fusiform-face --example pixels > pixels.bin

use std::io::{self, BufRead, Write};

use fusiform_face::image::{DecodeLimits, decode};
use serde_json::json;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        let path = path?;
        let decoded = std::fs::read(&path)
            .map_err(|e| e.to_string())
            .and_then(|bytes| decode(&bytes, &DecodeLimits::default()).map_err(|e| e.to_string()));
        match decoded {
            Ok(decoded) => {
                let image = &decoded.image;
                let notes: Vec<String> = decoded.notes.iter().map(ToString::to_string).collect();
                let line = json!({
                    "path": path,
                    "format": decoded.format.to_string(),
                    "width_px": image.width(),
                    "height_px": image.height(),
                    "notes": notes,
                });
                writeln!(out, "{line}")?;
                out.write_all(image.rgb())?;
            }
            Err(error) => writeln!(out, "{}", json!({ "path": path, "error": error }))?,
        }
        out.flush()?;
    }
    Ok(())
}

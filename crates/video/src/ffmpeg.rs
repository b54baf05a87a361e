//! Another program, ffmpeg, where it is installed. In: files that are not decoded here; frames to
//! be coded. Out: pictures; a coded file. Between the two run pipes of Matroska (RFC 9559) with
//! uncompressed frames, which carry sizes and times.
//!
//! It opens nothing but the one file it is given: no addresses, no lists of other files.

mod encoder;
mod process;
mod transcoded;

use std::ffi::OsString;
use std::path::Path;

pub use encoder::{Encoder, EncoderOptions, checked_start_ms};
pub(crate) use transcoded::Transcoded;

/// Formats that hold their own pictures; those that name other files are not among them.
const FORMATS: &str = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,mpegtsraw,flv,asf,ogg,dv,mxf,\
                       h264,hevc,m4v,obu,ivf,rm,nut,gif,apng,swf,wtv,ipmovie,live_flv";

/// What goes before and with the name of a file that is read.
fn reading(path: &Path) -> Vec<OsString> {
    let mut name = OsString::from("file:");
    name.push(path);
    let mut arguments = Vec::from(
        [
            "-protocol_whitelist",
            "file,pipe",
            "-format_whitelist",
            FORMATS,
            "-i",
        ]
        .map(OsString::from),
    );
    arguments.push(name);
    arguments
}

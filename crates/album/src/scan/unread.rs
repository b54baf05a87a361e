//! Pictures and films that a scan does not read. In: paths of files that have not the name of a
//! photo. Out: what they seem to be. Reads the first bytes of files whose names say nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use fusiform_face::image::{Format, sniff};

/// What [`kind_of`] says of a film.
pub(super) const VIDEO: &str = "video";

/// Extensions of pictures and films without a decoder here, lower-case, and what they are.
const KINDS: &[(&str, &[&str])] = &[
    (
        VIDEO,
        &[
            "mov", "mp4", "m4v", "avi", "mkv", "webm", "3gp", "3g2", "mts", "m2ts", "m2t", "mpg",
            "mpeg", "mpe", "wmv", "asf", "flv", "f4v", "ogv", "vob", "mod", "tod", "dv", "mxf",
            "insv", "lrv", "qt", "divx", "rmvb",
        ],
    ),
    (
        "JPEG 2000",
        &["jp2", "j2k", "jpf", "jpx", "j2c", "jpc", "jph"],
    ),
    ("JPEG XR", &["jxr", "wdp", "hdp"]),
    ("Photoshop file", &["psd", "psb"]),
    ("GIMP file", &["xcf"]),
    ("Affinity file", &["afphoto"]),
    ("Krita file", &["kra"]),
    (
        "raw file of a kind that is not covered",
        &["x3f", "crw", "mrw", "bay", "gpr", "braw", "r3d"],
    ),
    (
        "vector drawing",
        &["svg", "svgz", "ai", "eps", "wmf", "emf", "cdr"],
    ),
    ("icon", &["ico", "cur", "icns"]),
    (
        "Netpbm picture",
        &["pbm", "pgm", "ppm", "pnm", "pam", "pfm"],
    ),
    ("Targa picture", &["tga", "targa"]),
    ("PCX picture", &["pcx", "dcx"]),
    ("OpenEXR picture", &["exr"]),
    ("Radiance picture", &["hdr", "rgbe"]),
    ("DDS texture", &["dds"]),
    ("SGI picture", &["sgi", "rgb", "bw"]),
    ("Sun raster", &["ras"]),
    ("X bitmap", &["xbm", "xpm"]),
    ("astronomical picture", &["fits", "fit", "fts"]),
    ("medical picture", &["dcm", "dicom"]),
    ("FlashPix picture", &["fpx"]),
    ("PICT picture", &["pict", "pct", "pic"]),
    ("BPG picture", &["bpg"]),
    ("FLIF picture", &["flif"]),
    ("QOI picture", &["qoi"]),
    ("animation cursor", &["ani"]),
    ("multi-page scan", &["djvu", "djv"]),
];

/// Bytes by which a format is told.
const HEAD_BYTES: u64 = 4096;

/// Whether a file has the name of a film.
pub fn looks_like_video(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    let extension = extension.map(str::to_ascii_lowercase);
    let films = KINDS.iter().find(|(kind, _)| *kind == VIDEO);
    extension.is_some_and(|e| films.is_some_and(|(_, all)| all.contains(&&*e)))
}

/// What a file seems to be that has not the name of a photo; `None` if it is no picture and no
/// film.
pub(super) fn kind_of(path: &Path) -> Option<String> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_lowercase);
    let known = extension.as_deref().and_then(|extension| {
        let row = KINDS.iter().find(|(_, all)| all.contains(&extension));
        row.map(|(kind, _)| *kind)
    });
    match known {
        Some(kind) => Some(kind.into()),
        None => {
            let mut head = Vec::new();
            let file = File::open(path).ok()?;
            file.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
            let format = sniff(&head)?;
            let usual = format.extensions().first().copied().unwrap_or_default();
            Some(format!(
                "{format} under another name; call it .{usual} to have it read"
            ))
        }
    }
}

/// Whether a film is that of a live photo, which has its name.
pub(super) fn is_part_of_photo(film: &Path) -> bool {
    [Format::Heic, Format::Jpeg].iter().any(|format| {
        format.extensions().iter().any(|extension| {
            [extension.to_string(), extension.to_ascii_uppercase()]
                .iter()
                .any(|extension| film.with_extension(extension).is_file())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_films_are_told_by_name_and_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            kind_of(&path)
        };
        assert_eq!(at("a.JP2", b"").as_deref(), Some("JPEG 2000"));
        assert_eq!(at("a.mov", b"").as_deref(), Some("video"));
        assert_eq!(at("IMG_1.heic", b""), None);
        assert!(is_part_of_photo(&folder.path().join("IMG_1.MOV")));
        assert!(!is_part_of_photo(&folder.path().join("a.mov")));
        assert!(looks_like_video(Path::new("IMG_1.MOV")));
        assert!(!looks_like_video(Path::new("IMG_1.heic")));
        let named = at("IMG_2", b"\xFF\xD8\xFF\xE0").unwrap();
        assert!(
            named.starts_with("JPEG") && named.contains(".jpg"),
            "{named}"
        );
        assert_eq!(at("notes.txt", b"Dear diary"), None);
        assert_eq!(at("IMG_2.jpg.xmp", b"<x:xmpmeta/>"), None);
    }

    #[test]
    fn no_kind_has_an_extension_of_another_or_of_a_photo() {
        let all: Vec<&str> = KINDS.iter().flat_map(|(_, all)| *all).copied().collect();
        for (i, extension) in all.iter().enumerate() {
            assert!(!all[..i].contains(extension), "{extension}");
            assert_eq!(Format::from_extension(extension), None, "{extension}");
        }
    }
}

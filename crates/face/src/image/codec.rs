//! The table of codecs. In: the first bytes of a file. Out: its [`Format`] and the function that
//! decodes it, or words for what the content seems to be. Reads content only, never names.
//!
//! To add a format: one variant in `format.rs`, one row in [`CODECS`], one file with its `decode`.

use super::error::ImageError;
use super::format::Format;
use super::stored::{Source, Stored};
use super::{jpeg, png};

/// From checked bytes to pixels as they are stored.
type Decode = for<'a> fn(&Source<'a>) -> Result<Stored<'a>, ImageError>;

/// What is known of one format.
struct Codec {
    format: Format,
    /// Usual extensions of file names, lower-case.
    extensions: &'static [&'static str],
    /// Whether content begins as this format does.
    sniff: fn(&[u8]) -> bool,
    /// `None` in a build without the format's feature.
    decode: Option<Decode>,
}

/// In the order of the documentation; the first whose `sniff` agrees is taken.
const CODECS: &[Codec] = &[
    Codec {
        format: Format::Jpeg,
        extensions: &["jpg", "jpeg", "jpe", "jfif"],
        sniff: |b| b.starts_with(b"\xFF\xD8\xFF"),
        decode: Some(jpeg::decode),
    },
    Codec {
        format: Format::Png,
        extensions: &["png"],
        sniff: |b| b.starts_with(b"\x89PNG\r\n\x1A\n"),
        decode: Some(png::decode),
    },
    Codec {
        format: Format::WebP,
        extensions: &["webp"],
        sniff: |b| b.starts_with(b"RIFF") && b.get(8..12) == Some(b"WEBP"),
        #[cfg(feature = "webp")]
        decode: Some(super::webp::decode),
        #[cfg(not(feature = "webp"))]
        decode: None,
    },
    // Before TIFF, whose signature most of them have.
    Codec {
        format: Format::Raw,
        extensions: &[
            "nef", "nrw", "cr2", "cr3", "arw", "sr2", "srf", "dng", "raf", "orf", "rw2", "pef",
            "srw", "3fr", "fff", "erf", "iiq", "kdc", "dcr", "mef", "mos", "raw", "rwl",
        ],
        #[cfg(feature = "raw")]
        sniff: super::raw::sniff,
        #[cfg(not(feature = "raw"))]
        sniff: |_| false,
        #[cfg(feature = "raw")]
        decode: Some(super::raw::decode),
        #[cfg(not(feature = "raw"))]
        decode: None,
    },
    Codec {
        format: Format::Tiff,
        extensions: &["tif", "tiff"],
        sniff: |b| {
            [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
                .iter()
                .any(|signature| b.starts_with(*signature))
        },
        #[cfg(feature = "tiff")]
        decode: Some(super::tiff::decode),
        #[cfg(not(feature = "tiff"))]
        decode: None,
    },
    Codec {
        format: Format::Gif,
        extensions: &["gif"],
        sniff: |b| b.starts_with(b"GIF87a") || b.starts_with(b"GIF89a"),
        #[cfg(feature = "gif")]
        decode: Some(super::gif::decode),
        #[cfg(not(feature = "gif"))]
        decode: None,
    },
    Codec {
        format: Format::Bmp,
        extensions: &["bmp", "dib"],
        // "BM" alone also starts ordinary text; the reserved field of a bitmap is zero.
        sniff: |b| b.starts_with(b"BM") && b.get(6..10) == Some(&[0; 4]),
        #[cfg(feature = "bmp")]
        decode: Some(super::bmp::decode),
        #[cfg(not(feature = "bmp"))]
        decode: None,
    },
    Codec {
        format: Format::Heic,
        extensions: &["heic", "heif", "hif"],
        sniff: |b| iso_kind(b) == Some(Format::Heic),
        #[cfg(feature = "heic")]
        decode: Some(super::heif::decode_heic),
        #[cfg(not(feature = "heic"))]
        decode: None,
    },
    Codec {
        format: Format::Avif,
        extensions: &["avif", "avifs"],
        sniff: |b| iso_kind(b) == Some(Format::Avif),
        #[cfg(feature = "avif")]
        decode: Some(super::heif::decode_avif),
        #[cfg(not(feature = "avif"))]
        decode: None,
    },
    Codec {
        format: Format::JpegXl,
        extensions: &["jxl"],
        sniff: |b| b.starts_with(b"\xFF\x0A") || b.starts_with(b"\0\0\0\x0CJXL \r\n\x87\n"),
        #[cfg(feature = "jxl")]
        decode: Some(super::jxl::decode),
        #[cfg(not(feature = "jxl"))]
        decode: None,
    },
];

/// HEIC or AVIF by the brands of an ISO media file: the main one, or for general ones the first
/// that says more.
fn iso_kind(bytes: &[u8]) -> Option<Format> {
    const MOST_BRANDS: usize = 64;
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let stated = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let brands = bytes.get(8..stated.min(bytes.len()))?.as_chunks::<4>().0;
    let main = brands.first()?;
    let is_general = matches!(main, b"mif1" | b"mif2" | b"msf1" | b"miaf");
    let compatible = brands
        .iter()
        .skip(2)
        .take(if is_general { MOST_BRANDS } else { 0 });
    let named = std::iter::once(main).chain(compatible);
    let kind = named.filter_map(|brand| match brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(Format::Heic),
        b"avif" | b"avis" => Some(Format::Avif),
        _ => None,
    });
    // A general file that says no more is HEIF in the first place.
    kind.into_iter()
        .next()
        .or(is_general.then_some(Format::Heic))
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Format; 10] = [
        Format::Jpeg,
        Format::Png,
        Format::WebP,
        Format::Tiff,
        Format::Bmp,
        Format::Gif,
        Format::Heic,
        Format::Avif,
        Format::JpegXl,
        Format::Raw,
    ];

    /// File name extensions that usually hold this format, lower-case.
    pub fn extensions(self) -> &'static [&'static str] {
        let row = CODECS.iter().find(|codec| codec.format == self);
        row.map_or(&[], |codec| codec.extensions)
    }

    /// The format that an extension (without its dot, any case) promises; the content still
    /// decides.
    pub fn from_extension(extension: &str) -> Option<Format> {
        let promises = |codec: &&Codec| {
            let mut known = codec.extensions.iter();
            known.any(|e| e.eq_ignore_ascii_case(extension))
        };
        CODECS.iter().find(promises).map(|codec| codec.format)
    }

    /// Whether this build can decode it: each format but JPEG and PNG is a feature of the crate.
    pub fn is_decoded(self) -> bool {
        decoder_of(self).is_some()
    }
}

/// The format by the signature at the start of the content.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let row = CODECS.iter().find(|codec| (codec.sniff)(bytes));
    row.map(|codec| codec.format)
}

/// The function that decodes a format, if the build has it.
pub(super) fn decoder_of(format: Format) -> Option<Decode> {
    let row = CODECS.iter().find(|codec| codec.format == format);
    row.and_then(|codec| codec.decode)
}

/// Words for content that [`sniff`] does not know, for the error message.
pub(super) fn describe_unknown(bytes: &[u8]) -> String {
    let named = match bytes.get(4..8) {
        Some(b"ftyp") => Some("a video or other ISO media file"),
        _ if bytes.starts_with(b"%PDF") => Some("PDF"),
        _ if bytes.starts_with(b"\0\0\0\x0CjP  ") => Some("JPEG 2000"),
        _ if bytes.iter().take(4096).all(|&b| b == 0) => Some("only zeros"),
        _ => None,
    };
    if let Some(name) = named {
        return format!("it looks like {name}");
    }
    let head: String = bytes.iter().take(16).map(|&b| b as char).collect();
    if head
        .chars()
        .all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace())
    {
        format!("it begins with the text {head:?}")
    } else {
        let hex: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("it begins with the bytes {}", hex.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_names_the_format() {
        assert_eq!(sniff(b"\xFF\xD8\xFF\xE0"), Some(Format::Jpeg));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Some(Format::WebP));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WAVEfmt "), None);
        assert_eq!(sniff(b"MM\0*\0\0\0\x08"), Some(Format::Tiff));
        assert_eq!(sniff(b"BMW is a car, not a picture"), None);
        assert_eq!(
            sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
            Some(Format::Heic)
        );
        assert_eq!(
            sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"),
            Some(Format::Avif)
        );
        assert_eq!(sniff(b"\0\0\0\x14ftypisom\0\0\0\0avif"), None);
        assert_eq!(sniff(b"\xFF\x0A\xFA"), Some(Format::JpegXl));
        assert_eq!(sniff(b""), None);
    }

    #[test]
    fn every_format_has_one_row() {
        for format in Format::ALL {
            let rows = CODECS.iter().filter(|codec| codec.format == format);
            assert_eq!(rows.count(), 1, "{format}");
            assert!(!format.extensions().is_empty(), "{format}");
        }
        assert_eq!(CODECS.len(), Format::ALL.len());
    }

    #[test]
    fn extensions_are_read_in_any_case() {
        assert_eq!(Format::from_extension("JPeG"), Some(Format::Jpeg));
        assert_eq!(Format::from_extension("tiff"), Some(Format::Tiff));
        assert_eq!(Format::from_extension("HEIC"), Some(Format::Heic));
        assert_eq!(Format::from_extension("mov"), None);
        assert_eq!(Format::from_extension(""), None);
    }

    #[test]
    fn unknown_content_is_put_in_words() {
        assert!(describe_unknown(b"\0\0\0\x18ftypqt  \0\0").contains("video"));
        assert!(describe_unknown(b"hello, I am text").contains("\"hello, I am text\""));
        assert!(describe_unknown(b"\x7fELF\x02\x01\x01\0").contains("7f 45 4c 46"));
        assert!(describe_unknown(&[0; 100]).contains("zeros"));
    }
}

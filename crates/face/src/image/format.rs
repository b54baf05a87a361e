//! Which format bytes have. In: the first bytes of a file. Out: a [`Format`], or words for what it seems to be.
//! Looks at content only.

use std::fmt;

/// The formats that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless.
    WebP,
    /// TIFF or BigTIFF.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// GIF; its first frame.
    Gif,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Format; 6] = [
        Format::Jpeg,
        Format::Png,
        Format::WebP,
        Format::Tiff,
        Format::Bmp,
        Format::Gif,
    ];

    /// File name extensions that usually hold this format, lower-case.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Format::Png => &["png"],
            Format::WebP => &["webp"],
            Format::Tiff => &["tif", "tiff"],
            Format::Bmp => &["bmp", "dib"],
            Format::Gif => &["gif"],
        }
    }

    /// The format that an extension (without its dot, any case) promises; the content still decides.
    pub fn from_extension(extension: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| {
            f.extensions()
                .iter()
                .any(|e| e.eq_ignore_ascii_case(extension))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
            Format::Bmp => "BMP",
            Format::Gif => "GIF",
        })
    }
}

/// The format by the signature at the start of the content.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let starts = |signature: &[u8]| bytes.starts_with(signature);
    if starts(b"\xFF\xD8\xFF") {
        Some(Format::Jpeg)
    } else if starts(b"\x89PNG\r\n\x1A\n") {
        Some(Format::Png)
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::WebP)
    } else if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|s| starts(*s))
    {
        Some(Format::Tiff)
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some(Format::Gif)
    } else if starts(b"BM") && bytes.get(6..10).is_some_and(|reserved| reserved == [0; 4]) {
        // "BM" alone also starts ordinary text; the reserved field of a bitmap is zero.
        Some(Format::Bmp)
    } else {
        None
    }
}

/// Words for content that [`sniff`] does not know, for the error message.
pub(super) fn describe_unknown(bytes: &[u8]) -> String {
    let brand = (bytes.get(4..8) == Some(b"ftyp"))
        .then(|| bytes.get(8..12))
        .flatten();
    let named = match brand {
        Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" | b"heim" | b"heis") => Some("HEIC"),
        Some(b"avif" | b"avis") => Some("AVIF"),
        Some(_) => Some("a video or other ISO media file"),
        None if bytes.starts_with(b"%PDF") => Some("PDF"),
        None if bytes.starts_with(b"\xFF\x0A") || bytes.starts_with(b"\0\0\0\x0CJXL ") => {
            Some("JPEG XL")
        }
        None if bytes.starts_with(b"\0\0\0\x0CjP  ") => Some("JPEG 2000"),
        None if bytes.iter().take(4096).all(|&b| b == 0) => Some("only zeros"),
        None => None,
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
        assert_eq!(sniff(b""), None);
    }

    #[test]
    fn extensions_are_read_in_any_case() {
        assert_eq!(Format::from_extension("JPeG"), Some(Format::Jpeg));
        assert_eq!(Format::from_extension("tiff"), Some(Format::Tiff));
        assert_eq!(Format::from_extension("heic"), None);
        assert_eq!(Format::from_extension(""), None);
    }

    #[test]
    fn unknown_content_is_put_in_words() {
        assert!(describe_unknown(b"\0\0\0\x18ftypheic\0\0").contains("HEIC"));
        assert!(describe_unknown(b"hello, I am text").contains("\"hello, I am text\""));
        assert!(describe_unknown(b"\x7fELF\x02\x01\x01\0").contains("7f 45 4c 46"));
        assert!(describe_unknown(&[0; 100]).contains("zeros"));
    }
}

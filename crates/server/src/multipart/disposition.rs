//! The name and file name of a part (`Content-Disposition`, RFC 6266 and 7578). In: the header's
//! bytes, as clients write them. Out: both names. `multer` reads neither `filename*` nor names that
//! are not UTF-8, and takes such a file for a parameter.

use percent_encoding::percent_decode;

/// What a part is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    /// A part with one is a file. `filename*` goes before `filename`.
    pub(super) file_name: Option<String>,
}

impl Disposition {
    pub(super) fn parse(header: &[u8]) -> Disposition {
        let mut found = Disposition::default();
        let mut extended = None;
        for (name, value) in attributes(header) {
            match &*name.to_ascii_lowercase() {
                "name" => found.name = text(value),
                "filename" => found.file_name = Some(text(value)),
                "filename*" => extended = decoded(&value),
                _ => {}
            }
        }
        found.file_name = extended.or(found.file_name);
        found
    }
}

/// Names and values behind the first `;`, quotes taken off.
fn attributes(header: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut bytes = header.iter().copied().skip_while(|b| *b != b';').peekable();
    while bytes.next_if_eq(&b';').is_some() {
        let mut name = Vec::new();
        while let Some(byte) = bytes.next_if(|b| !matches!(b, b'=' | b';')) {
            name.push(byte);
        }
        let mut value = Vec::new();
        if bytes.next_if_eq(&b'=').is_some() {
            while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
            if bytes.next_if_eq(&b'"').is_some() {
                while let Some(byte) = bytes.next_if(|b| *b != b'"') {
                    // Only a quote is ever escaped: browsers leave a backslash as it is.
                    match bytes.peek() {
                        Some(b'"') if byte == b'\\' => value.extend(bytes.next()),
                        _ => value.push(byte),
                    }
                }
                while bytes.next_if(|b| *b != b';').is_some() {}
            } else {
                while let Some(byte) = bytes.next_if(|b| *b != b';') {
                    value.push(byte);
                }
                value = value.trim_ascii().to_vec();
            }
        }
        found.push((text(name.trim_ascii().to_vec()), value));
    }
    found
}

/// `UTF-8''na%C3%AFve.jpg` (RFC 8187); `None` if it is not of this form.
fn decoded(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    let (charset, _language, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(rest).collect();
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" => String::from_utf8(bytes).ok(),
        b"iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

/// UTF-8, or else Latin-1.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|e| e.as_bytes().iter().map(|b| char::from(*b)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_clients_write_them() {
        let cases: [(&[u8], &str, Option<&str>); 9] = [
            (
                b"form-data; name=\"file\"; filename=\"a.jpg\"",
                "file",
                Some("a.jpg"),
            ),
            (
                b"form-data; NAME=file ; FileName=a.jpg",
                "file",
                Some("a.jpg"),
            ),
            (
                b"form-data; name=\"file\"; filename*=UTF-8''J%C3%B6rg.jpg",
                "file",
                Some("Jörg.jpg"),
            ),
            (
                b"form-data; filename*=utf-8'de'J%C3%B6.jpg; filename=\"J_.jpg\"; name=\"file\"",
                "file",
                Some("Jö.jpg"),
            ),
            (
                b"form-data; name=\"file\"; filename*=broken; filename=b.png",
                "file",
                Some("b.png"),
            ),
            (
                b"form-data; name=\"file\"; filename=\"J\xf6rg.jpg\"",
                "file",
                Some("Jörg.jpg"),
            ),
            (
                b"form-data; name=\"file\"; filename=\"C:\\a;b=\\\"c\\\".jpg\"",
                "file",
                Some("C:\\a;b=\"c\".jpg"),
            ),
            (b"form-data; name=\"subject\"", "subject", None),
            (b"form-data", "", None),
        ];
        for (header, name, file_name) in cases {
            let found = Disposition::parse(header);
            assert_eq!(
                (&*found.name, found.file_name.as_deref()),
                (name, file_name)
            );
        }
        for broken in [
            &b";"[..],
            b";;=;\"",
            b"x;name=\"",
            b"x;name",
            b"\xff;\xff=\xff",
        ] {
            Disposition::parse(broken);
        }
    }
}

//! Forms with files (RFC 7578). In: a body and its media type, as clients write them. Out: its
//! parts. Knows no route and no limit but the number of parts.

mod disposition;

use std::convert::Infallible;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use futures_util::FutureExt;

use disposition::Disposition;

/// Parts of one form.
pub(crate) const MAX_PARTS: usize = 64;

/// One part of a form.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// A part with one is a file.
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Bytes,
}

/// The body is no form, or one with too many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAForm;

impl Part {
    /// The text of a field.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The media type of a request; its type in lower case and always with a `;`, its parameters as
/// they are.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.and_then(|t| t.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = given.split_once(';').unwrap_or((given, ""));
    format!("{};{parameters}", kind.trim().to_ascii_lowercase())
}

/// Whether a media type, as [`media_type`] gives it, is that of a form with files.
pub(crate) fn is_form(media_type: &str) -> bool {
    media_type.starts_with("multipart/form-data;")
}

/// The parts of a form whose body has arrived.
pub(crate) fn parts(body: Bytes, media_type: &str) -> Result<Vec<Part>, NotAForm> {
    let boundary = multer::parse_boundary(media_type).map_err(|_| NotAForm)?;
    // The body is here: nothing in this future ever waits.
    read(body, boundary).now_or_never().unwrap_or(Err(NotAForm))
}

async fn read(body: Bytes, boundary: String) -> Result<Vec<Part>, NotAForm> {
    let whole = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
    let mut form = multer::Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| NotAForm)? {
        if parts.len() >= MAX_PARTS {
            return Err(NotAForm);
        }
        let disposition = field.headers().get(header::CONTENT_DISPOSITION);
        let disposition = disposition.map(|value| Disposition::parse(value.as_bytes()));
        let Disposition { name, file_name } = disposition.unwrap_or_default();
        let bytes = field.bytes().await.map_err(|_| NotAForm)?;
        parts.push(Part {
            name,
            file_name,
            bytes,
        });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, given.parse().unwrap());
        media_type(&headers)
    }

    #[test]
    fn a_media_type_has_no_case_and_a_boundary_has() {
        let form = of("Multipart/Form-Data ; boundary=aBc");
        assert!(is_form(&form), "{form}");
        assert_eq!(multer::parse_boundary(&form).as_deref(), Ok("aBc"));
        let json = of("APPLICATION/JSON; charset=UTF-8");
        assert!(json.starts_with("application/json;"), "{json}");
        assert_eq!(of("application/json"), "application/json;");
    }

    #[test]
    fn a_form_has_its_parts_and_no_more_than_are_allowed() {
        let form = |n: usize| {
            let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
            Bytes::from(format!("{}--b--\r\n", part.repeat(n)))
        };
        let kind = "multipart/form-data; boundary=b";
        let read = |n| parts(form(n), kind).map(|parts| parts.len());
        assert_eq!((read(0), read(MAX_PARTS)), (Ok(0), Ok(MAX_PARTS)));
        assert_eq!(read(MAX_PARTS + 1), Err(NotAForm));
        assert_eq!(parts(form(1), kind).unwrap()[0].text(), "1");
        let cut = Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1");
        assert!(parts(cut, kind).is_err() && parts(form(1), "multipart/form-data;").is_err());
    }
}

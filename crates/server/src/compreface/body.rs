//! The parts of a request. In: query, headers and body, as real clients send them. Out: parameters
//! and images by name. Knows no route. A body is received by the server's threads and parsed by
//! those that may be busy for long. `percent-encoding` decodes, but `form_urlencoded` cannot:
//! bytes that are not UTF-8 have to become Latin-1 here, and it replaces them.

use axum::body::Bytes;
use axum::extract::Request;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use fusiform::image::Format;
use fusiform_gallery::Service;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admission::{Admission, BodyLimit, Held};
use crate::multipart::{self, MAX_PARTS, is_form};
use crate::problem::{Code, Problem};

/// Extensions that CompreFace takes, whether or not this server reads the format.
const EXTENSIONS: &[&str] = &[
    "tif", "tiff", "jpg", "jpeg", "png", "bmp", "ico", "gif", "webp",
];

/// How large a request may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) max_file_bytes: usize,
    /// A request may hold two images.
    pub(super) max_body_bytes: usize,
}

impl Sizes {
    /// For images of so many MiB, or as CompreFace has it.
    pub(super) fn of(max_upload_mib: Option<u32>) -> Sizes {
        let max_file_bytes = (max_upload_mib.unwrap_or(5) as usize) << 20;
        Sizes {
            max_file_bytes,
            max_body_bytes: max_file_bytes.saturating_mul(2),
        }
    }
}

/// CompreFace's answer to whatever does not parse.
pub(super) fn malformed() -> Problem {
    Problem::new(Code::Malformed, "Something went wrong, please try again")
}

/// A query or form parameter: name and value.
type Parameter = (String, String);

#[derive(Debug)]
struct FilePart {
    name: String,
    file_name: String,
    bytes: Bytes,
}

#[derive(Debug)]
enum Body {
    Json(Bytes),
    Files(Vec<FilePart>),
    Other,
}

/// A request whose body has arrived, not yet parsed.
#[derive(Debug)]
pub(super) struct Received {
    query: String,
    media_type: String,
    bytes: Bytes,
}

/// A request whose body was parsed, not yet checked for what its route wants.
#[derive(Debug)]
pub(super) struct RawRequest {
    parameters: Vec<Parameter>,
    body: Body,
}

/// An image that a request holds, not yet checked.
#[derive(Debug)]
pub(super) enum RawImage {
    File { name: String, bytes: Bytes },
    Base64(Value),
}

impl Received {
    /// Waits for all of the body; its memory is held until the permit is dropped.
    pub(super) async fn wait(
        admission: &Admission,
        service: Service,
        sizes: Sizes,
        request: Request,
    ) -> Result<(Received, Held), Problem> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let media_type = multipart::media_type(request.headers());
        let limit = BodyLimit {
            max_bytes: sizes.max_body_bytes,
            // A JSON body becomes text, cleaned base64 and bytes, and they are there together.
            parsed: if is_form(&media_type) { 0 } else { 3 },
        };
        let body = request.into_body();
        let (bytes, held) = admission.receive(service, body, limit).await?;
        let received = Received {
            query,
            media_type,
            bytes,
        };
        Ok((received, held))
    }
}

impl RawRequest {
    /// Parses a body; the thread may be busy for long.
    pub(super) fn parse(received: Received, sizes: Sizes) -> Result<RawRequest, Problem> {
        let Received {
            query,
            media_type,
            bytes,
        } = received;
        let mut parameters = parameters(&query);
        let body = if is_form(&media_type) {
            Body::Files(files(bytes, &media_type, sizes, &mut parameters)?)
        } else if media_type.starts_with("application/json;") {
            Body::Json(bytes)
        } else {
            Body::Other
        };
        Ok(RawRequest { parameters, body })
    }

    /// The first value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let named = self.parameters.iter().find(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.parameters.iter().filter(move |(n, _)| n == name);
        named.map(|(_, value)| value.as_str())
    }

    /// A number; `None` if the parameter is absent or blank.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.parameter(name).map(str::trim);
        let value = value.filter(|v| !v.is_empty());
        value
            .map(|v| v.parse().map_err(|_| malformed()))
            .transpose()
    }

    pub(super) fn boolean(&self, name: &str, default: bool) -> Result<bool, Problem> {
        let value = self.parameter(name).unwrap_or_default();
        match value.to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(malformed()),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.body, Body::Json(_))
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match &self.body {
            Body::Json(bytes) => serde_json::from_slice(bytes).map_err(|_| malformed()),
            _ => {
                let detail = "application/json is wanted";
                Err(Problem::new(Code::UnsupportedMediaType, detail))
            }
        }
    }

    /// One image for each of `wanted`, a part's name and Java's name of the same JSON field.
    pub(super) fn images<const N: usize>(
        &mut self,
        wanted: [(&str, &str); N],
    ) -> Result<[RawImage; N], Problem> {
        let mut found = Vec::with_capacity(N);
        match &mut self.body {
            Body::Other => {
                let detail = "multipart/form-data or application/json is wanted";
                return Err(Problem::new(Code::UnsupportedMediaType, detail));
            }
            Body::Files(files) => {
                for (name, _) in wanted {
                    let file = files.iter().find(|file| file.name == name);
                    let missing = || format!("Required part {name} is missing");
                    let file = file.ok_or_else(|| Problem::new(Code::MissingPart, missing()))?;
                    found.push(RawImage::File {
                        name: file.file_name.clone(),
                        bytes: file.bytes.clone(),
                    });
                }
            }
            Body::Json(_) => {
                let mut body: Value = self.json()?;
                for (name, java) in wanted {
                    let field = body.get_mut(name).map(Value::take);
                    let field = field.filter(|field| !field.is_null());
                    found.push(RawImage::Base64(field.ok_or_else(|| empty_field(java))?));
                }
            }
        }
        found.try_into().map_err(|_| malformed())
    }
}

pub(super) fn empty_field(name: &str) -> Problem {
    Problem::new(Code::EmptyField, format!("Field {name} cannot be empty"))
}

impl RawImage {
    /// The bytes; fails if the file's extension is not an image's or the text is not base64.
    pub(super) fn bytes(self) -> Result<Bytes, Problem> {
        let refused = || Problem::new(Code::UnsupportedFile, "Provided value is not Base64");
        let text = match self {
            RawImage::File { name, bytes } => {
                let extension = name.rsplit_once('.').map(|(_, e)| e.to_lowercase());
                let is_image = |e: &str| {
                    let format = Format::from_extension(e);
                    EXTENSIONS.contains(&e) || format.is_some_and(Format::is_decoded)
                };
                if extension.is_some_and(|e| is_image(&e)) {
                    return Ok(bytes);
                }
                let detail = format!("File [{name}] has an unavailable extension");
                return Err(Problem::new(Code::UnsupportedFile, detail));
            }
            RawImage::Base64(Value::String(text)) => text,
            RawImage::Base64(_) => return Err(refused()),
        };
        // Both alphabets, with or without padding.
        let standard: String = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                c => c,
            })
            .collect();
        let lenient =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(&base64::alphabet::STANDARD, lenient)
            .decode(standard)
            .map(Bytes::from)
            .map_err(|_| refused())
    }
}

/// The files of a multipart body; parts without a file name become parameters.
fn files(
    body: Bytes,
    media_type: &str,
    sizes: Sizes,
    parameters: &mut Vec<Parameter>,
) -> Result<Vec<FilePart>, Problem> {
    let mut files: Vec<FilePart> = Vec::new();
    for part in multipart::parts(body, media_type).map_err(|_| malformed())? {
        match part.file_name {
            Some(_) if part.bytes.len() > sizes.max_file_bytes => return Err(malformed()),
            Some(file_name) => files.push(FilePart {
                name: part.name,
                file_name,
                bytes: part.bytes,
            }),
            None => {
                let text = part.text();
                parameters.push((part.name, text));
            }
        }
    }
    Ok(files)
}

fn parameters(query: &str) -> Vec<Parameter> {
    let parameter = |pair: &str| {
        let pair = pair.replace('+', " ");
        let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
        (decoded(name), decoded(value))
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .take(MAX_PARTS)
        .map(parameter)
        .collect()
}

/// Percent-decoded; bytes that are not UTF-8 are taken as Latin-1, which axios 0.21 sends on Node.
pub(super) fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = percent_decode(text.as_bytes()).collect();
    let latin1 = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect();
    String::from_utf8(bytes).unwrap_or_else(|e| latin1(e.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_as_real_clients_encode_them() {
        let of = |query| parameters(query);
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of("&a=1&&b"), [one("a", "1"), one("b", "")]);
        assert_eq!(of("s=Ann+M%C3%BCller"), [one("s", "Ann Müller")]);
        assert_eq!(of("s=M%FCller%2B1"), [one("s", "Müller+1")]);
        assert_eq!(
            of("s=%&t=%zz&u=a=b"),
            [one("s", "%"), one("t", "%zz"), one("u", "a=b")]
        );
        assert_eq!(of(&"a=1&".repeat(100)).len(), MAX_PARTS);
    }
}

//! One request taken apart. In: query, headers, body, as real clients send them. Out: parameters and file parts.

use std::convert::Infallible;

use axum::extract::Request;
use axum::http::header;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

pub(super) const MAX_BODY_BYTES: usize = 10_485_760;
const MAX_FILE_BYTES: usize = 5_242_880;
const MAX_PARTS: usize = 64;
const EXTENSIONS: &[&str] = &[
    "tif", "tiff", "jpg", "jpeg", "png", "bmp", "ico", "gif", "webp",
];

#[derive(Debug)]
enum Payload {
    Json(Vec<u8>),
    /// Field name, file name, bytes.
    Parts(Vec<(String, String, Vec<u8>)>),
    Other,
}

#[derive(Debug)]
pub(super) struct Call {
    query: Vec<(String, String)>,
    payload: Payload,
}

impl Call {
    pub(super) async fn read(request: Request) -> Result<Call, Failure> {
        let mut query = pairs(request.uri().query().unwrap_or_default());
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind
            .and_then(|k| k.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| {
                Failure::new(
                    413,
                    0,
                    "The request is larger than 10485760 bytes or broke off",
                )
            })?;
        let payload = if kind.starts_with("multipart/form-data") {
            let boundary = multer::parse_boundary(&kind).map_err(|_| Failure::unforeseen())?;
            let whole = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
            let mut multipart = multer::Multipart::new(whole, boundary);
            let mut parts = Vec::new();
            while let Some(field) = multipart
                .next_field()
                .await
                .map_err(|_| Failure::unforeseen())?
            {
                if parts.len() + query.len() > MAX_PARTS {
                    return Err(Failure::unforeseen());
                }
                let name = field.name().unwrap_or_default().to_owned();
                let file = field.file_name().map(str::to_owned);
                let bytes = field
                    .bytes()
                    .await
                    .map_err(|_| Failure::unforeseen())?
                    .to_vec();
                match file {
                    Some(_) if bytes.len() > MAX_FILE_BYTES => return Err(Failure::unforeseen()),
                    Some(file) => parts.push((name, file, bytes)),
                    None => query.push((name, String::from_utf8_lossy(&bytes).into_owned())),
                }
            }
            Payload::Parts(parts)
        } else if kind.starts_with("application/json") {
            Payload::Json(body.to_vec())
        } else {
            Payload::Other
        };
        Ok(Call { query, payload })
    }

    /// The first value of a parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let value = self.query(name).map(str::trim).filter(|v| !v.is_empty());
        value
            .map(|v| v.parse().map_err(|_| Failure::unforeseen()))
            .transpose()
    }

    pub(super) fn boolean(&self, name: &str, default: bool) -> Result<bool, Failure> {
        match self
            .query(name)
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "" => Ok(default),
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(Failure::unforeseen()),
        }
    }

    /// All values of `face_plugins`; unknown slugs stay in and are ignored later.
    pub(super) fn plugins(&self) -> Vec<&str> {
        let values = self.query.iter().filter(|(n, _)| n == "face_plugins");
        values
            .flat_map(|(_, v)| v.split([',', ' ', '\t']))
            .filter(|s| !s.is_empty())
            .collect()
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        match &self.payload {
            Payload::Json(body) => serde_json::from_slice(body).map_err(|_| Failure::unforeseen()),
            _ => Err(Failure::new(415, 0, "application/json is wanted")),
        }
    }

    /// The name in `{"subject": …}` or a bare string, within the contract's rules.
    pub(super) fn subject_of_body(&self) -> Result<String, Failure> {
        let body: Value = self.json()?;
        let name = body
            .as_str()
            .or_else(|| body.get("subject").and_then(Value::as_str));
        let name = name.unwrap_or_default();
        if name.trim().is_empty() {
            return Err(Failure::new(400, 26, "Subject name cannot be empty"));
        }
        if name.contains([';', '/', '\\']) {
            let text = "The name cannot contain the following special characters: ';', '/', '\\'";
            return Err(Failure::new(400, 36, text));
        }
        if name.encode_utf16().count() > 50 {
            return Err(Failure::new(
                400,
                26,
                "Subject name size must be between 1 and 50",
            ));
        }
        Ok(name.to_owned())
    }

    /// Whether the parts that must be there are: each a multipart name and Java's name of the JSON field.
    pub(super) fn has_images(&self, wanted: &[(&str, &str)]) -> Result<(), Failure> {
        match &self.payload {
            Payload::Other => Err(Failure::new(
                415,
                0,
                "multipart/form-data or application/json is wanted",
            )),
            Payload::Parts(parts) => {
                for (name, _) in wanted {
                    if !parts.iter().any(|(n, _, _)| n == name) {
                        return Err(Failure::new(
                            400,
                            34,
                            format!("Required part {name} is missing"),
                        ));
                    }
                }
                Ok(())
            }
            Payload::Json(_) => {
                let body: Value = self.json()?;
                for (name, java) in wanted {
                    if body.get(name).is_none_or(Value::is_null) {
                        return Err(Failure::empty_field(java));
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.payload, Payload::Json(_))
    }

    /// The bytes of an image that [`Call::has_images`] found.
    pub(super) fn image(&self, name: &str) -> Result<Vec<u8>, Failure> {
        if let Payload::Parts(parts) = &self.payload {
            let part = parts.iter().find(|(n, _, _)| n == name);
            let (_, file, bytes) = part.ok_or_else(Failure::unforeseen)?;
            let extension = file.rsplit_once('.').map(|(_, e)| e.to_lowercase());
            if !extension.is_some_and(|e| EXTENSIONS.contains(&&*e)) {
                let text = format!("File [{file}] has an unavailable extension");
                return Err(Failure::new(400, 21, text));
            }
            return Ok(bytes.clone());
        }
        let refused = || Failure::new(400, 21, "Provided value is not Base64");
        let body: Value = self.json()?;
        let text = body.get(name).and_then(Value::as_str).ok_or_else(refused)?;
        let plain: String = text
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
            .decode(plain)
            .map_err(|_| refused())
    }
}

pub(super) fn not_blank(name: &str) -> Result<(), Failure> {
    if name.trim().is_empty() {
        return Err(Failure::new(400, 26, "Subject name is empty; "));
    }
    Ok(())
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |p: &str| {
        let (name, value) = p.split_once('=').unwrap_or((p, ""));
        (decoded(name, true), decoded(value, true))
    };
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .take(MAX_PARTS)
        .map(pair)
        .collect()
}

/// Percent-decoded; bytes that are no UTF-8 are taken as Latin-1, which axios 0.21 sends on Node.
pub(super) fn decoded(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
        match (bytes[i], hex(bytes.get(i + 1)), hex(bytes.get(i + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
                continue;
            }
            (b'+', ..) if plus_is_space => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8(out).unwrap_or_else(|e| e.as_bytes().iter().map(|b| char::from(*b)).collect())
}

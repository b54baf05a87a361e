//! Settings of cameras. In: tables of the file. Out: settings; `None` if no camera is named.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fusiform_server::{CameraSettings, CamerasSettings, Hours};
use serde::Deserialize;

use super::error::ConfigError;
use super::mqtt::fmr;

/// `[serve.cameras]`: what all cameras share; each is described with its field of
/// [`CamerasSettings`] and [`CameraSettings`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CamerasLayer {
    pub(super) key_file: Option<PathBuf>,
    fmr: Option<f64>,
    keep_events_h: Option<u32>,
    again_after_s: Option<u32>,
    webhook: Option<String>,
    pub(super) webhook_secret_file: Option<PathBuf>,
}

/// `[serve.camera.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraLayer {
    source: Option<String>,
    user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    fmr: Option<f64>,
    looks_per_s: Option<f32>,
    min_face_px: Option<f32>,
    ignore: Option<Vec<[f32; 4]>>,
    hours: Option<String>,
}

/// Cameras by their names.
pub(crate) type ByName = BTreeMap<String, CameraLayer>;

/// Files that the settings name, in which `~` may stand.
pub(super) fn files<'a>(
    shared: &'a mut Option<CamerasLayer>,
    cameras: &'a mut ByName,
) -> impl Iterator<Item = &'a mut PathBuf> {
    let shared = shared
        .iter_mut()
        .flat_map(|shared| [&mut shared.key_file, &mut shared.webhook_secret_file]);
    let each = cameras
        .values_mut()
        .flat_map(|camera| [&mut camera.password_file, &mut camera.key_file]);
    shared.chain(each).flatten()
}

pub(super) fn resolve(
    shared: Option<CamerasLayer>,
    cameras: ByName,
) -> Result<Option<CamerasSettings>, ConfigError> {
    if cameras.is_empty() {
        return Ok(None);
    }
    let shared = shared.unwrap_or_default();
    let usual = CamerasSettings::default();
    let resolved = cameras
        .into_iter()
        .map(|(name, camera)| camera.resolve(name, &shared));
    Ok(Some(CamerasSettings {
        cameras: resolved.collect::<Result<_, _>>()?,
        keep_events_h: shared.keep_events_h.unwrap_or(usual.keep_events_h),
        again_after_s: shared.again_after_s.unwrap_or(usual.again_after_s),
        webhook: shared.webhook.filter(|url| !url.is_empty()),
        webhook_secret_file: shared.webhook_secret_file,
    }))
}

impl CameraLayer {
    fn resolve(self, name: String, shared: &CamerasLayer) -> Result<CameraSettings, ConfigError> {
        let usual = CameraSettings::default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let wanted = "a name of letters, digits, _ and -";
            return Err(ConfigError::setting("serve.camera", name, wanted));
        }
        let at = |setting: &str| format!("serve.camera.{name}.{setting}");
        let wrong = |setting: &str, value: String, wanted: &'static str| {
            Err(ConfigError::setting(at(setting), value, wanted))
        };
        let source = self.source.unwrap_or_default();
        if source.is_empty() {
            let wanted = "the rtsp or http address of a camera";
            return wrong("source", source, wanted);
        }
        let fmr = fmr(at("fmr"), self.fmr.or(shared.fmr), usual.fmr)?;
        let looks_per_s = self.looks_per_s.unwrap_or(usual.looks_per_s);
        if !(0.1..=30.0).contains(&looks_per_s) {
            let value = looks_per_s.to_string();
            return wrong("looks_per_s", value, "a number from 0.1 to 30");
        }
        let min_face_px = self.min_face_px.unwrap_or(usual.min_face_px);
        if !(8.0..=2000.0).contains(&min_face_px) {
            let value = min_face_px.to_string();
            return wrong("min_face_px", value, "a number of pixels from 8 to 2000");
        }
        let ignore = self.ignore.unwrap_or_default();
        let is_part = |part: &[f32; 4]| {
            let [left, top, right, bottom] = part;
            part.iter().all(|v| (0.0..=1.0).contains(v)) && left < right && top < bottom
        };
        if let Some(part) = ignore.iter().find(|part| !is_part(part)) {
            let wanted = "left, top, right, bottom, each from 0 to 1";
            return wrong("ignore", format!("{part:?}"), wanted);
        }
        let hours: Hours = match self.hours {
            None => Hours::default(),
            Some(text) if text.is_empty() => Hours::default(),
            Some(text) => match text.parse() {
                Ok(hours) => hours,
                Err(_) => return wrong("hours", text, "hours such as 07:00-22:00"),
            },
        };
        Ok(CameraSettings {
            name,
            source,
            user: self.user.filter(|user| !user.is_empty()),
            password_file: self.password_file,
            key_file: self.key_file.or_else(|| shared.key_file.clone()),
            fmr,
            looks_per_s,
            min_face_px,
            ignore,
            hours,
        })
    }
}

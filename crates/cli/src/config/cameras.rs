//! Settings of cameras. In: tables of the file. Out: settings; `None` if no camera is named.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fusiform_server::{CameraSettings, CamerasSettings, Hours};
use serde::Deserialize;

use super::error::ConfigError;

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
            return Err(wrong("serve.camera", &name, wanted));
        }
        let source = self.source.unwrap_or_default();
        if source.is_empty() {
            let wanted = "the rtsp or http address of a camera";
            return Err(wrong("serve.camera.….source", "", wanted));
        }
        let fmr = self.fmr.or(shared.fmr).unwrap_or(usual.fmr);
        if !(fmr > 0.0 && fmr < 1.0) {
            let wanted = "a rate between 0 and 1";
            return Err(wrong("serve.camera.….fmr", &fmr.to_string(), wanted));
        }
        let looks_per_s = self.looks_per_s.unwrap_or(usual.looks_per_s);
        if !(0.1..=30.0).contains(&looks_per_s) {
            let (value, wanted) = (looks_per_s.to_string(), "a number from 0.1 to 30");
            return Err(wrong("serve.camera.….looks_per_s", &value, wanted));
        }
        let min_face_px = self.min_face_px.unwrap_or(usual.min_face_px);
        if !(8.0..=2000.0).contains(&min_face_px) {
            let (value, wanted) = (min_face_px.to_string(), "a number of pixels from 8 to 2000");
            return Err(wrong("serve.camera.….min_face_px", &value, wanted));
        }
        let ignore = self.ignore.unwrap_or_default();
        let is_part = |[left, top, right, bottom]: &[f32; 4]| {
            let inside = [left, top, right, bottom]
                .iter()
                .all(|v| (0.0..=1.0).contains(*v));
            inside && left < right && top < bottom
        };
        if let Some(part) = ignore.iter().find(|part| !is_part(part)) {
            let wanted = "left, top, right, bottom, each from 0 to 1";
            let value = format!("{part:?}");
            return Err(wrong("serve.camera.….ignore", &value, wanted));
        }
        let hours = match self.hours.as_deref() {
            None | Some("") => Hours::default(),
            Some(text) => {
                let wanted = "hours such as 07:00-22:00";
                let hours = text.parse();
                hours.map_err(|_| wrong("serve.camera.….hours", text, wanted))?
            }
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

fn wrong(name: &'static str, value: &str, wanted: &'static str) -> ConfigError {
    ConfigError::Setting {
        name,
        value: value.to_owned(),
        wanted,
    }
}

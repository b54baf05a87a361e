//! Settings of the server. In: one layer each of file, environment and flags. Out: [`Settings`].
//! Knows nothing of HTTP.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use fusiform_gallery::{Place, SearchIn};
use fusiform_server::{IpNet, Settings};
use serde::Deserialize;

#[cfg(feature = "cameras")]
use super::cameras::{self, ByName, CamerasLayer};
use super::error::ConfigError;
use super::mqtt::{MqttLayer, Values, mqtt};
use super::other_programs::{
    DEEPSTACK_LISTEN, ImmichLayer, KeyedLayer, NEXTCLOUD_LISTEN, immich, keyed, over,
};

/// What the text of a setting must be, for messages.
const ADDRESS: &str = "an address and port";
pub(super) const NUMBER: &str = "a whole number";
const MEMORY_OR_DATABASE: &str = "memory or database";
const YES_OR_NO: &str = "true or false";
const NETWORK: &str = "addresses or networks such as 172.18.0.0/16";

/// Where templates are searched.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub(crate) enum Where {
    Memory,
    Database,
}

impl From<Where> for SearchIn {
    fn from(given: Where) -> SearchIn {
        match given {
            Where::Memory => SearchIn::Memory,
            Where::Database => SearchIn::Database,
        }
    }
}

impl std::str::FromStr for Where {
    type Err = ();

    fn from_str(text: &str) -> Result<Where, ()> {
        match text {
            "memory" => Ok(Where::Memory),
            "database" => Ok(Where::Database),
            _ => Err(()),
        }
    }
}

/// One layer of the server's settings; each is described with its field of [`Settings`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub(crate) struct ServeLayer {
    pub listen: Option<SocketAddr>,
    pub vault: Option<PathBuf>,
    pub search_in: Option<Where>,
    pub key_file: Option<PathBuf>,
    pub queue: Option<usize>,
    pub timeout_ms: Option<u64>,
    pub rate_per_s: Option<u32>,
    pub body_memory_mib: Option<u32>,
    pub pixel_memory_mib: Option<u32>,
    pub key_share_percent: Option<u8>,
    pub min_upload_bytes_per_s: Option<u32>,
    pub max_upload_mib: Option<u32>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub pages: Option<bool>,
    pub password_file: Option<PathBuf>,
    pub connections: Option<usize>,
    pub connections_per_address: Option<usize>,
    pub backup_dir: Option<PathBuf>,
    pub trusted_proxies: Option<Vec<String>>,
    pub allowed_hosts: Option<Vec<String>>,
    pub base_path: Option<String>,
    pub image_cache_s: Option<u32>,
    pub audit_window_ms: Option<u64>,
    pub clock_grace_h: Option<u32>,
    pub enrol_largest: Option<bool>,
    pub immich: Option<ImmichLayer>,
    pub nextcloud: Option<KeyedLayer>,
    pub deepstack: Option<KeyedLayer>,
    pub mqtt: Option<MqttLayer>,
    #[cfg(feature = "cameras")]
    pub cameras: Option<CamerasLayer>,
    #[cfg(feature = "cameras")]
    #[serde(default)]
    pub camera: ByName,
}

impl ServeLayer {
    pub(super) fn over(self, below: ServeLayer) -> ServeLayer {
        ServeLayer {
            listen: self.listen.or(below.listen),
            vault: self.vault.or(below.vault),
            search_in: self.search_in.or(below.search_in),
            key_file: self.key_file.or(below.key_file),
            queue: self.queue.or(below.queue),
            timeout_ms: self.timeout_ms.or(below.timeout_ms),
            rate_per_s: self.rate_per_s.or(below.rate_per_s),
            body_memory_mib: self.body_memory_mib.or(below.body_memory_mib),
            pixel_memory_mib: self.pixel_memory_mib.or(below.pixel_memory_mib),
            key_share_percent: self.key_share_percent.or(below.key_share_percent),
            min_upload_bytes_per_s: self.min_upload_bytes_per_s.or(below.min_upload_bytes_per_s),
            max_upload_mib: self.max_upload_mib.or(below.max_upload_mib),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            pages: self.pages.or(below.pages),
            password_file: self.password_file.or(below.password_file),
            connections: self.connections.or(below.connections),
            connections_per_address: self
                .connections_per_address
                .or(below.connections_per_address),
            backup_dir: self.backup_dir.or(below.backup_dir),
            trusted_proxies: self.trusted_proxies.or(below.trusted_proxies),
            allowed_hosts: self.allowed_hosts.or(below.allowed_hosts),
            base_path: self.base_path.or(below.base_path),
            image_cache_s: self.image_cache_s.or(below.image_cache_s),
            audit_window_ms: self.audit_window_ms.or(below.audit_window_ms),
            clock_grace_h: self.clock_grace_h.or(below.clock_grace_h),
            enrol_largest: self.enrol_largest.or(below.enrol_largest),
            immich: over(self.immich, below.immich, ImmichLayer::over),
            nextcloud: over(self.nextcloud, below.nextcloud, KeyedLayer::over),
            deepstack: over(self.deepstack, below.deepstack, KeyedLayer::over),
            mqtt: over(self.mqtt, below.mqtt, MqttLayer::over),
            // Only the file names cameras.
            #[cfg(feature = "cameras")]
            cameras: self.cameras.or(below.cameras),
            #[cfg(feature = "cameras")]
            camera: match self.camera.is_empty() {
                true => below.camera,
                false => self.camera,
            },
        }
    }

    pub(super) fn resolve(self, home: Option<&Path>) -> Result<Settings, ConfigError> {
        let usual_vault = home.map(|h| h.join("vault.db"));
        let vault = self.vault.or_else(|| usual_vault.clone()).map(Place::from);
        // The key of a database stands where that of a file would.
        let file = vault
            .as_ref()
            .and_then(Place::file)
            .or(usual_vault.as_deref());
        let beside = file.map(|file| file.with_extension("key"));
        let usual = Settings::default();
        let connections = self.connections.unwrap_or(usual.connections);
        let connections = connections.clamp(1, 65_536);
        let of_address = self.connections_per_address;
        let proxies = self.trusted_proxies.unwrap_or_default();
        Ok(Settings {
            listen: self.listen.unwrap_or(usual.listen),
            key_file: self.key_file.or(beside),
            vault,
            search_in: self.search_in.map(SearchIn::from),
            queue: self.queue.unwrap_or(usual.queue).clamp(1, 4096),
            timeout_ms: self.timeout_ms.unwrap_or(usual.timeout_ms).max(100),
            rate_per_s: self.rate_per_s.unwrap_or(usual.rate_per_s),
            body_memory_mib: at_least_1(self.body_memory_mib, usual.body_memory_mib),
            pixel_memory_mib: at_least_1(self.pixel_memory_mib, usual.pixel_memory_mib),
            key_share_percent: self
                .key_share_percent
                .unwrap_or(usual.key_share_percent)
                .clamp(1, 100),
            min_upload_bytes_per_s: self
                .min_upload_bytes_per_s
                .unwrap_or(usual.min_upload_bytes_per_s),
            max_upload_mib: self.max_upload_mib.map(|mib| mib.clamp(1, 1024)),
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            pages: self.pages.unwrap_or(usual.pages),
            connections,
            connections_per_address: of_address.unwrap_or(connections.div_ceil(4)).max(1),
            backup_dir: self.backup_dir,
            trusted_proxies: proxies
                .iter()
                .map(|p| network(p))
                .collect::<Result<_, _>>()?,
            allowed_hosts: self.allowed_hosts.unwrap_or_default(),
            base_path: base_path(self.base_path.unwrap_or_default())?,
            image_cache_s: self.image_cache_s.unwrap_or(usual.image_cache_s),
            audit_window_ms: self.audit_window_ms.unwrap_or(usual.audit_window_ms),
            clock_grace_h: self.clock_grace_h.unwrap_or(usual.clock_grace_h),
            enrol_largest: self.enrol_largest.unwrap_or(usual.enrol_largest),
            immich: self.immich.map(ImmichLayer::resolve),
            nextcloud: self.nextcloud.map(|layer| layer.resolve(NEXTCLOUD_LISTEN)),
            deepstack: self.deepstack.map(|layer| layer.resolve(DEEPSTACK_LISTEN)),
            mqtt: self.mqtt.map(MqttLayer::resolve).transpose()?,
            #[cfg(feature = "cameras")]
            cameras: cameras::resolve(self.cameras, self.camera)?,
        })
    }
}

fn at_least_1(given: Option<u32>, usual: u32) -> u32 {
    given.unwrap_or(usual).max(1)
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, ConfigError> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse().ok().or_else(one);
    network.ok_or_else(|| ConfigError::setting("trusted_proxies", text, NETWORK))
}

fn base_path(text: String) -> Result<String, ConfigError> {
    if text.is_empty() || fusiform_server::is_base_path(&text) {
        return Ok(text);
    }
    let wanted = "a plain path such as /faces";
    Err(ConfigError::setting("base_path", text, wanted))
}

/// The vault's key and passphrase, where the environment gives one: `FUSIFORM_VAULT_KEY` (64
/// hexadecimal digits) and `FUSIFORM_VAULT_PASSPHRASE`. They are kept out of [`Settings`], which
/// may be printed.
pub(crate) fn vault_secrets() -> (Option<String>, Option<String>) {
    (
        env::var("FUSIFORM_VAULT_KEY").ok(),
        env::var("FUSIFORM_VAULT_PASSPHRASE").ok(),
    )
}

/// Each setting as a variable: `FUSIFORM_` and its name in capitals, but `FUSIFORM_VAULT_KEY_FILE`
/// for `key_file`. Lists are separated by commas.
pub(super) fn environment(
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<ServeLayer, ConfigError> {
    Ok(ServeLayer {
        listen: parsed(text, "FUSIFORM_LISTEN", ADDRESS)?,
        vault: env::var_os("FUSIFORM_VAULT").map(PathBuf::from),
        search_in: parsed(text, "FUSIFORM_SEARCH_IN", MEMORY_OR_DATABASE)?,
        key_file: env::var_os("FUSIFORM_VAULT_KEY_FILE").map(PathBuf::from),
        queue: parsed(text, "FUSIFORM_QUEUE", NUMBER)?,
        timeout_ms: parsed(text, "FUSIFORM_TIMEOUT_MS", NUMBER)?,
        rate_per_s: parsed(text, "FUSIFORM_RATE_PER_S", NUMBER)?,
        body_memory_mib: parsed(text, "FUSIFORM_BODY_MEMORY_MIB", NUMBER)?,
        pixel_memory_mib: parsed(text, "FUSIFORM_PIXEL_MEMORY_MIB", NUMBER)?,
        key_share_percent: parsed(text, "FUSIFORM_KEY_SHARE_PERCENT", NUMBER)?,
        min_upload_bytes_per_s: parsed(text, "FUSIFORM_MIN_UPLOAD_BYTES_PER_S", NUMBER)?,
        max_upload_mib: parsed(text, "FUSIFORM_MAX_UPLOAD_MIB", NUMBER)?,
        tls_cert: env::var_os("FUSIFORM_TLS_CERT").map(PathBuf::from),
        tls_key: env::var_os("FUSIFORM_TLS_KEY").map(PathBuf::from),
        pages: parsed(text, "FUSIFORM_PAGES", YES_OR_NO)?,
        password_file: env::var_os("FUSIFORM_PASSWORD_FILE").map(PathBuf::from),
        connections: parsed(text, "FUSIFORM_CONNECTIONS", NUMBER)?,
        connections_per_address: parsed(text, "FUSIFORM_CONNECTIONS_PER_ADDRESS", NUMBER)?,
        backup_dir: env::var_os("FUSIFORM_BACKUP_DIR").map(PathBuf::from),
        trusted_proxies: text("FUSIFORM_TRUSTED_PROXIES")?.map(|list| separated(&list)),
        allowed_hosts: text("FUSIFORM_ALLOWED_HOSTS")?.map(|list| separated(&list)),
        base_path: text("FUSIFORM_BASE_PATH")?,
        image_cache_s: parsed(text, "FUSIFORM_IMAGE_CACHE_S", NUMBER)?,
        audit_window_ms: parsed(text, "FUSIFORM_AUDIT_WINDOW_MS", NUMBER)?,
        clock_grace_h: parsed(text, "FUSIFORM_CLOCK_GRACE_H", NUMBER)?,
        enrol_largest: parsed(text, "FUSIFORM_ENROL_LARGEST", YES_OR_NO)?,
        immich: immich(parsed(text, "FUSIFORM_IMMICH_LISTEN", ADDRESS)?, text)?,
        nextcloud: keyed(
            parsed(text, "FUSIFORM_NEXTCLOUD_LISTEN", ADDRESS)?,
            "FUSIFORM_NEXTCLOUD_KEY_FILE",
        ),
        deepstack: keyed(
            parsed(text, "FUSIFORM_DEEPSTACK_LISTEN", ADDRESS)?,
            "FUSIFORM_DEEPSTACK_KEY_FILE",
        ),
        mqtt: mqtt(
            Values {
                fmr: parsed(text, "FUSIFORM_MQTT_FMR", "a rate such as 0.0001")?,
                min_area: parsed(text, "FUSIFORM_FRIGATE_MIN_AREA", NUMBER)?,
                sub_labels: parsed(text, "FUSIFORM_FRIGATE_SUB_LABELS", YES_OR_NO)?,
                attempts: parsed(text, "FUSIFORM_FRIGATE_ATTEMPTS", NUMBER)?,
                lists: [
                    text("FUSIFORM_FRIGATE_CAMERAS")?.map(|list| separated(&list)),
                    text("FUSIFORM_FRIGATE_ZONES")?.map(|list| separated(&list)),
                ],
            },
            text,
        )?,
        #[cfg(feature = "cameras")]
        cameras: None,
        #[cfg(feature = "cameras")]
        camera: ByName::default(),
    })
}

fn separated(list: &str) -> Vec<String> {
    let parts = list.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) fn parsed<T: std::str::FromStr>(
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    let wrong = |_| ConfigError::Variable {
        name,
        value: value.clone().into(),
        wanted,
    };
    value.parse().map(Some).map_err(wrong)
}

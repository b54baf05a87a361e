//! Settings of the programs that the server answers in place of another one. In: a table of the
//! file, variables. Out: where each is answered; `None` for those that neither names.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use fusiform_server::{ImmichSettings, KeyedListener};
use serde::Deserialize;

use super::error::ConfigError;

/// What the programs have in their own settings unless somebody changes them.
pub(crate) const NEXTCLOUD_LISTEN: SocketAddr = on_this_machine(8080);
pub(crate) const DEEPSTACK_LISTEN: SocketAddr = on_this_machine(5000);

const fn on_this_machine(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `[serve.immich]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImmichLayer {
    listen: Option<SocketAddr>,
    forward: Option<String>,
}

/// `[serve.nextcloud]` and `[serve.deepstack]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyedLayer {
    listen: Option<SocketAddr>,
    pub(super) key_file: Option<PathBuf>,
}

impl ImmichLayer {
    pub(super) fn over(self, below: ImmichLayer) -> ImmichLayer {
        ImmichLayer {
            listen: self.listen.or(below.listen),
            forward: self.forward.or(below.forward),
        }
    }

    pub(super) fn resolve(self) -> ImmichSettings {
        let usual = ImmichSettings::default();
        ImmichSettings {
            listen: self.listen.unwrap_or(usual.listen),
            forward: self.forward.filter(|address| !address.is_empty()),
        }
    }
}

impl KeyedLayer {
    pub(super) fn over(self, below: KeyedLayer) -> KeyedLayer {
        KeyedLayer {
            listen: self.listen.or(below.listen),
            key_file: self.key_file.or(below.key_file),
        }
    }

    pub(super) fn resolve(self, usual: SocketAddr) -> KeyedListener {
        KeyedListener {
            listen: self.listen.unwrap_or(usual),
            key_file: self.key_file,
        }
    }
}

/// One layer over another; a program is on if one of the two names it.
pub(super) fn over<T: Default>(
    above: Option<T>,
    below: Option<T>,
    over: impl FnOnce(T, T) -> T,
) -> Option<T> {
    match (above, below) {
        (None, None) => None,
        (above, below) => Some(over(above.unwrap_or_default(), below.unwrap_or_default())),
    }
}

/// Immich by its variables, if one of them is set.
pub(super) fn immich(
    listen: Option<SocketAddr>,
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<Option<ImmichLayer>, ConfigError> {
    let forward = text("FUSIFORM_IMMICH_FORWARD")?;
    let is_on = listen.is_some() || forward.is_some();
    Ok(is_on.then_some(ImmichLayer { listen, forward }))
}

/// A program with a key by its variables, if one of them is set.
pub(super) fn keyed(listen: Option<SocketAddr>, key_file: &str) -> Option<KeyedLayer> {
    let key_file = env::var_os(key_file).map(PathBuf::from);
    let is_on = listen.is_some() || key_file.is_some();
    is_on.then_some(KeyedLayer { listen, key_file })
}

//! The command line of `fusiform setup`. In: words. Out: what to write into the settings file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;

const ALBUM: &str = "Album";
const IMMICH: &str = "Immich";
const NEXTCLOUD: &str = "Nextcloud";
const DEEPSTACK: &str = "DeepStack";
const CAMERAS: &str = "Frigate and Home Assistant";

/// What to write into the settings file; without any of it, a terminal is asked.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SetupArgs {
    /// Address and port of the pages and of the API [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS", help_heading = ALBUM)]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder of photos to scan at the start and to watch; may be repeated
    #[arg(long, value_name = "DIR", help_heading = ALBUM)]
    pub(crate) folder: Vec<PathBuf>,
    /// Serve programs only, not the album's pages
    #[arg(long, help_heading = ALBUM)]
    pub(crate) no_pages: bool,
    /// File whose first line is the password of the pages [default: made, if others can reach them]
    #[arg(long, value_name = "FILE", help_heading = ALBUM)]
    pub(crate) password: Option<PathBuf>,

    /// Answer Immich in place of its machine learning, for faces
    #[arg(long, help_heading = IMMICH, requires = "immich_forward")]
    pub(crate) immich: bool,
    /// Address and port for Immich [default: 127.0.0.1:3003]
    #[arg(
        long,
        value_name = "ADDRESS",
        help_heading = IMMICH,
        requires = "immich"
    )]
    pub(crate) immich_listen: Option<SocketAddr>,
    /// Immich's own machine learning, for all that is not about faces; `none` refuses that
    #[arg(long, value_name = "URL", help_heading = IMMICH, requires = "immich")]
    pub(crate) immich_forward: Option<String>,

    /// Answer Nextcloud's "Face Recognition" as its external model
    #[arg(long, help_heading = NEXTCLOUD)]
    pub(crate) nextcloud: bool,
    /// Address and port for Nextcloud [default: 127.0.0.1:8080]
    #[arg(
        long,
        value_name = "ADDRESS",
        help_heading = NEXTCLOUD,
        requires = "nextcloud"
    )]
    pub(crate) nextcloud_listen: Option<SocketAddr>,

    /// Answer clients of DeepStack and of CodeProject.AI
    #[arg(long, help_heading = DEEPSTACK)]
    pub(crate) deepstack: bool,
    /// Address and port for these clients [default: 127.0.0.1:5000]
    #[arg(
        long,
        value_name = "ADDRESS",
        help_heading = DEEPSTACK,
        requires = "deepstack"
    )]
    pub(crate) deepstack_listen: Option<SocketAddr>,

    /// Name people of cameras over this MQTT broker: mqtt://host:1883, or mqtts://host:8883
    #[arg(long, value_name = "URL", help_heading = CAMERAS)]
    pub(crate) broker: Option<String>,
    /// Frigate's address, such as http://frigate:5000
    #[arg(
        long,
        value_name = "URL",
        help_heading = CAMERAS,
        requires = "broker"
    )]
    pub(crate) frigate: Option<String>,
    /// Only this camera of Frigate; may be repeated [default: all]
    #[arg(
        long,
        value_name = "NAME",
        help_heading = CAMERAS,
        requires = "frigate"
    )]
    pub(crate) camera: Vec<String>,
    /// User at the broker
    #[arg(
        long,
        value_name = "NAME",
        help_heading = CAMERAS,
        requires = "broker_password_file"
    )]
    pub(crate) broker_user: Option<String>,
    /// File whose first line is that user's password
    #[arg(
        long,
        value_name = "FILE",
        help_heading = CAMERAS,
        requires = "broker_user"
    )]
    pub(crate) broker_password_file: Option<PathBuf>,
    /// Certificate (PEM) of the authority that the broker's is signed by, for mqtts
    #[arg(
        long,
        value_name = "FILE",
        help_heading = CAMERAS,
        requires = "broker"
    )]
    pub(crate) broker_ca_file: Option<PathBuf>,
    /// Publish on Double Take's topics too, so that automations stay as they are
    #[arg(long, help_heading = CAMERAS, requires = "broker")]
    pub(crate) double_take: bool,
    /// Announce nothing to Home Assistant
    #[arg(long, help_heading = CAMERAS, requires = "broker")]
    pub(crate) no_home_assistant: bool,

    /// File with the key of the collection whose people are recognised for DeepStack and Frigate
    /// [default: recognition.key in Fusiform's home, made if it is not there]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Number of that collection, where there are several (`fusiform keys list`); it gets a key
    #[arg(long, value_name = "NUMBER")]
    pub(crate) collection: Option<i64>,
    /// Replace a settings file that is there; it is kept with .bak behind its name
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not try the addresses
    #[arg(long)]
    pub(crate) no_test: bool,
}

impl SetupArgs {
    /// Whether a flag answers something that would be asked.
    pub(crate) fn says_something(&self) -> bool {
        let album = self.listen.is_some()
            || !self.folder.is_empty()
            || self.no_pages
            || self.password.is_some();
        album || self.immich || self.nextcloud || self.deepstack || self.broker.is_some()
    }
}

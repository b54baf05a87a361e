//! How the server runs. In: nothing. Out: plain data, filled by the program from file, environment
//! and flags.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use fusiform_gallery::{Place, SearchIn};
use ipnet::IpNet;

#[cfg(feature = "cameras")]
use crate::cameras::Hours;

/// How the server runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The encrypted file or shared database that holds enrolled people; `None` if no folder for
    /// it is known.
    pub vault: Option<Place>,
    /// Where templates are searched; `None` chooses by how many there are.
    pub search_in: Option<SearchIn>,
    /// File that holds the vault's key, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// Requests of one key that may compute, or wait for a core, at once, and a quarter of all
    /// keys'; more are answered 503.
    pub queue: usize,
    /// Milliseconds that one request may take.
    pub timeout_ms: u64,
    /// Requests a second of each API key, in bursts of twice as many; more are answered 429. 0 is
    /// no limit.
    pub rate_per_s: u32,
    /// Memory for the bodies of all requests under way.
    pub body_memory_mib: u32,
    /// Memory for the decoded pixels of all requests under way.
    pub pixel_memory_mib: u32,
    /// What one key may have of the memory, in percent. One picture cannot take more.
    pub key_share_percent: u8,
    /// Bytes a second below which an upload is answered 408, once five seconds have passed. 0 is no
    /// limit.
    pub min_upload_bytes_per_s: u32,
    /// The largest image of a request; `None` is what each contract has: 5 MiB for CompreFace's,
    /// 20 for our own.
    pub max_upload_mib: Option<u32>,
    /// Certificate chain (PEM) for TLS.
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether the album's pages are served beside the service for programs.
    pub pages: bool,
    /// Connections open at once. Beyond it those are closed that have sent no request yet, and then
    /// new ones wait.
    pub connections: usize,
    /// Connections of one address open at once; beyond it as for `connections`, but new ones are
    /// closed. Trusted proxies have no such limit.
    pub connections_per_address: usize,
    /// Folder for copies of the vault that an admin key asks for; `None` refuses them.
    pub backup_dir: Option<PathBuf>,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Names beside this machine's own by which the pages may be asked for, such as
    /// `photos.example`.
    pub allowed_hosts: Vec<String>,
    /// Path below which a proxy shows the server, such as `/faces`; empty is none.
    pub base_path: String,
    /// Seconds that a browser may keep an enrolled image; 0 is not at all. Shared caches never may.
    pub image_cache_s: u32,
    /// Milliseconds that log entries of recognitions may wait to be written together; a kill loses
    /// those of that time at most. 0 writes each before it is answered.
    pub audit_window_ms: u64,
    /// Hours that the clock may jump and be believed at once; after a longer jump nobody is erased
    /// until it has gone on evenly for as long.
    pub clock_grace_h: u32,
    /// Where an enrolment's photo shows several faces, take the largest and do not refuse.
    pub enrol_largest: bool,
    /// Answers Immich in place of its machine learning, for faces.
    pub immich: Option<ImmichSettings>,
    /// Answers Nextcloud's "Face Recognition" as its external model.
    pub nextcloud: Option<KeyedListener>,
    /// Answers clients of DeepStack and of CodeProject.AI, for faces.
    pub deepstack: Option<KeyedListener>,
    /// Recognises who is in the events that Frigate publishes over MQTT.
    pub mqtt: Option<MqttSettings>,
    /// Cameras that are looked at by the server itself.
    #[cfg(feature = "cameras")]
    pub cameras: Option<CamerasSettings>,
}

/// Cameras, and to whom it is told who came.
#[cfg(feature = "cameras")]
#[derive(Debug, Clone, PartialEq)]
pub struct CamerasSettings {
    /// Each of another name.
    pub cameras: Vec<CameraSettings>,
    /// Hours for which it is remembered who came; in memory alone.
    pub keep_events_h: u32,
    /// Seconds after which somebody who was away comes anew.
    pub again_after_s: u32,
    /// `http` or `https` address that is told.
    pub webhook: Option<String>,
    /// What its messages are signed by stands on its first line.
    pub webhook_secret_file: Option<PathBuf>,
}

/// One camera.
#[cfg(feature = "cameras")]
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSettings {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// `rtsp`, `http` or `https` address of its stream.
    pub source: String,
    /// Who logs in.
    pub user: Option<String>,
    /// The password stands on its first line.
    pub password_file: Option<PathBuf>,
    /// A recognition key stands on its first line; its people are recognised.
    pub key_file: Option<PathBuf>,
    /// False-match rate of one comparison at which a face is somebody's; a stricter one that the
    /// pack states, or its strictest, where it does not state this one.
    pub fmr: f64,
    /// Pictures a second that are looked at.
    pub looks_per_s: f32,
    /// Shorter side, in pixels of the stream, of the smallest face that is looked for.
    pub min_face_px: f32,
    /// Parts of the picture where nobody is recognised: left, top, right, bottom, as shares of its
    /// sides. In the live view faces there are covered like all others.
    pub ignore: Vec<[f32; 4]>,
    /// When it is looked at; outside there is no connection.
    pub hours: Hours,
}

#[cfg(feature = "cameras")]
impl Default for CamerasSettings {
    fn default() -> CamerasSettings {
        CamerasSettings {
            cameras: Vec::new(),
            keep_events_h: 24,
            again_after_s: 60,
            webhook: None,
            webhook_secret_file: None,
        }
    }
}

#[cfg(feature = "cameras")]
impl Default for CameraSettings {
    fn default() -> CameraSettings {
        CameraSettings {
            name: String::new(),
            source: String::new(),
            user: None,
            password_file: None,
            key_file: None,
            fmr: 1e-4,
            looks_per_s: 5.0,
            min_face_px: 40.0,
            ignore: Vec::new(),
            hours: Hours::default(),
        }
    }
}

/// A broker, and what is said to it.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttSettings {
    /// `mqtt://host:1883`, or `mqtts://host:8883` for TLS.
    pub broker: String,
    /// Who connects; `None` for a broker that lets in anybody.
    pub user: Option<String>,
    /// The password stands on its first line.
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that sign the broker's, for TLS; `None` is the system's.
    pub ca_file: Option<PathBuf>,
    /// The name of this client; two with one name throw each other out.
    pub client_id: String,
    /// First level of the topics that are published.
    pub topic_prefix: String,
    /// Publishes Double Take's topics and messages as well.
    pub double_take: bool,
    /// First level of the topics by which Home Assistant learns of entities; `None` is off.
    pub home_assistant: Option<String>,
    /// A recognition key stands on its first line; its people are recognised.
    pub key_file: Option<PathBuf>,
    /// False-match rate of one comparison at which a face is somebody's; a stricter one that the
    /// pack states, or its strictest, where it does not state this one.
    pub fmr: f64,
    /// Whose events are looked at.
    pub frigate: FrigateSettings,
}

/// How Frigate is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct FrigateSettings {
    /// `http` address without a login; `None` looks only at pictures that come over MQTT.
    pub url: Option<String>,
    /// First level of Frigate's topics.
    pub topic_prefix: String,
    /// Cameras whose events are looked at; none is all.
    pub cameras: Vec<String>,
    /// Zones of which one must have been entered; none is all.
    pub zones: Vec<String>,
    /// Pixels of the smallest person's box, as Frigate counts them.
    pub min_area: u64,
    /// Writes names back to Frigate.
    pub sub_labels: bool,
    /// Pictures of one event that are looked at, but for its last.
    pub attempts: u32,
}

impl Default for MqttSettings {
    fn default() -> MqttSettings {
        MqttSettings {
            broker: "mqtt://localhost:1883".into(),
            user: None,
            password_file: None,
            ca_file: None,
            client_id: "fusiform".into(),
            topic_prefix: "fusiform".into(),
            double_take: false,
            home_assistant: Some("homeassistant".into()),
            key_file: None,
            fmr: 1e-4,
            frigate: FrigateSettings::default(),
        }
    }
}

impl Default for FrigateSettings {
    fn default() -> FrigateSettings {
        FrigateSettings {
            url: None,
            topic_prefix: "frigate".into(),
            cameras: Vec::new(),
            zones: Vec::new(),
            min_area: 0,
            sub_labels: true,
            attempts: 10,
        }
    }
}

/// Where Immich is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImmichSettings {
    /// Address and port of a listener of its own. Whoever reaches it has faces of their photos
    /// found; nobody is named.
    pub listen: SocketAddr,
    /// `http` address of the server that does what is not about faces; `None` refuses that.
    pub forward: Option<String>,
}

impl Default for ImmichSettings {
    fn default() -> ImmichSettings {
        ImmichSettings {
            listen: (Ipv4Addr::LOCALHOST, 3003).into(),
            forward: None,
        }
    }
}

/// A listener of its own for another program, and the file that holds its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedListener {
    /// Address and port.
    pub listen: SocketAddr,
    /// The key stands on its first line. For Nextcloud, what it sends; for DeepStack, a recognition
    /// key that is used for clients that send none.
    pub key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            // 8000 is the port that CompreFace's clients have in their settings.
            listen: (Ipv4Addr::LOCALHOST, 8000).into(),
            vault: None,
            search_in: None,
            key_file: None,
            queue: 64,
            timeout_ms: 60_000,
            rate_per_s: 0,
            body_memory_mib: 384,
            pixel_memory_mib: 1536,
            key_share_percent: 50,
            min_upload_bytes_per_s: 2048,
            max_upload_mib: None,
            tls_cert: None,
            tls_key: None,
            pages: true,
            connections: 1024,
            connections_per_address: 256,
            backup_dir: None,
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            base_path: String::new(),
            image_cache_s: 0,
            audit_window_ms: 10000,
            clock_grace_h: 24,
            enrol_largest: false,
            immich: None,
            nextcloud: None,
            deepstack: None,
            mqtt: None,
            #[cfg(feature = "cameras")]
            cameras: None,
        }
    }
}

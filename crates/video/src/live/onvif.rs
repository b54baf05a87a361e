//! ONVIF. In: the network, or the address of a camera. Out: which cameras are there, and the
//! addresses of their streams. Only what that needs of the protocol: WS-Discovery's probe, and the
//! calls GetSystemDateAndTime, GetCapabilities, GetProfiles and GetStreamUri (ONVIF core and media
//! service specifications, profile S).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use sha1::{Digest, Sha1};
use tokio::net::UdpSocket;
use url::Url;

use super::address::{Address, Login};
use super::client::Client;
use super::error::LiveError;
use super::xml::{Element, escaped, parse};

/// Where cameras listen for probes: a multicast address of the local network.
pub const DISCOVERY: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(239, 255, 255, 250)),
    3702,
);

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Cameras of one network, and streams of one camera.
const MAX_FOUND: usize = 256;

/// A camera that answered a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The address of its ONVIF service.
    pub service: String,
    /// What it calls itself; empty if it does not say.
    pub name: String,
    /// Its model; empty if it does not say.
    pub hardware: String,
}

/// A stream of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamProfile {
    /// What the camera calls it.
    pub name: String,
    /// `H264`, `H265`, `JPEG`; empty if the camera does not say.
    pub encoding: String,
    /// Columns; 0 if the camera does not say.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
    /// Where it is received, without a login.
    pub address: Address,
}

/// Probes the network, and gives who answers within a time: those in the same network that let
/// themselves be found.
///
/// # Errors
/// If the probe cannot be sent.
pub async fn discover(to: SocketAddr, wait: Duration) -> std::io::Result<Vec<Found>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).await?;
    // Any number that another probe does not have.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.unwrap_or_default().as_nanos();
    let probe = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><e:Header>\
         <w:MessageID>uuid:{:08x}-0000-4000-8000-{:012x}</w:MessageID>\
         <w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>\
         <e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body>\
         </e:Envelope>",
        std::process::id(),
        nanos & 0xffff_ffff_ffff,
    );
    socket.send_to(probe.as_bytes(), to).await?;
    let begun = Instant::now();
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut bytes = vec![0; 64 << 10];
    while found.len() < MAX_FOUND {
        let left = wait.saturating_sub(begun.elapsed());
        let Ok(received) = tokio::time::timeout(left, socket.recv_from(&mut bytes)).await else {
            break;
        };
        // An answer that cannot be read is one camera less.
        let Ok((n, _)) = received else { continue };
        let Ok(answer) = parse(&String::from_utf8_lossy(&bytes[..n])) else {
            continue;
        };
        for matched in answer.all("ProbeMatch") {
            let text = |name: &str| {
                matched
                    .first(name)
                    .map(|e| e.text.clone())
                    .unwrap_or_default()
            };
            let addresses = text("XAddrs");
            let mut services = addresses
                .split_whitespace()
                .filter(|a| a.starts_with("http"));
            let Some(service) = services.next() else {
                continue;
            };
            let scopes = text("Scopes");
            let scope = |kind: &str| {
                let prefix = format!("onvif://www.onvif.org/{kind}/");
                let mut of = scopes
                    .split_whitespace()
                    .filter_map(|s| s.strip_prefix(&*prefix));
                let value = of.next().unwrap_or_default();
                percent_encoding::percent_decode_str(value)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            found.insert(
                service.to_owned(),
                Found {
                    service: service.to_owned(),
                    name: scope("name"),
                    hardware: scope("hardware"),
                },
            );
        }
    }
    Ok(found.into_values().collect())
}

/// The streams of a camera. `service` is the address of its ONVIF service, or of the camera alone;
/// it may hold the login.
///
/// # Errors
/// [`LiveError::Login`] if the login is wrong or missing; [`LiveError`] otherwise.
pub async fn streams(service: &Address) -> Result<Vec<StreamProfile>, LiveError> {
    let mut url = service.url().clone();
    if url.path() == "/" {
        url.set_path("/onvif/device_service");
    }
    let mut camera = Camera {
        client: Client::new(service.login().cloned(), TIMEOUT)?,
        login: service.login().cloned(),
        created: None,
    };
    let clock = "<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>";
    // Without a login by the protocol: its clock is needed for one.
    camera.created = camera
        .call(&url, clock)
        .await
        .ok()
        .as_ref()
        .and_then(utc_of);
    let capabilities = "<GetCapabilities xmlns=\"http://www.onvif.org/ver10/device/wsdl\">\
                        <Category>Media</Category></GetCapabilities>";
    let answer = camera.call(&url, capabilities).await?;
    let media = answer.first("Media").and_then(|media| media.first("XAddr"));
    let media = media.ok_or_else(|| protocol("it has no media service"))?;
    let media: Url = media
        .text
        .trim()
        .parse()
        .map_err(|_| protocol("its media service"))?;
    let media = at_same_host(&url, media);
    let profiles = "<GetProfiles xmlns=\"http://www.onvif.org/ver10/media/wsdl\"/>";
    let answer = camera.call(&media, profiles).await?;
    let mut streams = Vec::new();
    for profile in answer.all("Profiles").into_iter().take(MAX_FOUND) {
        let Some(token) = profile.attribute("token") else {
            continue;
        };
        let ask = format!(
            "<GetStreamUri xmlns=\"http://www.onvif.org/ver10/media/wsdl\"><StreamSetup>\
             <Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream>\
             <Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol>\
             </Transport></StreamSetup><ProfileToken>{}</ProfileToken></GetStreamUri>",
            escaped(token)
        );
        let answer = camera.call(&media, &ask).await?;
        let uri = answer.first("Uri").map(|uri| uri.text.trim().to_owned());
        let Some(address) = uri.and_then(|uri| Address::parse(&uri).ok()) else {
            continue;
        };
        let encoder = profile.first("VideoEncoderConfiguration");
        let of_encoder = |name: &str| {
            let found = encoder.and_then(|encoder| encoder.first(name));
            found.map(|e| e.text.trim().to_owned()).unwrap_or_default()
        };
        streams.push(StreamProfile {
            name: profile
                .first("Name")
                .map(|n| n.text.clone())
                .unwrap_or_default(),
            encoding: of_encoder("Encoding"),
            width_px: of_encoder("Width").parse().unwrap_or(0),
            height_px: of_encoder("Height").parse().unwrap_or(0),
            address,
        });
    }
    Ok(streams)
}

struct Camera {
    client: Client,
    login: Option<Login>,
    /// The camera's time, for the login.
    created: Option<String>,
}

impl Camera {
    async fn call(&mut self, url: &Url, body: &str) -> Result<Element, LiveError> {
        let header = match (&self.login, &self.created) {
            (Some(login), Some(created)) => security(login, created)?,
            _ => String::new(),
        };
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\
             <s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        );
        let kind = "application/soap+xml; charset=utf-8";
        let answer = self.client.ask(url, Some((kind, &envelope))).await?;
        let status = answer.status();
        let bytes = self.client.whole(answer, MAX_ANSWER_BYTES).await?;
        let parsed = parse(&String::from_utf8_lossy(&bytes));
        match (status, parsed) {
            (_, Ok(answer)) if answer.first("Fault").is_some() => Err(fault(&answer)),
            (StatusCode::OK, Ok(answer)) => Ok(answer),
            (StatusCode::OK, Err(why)) => Err(LiveError::Protocol(why.to_string())),
            (StatusCode::FORBIDDEN, _) => Err(LiveError::Login),
            (status, _) => Err(LiveError::Refused(status.to_string())),
        }
    }
}

/// A login as WS-Security's UsernameToken with a digest (OASIS, Username Token Profile 1.0).
fn security(login: &Login, created: &str) -> Result<String, LiveError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| LiveError::Protocol(e.to_string()))?;
    let digest = password_digest(&nonce, created, &login.password);
    let wss = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
    let (user, nonce) = (escaped(&login.user), STANDARD.encode(nonce));
    Ok(format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{wss}-wssecurity-secext-1.0.xsd\" \
         xmlns:u=\"{wss}-wssecurity-utility-1.0.xsd\"><w:UsernameToken>\
         <w:Username>{user}</w:Username>\
         <w:Password Type=\"{wss}-username-token-profile-1.0#PasswordDigest\">{digest}</w:Password>\
         <w:Nonce EncodingType=\"{wss}-soap-message-security-1.0#Base64Binary\">{nonce}</w:Nonce>\
         <u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    ))
}

fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(nonce);
    sha1.update(created.as_bytes());
    sha1.update(password.as_bytes());
    STANDARD.encode(sha1.finalize())
}

/// The camera's clock as `2026-11-27T18:04:05Z`.
fn utc_of(answer: &Element) -> Option<String> {
    let utc = answer.first("UTCDateTime")?;
    let number = |name: &str| utc.first(name)?.text.trim().parse::<u16>().ok();
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        number("Year")?,
        number("Month")?,
        number("Day")?,
        number("Hour")?,
        number("Minute")?,
        number("Second")?,
    ))
}

fn fault(answer: &Element) -> LiveError {
    let all = format!("{answer:?}");
    if [
        "NotAuthorized",
        "FailedAuthentication",
        "Sender not Authorized",
    ]
    .iter()
    .any(|word| all.contains(word))
    {
        return LiveError::Login;
    }
    let reason = answer.first("Text").or_else(|| answer.first("faultstring"));
    let reason = reason.map_or("a fault", |reason| reason.text.trim());
    LiveError::Refused(reason.chars().take(200).collect())
}

fn protocol(what: &str) -> LiveError {
    LiveError::Protocol(what.to_owned())
}

/// A service where the camera was reached: cameras behind a router name an address of their own
/// network, and no other machine is asked on a camera's word.
fn at_same_host(reached: &Url, service: Url) -> Url {
    let mut url = reached.clone();
    url.set_path(service.path());
    url.set_query(service.query());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standards_example() {
        // ONVIF Application Programmer's Guide, 6.1.1.3.
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let digest = password_digest(&nonce, "2010-09-16T07:50:45Z", "userpassword");
        assert_eq!(digest, "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }
}

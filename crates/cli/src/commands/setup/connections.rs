//! Whether addresses in the settings can be used. In: settings. Out: of each address what was
//! found, or what is wrong in plain words and what mends it. Nothing is changed anywhere.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use fusiform_server::{
    BrokerAddress, MqttSettings, Settings, http_address, try_broker, without_login,
};
use serde::Serialize;

use crate::secret_file::first_line;

/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// One address that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) address: String,
    /// What answered, in a few words; none if it cannot be used.
    pub(super) found: Option<String>,
    /// What is wrong and what mends it.
    pub(super) problem: Option<String>,
}

impl Check {
    fn of(what: &str, address: impl Into<String>, tried: Result<String, String>) -> Check {
        let (found, problem) = match tried {
            Ok(found) => (Some(found), None),
            Err(problem) => (None, Some(problem)),
        };
        Check {
            what: what.to_owned(),
            address: address.into(),
            found,
            problem,
        }
    }
}

/// Tries every address of other programs, and, unless a server runs already, its own.
pub(super) fn try_all(settings: &Settings, server_runs: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    if !server_runs {
        // All at once, as the server has them.
        let mut held = Vec::new();
        for (what, listen) in listeners(settings) {
            let free = hold(what, listen, &mut held);
            checks.push(Check::of(what, listen.to_string(), free));
        }
    }
    let forward = settings.immich.as_ref().and_then(|i| i.forward.as_deref());
    if let Some(url) = forward {
        let what = "Immich's machine learning";
        checks.push(Check::of(what, without_login(url), immich(url)));
    }
    if let Some(mqtt) = &settings.mqtt {
        let at = without_login(&mqtt.broker);
        checks.push(Check::of("MQTT broker", at, broker(mqtt)));
        if let Some(url) = &mqtt.frigate.url {
            checks.push(Check::of("Frigate", without_login(url), frigate(url)));
        }
    }
    checks
}

/// Where the server listens.
fn listeners(settings: &Settings) -> Vec<(&'static str, SocketAddr)> {
    let mut all = vec![("pages and API", settings.listen)];
    all.extend(
        settings
            .immich
            .as_ref()
            .map(|i| ("Immich's requests", i.listen)),
    );
    all.extend(
        settings
            .nextcloud
            .as_ref()
            .map(|n| ("Nextcloud's requests", n.listen)),
    );
    all.extend(
        settings
            .deepstack
            .as_ref()
            .map(|d| ("DeepStack's clients", d.listen)),
    );
    all
}

fn hold(
    what: &'static str,
    listen: SocketAddr,
    held: &mut Vec<(&'static str, TcpListener)>,
) -> Result<String, String> {
    let port = listen.port();
    match TcpListener::bind(listen) {
        Ok(listener) => {
            held.push((what, listener));
            Ok("free".into())
        }
        Err(e) => Err(match e.kind() {
            io::ErrorKind::AddrInUse => {
                let of_port = |(_, listener): &&(_, TcpListener)| {
                    listener.local_addr().is_ok_and(|at| at.port() == port)
                };
                match held.iter().find(of_port) {
                    Some((other, _)) => format!("{other} have port {port}: give another port"),
                    None => format!(
                        "another program listens on port {port} already: end it, or give another \
                         port"
                    ),
                }
            }
            io::ErrorKind::AddrNotAvailable => format!(
                "{} is no address of this machine: 127.0.0.1 is this machine alone, 0.0.0.0 all of \
                 its addresses",
                listen.ip()
            ),
            io::ErrorKind::PermissionDenied => {
                format!("port {port} may not be used by this user: give one from 1024 on")
            }
            _ => e.to_string(),
        }),
    }
}

fn immich(url: &str) -> Result<String, String> {
    let (status, text) = get(&format!("{url}/ping"))?;
    match (status, text.trim()) {
        (200, "pong") => Ok("answers".into()),
        _ => Err(format!(
            "a server answers there ({status}), but not Immich's machine learning: give the \
             address of the container immich-machine-learning, whose port is 3003"
        )),
    }
}

fn frigate(url: &str) -> Result<String, String> {
    let (status, text) = get(&format!("{url}/api/version"))?;
    let version = text.trim().trim_matches('"');
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() < 100;
    match status {
        200 if is_version => Ok(format!("version {version}")),
        401 | 403 => Err(
            "Frigate asks for a login there: give its port without one, which is 5000 within the \
             containers' network"
                .into(),
        ),
        _ => Err(format!(
            "a server answers there ({status}), but not Frigate: give the address of Frigate's \
             API, whose port is 5000"
        )),
    }
}

/// Status and beginning of an answer.
fn get(url: &str) -> Result<(u16, String), String> {
    let uri = http_address(url, "http://host:5000").map_err(|e| e.to_string())?;
    // The client would say in the system's words that there is no such host.
    let host = uri.host().unwrap_or_default();
    addresses(host, uri.port_u16().unwrap_or(80))?;
    let settings = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        // These servers are on this machine or its network.
        .proxy(None)
        .build();
    let agent: ureq::Agent = settings.into();
    let mut answer = agent.get(url).call().map_err(|e| match e {
        ureq::Error::Timeout(_) => silent(),
        ureq::Error::Io(e) => unreachable(&e),
        e => format!("it cannot be asked: {e}"),
    })?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES);
    let bytes = body.read_to_vec().unwrap_or_default();
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a broker lets this user in.
fn broker(mqtt: &MqttSettings) -> Result<String, String> {
    let address = BrokerAddress::parse(&mqtt.broker).map_err(|e| e.to_string())?;
    reach(&address)?;
    let password = mqtt.password_file.as_deref().map(first_line).transpose();
    let password = password.map_err(|e| format!("{e:#}"))?;
    try_broker(mqtt, password.as_deref()).map_err(|why| {
        let remedy = match &*why.to_lowercase() {
            why if why.contains("user") => "check user and password",
            why if why.contains("certificate") => {
                "give the authority that its certificate is signed by (--broker-ca-file)"
            }
            _ => "mqtt:// speaks without TLS, usually on port 1883, mqtts:// with it, on 8883",
        };
        format!("{why}: {remedy}")
    })?;
    Ok("lets us in".into())
}

/// Whether anything listens where a broker should be.
fn reach(broker: &BrokerAddress) -> Result<(), String> {
    let addresses = addresses(&broker.host, broker.port)?;
    let mut problem = unknown_host();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(e) => problem = unreachable(&e),
        }
    }
    Err(problem)
}

/// What a name and port stand for.
fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = format!("{host}:{port}").to_socket_addrs();
    Ok(found.map_err(|_| unknown_host())?.collect())
}

fn unknown_host() -> String {
    "no machine of that name is known here: check it, or give its number; names of containers are \
     known in their own network alone"
        .into()
}

fn silent() -> String {
    format!(
        "no answer within {} s: check the address, and whether a firewall is between",
        PATIENCE.as_secs()
    )
}

fn unreachable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: start that program, or check the port".into()
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => silent(),
        _ => format!("it cannot be reached ({error}): check address and network"),
    }
}

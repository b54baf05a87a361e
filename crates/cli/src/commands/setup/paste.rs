//! What to type where. In: settings as they were written, keys, the pack. Out: lines for people,
//! each with the program that they are for.

use std::net::SocketAddr;

use fusiform_server::{Settings, without_login};
use serde::Serialize;

/// What to do in one program.
#[derive(Debug, Serialize)]
pub(super) struct Paste {
    pub(super) program: &'static str,
    pub(super) lines: Vec<String>,
}

/// Keys that are typed into other programs.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) recognition: Vec<String>,
    pub(super) nextcloud: Option<String>,
}

/// In the order in which they are done.
pub(super) fn paste(settings: &Settings, keys: &Keys, distance: Option<(f64, f64)>) -> Vec<Paste> {
    let mut all = Vec::new();
    let mut add = |program, lines| all.push(Paste { program, lines });
    if settings.pages {
        let scheme = match settings.tls_cert {
            Some(_) => "https",
            None => "http",
        };
        let at = format!("{scheme}://{}/", at(settings.listen));
        add("browser", vec![format!("open {at}")]);
    }
    if let Some(immich) = &settings.immich {
        let mut lines = vec![format!(
            "Administration > Settings > Machine learning: {} as the only URL",
            url(immich.listen)
        )];
        if let Some((distance, fmr)) = distance {
            lines.push(format!(
                "Facial recognition > Maximum recognition distance: {distance} (false-match rate \
                 {fmr} of one comparison)"
            ));
        }
        lines.push("Administration > Jobs > Face detection: Reset, once".into());
        add("Immich", lines);
    }
    if let Some(nextcloud) = &settings.nextcloud {
        let set = "occ config:system:set facerecognition.external_model";
        let key = keys.nextcloud.as_deref().unwrap_or_default();
        let lines = vec![
            format!("{set}_url --value {}", url(nextcloud.listen)),
            format!("{set}_api_key --value {key}"),
            "occ face:setup -m 5".into(),
            "occ face:background_job".into(),
        ];
        add("Nextcloud", lines);
    }
    if let Some(deepstack) = &settings.deepstack {
        let ip = host(deepstack.listen);
        let lines = vec![
            format!("address {ip}, port {}", deepstack.listen.port()),
            "no key: requests without one are about the people of the key below".into(),
        ];
        add("DeepStack's client", lines);
    }
    if let Some(mqtt) = &settings.mqtt {
        let (prefix, broker) = (&mqtt.topic_prefix, without_login(&mqtt.broker));
        let mut lines = vec![format!("nothing: names come as {prefix}/... at {broker}")];
        if mqtt.double_take {
            lines.push("Double Take's topics go on; stop Double Take itself".into());
        }
        if mqtt.home_assistant.is_some() {
            lines.push("Home Assistant finds people and cameras by itself (MQTT discovery)".into());
        }
        add("Frigate, Home Assistant", lines);
    }
    if !keys.recognition.is_empty() {
        let each = keys.recognition.iter();
        let mut lines: Vec<String> = each.map(|key| format!("x-api-key: {key}")).collect();
        let enrol = "fusiform enrol DIR --basis consent --expires 365d   # a folder per person";
        lines.push(enrol.into());
        add("people to recognise", lines);
    }
    add("this machine", vec!["fusiform serve".into()]);
    all
}

/// What a program can be given as the address of this one.
fn url(listen: SocketAddr) -> String {
    format!("http://{}", at(listen))
}

fn at(listen: SocketAddr) -> String {
    format!("{}:{}", host(listen), listen.port())
}

fn host(listen: SocketAddr) -> String {
    match listen {
        _ if listen.ip().is_unspecified() => "ADDRESS-OF-THIS-MACHINE".into(),
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

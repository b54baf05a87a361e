//! `fusiform serve`. In: settings and flags. Out: a server until Ctrl-C or SIGTERM, and where it
//! listens.

use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform::scan::Exclude;
use fusiform_gallery::{Kind, SearchIn, Terms, Uuid};
#[cfg(feature = "cameras")]
use fusiform_server::{CameraKeys, CamerasSettings};
use fusiform_server::{MqttKeys, MqttSettings, Parts, Server, Settings};

use crate::args::ServeArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

/// Characters of a password or key that is made here, hexadecimal digits.
const MADE_SECRET_CHARS: usize = 32;

pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<Exit> {
    let settings = settings(context, args);
    let (printer, mut shown) = (context.printer, Shown::new());
    let bound = bind(context, args, &settings, &mut shown);
    if bound.is_err() {
        // What was made stays in the vault, so this is the one time to show it.
        print_secrets(context, &shown)?;
    }
    let server = bound?;
    let url = server.url();
    if settings.tls_cert.is_none() && !settings.listen.ip().is_loopback() {
        printer.note("keys and photos can be read on the way: no TLS (--tls-cert, --tls-key)");
    }
    printer.row(format_args!("{url}/"))?;
    for program in server.other_programs() {
        printer.row(format_args!("{}: {}/", program.name, program.url))?;
        if let Some((distance, fmr)) = program.distance {
            printer.note(format_args!(
                "type {distance} into Immich as \"Maximum recognition distance\" (false-match rate \
                 {fmr} of one comparison)"
            ));
        }
    }
    if let Some(broker) = server.broker() {
        printer.note(format_args!(
            "listening to {broker}; GET {url}/readyz says how it is"
        ));
    }
    #[cfg(feature = "cameras")]
    for camera in server.cameras() {
        printer.note(format_args!(
            "looking at camera {camera}; GET {url}/readyz says how it is"
        ));
    }
    print_secrets(context, &shown)?;
    printer.note(format_args!("serving on {url} (Ctrl-C stops)"));
    if let Some((SearchIn::Database, recall)) = server.searches() {
        printer.note(format_args!(
            "people are searched in the database, which finds the nearest at a rate of {recall:.4}"
        ));
    }
    printer.note(if server.serves_programs() {
        "programs may use their API keys under /api/v1 and /api/fusiform/v1"
    } else {
        "no API key yet: `fusiform key recognition` and a restart let programs in"
    });
    server.run()?;
    Ok(Exit::Done)
}

/// Secrets that are made on the way are added to `shown`, also if it fails later.
fn bind(
    context: &Context,
    args: &ServeArgs,
    settings: &Settings,
    shown: &mut Shown,
) -> Result<Server> {
    let engine = context.engine()?;
    shown.extend(first_keys(context, settings)?);
    let password = password(context, args.password.as_deref(), settings, shown)?;
    let nextcloud_key = nextcloud_key(context, settings, shown)?;
    let deepstack_key = settings.deepstack.as_ref();
    let deepstack_key = deepstack_key.and_then(|deepstack| deepstack.key_file.as_deref());
    let mqtt_keys = settings.mqtt.as_ref().map(mqtt_keys).transpose()?.flatten();
    if settings.pages {
        // Made, with its folder, if it is not there yet.
        match context.config.catalogue.exists() {
            true => drop(context.readable_catalogue()?),
            false => drop(context.catalogue()?),
        }
    }
    let vault_exists = match &settings.vault {
        Some(place) => place.exists()?,
        None => false,
    };
    let parts = Parts {
        engine,
        secret: match vault_exists {
            true => Some(super::vault::secret(context, true)?),
            false => None,
        },
        album: context.config.catalogue.clone(),
        password,
        threads: context.threads(),
        folders: context.config.folders.clone(),
        exclude: Exclude::new(&context.config.exclude)?,
        videos: context.config.videos,
        nextcloud_key,
        deepstack_key: deepstack_key.map(secret_file::api_key).transpose()?,
        mqtt_keys,
        #[cfg(feature = "cameras")]
        camera_keys: match &settings.cameras {
            Some(cameras) => camera_keys(cameras)?,
            None => CameraKeys::default(),
        },
        home: context.config.user_home.clone(),
    };
    Server::bind(settings, parts)
}

/// The secrets of MQTT; `None` without a recognition key, which the server then asks for.
fn mqtt_keys(mqtt: &MqttSettings) -> Result<Option<MqttKeys>> {
    let Some(key_file) = &mqtt.key_file else {
        return Ok(None);
    };
    let password = mqtt.password_file.as_deref();
    Ok(Some(MqttKeys {
        key: secret_file::api_key(key_file)?,
        password: password.map(secret_file::first_line).transpose()?,
    }))
}

/// The secrets of cameras and of their webhook.
#[cfg(feature = "cameras")]
fn camera_keys(settings: &CamerasSettings) -> Result<CameraKeys> {
    let each = settings.cameras.iter().map(|camera| {
        let key_file = camera.key_file.as_deref().with_context(|| {
            format!(
                "camera {}: no key_file says whose people are recognised there",
                camera.name
            )
        })?;
        let password = camera.password_file.as_deref();
        let password = password.map(secret_file::first_line).transpose()?;
        anyhow::Ok((secret_file::api_key(key_file)?, password))
    });
    let secret = settings.webhook_secret_file.as_deref();
    let webhook_secret = secret.map(secret_file::first_line).transpose()?;
    anyhow::ensure!(
        settings.webhook.is_none() || webhook_secret.is_some(),
        "the webhook's messages are signed: name a webhook_secret_file"
    );
    Ok(CameraKeys {
        cameras: each.collect::<Result<_>>()?,
        webhook_secret,
    })
}

fn print_secrets(context: &Context, shown: &Shown) -> Result<()> {
    for (what, secret) in shown {
        context.printer.row(format_args!("{what}: {secret}"))?;
    }
    Ok(())
}

/// The settings, with flags before file and environment.
fn settings(context: &Context, args: &ServeArgs) -> Settings {
    let settings = context.config.serve.clone();
    Settings {
        listen: args.listen.unwrap_or(settings.listen),
        tls_cert: args.tls_cert.clone().or(settings.tls_cert),
        tls_key: args.tls_key.clone().or(settings.tls_key),
        pages: settings.pages && !args.no_pages,
        ..settings
    }
}

/// Secrets made now, each with what it is: they are printed this once.
pub(super) type Shown = Vec<(String, String)>;

/// The first keys, where this server is for programs or for other machines and has no vault yet: in
/// a container nobody can call `fusiform key`.
fn first_keys(context: &Context, settings: &Settings) -> Result<Shown> {
    let names_people = settings.deepstack.is_some() || settings.mqtt.is_some();
    #[cfg(feature = "cameras")]
    let names_people = names_people || settings.cameras.is_some();
    let is_local = settings.pages && settings.listen.ip().is_loopback() && !names_people;
    let there = match &settings.vault {
        Some(place) => place.exists()?,
        None => true,
    };
    if is_local || there {
        return Ok(Vec::new());
    }
    let vault = super::vault::open(context, None)?;
    let mut shown = Vec::new();
    for (kind, what) in [(Kind::Recognition, "recognition"), (Kind::Admin, "admin")] {
        let key = Uuid::new_v4();
        let terms = Terms {
            basis: "household".into(),
            purpose: "recognition".into(),
            keep_days: None,
        };
        vault.add_service(kind, &key, terms)?;
        let text = format!("the first {what} key, which is not shown again");
        shown.push((text, key.to_string()));
    }
    Ok(shown)
}

/// A secret that is made here, written to a file of its owner alone, and printed this once.
fn make_secret(file: &Path, what: &str, shown: &mut Shown) -> Result<()> {
    let random = fusiform_gallery::new_key()?;
    let secret: String = random.chars().take(MADE_SECRET_CHARS).collect();
    secret_file::write_new(file, &secret).with_context(|| what.to_owned())?;
    shown.push((format!("{what}, kept in {}", file.display()), secret));
    Ok(())
}

/// What Nextcloud has to send: from the file that was named, else from the one in Fusiform's home,
/// which is made if it is not there.
pub(super) fn nextcloud_key(
    context: &Context,
    settings: &Settings,
    shown: &mut Shown,
) -> Result<Option<String>> {
    let Some(nextcloud) = &settings.nextcloud else {
        return Ok(None);
    };
    let made = context.config.catalogue.with_file_name("nextcloud.key");
    let file = nextcloud.key_file.as_ref().unwrap_or(&made);
    if nextcloud.key_file.is_none() && !file.exists() {
        make_secret(file, "the key for Nextcloud", shown)?;
    }
    let key = secret_file::first_line(file)?;
    anyhow::ensure!(
        !key.is_empty(),
        "{}: the key for Nextcloud is wanted on its first line",
        file.display()
    );
    Ok(Some(key))
}

/// The pages' password: from the file that was named, else from the one in Fusiform's home, which
/// is made if other machines can reach the pages.
pub(super) fn password(
    context: &Context,
    named: Option<&Path>,
    settings: &Settings,
    shown: &mut Shown,
) -> Result<Option<String>> {
    let made = context.config.catalogue.with_file_name("pages.password");
    let named = named.or(context.config.password_file.as_deref());
    let file = match named {
        Some(named) => named.to_owned(),
        None if !settings.pages || settings.listen.ip().is_loopback() => return Ok(None),
        None => made,
    };
    if named.is_none() && !file.exists() {
        make_secret(&file, "the pages' password", shown)?;
    }
    let password = secret_file::first_line(&file)?;
    anyhow::ensure!(
        password.chars().count() >= 8,
        "{}: a password of at least 8 characters is wanted on its first line",
        file.display()
    );
    Ok(Some(password))
}

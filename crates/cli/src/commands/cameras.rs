//! `fusiform cameras`. In: the network, or addresses of cameras. Out: which are there, and the
//! addresses of their streams, without logins.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fusiform::video::live::Address;
use fusiform::video::live::onvif::{DISCOVERY, discover, streams};
use serde::Serialize;

use crate::args::CamerasArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::remedy::explain;
use crate::secret_file;

#[derive(Serialize)]
struct Answer {
    /// Who answered that they are there.
    found: Vec<Found>,
    streams: Vec<Stream>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Found {
    service: String,
    name: String,
    hardware: String,
}

#[derive(Serialize)]
struct Stream {
    camera: String,
    name: String,
    encoding: String,
    width_px: u32,
    height_px: u32,
    source: String,
}

pub(crate) fn run(context: &Context, args: &CamerasArgs) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("threads to ask cameras with")?;
    let mut answer = Answer {
        found: Vec::new(),
        streams: Vec::new(),
        problems: Vec::new(),
    };
    let printer = context.printer;
    if args.cameras.is_empty() {
        let wait = Duration::from_secs(args.wait_s.into());
        printer.note(format_args!("asking who is there for {} s", args.wait_s));
        let found = runtime.block_on(discover(DISCOVERY, wait));
        for found in found.context("cameras cannot be asked for in this network")? {
            printer.row(format_args!(
                "{}\t{}\t{}",
                found.service, found.name, found.hardware
            ))?;
            answer.found.push(Found {
                service: found.service,
                name: found.name,
                hardware: found.hardware,
            });
        }
        printer.note(match answer.found.is_empty() {
            true => "no ONVIF camera answers; some have ONVIF off until it is turned on",
            false => "fusiform cameras ADDRESS --user NAME --password-file FILE prints streams",
        });
    }
    let password = args.password_file.as_deref();
    let password = password.map(|file| secret_file::first_line(&context.expanded(file)?));
    let password = password.transpose()?.unwrap_or_default();
    for camera in &args.cameras {
        let asked = service(camera).map(|address| match &args.user {
            Some(user) => address.with_login(user, &password),
            None => address,
        });
        let asked = asked.and_then(|address| {
            let shown = address.to_string();
            runtime.block_on(streams(&address)).context(shown)
        });
        match asked {
            Ok(streams) => {
                for stream in streams {
                    let source = stream.address.to_string();
                    let (width, height) = (stream.width_px, stream.height_px);
                    let (name, encoding) = (&stream.name, &stream.encoding);
                    printer.row(format_args!(
                        "{source}\t{name}\t{encoding} {width}x{height}"
                    ))?;
                    answer.streams.push(Stream {
                        camera: camera.clone(),
                        name: stream.name,
                        encoding: stream.encoding,
                        width_px: width,
                        height_px: height,
                        source,
                    });
                }
            }
            Err(error) => answer.problems.push(explain(&error)),
        }
    }
    for problem in &answer.problems {
        printer.problem(problem);
    }
    printer.record(&answer)?;
    Ok(Exit::of(&answer.problems))
}

/// An address as people know it, or the URL of a service.
fn service(camera: &str) -> Result<Address> {
    let url = match camera.contains("://") {
        true => camera.to_owned(),
        false => format!("http://{camera}/"),
    };
    Ok(Address::parse(&url)?)
}

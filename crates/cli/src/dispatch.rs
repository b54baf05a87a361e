//! From the command line to a command. In: arguments. Out: an exit code.
//! Knows which command runs, not what it does.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::albums::{Export, Import, Sharing};
use crate::args::{Args, Command, Eval, Models};
use crate::exit::Exit;
use crate::session::Session;

/// Parses, runs, and says what went wrong.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    let level = match args.global.verbose {
        0 => "warn",
        1 => "fusiform=info,info",
        _ => "debug",
    };
    let filter = EnvFilter::builder().parse_lossy(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let json = args.global.json;
    match dispatch(args) {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            let printer = crate::printer::Printer::new(json, false);
            printer.problem(format_args!("fusiform: {}", crate::printer::chain(&error)));
            Exit::Failed.into()
        }
    }
}

fn dispatch(args: Args) -> anyhow::Result<Exit> {
    let session = Session::open(&args.global)?;
    match args.command {
        Command::Scan { roots, looking } => crate::commands::scan::run(&session, &roots, looking),
        Command::People { named, limit } => crate::commands::people::list(&session, named, limit),
        Command::Person { person } => crate::commands::people::show(&session, &person),
        Command::Name { person, name } => crate::commands::decide::name(&session, &person, &name),
        Command::Merge { into, from } => crate::commands::decide::merge(&session, &into, &from),
        Command::Split { person, faces } => {
            crate::commands::decide::split(&session, &person, &faces)
        }
        Command::Ignore { faces } => crate::commands::decide::ignore(&session, &faces),
        Command::Undo { count, decision } => {
            crate::commands::decide::undo(&session, count, decision)
        }
        Command::AlbumCommand(album) => crate::commands::album::run(&session, album),
        Command::Sharing(Sharing::Redact(wanted)) => {
            crate::commands::redact::run(&session, &wanted)
        }
        Command::Sharing(Sharing::Export(Export::Xmp { out })) => {
            crate::commands::xmp::export(&session, out.as_deref())
        }
        Command::Sharing(Sharing::Import(Import::Xmp)) => crate::commands::xmp::import(&session),
        Command::Sharing(Sharing::Import(Import::CompreFace(from))) => {
            crate::commands::import::compreface(&session, &from)
        }
        Command::Detect {
            files,
            draw,
            looking,
        } => crate::commands::detect::run(&session, &files, draw.as_deref(), looking),
        Command::Verify { a, b, looking } => {
            crate::commands::verify::run(&session, &a, &b, looking)
        }
        Command::Find {
            photo,
            top,
            looking,
        } => crate::commands::find::run(&session, &photo, top, looking),
        Command::Report { out, faces, people } => {
            crate::commands::report::run(&session, &out, faces, people)
        }
        Command::Eval(Eval::Lfw {
            images,
            pairs,
            svg,
            looking,
        }) => crate::commands::eval::lfw(&session, &images, &pairs, svg.as_deref(), looking),
        Command::Eval(Eval::Cluster {
            images,
            link,
            export,
            exact_up_to,
            looking,
        }) => {
            let wanted = crate::commands::eval_cluster::Wanted {
                link,
                export,
                exact_up_to,
            };
            crate::commands::eval_cluster::run(&session, &images, &wanted, looking)
        }
        Command::Eval(Eval::Redact { images, looking }) => {
            crate::commands::redact::prove(&session, &images, looking)
        }
        Command::Calibrate { images, write } => {
            crate::commands::calibrate::run(&session, &images, write)
        }
        Command::Models(Models::List) => crate::commands::models::list(&session),
        Command::Models(Models::Show { name }) => {
            crate::commands::models::show(&session, name.as_deref())
        }
        Command::Models(Models::Add { dir }) => crate::commands::models::add(&session, &dir),
        Command::Models(Models::Verify) => crate::commands::models::verify(&session),
        Command::Serve(serving) => crate::commands::serve::run(&session, &serving),
        Command::Bench(bench) => crate::commands::bench::run(&session, &bench),
        Command::Doctor => crate::commands::doctor::run(&session),
        Command::Key { kind, key, terms } => {
            crate::commands::vault::key(&session, kind, key, terms)
        }
        Command::Audit(audit) => crate::commands::vault::audit(&session, &audit),
        Command::Vault(verb) => crate::commands::vault::run(&session, &verb),
    }
}

/// `fusiform people | head` ends early and well.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(broken))
}

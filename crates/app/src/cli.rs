//! From the command line to a command. In: arguments. Out: an exit code.
//! Knows which command runs, not what it does.

mod albums;
mod args;
mod commands;
mod exit;
mod printer;
mod session;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use albums::{Export, Import, Sharing};
use args::{Args, Command, Eval, Models};
use exit::Exit;
use session::Session;

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
            let printer = printer::Printer::new(json, false);
            printer.problem(format_args!("fusiform: {}", chain(&error)));
            Exit::Failed.into()
        }
    }
}

fn dispatch(args: Args) -> anyhow::Result<Exit> {
    let session = Session::open(&args.global)?;
    match args.command {
        Command::Scan { roots, looking } => commands::scan::run(&session, &roots, looking),
        Command::People { named, limit } => commands::people::list(&session, named, limit),
        Command::Person { person } => commands::people::show(&session, &person),
        Command::Name { person, name } => commands::decide::name(&session, &person, &name),
        Command::Merge { into, from } => commands::decide::merge(&session, &into, &from),
        Command::Split { person, faces } => commands::decide::split(&session, &person, &faces),
        Command::Ignore { faces } => commands::decide::ignore(&session, &faces),
        Command::Undo { count, decision } => commands::decide::undo(&session, count, decision),
        Command::Album(album) => commands::album::run(&session, album),
        Command::Sharing(Sharing::Redact(wanted)) => commands::redact::run(&session, &wanted),
        Command::Sharing(Sharing::Export(Export::Xmp { out })) => {
            commands::xmp::export(&session, out.as_deref())
        }
        Command::Sharing(Sharing::Import(Import::Xmp)) => commands::xmp::import(&session),
        Command::Sharing(Sharing::Import(Import::CompreFace(from))) => {
            commands::import::compreface(&session, &from)
        }
        Command::Detect {
            files,
            draw,
            looking,
        } => commands::detect::run(&session, &files, draw.as_deref(), looking),
        Command::Verify { a, b, looking } => commands::verify::run(&session, &a, &b, looking),
        Command::Find {
            photo,
            top,
            looking,
        } => commands::find::run(&session, &photo, top, looking),
        Command::Report { out, faces, people } => {
            commands::report::run(&session, &out, faces, people)
        }
        Command::Eval(Eval::Lfw {
            images,
            pairs,
            svg,
            looking,
        }) => commands::eval::lfw(&session, &images, &pairs, svg.as_deref(), looking),
        Command::Eval(Eval::Cluster {
            images,
            link,
            export,
            exact_up_to,
            looking,
        }) => {
            let wanted = commands::eval_cluster::Wanted {
                link,
                export,
                exact_up_to,
            };
            commands::eval_cluster::run(&session, &images, &wanted, looking)
        }
        Command::Eval(Eval::Redact { images, looking }) => {
            commands::redact::prove(&session, &images, looking)
        }
        Command::Calibrate { images, write } => commands::calibrate::run(&session, &images, write),
        Command::Models(Models::List) => commands::models::list(&session),
        Command::Models(Models::Show { name }) => commands::models::show(&session, name.as_deref()),
        Command::Models(Models::Add { dir }) => commands::models::add(&session, &dir),
        Command::Models(Models::Verify) => commands::models::verify(&session),
        Command::Serve(serving) => commands::serve::run(&session, &serving),
        Command::Bench(bench) => commands::bench::run(&session, &bench),
        Command::Doctor => commands::doctor::run(&session),
        Command::Key { kind, key, terms } => commands::vault::key(&session, kind, key, terms),
        Command::Audit(audit) => commands::vault::audit(&session, &audit),
        Command::Vault(verb) => commands::vault::run(&session, &verb),
    }
}

/// The whole chain of causes, without saying anything twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if cause.starts_with(&format!("{text}: ")) {
            // A file named around what names it already.
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// `fusiform people | head` ends early and well.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(broken))
}

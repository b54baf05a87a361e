//! From the command line to a command. In: arguments. Out: an exit code.
//! Knows which command runs, not what it does.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use fusiform::album::DateRange;
use tracing_subscriber::EnvFilter;

use crate::args::{
    Args, CalibrateCommand, Command, EvalCommand, ExportCommand, FaceCommand, FoldersCommand,
    ImportCommand, ModelsCommand,
};
#[cfg(feature = "cameras")]
use crate::commands::cameras;
#[cfg(feature = "video")]
use crate::commands::video;
use crate::commands::{
    audit, bench, calibrate, compreface, detect, doctor, edit, enrol, eval, eval_cluster,
    eval_detect, eval_quality, eval_redact, eval_robustness, export, face, find, folders, immich,
    import, keys, models, people, prune, redact, report, review, scan, serve, setup, shell, vault,
    verify, watch,
};
use crate::context::Context;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::remedy;

/// Parses, runs, and prints the error if there is one.
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
        // A log file takes no colours.
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let json = args.global.json;
    match dispatch(args) {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            let printer = Printer::new(json, false);
            printer.problem(format_args!("fusiform: {}", remedy::explain(&error)));
            Exit::Failed.into()
        }
    }
}

fn dispatch(args: Args) -> anyhow::Result<Exit> {
    // These two print the definitions of `args.rs`; a broken settings file must not stop them.
    let context = match &args.command {
        Command::Completions { shell } => return shell::completions(*shell),
        Command::Man { dir } => return shell::man(dir),
        Command::Setup(_) => &Context::open_new(&args.global)?,
        Command::Serve(serve) => &Context::open_at(&args.global, serve.store.as_deref())?,
        _ => &Context::open(&args.global)?,
    };
    match args.command {
        Command::Scan {
            roots,
            exclude,
            detect,
        } => scan::run(context, &roots, &exclude, detect),
        Command::Watch {
            roots,
            exclude,
            detect,
        } => watch::run(context, &roots, &exclude, detect),
        Command::Folders(FoldersCommand::List) => folders::list(context),
        Command::Folders(FoldersCommand::Add { dir }) => folders::add(context, &dir),
        Command::Folders(FoldersCommand::Remove { dir }) => folders::remove(context, &dir),
        Command::People { named, limit } => people::list(context, named, limit),
        Command::Person { person } => people::show(context, &person),
        Command::Name { person, name } => edit::name(context, &person, &name),
        Command::Merge { into, from, anyway } => edit::merge(context, &into, &from, anyway),
        Command::Split { person, faces } => edit::split(context, &person, &faces),
        Command::Ignore { faces } => edit::ignore(context, &faces),
        Command::Undo { count, decision } => edit::undo(context, count, decision),
        Command::Is { person, faces } => edit::is(context, &person, &faces),
        Command::Not {
            person,
            faces,
            appearances,
        } => edit::is_not(context, &person, &faces, &appearances),
        Command::Differ { one, other } => edit::differ(context, &one, &other),
        Command::NotAFace { faces } => edit::not_a_face(context, &faces),
        Command::Face(FaceCommand::Add { photo, bbox, name }) => {
            face::add(context, &photo, bbox, name.as_deref())
        }
        Command::Cover { face } => face::cover(context, face),
        Command::Hide { person, show } => edit::hide(context, &person, show),
        Command::Erase { person, yes } => edit::erase(context, &person, yes),
        Command::Prune { root, yes } => prune::run(context, root.as_deref(), yes),
        Command::History { page } => edit::history(context, page),
        Command::Review {
            question,
            answer,
            page,
        } => match question.zip(answer) {
            None => review::list(context, page),
            Some((question, answer)) => review::answer(context, question, answer),
        },
        Command::Leftovers { aside, page } => people::leftovers(context, aside, page),
        Command::Together {
            people,
            any,
            from,
            to,
            words,
            page,
        } => {
            let search = people::Search {
                people,
                any,
                dates: DateRange { from, to },
                words,
            };
            people::together(context, search, page)
        }
        Command::Photo { photo } => people::photo(context, &photo),
        Command::Redact(mut args) => {
            args.out = context.expanded(&args.out)?;
            for file in &mut args.files {
                *file = context.expanded(file)?;
            }
            redact::run(context, &args)
        }
        Command::Export(ExportCommand::Xmp { out }) => {
            let out = out.map(|out| context.expanded(&out)).transpose()?;
            export::xmp(context, out.as_deref())
        }
        Command::Import(ImportCommand::Xmp) => import::xmp(context),
        Command::Import(ImportCommand::Digikam { database }) => {
            import::digikam(context, &context.expanded(&database)?)
        }
        Command::Import(ImportCommand::Immich { url, key_file }) => {
            immich::import(context, &url, key_file.as_deref())
        }
        Command::Import(ImportCommand::CompreFace(args)) => compreface::import(context, &args),
        Command::Detect {
            files,
            draw,
            detect: args,
        } => {
            let files = files.iter().map(|file| context.expanded(file));
            let draw = draw.map(|draw| context.expanded(&draw)).transpose()?;
            detect::run(
                context,
                &files.collect::<Result<Vec<_>, _>>()?,
                draw.as_deref(),
                args,
            )
        }
        Command::Verify { a, b, detect } => verify::run(
            context,
            &context.expanded(&a)?,
            &context.expanded(&b)?,
            detect,
        ),
        Command::Find { photo, top, detect } => {
            find::run(context, &context.expanded(&photo)?, top, detect)
        }
        #[cfg(feature = "cameras")]
        Command::Cameras(args) => cameras::run(context, &args),
        #[cfg(feature = "video")]
        Command::Video(args) => video::run(context, &args.expanded(context)?),
        Command::Report { out, faces, people } => {
            report::run(context, &context.expanded(&out)?, faces, people)
        }
        Command::Eval(EvalCommand::Lfw {
            images,
            pairs,
            svg,
            detect,
        }) => eval::lfw(context, &images, &pairs, svg.as_deref(), detect),
        Command::Eval(EvalCommand::Cluster {
            images,
            link,
            export,
            exact_up_to,
            detect,
        }) => {
            let settings = eval_cluster::Settings {
                link,
                export,
                exact_up_to,
            };
            eval_cluster::run(context, &images, &settings, detect)
        }
        Command::Eval(EvalCommand::Redact { images, detect }) => {
            eval_redact::run(context, &images, detect)
        }
        Command::Eval(EvalCommand::Robustness(args)) => eval_robustness::run(context, &args),
        Command::Eval(EvalCommand::Detect { folder, detect }) => {
            eval_detect::run(context, &folder, detect)
        }
        Command::Eval(EvalCommand::Quality {
            images,
            fmr,
            svg,
            detect,
        }) => eval_quality::run(context, &images, fmr, svg.as_deref(), detect),
        Command::Calibrate(args) => match (args.other, args.images) {
            (Some(CalibrateCommand::Index(index)), _) => vault::index(context, &index),
            (None, images) => calibrate::run(context, &images.unwrap_or_default(), args.write),
        },
        Command::Models(ModelsCommand::List) => models::list(context),
        Command::Models(ModelsCommand::Show { name }) => models::show(context, name.as_deref()),
        Command::Models(ModelsCommand::Add { dir }) => models::add(context, &dir),
        Command::Models(ModelsCommand::Verify) => models::verify(context),
        Command::Serve(args) => serve::run(context, &args),
        Command::Setup(args) => setup::run(context, &args),
        Command::Bench(args) => bench::run(context, &args),
        Command::Doctor => doctor::run(context),
        Command::Key(args) => keys::make(context, &args),
        Command::Keys(command) => keys::run(context, &command),
        Command::Enrol(args) => enrol::run(context, &args),
        Command::Audit(command) => audit::run(context, &command),
        Command::Vault(command) => vault::run(context, &command),
        Command::Completions { .. } | Command::Man { .. } => Ok(Exit::Done),
    }
}

/// Whether the reader of stdout has gone, as in `fusiform people | head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(broken))
}

//! `fusiform setup`. In: flags, or answers at a terminal. Out: a settings file with comments, the
//! keys that it names, whether each address in it can be used, and what to type elsewhere.

mod answers;
mod connections;
mod paste;
mod settings_file;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fusiform_gallery::{KeyLabel, Kind, Lock, Service, Terms, Uuid, private_file};
use serde::Serialize;
use toml::Table;

use super::{keys, serve, vault};
use crate::args::SetupArgs;
use crate::config::Config;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::question::Questions;
use crate::secret_file;
use answers::Answers;
use connections::Check;
use paste::{Keys, Paste};

/// Files of secrets in Fusiform's home.
const KEY_FILE: &str = "recognition.key";
const BROKER_PASSWORD_FILE: &str = "mqtt.password";

#[derive(Serialize)]
struct Answer {
    file: String,
    /// Where the earlier file is kept.
    backup: Option<String>,
    /// Files with secrets that were made now.
    made: Vec<String>,
    checks: Vec<Check>,
    paste: Vec<Paste>,
}

pub(crate) fn run(context: &Context, args: &SetupArgs) -> Result<Exit> {
    let file = context.config.file.as_deref();
    let file = file.context("no home folder is known; name a file with --config")?;
    let mut answers = Answers::over(earlier(file)?);
    let mut force = args.force;
    if args.says_something() {
        answers.take_flags(args)?;
    } else {
        let mut questions = Questions::of_terminal().context(
            "say what to set up: --immich, --nextcloud, --deepstack, --broker, --listen, --folder \
             or --no-pages (`fusiform setup --help` explains them); a terminal is asked",
        )?;
        if file.exists() && !force {
            let question = format!(
                "{} is there already. Change it, and keep the old one with .bak behind its name?",
                file.display()
            );
            if !questions.yes_or_no(&question, true)? {
                context.printer.note("nothing was changed");
                return Ok(Exit::No);
            }
            force = true;
        }
        answers.ask(&mut questions)?;
    }
    ensure!(force || !file.exists(), settings_file::in_the_way(file));
    let written = write(context, args, file, answers, force)?;
    tell(context, &written)?;
    context.printer.record(&written)?;
    let works = written.checks.iter().all(|check| check.problem.is_none());
    Ok(if works {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

/// The settings that are there.
fn earlier(file: &Path) -> Result<Table> {
    match std::fs::read_to_string(file) {
        Ok(text) => text.parse().with_context(|| shown(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(e) => Err(e).with_context(|| shown(file)),
    }
}

fn write(
    context: &Context,
    args: &SetupArgs,
    file: &Path,
    mut answers: Answers,
    force: bool,
) -> Result<Answer> {
    // Before a key is made: what the server would refuse is refused now.
    let config = Config::of_text(&settings_file::render(&answers.settings), file)?;
    let in_home = |name: &str| context.config.catalogue.with_file_name(name);
    let (mut keys, mut made) = (Keys::default(), Vec::new());
    let needs_people = ["deepstack", "mqtt"].map(|program| {
        let path = format!("serve.{program}");
        answers.get(&path).is_some().then_some(program)
    });
    let needs_people: Vec<&str> = needs_people.into_iter().flatten().collect();
    if !needs_people.is_empty() {
        let named = needs_people.iter().find_map(|program| {
            let path = answers.text(&format!("serve.{program}.key_file"))?;
            Some(PathBuf::from(path))
        });
        let key_file = args.key_file.clone().or(named);
        let key_file = key_file.unwrap_or_else(|| in_home(KEY_FILE));
        let key_file =
            fusiform::album::expand_home(&key_file, context.config.user_home.as_deref())?;
        let key = recognition_key(context, args, &key_file, &mut made)?;
        keys.recognition = Some(key.to_string());
        for program in needs_people {
            answers.set_key_file(program, &key_file)?;
        }
    }
    if let Some(password) = answers.broker_password.take() {
        let password_file = in_home(BROKER_PASSWORD_FILE);
        write_secret(&password_file, &password, &mut made)?;
        answers.set_broker_password_file(&password_file)?;
    }
    let mut secrets = Vec::new();
    keys.nextcloud = serve::nextcloud_key(context, &config.serve, &mut secrets)?;
    serve::password(
        context,
        config.password_file.as_deref(),
        &config.serve,
        &mut secrets,
    )?;
    made.extend(
        secrets
            .into_iter()
            .map(|(what, secret)| format!("{what}: {secret}")),
    );

    let text = settings_file::render(&answers.settings);
    let settings = Config::of_text(&text, file)?.serve;
    let backup = settings_file::write(file, &text, force)?;
    let distance = match settings.immich {
        Some(_) => fusiform_server::immich_distance(&context.engine()?),
        None => None,
    };
    let server_runs = settings
        .vault
        .as_deref()
        .is_some_and(|vault| vault.exists() && Lock::take(vault).is_err());
    let checks = match args.no_test {
        true => Vec::new(),
        false => connections::try_all(&settings, server_runs),
    };
    Ok(Answer {
        file: shown(file),
        backup: backup.as_deref().map(shown),
        made,
        checks,
        paste: paste::paste(&settings, &answers, &keys, distance),
    })
}

/// The key whose people are recognised: the one in the file, which opens a collection, or a new one
/// for the only collection that there is, or for a new collection.
fn recognition_key(
    context: &Context,
    args: &SetupArgs,
    file: &Path,
    made: &mut Vec<String>,
) -> Result<Uuid> {
    let in_file = match file.exists() {
        true => Some(secret_file::api_key(file)?),
        false => None,
    };
    let gallery = vault::open(context, None)?;
    if let Some(key) = &in_file
        && gallery.service(Kind::Recognition, key).is_some()
    {
        return Ok(*key);
    }
    let services = gallery.services().into_iter().map(|(service, _)| service);
    let all: Vec<Service> = services.filter(|s| s.kind == Kind::Recognition).collect();
    ensure!(
        in_file.is_none() || all.is_empty(),
        "{}: this key opens no collection of people; `fusiform keys list` shows what there is, and \
         without --key-file a key is made",
        file.display()
    );
    let chosen = match (args.collection, &all[..]) {
        (Some(number), _) => {
            let found = all.iter().find(|s| s.id == number).copied();
            Some(found.with_context(|| format!("there is no collection {number} of people"))?)
        }
        (None, []) => None,
        (None, [only]) => Some(*only),
        (None, _) => {
            let numbers: Vec<String> = all.iter().map(|s| s.id.to_string()).collect();
            bail!(
                "there are several collections of people: {}; --key-file FILE or --collection \
                 NUMBER says which (`fusiform keys list` shows them)",
                numbers.join(", ")
            )
        }
    };
    let key = in_file.unwrap_or_else(Uuid::new_v4);
    keys::check_guessable(&key)?;
    let label = KeyLabel {
        name: "setup".into(),
        expires_at_ms: None,
    };
    match chosen {
        Some(service) => drop(gallery.add_key(service, &key, &label)?),
        None => {
            let terms = Terms {
                basis: "household".into(),
                purpose: "recognition".into(),
                keep_days: None,
            };
            gallery.add_service_labelled(Kind::Recognition, &key, terms, &label)?;
        }
    }
    if in_file.is_none() {
        write_secret(file, &key.to_string(), made)?;
    }
    Ok(key)
}

/// A secret in a file that its owner alone can read.
fn write_secret(file: &Path, secret: &str, made: &mut Vec<String>) -> Result<()> {
    let of_file = || shown(file);
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| shown(dir))?;
    }
    if file.exists() {
        std::fs::remove_file(file).with_context(of_file)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let mut out = private_file(file, &mut options).with_context(of_file)?;
    writeln!(out, "{secret}").with_context(of_file)?;
    out.sync_all().with_context(of_file)?;
    made.push(shown(file));
    Ok(())
}

fn tell(context: &Context, answer: &Answer) -> Result<()> {
    let printer = context.printer;
    printer.row(format_args!("settings: {}", answer.file))?;
    if let Some(backup) = &answer.backup {
        printer.row(format_args!("the earlier ones: {backup}"))?;
    }
    for made in &answer.made {
        printer.row(format_args!("made: {made}"))?;
    }
    for Check {
        what,
        address,
        found,
        problem,
    } in &answer.checks
    {
        if let Some(found) = found {
            printer.note(format_args!("{what} ({address}): {found}"));
        }
        if let Some(problem) = problem {
            printer.problem(format_args!("{what} ({address}): {problem}"));
        }
    }
    for Paste { program, lines } in &answer.paste {
        printer.row(format_args!("{program}:"))?;
        for line in lines {
            printer.row(format_args!("    {line}"))?;
        }
    }
    Ok(())
}

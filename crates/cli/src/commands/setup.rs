//! `fusiform setup`. In: flags, or answers at a terminal. Out: a settings file with comments, the
//! keys that it names, whether each address in it can be used, and what to type elsewhere.

mod answers;
mod connections;
mod paste;
mod settings_file;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fusiform_gallery::{Error as GalleryError, KeyLabel, Kind, Lock, Place, Terms, Uuid};
use serde::Serialize;
use toml::Table;

use super::{collection, keys, serve, vault};
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
    let written = write(context, args, file, answers)?;
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

fn write(context: &Context, args: &SetupArgs, file: &Path, mut answers: Answers) -> Result<Answer> {
    // Before a key is made: what the server would refuse is refused now.
    let config = Config::of_text(&settings_file::render(&answers.settings), file)?;
    let in_home = |name: &str| context.config.catalogue.with_file_name(name);
    let (mut keys, mut made) = (Keys::default(), Vec::new());
    let mut programs = vec!["deepstack", "mqtt"];
    programs.retain(|program| answers.get(&format!("serve.{program}")).is_some());
    ensure!(
        !programs.is_empty() || (args.key_file.is_none() && args.collection.is_none()),
        "--key-file and --collection say whose people are recognised, and nothing that is set up \
         recognises anybody: --deepstack and --broker do"
    );
    let named = |program: &&str| {
        let file = answers.text(&format!("serve.{program}.key_file"))?;
        Some(PathBuf::from(file))
    };
    let own: Vec<Option<PathBuf>> = programs.iter().map(named).collect();
    let usual = own.iter().flatten().next().cloned();
    let usual = usual.unwrap_or_else(|| in_home(KEY_FILE));
    for (program, own) in programs.into_iter().zip(own) {
        // A program keeps the people whom an earlier file gives it.
        let file = args.key_file.clone().or(own);
        let file = context.expanded(&file.unwrap_or_else(|| usual.clone()))?;
        let key = recognition_key(context, args.collection, &file, &mut made)?.to_string();
        if !keys.recognition.contains(&key) {
            keys.recognition.push(key);
        }
        answers.set_key_file(program, &file)?;
    }
    if let Some(password) = answers.broker_password.take() {
        let password_file = in_home(BROKER_PASSWORD_FILE);
        if password_file.exists() {
            std::fs::remove_file(&password_file).with_context(|| shown(&password_file))?;
        }
        secret_file::write_new(&password_file, &password)?;
        made.push(shown(&password_file));
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
    let backup = settings_file::write(file, &text)?;
    let distance = match settings.immich {
        Some(_) => fusiform_server::immich_distance(&context.engine()?),
        None => None,
    };
    let is_locked = |vault: &Path| matches!(Lock::take(vault), Err(GalleryError::Locked(_)));
    let vault = settings.vault.as_ref().and_then(Place::file);
    let vault = vault.filter(|vault| vault.exists());
    let server_runs = vault.is_some_and(is_locked);
    let checks = match args.no_test {
        true => Vec::new(),
        false => connections::try_all(&settings, server_runs),
    };
    Ok(Answer {
        file: shown(file),
        backup: backup.as_deref().map(shown),
        made,
        checks,
        paste: paste::paste(&settings, &keys, distance),
    })
}

/// The key whose people are recognised: the one in the file, which opens a collection, or a new one
/// for the collection of this number, for the only one that there is, or for a new one.
fn recognition_key(
    context: &Context,
    number: Option<i64>,
    file: &Path,
    made: &mut Vec<String>,
) -> Result<Uuid> {
    let in_file = match file.exists() {
        true => Some(secret_file::api_key(file)?),
        false => None,
    };
    let key = in_file.unwrap_or_else(Uuid::new_v4);
    keys::check_guessable(&key).with_context(|| shown(file))?;
    let gallery = vault::open(context, None)?;
    if let Some(service) = gallery.service(Kind::Recognition, &key) {
        ensure!(
            number.is_none_or(|number| number == service.id),
            "{}: this key opens collection {}; --key-file names another file, into which a key of \
             the collection that you want is written",
            file.display(),
            service.id
        );
        return Ok(key);
    }
    let chosen = collection::chosen(&gallery, number)?;
    ensure!(
        in_file.is_none() || chosen.is_none(),
        "{}: this key opens no collection of people; `fusiform keys list` shows what there is. \
         Take the file away, or name another with --key-file, and a key is made",
        file.display()
    );
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
        secret_file::write_new(file, &key.to_string())?;
        made.push(shown(file));
    }
    Ok(key)
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

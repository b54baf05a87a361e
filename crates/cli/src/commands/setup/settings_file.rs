//! The settings file as it is written. In: settings, those of an earlier file among them. Out: TOML
//! with a comment on every setting that `setup` knows; an earlier file is kept beside it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::{Table, Value};

const HEAD: &str = "\
# Settings of Fusiform, written by `fusiform setup`; `fusiform serve` reads them at its start.
# What is not here has its usual value. A flag or a FUSIFORM_ variable goes before this file.
";

/// What stands above a table or setting.
const COMMENTS: &[(&str, &str)] = &[
    (
        "folders",
        "Folders of photos that are scanned at the start and watched.",
    ),
    ("exclude", "What scans leave out, as in a .gitignore."),
    (
        "serve.listen",
        "The pages and the API. 127.0.0.1 is this machine alone, 0.0.0.0 all that can reach it.",
    ),
    (
        "serve.pages",
        "Whether the album's pages are served, or programs only.",
    ),
    (
        "serve.password_file",
        "The first line of this file is the password of the pages.",
    ),
    ("serve.vault", "The encrypted file of enrolled people."),
    ("serve.key_file", "The key of the vault."),
    (
        "serve.immich",
        "Answers Immich in place of its machine learning, for faces. Immich sends no key, so let \
         nobody else reach it.",
    ),
    ("serve.immich.listen", "Where Immich reaches Fusiform."),
    (
        "serve.immich.forward",
        "Immich's own machine learning, for all that is not about faces.",
    ),
    (
        "serve.nextcloud",
        "Answers Nextcloud's \"Face Recognition\" as its external model (model 5).",
    ),
    (
        "serve.nextcloud.listen",
        "Where Nextcloud reaches Fusiform.",
    ),
    (
        "serve.nextcloud.key_file",
        "The first line of this file is what Nextcloud sends as its key.",
    ),
    (
        "serve.deepstack",
        "Answers clients of DeepStack and of CodeProject.AI, for faces.",
    ),
    ("serve.deepstack.listen", "Where they reach Fusiform."),
    (
        "serve.deepstack.key_file",
        "The key whose people are recognised for clients that send none. Without it they are \
         refused.",
    ),
    (
        "serve.mqtt",
        "Names the people that cameras see, over MQTT.",
    ),
    (
        "serve.mqtt.broker",
        "mqtt://host:1883, or mqtts://host:8883 for TLS.",
    ),
    ("serve.mqtt.user", "Who Fusiform is at the broker."),
    (
        "serve.mqtt.password_file",
        "The first line of this file is that user's password.",
    ),
    (
        "serve.mqtt.ca_file",
        "The authority (PEM) that the broker's certificate is signed by.",
    ),
    (
        "serve.mqtt.key_file",
        "The key whose people are recognised.",
    ),
    (
        "serve.mqtt.compat",
        "\"double-take\" publishes on Double Take's topics too.",
    ),
    (
        "serve.mqtt.home_assistant",
        "Home Assistant's discovery prefix; \"\" announces nothing.",
    ),
    ("serve.mqtt.frigate", "Frigate, whose events are looked at."),
    (
        "serve.mqtt.frigate.url",
        "Frigate's address, without a login.",
    ),
    (
        "serve.mqtt.frigate.cameras",
        "Only these cameras; without it, all.",
    ),
    (
        "serve.mqtt.frigate.sub_labels",
        "Whether names are given back to Frigate.",
    ),
];

/// The text of a settings file.
pub(super) fn render(settings: &Table) -> String {
    let mut text = HEAD.to_owned();
    render_table(&mut text, "", settings);
    text
}

/// Settings first, then the tables below this one, as TOML has it.
fn render_table(text: &mut String, path: &str, table: &Table) {
    let of = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    let comment = |path: &str| {
        let found = COMMENTS.iter().find(|(of, _)| *of == path);
        found.map_or(String::new(), |(_, comment)| format!("# {comment}\n"))
    };
    let is_table = |value: &Value| value.is_table();
    let has_settings = table.values().any(|value| !is_table(value));
    if has_settings || table.is_empty() || path == "serve.immich" {
        text.push('\n');
        if !path.is_empty() {
            text.push_str(&format!("{}[{path}]\n", comment(path)));
        }
    }
    for (key, value) in table.iter().filter(|(_, value)| !is_table(value)) {
        text.push_str(&format!("{}{} = {value}\n", comment(&of(key)), quoted(key)));
    }
    for (key, value) in table {
        if let Value::Table(below) = value {
            render_table(text, &of(&quoted(key)), below);
        }
    }
}

/// A key as TOML takes it.
fn quoted(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => Value::String(key.to_owned()).to_string(),
    }
}

/// That a file is there already.
pub(super) fn in_the_way(file: &Path) -> String {
    format!(
        "{}: there are settings already, and nothing was changed; --force changes them and keeps \
         the old ones with .bak behind their name, --config FILE writes another file",
        file.display()
    )
}

/// Writes the file in one step. One that is there is kept beside it, under the name that is
/// returned.
pub(super) fn write(file: &Path, text: &str) -> Result<Option<PathBuf>> {
    let of_file = || file.display().to_string();
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let mut kept = None;
    if file.exists() {
        let backup = free_name(file);
        fs::copy(file, &backup).with_context(|| backup.display().to_string())?;
        kept = Some(backup);
    }
    let partial = with_suffix(file, ".part");
    let mut out = fs::File::create(&partial).with_context(of_file)?;
    out.write_all(text.as_bytes()).with_context(of_file)?;
    out.sync_all().with_context(of_file)?;
    fs::rename(&partial, file).with_context(of_file)?;
    Ok(kept)
}

/// `config.toml.bak`, or with a number behind it where earlier ones are kept.
fn free_name(file: &Path) -> PathBuf {
    let numbered = (2..).map(|n: u32| with_suffix(file, &format!(".bak{n}")));
    let mut all = std::iter::once(with_suffix(file, ".bak")).chain(numbered);
    let free = all.find(|name| !name.exists());
    free.unwrap_or_else(|| with_suffix(file, ".bak"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_any_kind_come_back_as_they_were() {
        let text = "catalogue = \"/a \\\"b\\\".db\"\nthreads = 3\nexclude = [\"*.png\", 'a\\b']\n\
                    [serve]\nlisten = \"0.0.0.0:1\"\ntrusted_proxies = []\n[serve.immich]\n\
                    [serve.mqtt]\nbroker = \"mqtt://ü:1\"\n[serve.mqtt.frigate]\nmin_area = 5\n\
                    [serve.\"odd key\"]\nx = 1.5\n";
        let table: Table = text.parse().unwrap();
        let rendered = render(&table);
        assert_eq!(rendered.parse::<Table>().unwrap(), table, "{rendered}");
        for comment in ["# Where Immich", "# Answers Immich", "# Frigate, whose"] {
            let wanted = comment != "# Where Immich";
            assert_eq!(rendered.contains(comment), wanted, "{rendered}");
        }
    }
}

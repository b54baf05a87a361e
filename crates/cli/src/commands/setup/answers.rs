//! What is to be written. In: flags, or answers at a terminal, over the settings of an earlier
//! file. Out: a table of settings. What is not answered stays as it was.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fusiform_server::{BrokerAddress, ImmichSettings, Settings, http_address};
use toml::{Table, Value};

use crate::args::SetupArgs;
use crate::config::{DEEPSTACK_LISTEN, NEXTCLOUD_LISTEN};
use crate::question::Questions;

/// Said of an address to which nothing is forwarded.
const NONE: &str = "none";

/// Settings that grow.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    pub(super) settings: Table,
    /// A password that was typed, to be kept in a file.
    pub(super) broker_password: Option<String>,
}

impl Answers {
    pub(super) fn over(settings: Table) -> Answers {
        Answers {
            settings,
            broker_password: None,
        }
    }

    /// The value at a path such as `serve.immich.listen`.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut value = self.settings.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Sets a value; tables on its way are made.
    pub(super) fn set(&mut self, path: &str, value: impl Into<Value>) -> Result<()> {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let table = self.table(tables)?;
        table.insert(key.to_owned(), value.into());
        Ok(())
    }

    /// A table, made if it is not there.
    fn table(&mut self, path: &str) -> Result<&mut Table> {
        let mut table = &mut self.settings;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let below = table
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()));
            table = below
                .as_table_mut()
                .with_context(|| format!("{path}: a table is wanted there"))?;
        }
        Ok(table)
    }

    fn unset(&mut self, path: &str) {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        if self.get(path).is_some()
            && let Ok(table) = self.table(tables)
        {
            table.remove(key);
        }
    }

    fn set_path(&mut self, path: &str, file: &Path) -> Result<()> {
        let file = match file.starts_with("~") {
            true => file.to_owned(),
            false => std::path::absolute(file)?,
        };
        let text = file
            .to_str()
            .with_context(|| format!("{}: the path is not UTF-8", file.display()))?;
        self.set(path, text)
    }

    pub(super) fn set_key_file(&mut self, program: &str, file: &Path) -> Result<()> {
        self.set_path(&format!("serve.{program}.key_file"), file)
    }

    pub(super) fn set_broker_password_file(&mut self, file: &Path) -> Result<()> {
        self.set_path("serve.mqtt.password_file", file)
    }

    fn set_folders(&mut self, folders: &[PathBuf]) -> Result<()> {
        let mut values = Vec::new();
        for folder in folders {
            let folder = match folder.starts_with("~") {
                true => folder.clone(),
                false => std::path::absolute(folder)?,
            };
            let text = folder.to_str();
            let text =
                text.with_context(|| format!("{}: the path is not UTF-8", folder.display()))?;
            values.push(Value::from(text));
        }
        self.set("folders", values)
    }

    /// What the flags say.
    pub(super) fn take_flags(&mut self, args: &SetupArgs) -> Result<()> {
        if let Some(listen) = args.listen {
            self.set("serve.listen", listen.to_string())?;
        }
        if !args.folder.is_empty() {
            self.set_folders(&args.folder)?;
        }
        if args.no_pages {
            self.set("serve.pages", false)?;
        }
        if let Some(file) = &args.password {
            self.set_path("serve.password_file", file)?;
        }
        if args.immich {
            let usual = ImmichSettings::default().listen;
            self.listen("immich", args.immich_listen, usual)?;
            let forward = args.immich_forward.as_deref().unwrap_or(NONE);
            self.set_forward(&forward_url(forward).map_err(anyhow::Error::msg)?)?;
        }
        if args.nextcloud {
            self.listen("nextcloud", args.nextcloud_listen, NEXTCLOUD_LISTEN)?;
        }
        if args.deepstack {
            self.listen("deepstack", args.deepstack_listen, DEEPSTACK_LISTEN)?;
        }
        if let Some(broker) = &args.broker {
            let broker = broker_url(broker).map_err(anyhow::Error::msg)?;
            self.set("serve.mqtt.broker", broker)?;
            if let Some(user) = &args.broker_user {
                self.set("serve.mqtt.user", user.as_str())?;
            }
            if let Some(file) = &args.broker_password_file {
                self.set_path("serve.mqtt.password_file", file)?;
            }
            if let Some(file) = &args.broker_ca_file {
                self.set_path("serve.mqtt.ca_file", file)?;
            }
            if args.double_take {
                self.set("serve.mqtt.compat", "double-take")?;
            }
            if args.no_home_assistant {
                self.set("serve.mqtt.home_assistant", "")?;
            }
        }
        if let Some(frigate) = &args.frigate {
            let url = plain_url(frigate).map_err(anyhow::Error::msg)?;
            self.set("serve.mqtt.frigate.url", url)?;
            if !args.camera.is_empty() {
                self.set("serve.mqtt.frigate.cameras", args.camera.clone())?;
            }
        }
        Ok(())
    }

    /// What a human answers.
    pub(super) fn ask(&mut self, questions: &mut Questions) -> Result<()> {
        self.ask_album(questions)?;
        if self.ask_on(
            questions,
            "immich",
            "Answer Immich in place of its machine learning?",
        )? {
            self.ask_listen(questions, "immich", ImmichSettings::default().listen)?;
            let forward = self.text("serve.immich.forward");
            let usual = forward
                .unwrap_or("http://immich-machine-learning:3003")
                .to_owned();
            let question = "Address of Immich's own machine learning, for all that is not about \
                            faces (none: that is refused)";
            let url = questions.ask_for(question, &usual, forward_url)?;
            self.set_forward(&url)?;
        }
        let question = "Answer Nextcloud's \"Face Recognition\" as its external model?";
        if self.ask_on(questions, "nextcloud", question)? {
            self.ask_listen(questions, "nextcloud", NEXTCLOUD_LISTEN)?;
        }
        let question = "Answer clients of DeepStack or CodeProject.AI?";
        if self.ask_on(questions, "deepstack", question)? {
            self.ask_listen(questions, "deepstack", DEEPSTACK_LISTEN)?;
        }
        let question = "Name the people that cameras see, over MQTT (Frigate, Home Assistant)?";
        if self.ask_on(questions, "mqtt", question)? {
            self.ask_mqtt(questions)?;
        }
        Ok(())
    }

    fn ask_album(&mut self, questions: &mut Questions) -> Result<()> {
        let folders = self.get("folders").and_then(Value::as_array);
        let folders = folders.into_iter().flatten().filter_map(Value::as_str);
        let usual = folders.collect::<Vec<_>>().join(", ");
        let question = "Folders of photos, separated by commas (empty: none)";
        let given = questions.ask(question, &usual)?;
        let folders = given
            .split(',')
            .map(str::trim)
            .filter(|dir| !dir.is_empty());
        let folders: Vec<PathBuf> = folders.map(PathBuf::from).collect();
        if !folders.is_empty() {
            self.set_folders(&folders)?;
        }
        let has_pages = self.get("serve.pages").and_then(Value::as_bool);
        let pages = questions.yes_or_no("Show the album's pages?", has_pages.unwrap_or(true))?;
        self.set("serve.pages", pages)?;
        let usual = self.text("serve.listen").map(str::to_owned);
        let usual = usual.unwrap_or_else(|| Settings::default().listen.to_string());
        let question = "Address and port of pages and API (127.0.0.1: this machine alone)";
        let listen = questions.ask_for(question, &usual, socket_address)?;
        self.set("serve.listen", listen.to_string())
    }

    fn ask_mqtt(&mut self, questions: &mut Questions) -> Result<()> {
        let usual = |answers: &Answers, path: &str, usual: &str| {
            answers.text(path).unwrap_or(usual).to_owned()
        };
        let broker = usual(self, "serve.mqtt.broker", "mqtt://127.0.0.1:1883");
        let broker = questions.ask_for("Address of the broker", &broker, broker_url)?;
        self.set("serve.mqtt.broker", broker.as_str())?;
        let user = usual(self, "serve.mqtt.user", "");
        let user = questions.ask("User at the broker (empty: it asks for none)", &user)?;
        if !user.is_empty() {
            self.set("serve.mqtt.user", user)?;
            let question = "Password of that user, which is kept in a file that you alone can \
                            read (empty: as it is)";
            let password = questions.ask(question, "")?;
            self.broker_password = Some(password).filter(|password| !password.is_empty());
        }
        if BrokerAddress::parse(&broker).is_ok_and(|broker| broker.tls) {
            let file = usual(self, "serve.mqtt.ca_file", "");
            let question = "File with the certificate of your own authority (empty: a public one)";
            let file = questions.ask(question, &file)?;
            if !file.is_empty() {
                self.set_path("serve.mqtt.ca_file", Path::new(&file))?;
            }
        }
        let url = usual(self, "serve.mqtt.frigate.url", "http://127.0.0.1:5000");
        let question = "Address of Frigate without a login (none: there is no Frigate)";
        let url = questions.ask_for(question, &url, forward_url)?;
        if url.is_empty() {
            self.unset("serve.mqtt.frigate");
        } else {
            self.set("serve.mqtt.frigate.url", url)?;
        }
        let is_compat = self.text("serve.mqtt.compat").is_some();
        match questions.yes_or_no("Publish on Double Take's topics too?", is_compat)? {
            true => self.set("serve.mqtt.compat", "double-take")?,
            false => self.unset("serve.mqtt.compat"),
        }
        let is_told = self.text("serve.mqtt.home_assistant") != Some("");
        match questions.yes_or_no("Announce people and cameras to Home Assistant?", is_told)? {
            true if !is_told => self.unset("serve.mqtt.home_assistant"),
            true => {}
            false => self.set("serve.mqtt.home_assistant", "")?,
        }
        Ok(())
    }

    /// Whether a program is on; its table goes if it is not.
    fn ask_on(&mut self, questions: &mut Questions, program: &str, question: &str) -> Result<bool> {
        let path = format!("serve.{program}");
        let on = questions.yes_or_no(question, self.get(&path).is_some())?;
        match on {
            true => drop(self.table(&path)?),
            false => self.unset(&path),
        }
        Ok(on)
    }

    fn ask_listen(
        &mut self,
        questions: &mut Questions,
        program: &str,
        usual: SocketAddr,
    ) -> Result<()> {
        let path = format!("serve.{program}.listen");
        let usual = self.text(&path).map_or(usual.to_string(), str::to_owned);
        let question = "Address and port where it reaches Fusiform (0.0.0.0: from other machines \
                        and containers)";
        let listen = questions.ask_for(question, &usual, socket_address)?;
        self.set(&path, listen.to_string())
    }

    /// The address that a flag gives, else what is there, else the usual one.
    fn listen(
        &mut self,
        program: &str,
        given: Option<SocketAddr>,
        usual: SocketAddr,
    ) -> Result<()> {
        let path = format!("serve.{program}.listen");
        match (given, self.text(&path)) {
            (None, Some(_)) => Ok(()),
            (given, _) => self.set(&path, given.unwrap_or(usual).to_string()),
        }
    }

    fn set_forward(&mut self, url: &str) -> Result<()> {
        let to_itself = self.text("serve.immich.listen").is_some_and(|listen| {
            let to = url.strip_prefix("http://").unwrap_or(url);
            !url.is_empty() && to.trim_end_matches('/') == listen
        });
        ensure!(
            !to_itself,
            "{url} is where Fusiform itself answers Immich; give the address of Immich's own \
             machine learning, or another port for one of the two"
        );
        match url {
            "" => self.unset("serve.immich.forward"),
            url => self.set("serve.immich.forward", url)?,
        }
        Ok(())
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| format!("{text:?} is not an address and a port, such as 127.0.0.1:8000");
    text.parse().map_err(wrong)
}

/// An address of a server on this machine or its network, without a slash at its end.
fn plain_url(text: &str) -> Result<String, String> {
    let good = http_address(text, "http://host:5000").map_err(|e| e.to_string());
    good.map(|_| text.trim_end_matches('/').to_owned())
}

/// As [`plain_url`], or nothing.
fn forward_url(text: &str) -> Result<String, String> {
    match text {
        NONE | "" => Ok(String::new()),
        url => plain_url(url),
    }
}

fn broker_url(text: &str) -> Result<String, String> {
    let good = BrokerAddress::parse(text).map_err(|e| e.to_string());
    good.map(|_| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn answers_at_a_terminal_change_what_they_are_about_and_keep_the_rest() {
        let old = "exclude = [\"*.png\"]\n[serve]\nqueue = 7\n[serve.nextcloud]\n\
                   listen = \"127.0.0.1:8081\"\n[serve.mqtt]\nclient_id = \"mine\"\n\
                   compat = \"double-take\"\n[serve.mqtt.frigate]\nurl = \"http://old:5000\"\n";
        let mut answers = Answers::over(old.parse().unwrap());
        let lines = [
            "~/Pictures, /mnt/a", // folders
            "no",                 // pages
            "here",               // an address: refused, and asked again
            "0.0.0.0:8000",
            "y", // Immich
            "",  // its usual address
            "https://elsewhere",
            "none",
            "n",           // Nextcloud, which was on
            "",            // DeepStack stays off
            "",            // MQTT stays on
            "broker:1883", // refused
            "mqtts://broker",
            "door",
            "a secret",
            "/etc/ca.pem",
            "none", // no Frigate any more
            "n",    // Double Take
            "n",    // Home Assistant
        ];
        let mut questions = Questions::of(Cursor::new(lines.join("\n") + "\n"));
        answers.ask(&mut questions).unwrap();
        let wanted = "exclude = [\"*.png\"]\nfolders = [\"~/Pictures\", \"/mnt/a\"]\n[serve]\n\
                      queue = 7\npages = false\nlisten = \"0.0.0.0:8000\"\n[serve.immich]\n\
                      listen = \"127.0.0.1:3003\"\n[serve.mqtt]\nclient_id = \"mine\"\n\
                      broker = \"mqtts://broker\"\nuser = \"door\"\nca_file = \"/etc/ca.pem\"\n\
                      home_assistant = \"\"\n";
        assert_eq!(answers.settings, wanted.parse::<Table>().unwrap());
        assert_eq!(answers.broker_password.as_deref(), Some("a secret"));
    }
}

//! Folders: what scans leave out, which are remembered, and that those under watch are followed.
//! With nothing but the binary.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::server_fixture::{Home, Server};
use crate::stage::{Stage, sample_album};

/// Longer than a change takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn portrait(number: usize) -> PathBuf {
    sample_album().join(format!("{number:02}-portrait.jpg"))
}

#[test]
fn what_is_left_out_is_counted_with_its_reason_and_patterns_come_from_settings_and_flags() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg", "22-group.jpg"]);
    for below in ["@eaDir/01.jpg", "private/03.jpg"] {
        fs::create_dir_all(dir.join(below).parent().unwrap()).unwrap();
        fs::copy(portrait(3), dir.join(below)).unwrap();
    }
    fs::create_dir_all(stage.path("home")).unwrap();
    let everything = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    assert_eq!(everything["photos"], 4, "{everything}");
    fs::write(stage.path("home/config.toml"), "exclude = [\"private/\"]\n").unwrap();
    let args = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--exclude".as_ref(),
        "*-group.jpg".as_ref(),
    ];
    let scanned = stage.json(&args);
    assert_eq!(scanned["photos"], 2, "{scanned}");
    assert_eq!(scanned["excluded_now"], 2, "{scanned}");
    assert_eq!(scanned["gone_photos"], 2, "{scanned}");
    let reasons = scanned["excluded_by_reason"].as_object().unwrap();
    let all: Vec<&String> = reasons.keys().collect();
    assert_eq!(all.len(), 3, "{reasons:?}");
    for words in ["Synology", "pattern private/", "pattern *-group.jpg"] {
        assert!(all.iter().any(|r| r.contains(words)), "{words}: {all:?}");
    }
    stage
        .run(&args)
        .ended_with(0)
        .says(&["left out: 3", "Synology"]);
    let bad = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--exclude".as_ref(),
        "[z-a]".as_ref(),
    ];
    stage.run(&bad).ended_with(4).says(&["[z-a]", ".gitignore"]);
}

#[test]
fn a_scan_without_folders_takes_those_that_are_remembered() {
    let stage = Stage::bare();
    stage
        .run(&["scan"])
        .ended_with(4)
        .says(&["no folder is remembered", "fusiform scan DIR"]);
    let dir = stage.photos(&["01-portrait.jpg"]);
    let dir = fs::canonicalize(dir).unwrap();
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    fs::copy(portrait(2), dir.join("2.jpg")).unwrap();
    assert_eq!(stage.json(&["scan"])["new_photos"], 1);
    let listed = stage.json(&["folders", "list"]);
    assert_eq!(listed[0]["folder"], dir.to_str().unwrap(), "{listed}");
    assert_eq!(
        (&listed[0]["photos"], &listed[0]["is_there"]),
        (&2.into(), &true.into())
    );
    let drop = ["folders".as_ref(), "remove".as_ref(), dir.as_os_str()];
    assert_eq!(stage.json(&drop).as_array().unwrap().len(), 0);
    stage
        .run(&drop)
        .ended_with(4)
        .says(&["none of the folders"]);
    stage.run(&["scan"]).ended_with(4);
    let doctor = stage.json(&["doctor"])["catalogue"]["says"].to_string();
    assert!(doctor.contains("2 photos"), "its photos stay: {doctor}");
    let add = ["folders".as_ref(), "add".as_ref(), dir.as_os_str()];
    assert_eq!(stage.json(&add).as_array().unwrap().len(), 1);
    assert_eq!(stage.json(&["scan"])["unchanged"], 2);
}

/// `fusiform watch` under way; ended when dropped.
struct Watching {
    child: Child,
    lines: Receiver<Value>,
}

impl Watching {
    fn start(stage: &Stage, dir: &Path) -> Watching {
        let mut command = stage.command();
        command.arg("watch").arg(dir).arg("--json");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (line_in, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = line_in.send(serde_json::from_str(&line).unwrap());
            }
        });
        Watching { child, lines }
    }

    /// The first change that `is_it`.
    #[track_caller]
    fn sees(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if is_it(&line) => return line,
                Ok(line) => seen.push(line),
                Err(e) => panic!("{e}; only {seen:?}"),
            }
        }
    }

    /// Clock ticks of processor time so far (`proc(5)`: utime and stime).
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn interrupt(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watched_folder_is_followed_until_ctrl_c_and_costs_nothing_while_it_rests() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg"]);
    let dir = fs::canonicalize(dir).unwrap();
    let mut watching = Watching::start(&stage, &dir);
    watching.sees(|line| line["new_photos"] == 1);
    fs::create_dir(dir.join("2020")).unwrap();
    fs::copy(portrait(2), dir.join("2020/new.jpg")).unwrap();
    watching.sees(|line| line["new_photos"] == 1);
    let named = stage.json(&["photo".as_ref(), dir.join("2020/new.jpg").as_os_str()]);
    assert_eq!(named["total"], 1, "{named}");
    // Renamed, changed and deleted.
    fs::rename(dir.join("2020/new.jpg"), dir.join("moved.jpg")).unwrap();
    watching.sees(|line| line["photos"] == 2 && line["new_photos"] == 0);
    stage
        .run(&["photo".as_ref(), dir.join("moved.jpg").as_os_str()])
        .ended_with(0);
    fs::copy(portrait(9), dir.join("moved.jpg")).unwrap();
    watching.sees(|line| line["new_photos"] == 1);
    fs::remove_file(dir.join("moved.jpg")).unwrap();
    watching.sees(|line| line["gone_photos"] == 1);
    // A folder that is away and comes back.
    let away = stage.path("away");
    fs::rename(&dir, &away).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    fs::copy(portrait(4), away.join("later.jpg")).unwrap();
    fs::rename(&away, &dir).unwrap();
    watching.sees(|line| line["new_photos"] == 1);
    fs::copy(portrait(5), dir.join("again.jpg")).unwrap();
    watching.sees(|line| line["new_photos"] == 1);

    std::thread::sleep(Duration::from_secs(2));
    let before = watching.ticks();
    std::thread::sleep(Duration::from_secs(5));
    let spent = watching.ticks() - before;
    // Of 500 ticks; a scan of these few photos alone takes more.
    assert!(spent <= 5, "{spent} ticks in five seconds of rest");
    assert_eq!(watching.interrupt(), Some(0));
}

#[test]
fn a_server_with_folders_follows_them() {
    let home = Home::empty();
    let dir = home.path("photos");
    fs::create_dir(&dir).unwrap();
    fs::copy(portrait(1), dir.join("1.jpg")).unwrap();
    let settings = format!(
        "folders = [{:?}]\nexclude = [\"*.png\"]\n",
        dir.to_str().unwrap()
    );
    fs::write(home.path("config.toml"), settings).unwrap();
    let server = home.serve();
    shows(&server, 1);
    fs::copy(portrait(2), dir.join("2.jpg")).unwrap();
    shows(&server, 2);
    fs::remove_file(dir.join("1.jpg")).unwrap();
    shows(&server, 1);
}

/// Waits until so many photos are on the page.
#[track_caller]
fn shows(server: &Server, n: usize) {
    let mut last = 0;
    for _ in 0..PATIENCE.as_secs() * 4 {
        let page = String::from_utf8(server.get("/photos", "").body).unwrap();
        last = page.matches("/small.jpg").count();
        if last == n {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    panic!("{last} photos on the page, not {n}");
}

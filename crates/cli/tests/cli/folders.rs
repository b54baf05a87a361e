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
        .says(&["1 folder or file was left out", "Synology"]);
    let bad = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--exclude".as_ref(),
        "[z-a]".as_ref(),
    ];
    stage.run(&bad).ended_with(4).says(&["[z-a]", ".gitignore"]);
    let bad = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--exclude".as_ref(),
        "[".as_ref(),
    ];
    stage.run(&bad).ended_with(4).says(&["\"[\"", ".gitignore"]);
}

#[test]
fn what_a_scan_left_out_is_told_by_reason() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "22-group.jpg"]);
    fs::write(dir.join("drawing.psd"), "x").unwrap();
    fs::write(dir.join("notes.txt"), "Dear diary").unwrap();
    fs::write(dir.join("README"), "Dear diary").unwrap();
    fs::write(dir.join("cut.jpg"), &fs::read(portrait(3)).unwrap()[..300]).unwrap();
    fs::write(dir.join("none.jpg"), "Dear diary").unwrap();
    let size = fs::metadata(dir.join("22-group.jpg")).unwrap().len();
    let limit = (size - 1).to_string();
    let args = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--max-bytes".as_ref(),
        limit.as_ref(),
    ];
    let scanned = stage.json(&args);
    let kinds = &scanned["problems_by_kind"];
    for kind in ["over_limit", "damaged", "no_photo"] {
        assert_eq!(kinds[kind], 1, "{kind}: {scanned}");
    }
    assert_eq!(scanned["no_pictures_by_ending"]["txt"], 1, "{scanned}");
    assert_eq!(scanned["no_pictures_by_ending"][""], 1, "{scanned}");
    let ran = stage.run(&args).ended_with(3);
    for words in [
        ["1 file asks", "more than is allowed"],
        ["1 file is damaged", ""],
        ["none.jpg", "not an image"],
        ["1 file of a kind that is not read", "Photoshop file"],
        ["2 files are neither a picture nor a film", ""],
        ["22-group.jpg", "max_bytes"],
        ["--max-bytes", "FUSIFORM_MAX_BYTES"],
    ] {
        ran.says(&words);
    }
}

#[test]
fn limits_of_photos_are_a_setting_a_variable_and_a_flag_and_errors_name_them() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg"]);
    let photo = dir.join("01-portrait.jpg");
    let (width, height) = image::image_dimensions(&photo).unwrap();
    let fewer = (u64::from(width) * u64::from(height) - 1).to_string();
    let detect = ["detect".as_ref(), photo.as_os_str()];
    stage.run(&detect).ended_with(0);
    fs::create_dir_all(stage.path("home")).unwrap();
    fs::write(
        stage.path("home/config.toml"),
        format!("max_pixels = {fewer}\n"),
    )
    .unwrap();
    stage.run(&detect).ended_with(3).says(&[
        "01-portrait.jpg",
        "max_pixels",
        "--max-pixels",
        "FUSIFORM_MAX_PIXELS",
    ]);
    let with = |name: &str, value: &str| {
        let mut command = stage.command();
        command
            .env(name, value)
            .args(detect)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(with("FUSIFORM_MAX_PIXELS", "100000000"), Some(0));
    assert_eq!(with("FUSIFORM_MAX_PIXELS", "many"), Some(4));
    let raised = [
        &detect[..],
        &["--max-pixels".as_ref(), "100000000".as_ref()],
    ]
    .concat();
    stage.run(&raised).ended_with(0);
    let small = [&raised[..], &["--max-bytes".as_ref(), "1000".as_ref()]].concat();
    stage
        .run(&small)
        .ended_with(3)
        .says(&["max_bytes", "--max-bytes"]);
    // Every command that decodes.
    let verify = ["verify".as_ref(), photo.as_os_str(), photo.as_os_str()];
    stage.run(&verify).ended_with(4).says(&["--max-pixels"]);
    let scan = ["scan".as_ref(), dir.as_os_str()];
    stage
        .run(&scan)
        .ended_with(3)
        .says(&["01-portrait.jpg", "max_pixels"]);
}

#[test]
fn an_emptied_folder_is_said_and_kept_and_prune_describes_it() {
    let stage = Stage::bare();
    let dir = fs::canonicalize(stage.photos(&["01-portrait.jpg"])).unwrap();
    let scan = ["scan".as_ref(), dir.as_os_str()];
    stage.run(&scan).ended_with(0);
    fs::remove_file(dir.join("01-portrait.jpg")).unwrap();
    let scanned = stage.json(&scan);
    assert_eq!(scanned["emptied"][0]["photos"], 1, "{scanned}");
    assert_eq!(scanned["gone_photos"], 0, "{scanned}");
    let ran = stage.run(&scan).ended_with(3);
    ran.says(&["1 folder holds nothing now", "kept"]);
    ran.says(&[dir.to_str().unwrap(), "1 photo"]);
    let text = stage.run(&["prune"]).ended_with(0).stdout();
    assert!(
        text.contains("kept: 1 photo below") && text.contains("holds nothing now"),
        "{text}"
    );
    let prune = [
        "prune".as_ref(),
        "--root".as_ref(),
        dir.as_os_str(),
        "--yes".as_ref(),
    ];
    stage.run(&prune).ended_with(0);
    stage.run(&scan).ended_with(0);
    let text = stage.run(&["prune"]).ended_with(0).stdout();
    assert!(!text.contains("kept"), "{text}");
}

#[test]
fn a_tilde_is_the_home_where_no_shell_wrote_it_out_and_a_folder_in_a_dropped_one_is_remembered() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg"]);
    fs::create_dir(dir.join("below")).unwrap();
    let run = |args: &[&str]| {
        let mut command = stage.command();
        command.env("HOME", stage.path("")).args(args).arg("--json");
        let ran = command.output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
    };
    assert_eq!(run(&["scan", "~/photos"])["photos"], 1);
    assert_eq!(run(&["photo", "~/photos/01-portrait.jpg"])["total"], 1);
    // One folder, however it is written.
    for typed in ["photos/", "./photos/below/..", "home/../photos"] {
        assert_eq!(run(&["scan", typed])["unchanged"], 1, "{typed}");
    }
    assert_eq!(run(&["folders", "list"]).as_array().unwrap().len(), 1);
    let folders = |listed: &Value| {
        let all = listed.as_array().unwrap().iter();
        all.map(|row| row["folder"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let listed = run(&["folders", "remove", "~/photos"]);
    assert_eq!(folders(&listed), Vec::<String>::new());
    let listed = run(&["folders", "add", "~/photos/below"]);
    assert_eq!(folders(&listed), [dir.join("below").to_str().unwrap()]);
    let listed = run(&["folders", "add", "~"]);
    let home = stage
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    assert_eq!(folders(&listed), [home], "it holds the other");
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

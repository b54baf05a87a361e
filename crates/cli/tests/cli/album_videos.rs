//! People with a name in the videos of scanned folders, on clips that ffmpeg makes of the sample
//! album's people.

use std::fs;

use serde_json::Value;

use crate::server_fixture::{Server, form_secrets};

use super::stage::{Stage, sample_album};
use super::video::{BO, IDA, IDA_AGAIN, clip, named, text};

const H264: &[&str] = &["-c:v", "libx264"];

/// First and last time of each while that a person is in view, over all videos.
fn spans(stage: &Stage, person: &str) -> Vec<(u64, u64)> {
    let shown = stage.json(&["person", person]);
    let videos = shown["videos"].as_array().unwrap().iter();
    let spans = videos.flat_map(|video| video["spans"].as_array().unwrap());
    let time = |span: &Value, which: &str| span[which].as_u64().unwrap();
    spans
        .map(|span| (time(span, "start_ms"), time(span, "end_ms")))
        .collect()
}

/// Scans the stage's photos with their videos; gives what it says of videos.
#[track_caller]
fn scanned(stage: &Stage) -> Value {
    stage.json(&["scan", text(&stage.path("photos"))])["videos"].clone()
}

fn near(found: &[(u64, u64)], wanted: &[(u64, u64)]) -> bool {
    let is_near = |((a, b), (c, d)): (&(u64, u64), &(u64, u64))| {
        a.abs_diff(*c) <= 500 && b.abs_diff(*d) <= 500
    };
    found.len() == wanted.len() && found.iter().zip(wanted).all(is_near)
}

const IDAS: [(u64, u64); 2] = [(0, 2960), (7000, 9960)];
const BOS: [(u64, u64); 1] = [(3000, 5960)];

#[test]
fn a_scan_finds_people_with_a_name_in_videos_and_decisions_hold() {
    let stage = named(&[(IDA_AGAIN, "Ida")]);
    let Some(made) = clip(&stage, "photos/clip.mp4", "null", H264) else {
        return;
    };
    // A copy of one that needs ffmpeg, and one that is broken.
    let avi = ["-c:v", "mpeg4", "-q:v", "3"];
    clip(&stage, "photos/other.AVI", "null", &avi).unwrap();
    fs::write(
        stage.path("photos/broken.mov"),
        b"\0\0\0\x14ftypqt  no more",
    )
    .unwrap();
    let ran = stage
        .run(&["scan", text(&stage.path("photos"))])
        .ended_with(3);
    ran.says(&["broken.mov"]);
    assert!(
        ran.stdout().contains("3 videos (2 looked at now), 4"),
        "{}",
        ran.stdout()
    );
    for path in ["photos/broken.mov", "photos/other.AVI"] {
        fs::remove_file(stage.path(path)).unwrap();
    }
    let again = scanned(&stage);
    assert_eq!(
        (&again["looked_at"], &again["gone"]),
        (&0.into(), &1.into())
    );
    assert!(
        near(&spans(&stage, "Ida"), &IDAS),
        "{:?}",
        spans(&stage, "Ida")
    );
    let people = stage.json(&["people"]);
    assert_eq!(people[0]["n_videos"], 1, "{people:#}");
    // Whoever is named later is found by the next scan.
    let bo = stage.path("photos").join(BO);
    fs::copy(sample_album().join(BO), &bo).unwrap();
    scanned(&stage);
    let face = stage.json(&["photo", text(&bo)])["items"][0]["face"].to_string();
    stage.run(&["is", "Bo", &face]).ended_with(0);
    assert_eq!(scanned(&stage)["looked_at"], 1);
    assert!(
        near(&spans(&stage, "Bo"), &BOS),
        "{:?}",
        spans(&stage, "Bo")
    );
    // Renamed, moved, and said not to be her.
    stage.run(&["name", "Ida", "Aunt Ida"]).ended_with(0);
    fs::create_dir(stage.path("photos/2024")).unwrap();
    fs::rename(&made, stage.path("photos/2024/party.mp4")).unwrap();
    assert_eq!(scanned(&stage)["looked_at"], 0);
    let shown = stage.json(&["person", "Aunt Ida"]);
    let path = shown["videos"][0]["paths"][0].as_str().unwrap();
    assert!(path.ends_with("2024/party.mp4"), "{path}");
    let first = &shown["videos"][0]["spans"][0]["appearances"];
    let first: Vec<String> = first
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let not = ["not", "Aunt Ida", "--appearance", &first.join(",")];
    stage.run(&not).ended_with(0);
    assert!(near(&spans(&stage, "Aunt Ida"), &IDAS[1..]));
    scanned(&stage);
    assert!(near(&spans(&stage, "Aunt Ida"), &IDAS[1..]));
    stage.run(&not).ended_with(4);
    stage.run(&["undo"]).ended_with(0);
    scanned(&stage);
    assert!(near(&spans(&stage, "Aunt Ida"), &IDAS));
    // Erased, for good.
    let erased = stage.json(&["erase", "Aunt Ida", "--yes"]);
    assert!(erased["n_appearances"].as_u64().unwrap() >= 2, "{erased}");
    let ida = stage.path("photos").join(IDA);
    fs::copy(sample_album().join(IDA), &ida).unwrap();
    scanned(&stage);
    let face = stage.json(&["photo", text(&ida)])["items"][0]["face"].to_string();
    stage.run(&["is", "Ida", &face]).ended_with(0);
    scanned(&stage);
    assert_eq!(spans(&stage, "Ida"), []);
    assert!(near(&spans(&stage, "Bo"), &BOS));
}

#[test]
fn videos_wait_for_a_name_and_can_be_left_out() {
    let stage = Stage::bare();
    let dir = stage.photos(&[IDA_AGAIN, BO]);
    let Some(_) = clip(&stage, "photos/clip.mp4", "null", H264) else {
        return;
    };
    assert_eq!(scanned(&stage)["waiting"], 1);
    let face = stage.json(&["photo", text(&dir.join(IDA_AGAIN))])["items"][0]["face"].to_string();
    stage.run(&["is", "Ida", &face]).ended_with(0);
    let answer = stage.json(&["scan", text(&dir), "--no-videos"]);
    assert_eq!(answer["videos"]["files"], 0);
    assert_eq!(
        answer["unread_by_kind"]["video"], 1,
        "said, not passed over"
    );
    fs::write(stage.path("home/config.toml"), "videos = false\n").unwrap();
    assert_eq!(scanned(&stage)["files"], 0);
    fs::remove_file(stage.path("home/config.toml")).unwrap();
    let exclude = ["scan", text(&dir), "--exclude", "*.mp4"];
    assert_eq!(stage.json(&exclude)["videos"]["files"], 0);
    assert_eq!(
        stage.json(&exclude)["excluded_by_reason"]["pattern *.mp4"],
        1
    );
    // The film of a live photo, and a video that is named itself.
    let films = stage.path("films");
    fs::create_dir(&films).unwrap();
    fs::rename(dir.join("clip.mp4"), films.join("IMG_1.MOV")).unwrap();
    fs::copy(dir.join(BO), films.join("IMG_1.jpg")).unwrap();
    let answer = stage.json(&["scan", text(&films)]);
    assert_eq!(answer["videos"]["looked_at"], 1, "{answer:#}");
    assert!(near(&spans(&stage, "Ida"), &IDAS));
    let answer = stage.json(&["scan", text(&films.join("IMG_1.MOV"))]);
    assert_eq!(answer["videos"]["known"], 1, "{answer:#}");
    assert_eq!(answer["photos"], 0);
}

#[test]
fn a_persons_page_shows_their_videos_and_takes_back_what_is_wrong() {
    let stage = named(&[(IDA_AGAIN, "Ida")]);
    let Some(made) = clip(&stage, "photos/clip.mp4", "null", H264) else {
        return;
    };
    scanned(&stage);
    let mut serve = stage.command();
    serve.args(["-q", "serve", "--listen", "127.0.0.1:0"]);
    let server = Server::start(serve);
    let people = stage.json(&["people"]);
    let person = format!("/people/{}", people[0]["id"]);
    let page = String::from_utf8(server.get(&person, "").body).unwrap();
    assert!(page.contains("Also in 1 video"), "{page}");
    assert!(page.contains("href=\"/videos/1#t=7\""), "{page}");
    // The file as players ask for it.
    let whole = fs::read(&made).unwrap();
    let ask = |range: &str| {
        let headers = [("range", range)];
        server.request_at(&server.address, "GET", "/videos/1", &headers, b"")
    };
    let mut part = ask("bytes=100-299");
    assert_eq!(part.status().as_u16(), 206);
    let range = format!("bytes 100-299/{}", whole.len());
    assert_eq!(part.headers()["content-range"], range.as_str());
    assert_eq!(part.headers()["content-type"], "video/mp4");
    assert_eq!(part.body_mut().read_to_vec().unwrap(), whole[100..300]);
    assert_eq!(ask("bytes=99999999-").status().as_u16(), 416);
    assert_eq!(server.get("/videos/1", "").body, whole);
    assert_eq!(server.get("/videos/7", "").status, 404);
    // "Not Ida", which can be undone.
    let (cookie, token) = form_secrets(&server, &person);
    let first = page.split("name=\"appearance\" value=\"").nth(1).unwrap();
    let first = first.split('"').next().unwrap();
    let body = format!("token={token}&appearance={first}");
    let path = format!("{person}/not-in-video");
    let (status, answer) = server.post_form(&path, &cookie, &body);
    assert_eq!(status, 303, "{answer}");
    assert!(near(&spans(&stage, "Ida"), &IDAS[1..]));
    let (status, _) = server.post_form(&path, &cookie, &format!("token={token}"));
    assert_eq!(status, 400);
    // Nobody without the page's cookie decides.
    let (status, _) = server.post_form(&path, "0", &body);
    assert_eq!(status, 403);
}

#[test]
fn the_two_people_of_a_real_video_are_found_in_it() {
    let Some(shared) = fusiform_skips::shared(&["cases/video/clip.mp4"]) else {
        return;
    };
    let cases = shared.join("cases/video");
    let stage = Stage::bare();
    let dir = stage.photos(&[]);
    let people = ["person-a", "person-b"];
    for name in people {
        let photo = format!("{name}.png");
        fs::copy(cases.join(&photo), dir.join(&photo)).unwrap();
    }
    fs::copy(cases.join("clip.mp4"), dir.join("clip.mp4")).unwrap();
    scanned(&stage);
    for name in people {
        let shown = stage.json(&["photo", text(&dir.join(format!("{name}.png")))]);
        let face = shown["items"][0]["face"].to_string();
        stage.run(&["is", name, &face]).ended_with(0);
    }
    assert_eq!(scanned(&stage)["looked_at"], 1);
    // As `fusiform video` has it with five frames a second and a looser threshold.
    let video = stage.json(&["video", text(&dir.join("clip.mp4"))]);
    let all = video["videos"][0]["appearances"].as_array().unwrap();
    for name in people {
        let found = spans(&stage, name);
        assert!(!found.is_empty(), "{name}");
        let time = |seen: &Value, which: &str| seen[which].as_u64().unwrap();
        for (from, to) in found {
            let of_name = all.iter().filter(|seen| seen["name"] == name);
            let touches = of_name.map(|seen| (time(seen, "start_ms"), time(seen, "end_ms")));
            let is_there = touches
                .into_iter()
                .any(|(a, b)| a <= to + 500 && from <= b + 500);
            assert!(is_there, "{name} {from}-{to}: {video:#}");
        }
    }
}

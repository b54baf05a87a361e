//! Keeping the sample album right from the command line, with nothing but the binary.

use crate::stage::{Stage, sample_album};

#[test]
fn an_album_is_corrected_questioned_and_undone() {
    let stage = Stage::bare();
    let album = sample_album();
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    let people = stage.json(&["people"]);
    let id = |at: usize| people[at]["id"].to_string();
    stage.run(&["name", &id(0), "Ida"]).ended_with(0);
    stage.run(&["name", &id(1), "Bo"]).ended_with(0);
    let faces_of = |who: &str| {
        let person = stage.json(&["person", who]);
        let photos = person["photos"].as_array().unwrap().clone();
        photos
            .iter()
            .map(|p| p["face"].to_string())
            .collect::<Vec<_>>()
    };
    let (ida, bo) = (faces_of("Ida"), faces_of("Bo"));

    // A face changes hands, by a name that is there and by one that is new.
    stage.run(&["is", "Ida", &bo[0]]).ended_with(0);
    assert_eq!(
        (faces_of("Ida").len(), faces_of("Bo").len()),
        (ida.len() + 1, bo.len() - 1)
    );
    stage.run(&["is", "Cleo", &bo[1]]).ended_with(0);
    assert_eq!(faces_of("Cleo"), [bo[1].clone()]);
    stage.run(&["not", "Ida", &bo[0]]).ended_with(0);
    stage.run(&["not-a-face", &bo[0]]).ended_with(0);
    let aside = stage.json(&["leftovers", "--aside"]);
    assert_eq!(aside["items"][0]["face"].to_string(), bo[0]);
    assert_eq!(aside["items"][0]["aside"], "not a face");
    let listed = stage.run(&["leftovers", "--aside"]).ended_with(0).stdout();
    assert!(listed.contains(".jpg"), "it says in which photo: {listed}");

    // Scanning and grouping again contradicts nothing.
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    assert!(!faces_of("Ida").contains(&bo[0]) && faces_of("Cleo").contains(&bo[1]));

    let history = stage.json(&["history"]);
    assert_eq!(
        (
            history["total"].as_u64(),
            history["items"][0]["who"].as_str()
        ),
        (Some(6), Some("command line"))
    );
    let latest = history["items"][0]["id"].to_string();
    stage.run(&["undo", "--decision", &latest]).ended_with(0);
    stage.run(&["undo", "3"]).ended_with(0);
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    assert_eq!((faces_of("Ida"), faces_of("Bo")), (ida, bo));
    stage
        .run(&["undo", "--decision", &latest])
        .ended_with(4)
        .says(&["fusiform history"]);

    // Both in one photo, and that photo with its faces.
    let together = stage.json(&["together", "Ida", "Bo"]);
    if let Some(photo) = together["items"][0]["paths"][0].as_str() {
        let shown = stage.json(&["photo", photo]);
        let names: Vec<_> = shown["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["name"].as_str())
            .collect();
        assert!(
            names.contains(&Some("Ida")) && names.contains(&Some("Bo")),
            "{shown}"
        );
    }

    let review = stage.json(&["review"]);
    for question in review["items"].as_array().unwrap() {
        assert!(
            question["reason"]
                .as_str()
                .unwrap()
                .contains("to this person")
        );
    }
    if let Some(first) = review["items"][0]["id"].as_i64() {
        stage
            .run(&["review", &first.to_string(), "unsure"])
            .ended_with(0);
        assert_eq!(
            stage.json(&["review"])["total"].as_u64(),
            review["total"].as_u64().map(|n| n - 1)
        );
    }

    stage.run(&["hide", "Bo"]).ended_with(0);
    stage.run(&["erase", "Ida"]).ended_with(4).says(&["--yes"]);
    stage.run(&["erase", "Ida", "--yes"]).ended_with(0);
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    stage.run(&["person", "Ida"]).ended_with(4);
    let database = std::fs::read(stage.path("home/catalogue.db")).unwrap();
    assert!(
        !database.windows(3).any(|w| w == b"Ida"),
        "the name is gone from the bytes"
    );
}

#[test]
fn a_photo_to_be_shared_shows_who_was_kept_and_nobody_else() {
    let stage = Stage::bare();
    let album = sample_album();
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    let group = album.join("25-group.jpg");
    let photo = stage.json(&["photo".as_ref(), group.as_os_str()]);
    let faces = photo["items"].as_array().unwrap().clone();
    assert_eq!(faces.len(), 4, "{photo}");
    let kept = faces[1]["person"].to_string();
    stage.run(&["name", &kept, "Ida"]).ended_with(0);
    let wanted = [
        "redact".as_ref(),
        group.as_os_str(),
        "--keep".as_ref(),
        "Ida".as_ref(),
        "-o".as_ref(),
        "out".as_ref(),
    ];
    let done = stage.json::<&std::ffi::OsStr>(&wanted);
    assert_eq!(
        (
            done["photos"][0]["kept"].as_u64(),
            done["photos"][0]["covered"].as_u64()
        ),
        (Some(1), Some(3)),
        "{done}"
    );
    let found = stage.json(&["find", "out/25-group.jpg"]);
    let known: Vec<_> = found["faces"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["answer"] == "known")
        .map(|f| f["candidates"][0]["name"].as_str())
        .collect();
    assert_eq!(known, [Some("Ida")], "{found}");
}

#[test]
fn a_face_given_to_somebody_without_a_name_leaves_them_their_other_faces() {
    let stage = Stage::bare();
    let album = sample_album();
    let scan = || {
        stage
            .run(&["scan".as_ref(), album.as_os_str()])
            .ended_with(0)
    };
    scan();
    let people = stage.json(&["people"]);
    let n_faces = people[1]["n_faces"].as_u64().unwrap();
    let (giver, taker) = (people[0]["id"].to_string(), people[1]["id"].to_string());
    let face = stage.json(&["person", &giver])["photos"][0]["face"].to_string();
    stage.run(&["is", &taker, &face]).ended_with(0);
    scan();
    let now = stage.json(&["person", &taker]);
    assert_eq!(
        now["photos"].as_array().unwrap().len() as u64,
        n_faces + 1,
        "{now}"
    );
    let all = stage.json(&["people"]);
    assert_eq!(
        all.as_array().unwrap().len(),
        people.as_array().unwrap().len()
    );
}

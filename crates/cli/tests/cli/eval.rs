//! `fusiform eval` on folders made of the sample album: what it measures is known beforehand.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::stage::{Stage, sample_album};

/// Two people with two portraits each, named as LFW names photos, and pairs of them in two folds.
fn two_people(stage: &Stage) -> [PathBuf; 2] {
    let images = stage.path("people");
    let photos = [
        ("Ada", 1, "01-portrait.jpg"),
        ("Ada", 2, "02-portrait.jpg"),
        ("Bea", 1, "08-portrait.jpg"),
        ("Bea", 2, "08-portrait.jpg"),
    ];
    for (name, number, from) in photos {
        let dir = images.join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::copy(
            sample_album().join(from),
            dir.join(format!("{name}_000{number}.jpg")),
        )
        .unwrap();
    }
    let pairs = stage.path("pairs.txt");
    let fold = "Ada\t1\t2\nAda\t1\tBea\t1\n";
    fs::write(&pairs, format!("2\t1\n{fold}{fold}")).unwrap();
    [images, pairs]
}

/// A folder of two photos whose labels are what `fusiform detect` says of them.
fn labelled(stage: &Stage, change: impl Fn(&mut Vec<Value>)) -> PathBuf {
    let photos = stage.photos(&["01-portrait.jpg", "22-group.jpg"]);
    let mut lines = String::new();
    for name in ["01-portrait.jpg", "22-group.jpg"] {
        let path = photos.join(name);
        let answer = stage.json(&["detect".as_ref(), path.as_os_str()]);
        let found = answer["photos"][0]["faces"].as_array().unwrap();
        let face = |face: &Value| {
            let [x, y, x1, y1] = [0, 1, 2, 3].map(|i| face["bbox"][i].as_f64().unwrap());
            serde_json::json!({"box": [x, y, x1 - x, y1 - y], "landmarks": face["landmarks"]})
        };
        let mut faces: Vec<Value> = found.iter().map(face).collect();
        change(&mut faces);
        lines += &serde_json::json!({"photo": name, "faces": faces}).to_string();
        lines.push('\n');
    }
    fs::write(photos.join("faces.jsonl"), lines).unwrap();
    photos
}

#[test]
fn robustness_has_a_row_for_each_change_and_tells_what_was_lost() {
    let stage = Stage::bare();
    let [images, pairs] = two_people(&stage);
    let args = ["eval", "robustness", "--images"].map(AsRef::<std::ffi::OsStr>::as_ref);
    let files = [images.as_os_str(), "--pairs".as_ref(), pairs.as_os_str()];
    let all = stage.json(&[&args[..], &files[..]].concat());
    let rows = all["rows"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["change"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 13, "{names:?}");
    for name in [
        "plain",
        "tilt-180",
        "mask",
        "sunglasses",
        "face-24px",
        "jpeg-30",
        "grey",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    // Person against stranger, in good light: told apart, and photos that are only grey or
    // compressed too.
    for name in ["plain", "grey", "jpeg-30"] {
        let row = rows.iter().find(|row| row["change"] == name).unwrap();
        assert_eq!(row["accuracy"], 1.0, "{row}");
        assert_eq!(row["photos_without_face"], 0, "{row}");
    }
    let some = ["--rows", "plain", "dark-15"].map(AsRef::<std::ffi::OsStr>::as_ref);
    let text = stage
        .run(&[&args[..], &files[..], &some[..]].concat())
        .ended_with(0);
    let text = text.stdout();
    assert!(text.contains("dark-15") && !text.contains("mask"), "{text}");
    let wrong = ["--rows", "upside-down"].map(AsRef::<std::ffi::OsStr>::as_ref);
    stage
        .run(&[&args[..], &files[..], &wrong[..]].concat())
        .ended_with(4)
        .says(&["upside-down", "tilt-180"]);
}

#[test]
fn detection_is_perfect_against_its_own_answer_and_a_label_it_misses_counts() {
    let stage = Stage::bare();
    let photos = labelled(&stage, |_| ());
    let eval = |stage: &Stage, photos: &PathBuf| {
        stage.json(&["eval".as_ref(), "detect".as_ref(), photos.as_os_str()])
    };
    let own = eval(&stage, &photos);
    assert_eq!(
        (&own["recall"]["value"], &own["precision"]["value"]),
        (&1.0.into(), &1.0.into())
    );
    assert!(own["average_precision"].as_f64().unwrap() > 0.99, "{own}");
    assert!(own["landmark_error_eyes"].as_f64().unwrap() < 0.01, "{own}");
    let n = own["n_labelled"].as_u64().unwrap();

    let photos = labelled(&stage, |faces| {
        faces.push(serde_json::json!({"box": [2, 2, 12, 12]}));
        faces.push(serde_json::json!({"box": [20, 2, 12, 12], "ignore": true}));
    });
    let missed = eval(&stage, &photos);
    assert_eq!(missed["n_labelled"].as_u64().unwrap(), n + 2, "{missed}");
    let recall = missed["recall"]["value"].as_f64().unwrap();
    assert!(
        (recall - n as f64 / (n + 2) as f64).abs() < 1e-9,
        "{missed}"
    );

    // One photo less in the labels' truth: its faces are false boxes.
    let photos = labelled(&stage, Vec::clear);
    let nothing = eval(&stage, &photos);
    assert_eq!(
        nothing["false_per_photo"].as_f64().unwrap(),
        n as f64 / 2.0,
        "{nothing}"
    );
}

#[test]
fn labels_that_cannot_be_used_are_named_and_a_missing_photo_stops_nothing() {
    let stage = Stage::bare();
    let run = |stage: &Stage| {
        let photos = stage.path("photos");
        stage.run(&["eval".as_ref(), "detect".as_ref(), photos.as_os_str()])
    };
    let photos = stage.photos(&["01-portrait.jpg"]);
    run(&stage)
        .ended_with(4)
        .says(&["faces.jsonl", "one photo a line"]);
    fs::write(
        photos.join("faces.jsonl"),
        "{\"photo\": \"../x.jpg\", \"faces\": []}",
    )
    .unwrap();
    run(&stage)
        .ended_with(4)
        .says(&["faces.jsonl", "line 1", "not a path below"]);
    let lines = "{\"photo\": \"gone.jpg\", \"faces\": []}\n\
        {\"photo\": \"01-portrait.jpg\", \"faces\": []}\n";
    fs::write(photos.join("faces.jsonl"), lines).unwrap();
    let ran = run(&stage).ended_with(3);
    ran.says(&["gone.jpg"]);
    assert!(
        ran.stdout().contains("photos           1 "),
        "{}",
        ran.stdout()
    );
}

#[test]
fn quality_draws_a_curve_for_each_measure() {
    let stage = Stage::bare();
    let [images, _] = two_people(&stage);
    let svg = stage.path("discard.svg");
    let args =
        ["eval", "quality", "--fmr", "0.3", "--images"].map(AsRef::<std::ffi::OsStr>::as_ref);
    let files = [images.as_os_str(), "--svg".as_ref(), svg.as_os_str()];
    let answer = stage.json(&[&args[..], &files[..]].concat());
    assert_eq!(
        (answer["n_faces"].as_u64(), &answer["photos_without_face"]),
        (Some(4), &0.into())
    );
    let measures = answer["measures"].as_array().unwrap();
    assert!(
        measures.iter().any(|m| m["measure"] == "overall"),
        "{answer}"
    );
    for measure in measures {
        let points = measure["points"].as_array().unwrap();
        assert_eq!(
            (points.len(), &points[0]["n_genuine"]),
            (6, &2.into()),
            "{measure}"
        );
        // A fifth of four photos is one: its pair is gone, the other one stays.
        assert_eq!(
            (&points[5]["n_discarded"], &points[5]["n_genuine"]),
            (&1.into(), &1.into())
        );
    }
    let drawn = fs::read_to_string(&svg).unwrap();
    assert!(
        drawn.starts_with("<svg") && drawn.contains("sharpness"),
        "{drawn}"
    );
    let wrong = ["eval", "quality", "--fmr", "2", "--images"].map(AsRef::<std::ffi::OsStr>::as_ref);
    stage
        .run(&[&wrong[..], &files[..1]].concat())
        .ended_with(4)
        .says(&["false-match rate 2"]);
}

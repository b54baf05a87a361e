//! Names that travel: sidecars of other programs in all eight orientations, their regions and
//! tags, exports that renew what is ours, imports that overrule nothing said later. With the binary
//! alone.

use std::fs;
use std::path::Path;

use fusiform::Orientation;
use image::codecs::jpeg::JpegEncoder;
use serde_json::Value;

use crate::stage::{Stage, sample_album};

const GROUP: &str = "25-group.jpg";

/// The group photo as a camera held this way stores it.
fn store_turned(orientation: Orientation, to: &Path) -> (u32, u32) {
    let upright = image::open(sample_album().join(GROUP)).unwrap().to_rgb8();
    let (width, height) = upright.dimensions();
    let upright = fusiform::Image::new(width, height, upright.into_raw()).unwrap();
    // A rotation is undone by the opposite one; every mirroring undoes itself.
    let inverse = match orientation {
        Orientation::RotatedLeft => Orientation::RotatedRight,
        Orientation::RotatedRight => Orientation::RotatedLeft,
        other => other,
    };
    let stored = inverse.upright(upright);
    let (width, height) = (stored.width(), stored.height());
    let stored = image::RgbImage::from_raw(width, height, stored.into_rgb()).unwrap();
    let mut jpeg = Vec::new();
    stored
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 92))
        .unwrap();
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation as u8, 0, 0, 0, 0, 0, 0]);
    let mut file = jpeg[..2].to_vec();
    file.extend([0xff, 0xe1]);
    file.extend(((exif.len() + 2) as u16).to_be_bytes());
    file.extend(exif);
    file.extend(&jpeg[2..]);
    fs::write(to, file).unwrap();
    (width, height)
}

/// A box of the upright photo, as shares, where the camera stored it. Written down case by case
/// from EXIF's table, and not with the code that is tested.
fn stored_box(orientation: Orientation, [x, y, w, h]: [f64; 4]) -> [f64; 4] {
    let (right, bottom) = (1.0 - x - w, 1.0 - y - h);
    match orientation as u32 {
        1 => [x, y, w, h],
        2 => [right, y, w, h],
        3 => [right, bottom, w, h],
        4 => [x, bottom, w, h],
        5 => [y, x, h, w],
        6 => [y, right, h, w],
        7 => [bottom, right, h, w],
        _ => [bottom, x, h, w],
    }
}

fn mwg(size: (u32, u32), faces: &[(&str, [f64; 4])]) -> String {
    let items: String = faces
        .iter()
        .map(|(name, [x, y, w, h])| {
            let (x, y) = (x + w / 2.0, y + h / 2.0);
            format!(
                "<rdf:li rdf:parseType='Resource'><r:Name>{name}</r:Name><r:Type>Face</r:Type>\
                 <r:Area a:x='{x}' a:y='{y}' a:w='{w}' a:h='{h}' a:unit='normalized'/></rdf:li>"
            )
        })
        .collect();
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF \
         xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' \
         xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='5' \
         xmlns:r='http://www.metadataworkinggroup.com/schemas/regions/' \
         xmlns:a='http://ns.adobe.com/xmp/sType/Area#' \
         xmlns:d='http://ns.adobe.com/xap/1.0/sType/Dimensions#'>\
         <r:Regions rdf:parseType='Resource'><r:AppliedToDimensions d:w='{}' d:h='{}' \
         d:unit='pixel'/><r:RegionList><rdf:Bag>{items}</rdf:Bag></r:RegionList></r:Regions>\
         </rdf:Description></rdf:RDF></x:xmpmeta>",
        size.0, size.1
    )
}

/// Boxes of the photo's faces from left to right, as shares of the upright photo; and their names.
fn faces(stage: &Stage, photo: &Path) -> Vec<([f64; 4], Option<String>)> {
    let size = image::open(sample_album().join(GROUP)).unwrap();
    let (width, height) = (f64::from(size.width()), f64::from(size.height()));
    let shown = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let face = |f: &Value| {
        let side = |at: usize| f["bbox"][at].as_f64().unwrap();
        let bbox = [
            side(0) / width,
            side(1) / height,
            (side(2) - side(0)) / width,
            (side(3) - side(1)) / height,
        ];
        (bbox, f["name"].as_str().map(str::to_owned))
    };
    shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(face)
        .collect()
}

fn scan(stage: &Stage, dir: &Path) {
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
}

#[test]
fn regions_lie_on_the_right_faces_in_all_eight_orientations_both_ways() {
    for orientation in Orientation::ALL {
        // An album of its own for each: turned copies of one picture share what is decided.
        let stage = Stage::bare();
        let dir = stage.path("photos");
        fs::create_dir_all(&dir).unwrap();
        let photo = dir.join("IMG_0001.jpg");
        let size = store_turned(orientation, &photo);
        scan(&stage, &dir);
        let found = faces(&stage, &photo);
        assert_eq!(found.len(), 4, "{orientation:?}");
        let left = stored_box(orientation, found[0].0);
        let right = stored_box(orientation, found[3].0);
        let text = mwg(size, &[("Lea", left), ("Rita", right)]);
        fs::write(dir.join("IMG_0001.jpg.xmp"), text).unwrap();
        let imported = stage.json(&["import", "xmp"]);
        assert_eq!(imported["faces"], 2, "{orientation:?}: {imported}");
        let named = faces(&stage, &photo);
        let names: Vec<Option<&str>> = named.iter().map(|f| f.1.as_deref()).collect();
        assert_eq!(names[0], Some("Lea"), "{orientation:?}");
        assert_eq!(names[3], Some("Rita"), "{orientation:?}");
        stage.run(&["export", "xmp", "-o", "out"]).ended_with(0);
        let text = fs::read_to_string(stage.path("out/IMG_0001.jpg.xmp")).unwrap();
        let read = fusiform::album::xmp::read(&text).unwrap();
        assert_eq!(read.drawn_on, Some(size), "{orientation:?}");
        for (at, who) in [(0, "Lea"), (3, "Rita")] {
            let area = read.faces.iter().find(|f| f.name == who).unwrap().area;
            let [x, y, w, h] = stored_box(orientation, found[at].0);
            let sides = [area.x_min, area.y_min, area.x_max, area.y_max];
            for (is, want) in sides.into_iter().zip([x, y, x + w, y + h]) {
                assert!(
                    (is - want.clamp(0.0, 1.0)).abs() < 1e-4,
                    "{orientation:?} {who}"
                );
            }
        }
    }
}

#[test]
fn two_photos_of_one_name_get_two_sidecars_in_folders_that_mirror_theirs() {
    let stage = Stage::bare();
    let dir = stage.path("photos");
    for (folder, photo, name) in [("2019", "01-portrait.jpg", "Ann"), ("2020", GROUP, "Bo")] {
        fs::create_dir_all(dir.join(folder)).unwrap();
        let file = dir.join(folder).join("IMG_0001.jpg");
        fs::copy(sample_album().join(photo), &file).unwrap();
        scan(&stage, &dir);
        let shown = stage.json(&["photo".as_ref(), file.as_os_str()]);
        let face = shown["items"][0]["face"].to_string();
        stage.run(&["is", name, &face]).ended_with(0);
    }
    stage.run(&["export", "xmp", "-o", "out"]).ended_with(0);
    for (folder, name) in [("2019", "Ann"), ("2020", "Bo")] {
        let file = stage.path(&format!("out/{folder}/IMG_0001.jpg.xmp"));
        assert!(fs::read_to_string(file).unwrap().contains(name), "{folder}");
    }
}

#[test]
fn upright_boxes_of_a_turned_photo_are_told_by_their_size() {
    let stage = Stage::bare();
    let dir = stage.path("photos");
    fs::create_dir_all(&dir).unwrap();
    let photo = dir.join("a.jpg");
    let (width, height) = store_turned(Orientation::RotatedLeft, &photo);
    scan(&stage, &dir);
    let found = faces(&stage, &photo);
    let text = mwg((height, width), &[("Lea", found[0].0)]);
    fs::write(dir.join("a.jpg.XMP"), text).unwrap();
    assert_eq!(stage.json(&["import", "xmp"])["faces"], 1);
    assert_eq!(faces(&stage, &photo)[0].1.as_deref(), Some("Lea"));
    // Another program's sidecar: ours go in beside its own, in its frame.
    fs::rename(dir.join("a.jpg.XMP"), dir.join("a.jpg.xmp")).unwrap();
    let shown = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let face = shown["items"][3]["face"].to_string();
    stage.run(&["is", "Rita", &face]).ended_with(0);
    stage.run(&["export", "xmp"]).ended_with(0);
    let text = fs::read_to_string(dir.join("a.jpg.xmp")).unwrap();
    assert!(text.contains("Rating='5'"), "{text}");
    let read = fusiform::album::xmp::read(&text).unwrap();
    let names: Vec<(&str, bool)> = read.faces.iter().map(|f| (&*f.name, f.is_ours)).collect();
    assert_eq!(names, [("Lea", false), ("Rita", true)]);
    assert!(
        (read.faces[1].area.x_min - found[3].0[0]).abs() < 1e-4,
        "in its frame"
    );
}

#[test]
fn an_import_overrules_nothing_said_later_and_brings_nobody_back() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg", GROUP]);
    scan(&stage, &dir);
    let photo = dir.join(GROUP);
    let shown = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let face = |at: usize| shown["items"][at]["face"].to_string();
    for (at, name) in ["Ann", "Bo", "Cleo", "Dan"].iter().enumerate() {
        stage.run(&["is", name, &face(at)]).ended_with(0);
    }
    stage.run(&["export", "xmp"]).ended_with(0);
    let sidecar = dir.join(format!("{GROUP}.xmp"));
    let stale = fs::read_to_string(&sidecar).unwrap();
    for name in ["Ann", "Bo", "Cleo", "Dan"] {
        assert!(stale.contains(name), "{stale}");
    }
    stage.run(&["not", "Ann", &face(0)]).ended_with(0);
    stage.run(&["is", "Eva", &face(1)]).ended_with(0);
    stage.run(&["erase", "Dan", "--yes"]).ended_with(0);
    let imported = stage.json(&["import", "xmp"]);
    assert_eq!(imported["faces"], 0, "{imported}");
    assert_eq!(
        (
            imported["decided_later"].as_u64(),
            imported["erased"].as_u64()
        ),
        (Some(2), Some(1))
    );
    let people = stage.json(&["people"]).to_string();
    assert!(!people.contains("Dan"), "{people}");
    let names: Vec<_> = faces(&stage, &photo).into_iter().map(|f| f.1).collect();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), ["Eva", "Cleo"]);
    // The next export renews it.
    stage.run(&["export", "xmp"]).ended_with(0);
    let renewed = fs::read_to_string(&sidecar).unwrap();
    for (name, there) in [
        ("Ann", false),
        ("Bo", false),
        ("Cleo", true),
        ("Dan", false),
        ("Eva", true),
    ] {
        assert_eq!(renewed.contains(name), there, "{name}: {renewed}");
    }
    // A name that another program writes after all that is a new word.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(
        &sidecar,
        renewed
            .replace("Cleo", "Clara")
            .replace("Fusiform stored", "X"),
    )
    .unwrap();
    assert_eq!(
        stage.json(&["import", "xmp"])["faces"],
        1,
        "Clara; Eva is known"
    );
    let names: Vec<_> = faces(&stage, &photo).into_iter().map(|f| f.1).collect();
    assert!(names.contains(&Some("Clara".into())), "{names:?}");
    // Nobody is named any more: ours goes.
    for person in stage.json(&["people", "--named"]).as_array().unwrap() {
        stage
            .run(&["erase", &person["id"].to_string(), "--yes"])
            .ended_with(0);
    }
    fs::write(&sidecar, &stale).unwrap();
    stage.run(&["export", "xmp"]).ended_with(0);
    assert!(!sidecar.exists());
}

#[test]
fn what_is_not_understood_is_counted_and_named() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", GROUP]);
    scan(&stage, &dir);
    let rdf = |body: &str| {
        format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/' \
             xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' \
             xmlns:MPRI='http://ns.microsoft.com/photo/1.2/t/RegionInfo#' \
             xmlns:MPReg='http://ns.microsoft.com/photo/1.2/t/Region#' \
             xmlns:digiKam='http://www.digikam.org/ns/1.0/'><rdf:RDF \
             xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description>{body}\
             </rdf:Description></rdf:RDF></x:xmpmeta>"
        )
    };
    let people = |names: &[&str]| {
        let items: String = names
            .iter()
            .map(|n| format!("<rdf:li>{n}</rdf:li>"))
            .collect();
        rdf(&format!(
            "<i:PersonInImage><rdf:Bag>{items}</rdf:Bag></i:PersonInImage>"
        ))
    };
    let group = dir.join(format!("{GROUP}.xmp"));
    fs::write(&group, people(&["Ida", "Bo"])).unwrap();
    // Nothing says where: that is asked, and not taken for true.
    let imported = stage.json(&["import", "xmp"]);
    assert_eq!(
        (&imported["faces"], &imported["asked_photos"]),
        (&0.into(), &1.into()),
        "{imported}"
    );
    let asked = stage.json(&["review"]);
    assert_eq!(asked["total"], 2, "{asked}");
    let faces_asked = [0, 1].map(|at| asked["items"][at]["face"].as_i64().unwrap());
    assert_ne!(
        faces_asked[0], faces_asked[1],
        "two names are of two people"
    );
    // One name and one face: a question too, whose "yes" names it.
    let alone = dir.join("01-portrait.jpg.xmp");
    let tag = "<digiKam:TagsList><rdf:Seq><rdf:li>People/Ida</rdf:li></rdf:Seq></digiKam:TagsList>";
    fs::write(&alone, rdf(tag)).unwrap();
    fs::remove_file(&group).unwrap();
    assert_eq!(stage.json(&["import", "xmp"])["faces"], 0);
    stage.run(&["person", "IDA"]).ended_with(4);
    let asked = stage.json(&["review"]);
    let question = &asked["items"][0];
    assert_eq!(
        (&asked["total"], &question["stated_by"]),
        (&1.into(), &"a sidecar".into())
    );
    assert_eq!(
        (&question["probability"], &question["similarity"]),
        (&Value::Null, &Value::Null)
    );
    let id = question["id"].as_str().unwrap();
    let listed = stage.run(&["review"]).ended_with(0).stdout();
    assert!(
        listed.contains(id) && listed.contains("a sidecar names them"),
        "{listed}"
    );
    stage.run(&["review", id, "yes"]).ended_with(0);
    stage.run(&["person", "IDA"]).ended_with(0);
    stage.run(&["review", id, "yes"]).ended_with(4).says(&[
        id,
        "is Ida by now",
        "`fusiform review`",
    ]);
    // A photo without a face: nobody can be asked about.
    let empty = image::RgbImage::from_pixel(320, 240, image::Rgb([200, 210, 220]));
    empty.save(dir.join("sky.png")).unwrap();
    fs::write(dir.join("sky.png.xmp"), people(&["Bo"])).unwrap();
    scan(&stage, &dir);
    let ran = stage.run(&["import", "xmp"]).ended_with(3);
    ran.says(&["sky.png", "names Bo without a place", "no face"]);
    // Windows' regions, on one of the four; and one without a name.
    let [x, y, w, h] = faces(&stage, &dir.join(GROUP))[2].0;
    let body = format!(
        "<MPRI:Regions><rdf:Bag><rdf:li MPReg:Rectangle='{x}, {y}, {w}, {h}' \
         MPReg:PersonDisplayName='Cleo'/><rdf:li MPReg:Rectangle='0, 0, 0.1, 0.1'/></rdf:Bag>\
         </MPRI:Regions>"
    );
    fs::write(&group, rdf(&body)).unwrap();
    let imported = stage.json(&["import", "xmp"]);
    assert_eq!(imported["faces"], 1, "{imported}");
    assert_eq!(
        imported["left_out"]["face regions without a name"], 1,
        "{imported}"
    );
    assert_eq!(
        faces(&stage, &dir.join(GROUP))[2].1.as_deref(),
        Some("Cleo")
    );
}

#[test]
fn confirmed_faces_come_from_digikams_database() {
    let stage = Stage::bare();
    let dir = stage.photos(&[GROUP]);
    scan(&stage, &dir);
    let shown = stage.json(&["photo".as_ref(), dir.join(GROUP).as_os_str()]);
    let rect = |at: usize| {
        let side = |i: usize| shown["items"][at]["bbox"][i].as_f64().unwrap().round() as i64;
        format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            side(0),
            side(1),
            side(2) - side(0),
            side(3) - side(1)
        )
    };
    let file = stage.path("digikam4.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE AlbumRoots (id INTEGER PRIMARY KEY, label, status, type, identifier,
            specificPath);
         CREATE TABLE Albums (id INTEGER PRIMARY KEY, albumRoot, relativePath);
         CREATE TABLE Images (id INTEGER PRIMARY KEY, album, name, status, fileSize, uniqueHash);
         CREATE TABLE Tags (id INTEGER PRIMARY KEY, pid, name);
         CREATE TABLE TagProperties (tagid, property, value);
         CREATE TABLE ImageTagProperties (imageid, tagid, property, value);
         INSERT INTO AlbumRoots VALUES (1, 'P', 0, 1, 'volumeid:?path=/somewhere', '/');
         INSERT INTO Albums VALUES (1, 1, '/photos');
         INSERT INTO Images VALUES (1, 1, '{GROUP}', 1, 1, ''), (2, 1, 'other.jpg', 1, 1, '');
         INSERT INTO Tags VALUES (1, 0, 'Ida'), (2, 0, 'Unknown'), (3, 0, 'Bo');
         INSERT INTO TagProperties VALUES (1, 'person', 'Ida'), (2, 'unknownPerson', NULL);
         INSERT INTO ImageTagProperties VALUES (1, 1, 'tagRegion', '{}'),
            (1, 1, 'faceToTrain', '{}'),
            (1, 2, 'autodetectedFace', '{}'), (1, 3, 'autodetectedPerson', '{}'),
            (2, 3, 'tagRegion', '<rect x=\"1\" y=\"1\" width=\"9\" height=\"9\"/>');",
        rect(1),
        rect(1),
        rect(0),
        rect(2)
    ))
    .unwrap();
    drop(db);
    let imported = stage.json(&["import".as_ref(), "digikam".as_ref(), file.as_os_str()]);
    assert_eq!(imported["faces"], 1, "{imported}");
    let left_out = imported["left_out"].as_object().unwrap();
    assert_eq!(left_out.len(), 3, "{imported}");
    assert_eq!(faces(&stage, &dir.join(GROUP))[1].1.as_deref(), Some("Ida"));
    let history = stage.json(&["history"]);
    assert_eq!(history["items"][0]["who"], "import of digiKam");
    stage
        .run(&[
            "import".as_ref(),
            "digikam".as_ref(),
            dir.join(GROUP).as_os_str(),
        ])
        .ended_with(4)
        .says(&[GROUP, "digiKam"]);
}

//! What a folder of photos may hold besides photos. Each case: one clear line, and the rest is
//! done.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::{Ran, Stage};

const GOOD: &str = "22-group.jpg";

/// A home, and a folder with one good photo that must be done whatever lies beside it.
fn beside_a_good_photo() -> (Stage, PathBuf) {
    let stage = Stage::bare();
    let dir = stage.photos(&[GOOD]);
    (stage, dir)
}

/// Scans the folder; the good photo is done, and the exit code says that something was not.
#[track_caller]
fn scan_with_problem(stage: &Stage, dir: &Path, words: &[&str]) {
    let ran = stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(3);
    ran.says(words);
    the_good_photo_is_in(stage);
}

#[track_caller]
fn the_good_photo_is_in(stage: &Stage) {
    let health = stage.json(&["doctor"]);
    let says = health["catalogue"]["says"].as_str().unwrap();
    assert!(says.starts_with("1 photo, "), "{says}");
}

#[test]
fn zero_bytes() {
    let (stage, dir) = beside_a_good_photo();
    File::create(dir.join("empty.jpg")).unwrap();
    scan_with_problem(&stage, &dir, &["empty.jpg", "empty"]);
}

#[test]
fn text_named_jpg() {
    let (stage, dir) = beside_a_good_photo();
    fs::write(
        dir.join("letter.jpg"),
        "Dear aunt,\nthank you for the photos.\n",
    )
    .unwrap();
    scan_with_problem(&stage, &dir, &["letter.jpg"]);
}

#[test]
fn truncated_files() {
    let (stage, dir) = beside_a_good_photo();
    let photo = image::open(dir.join(GOOD)).unwrap();
    for format in ["jpg", "png", "webp"] {
        let whole = stage.path(&format!("whole.{format}"));
        photo.save(&whole).unwrap();
        let bytes = fs::read(&whole).unwrap();
        fs::write(
            dir.join(format!("cut.{format}")),
            &bytes[..bytes.len() * 6 / 10],
        )
        .unwrap();
    }
    let ran = stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(3);
    for format in ["png", "webp"] {
        ran.says(&[&format!("cut.{format}"), "truncated"]);
    }
    // As viewers do: what is there is used.
    ran.says(&["cut.jpg", "rows are missing"]);
    let health = stage.json(&["doctor"]);
    let says = health["catalogue"]["says"].as_str().unwrap();
    assert!(says.starts_with("2 photos"), "{says}");
}

#[test]
fn a_png_that_claims_to_be_enormous() {
    let (stage, dir) = beside_a_good_photo();
    // Every checksum is right, so that only the limit can refuse it.
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let body = [&kind[..], content].concat();
        let length = (content.len() as u32).to_be_bytes();
        [&length[..], &body, &crc32(&body).to_be_bytes()].concat()
    };
    let side = 100_000u32.to_be_bytes();
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]),
        chunk(b"IEND", &[]),
    ]
    .concat();
    fs::write(dir.join("bomb.png"), png).unwrap();
    scan_with_problem(&stage, &dir, &["bomb.png", "100000"]);
}

/// CRC-32 as PNG has it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
        }
        crc
    })
}

#[test]
fn unusual_pixels_are_read_like_any_other() {
    let (stage, dir) = beside_a_good_photo();
    let photo = image::open(dir.join(GOOD)).unwrap();
    photo.to_luma8().save(dir.join("grey.png")).unwrap();
    photo.to_luma8().save(dir.join("grey.jpg")).unwrap();
    photo.to_rgb16().save(dir.join("deep.png")).unwrap();
    photo.to_rgb16().save(dir.join("deep.tiff")).unwrap();
    photo.to_rgba8().save(dir.join("alpha.png")).unwrap();
    photo.to_rgba8().save(dir.join("alpha.webp")).unwrap();
    photo.save(dir.join("plain.bmp")).unwrap();
    photo.save(dir.join("plain.gif")).unwrap();
    let names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(names.len(), 9);
    let args: Vec<&OsStr> = [OsStr::new("detect")]
        .into_iter()
        .chain(names.iter().map(|p| p.as_os_str()))
        .collect();
    let answer = stage.json(&args);
    let photos = answer["photos"].as_array().unwrap();
    let expected = photos
        .iter()
        .find(|p| p["photo"].as_str().unwrap().ends_with(GOOD))
        .unwrap();
    let n_faces = expected["faces"].as_array().unwrap().len();
    assert!(n_faces > 0);
    for photo in photos {
        let found = photo["faces"].as_array().unwrap().len();
        assert!(
            found.abs_diff(n_faces) <= 1,
            "{}: {found} faces, not {n_faces}",
            photo["photo"]
        );
    }
    assert_eq!(photos.len(), 9, "{answer}");
}

#[test]
fn a_folder_without_read_permission() {
    let (stage, dir) = beside_a_good_photo();
    let locked = dir.join("locked");
    fs::create_dir(&locked).unwrap();
    // Root may read everything, so the scan runs as nobody, who must be able to reach the rest.
    let mut command = stage.command();
    if is_root() {
        open_to_all(&stage.path("."));
        command.uid(65534).gid(65534);
    }
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    let ran = Ran(command.arg("scan").arg(&dir).output().unwrap()).ended_with(3);
    ran.says(&["locked", "permission"]);
    fs::set_permissions(&locked, Permissions::from_mode(0o755)).unwrap();
    the_good_photo_is_in(&stage);
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn open_to_all(dir: &Path) {
    let status = Command::new("chmod")
        .args(["-R", "a+rwX"])
        .arg(dir)
        .status()
        .unwrap();
    assert!(status.success() || dir.exists());
}

#[test]
fn a_symlink_loop() {
    let (stage, dir) = beside_a_good_photo();
    symlink(&dir, dir.join("round")).unwrap();
    scan_with_problem(&stage, &dir, &["round", "leads back"]);
}

#[test]
fn a_name_that_is_not_utf8() {
    let (stage, dir) = beside_a_good_photo();
    fs::rename(dir.join(GOOD), dir.join(OsStr::from_bytes(b"caf\xe9.jpg"))).unwrap();
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    the_good_photo_is_in(&stage);
    let again = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    assert_eq!(
        again["unchanged"], 1,
        "the name is remembered byte for byte: {again}"
    );
}

#[test]
fn a_file_that_vanishes_while_scanning() {
    let (stage, dir) = beside_a_good_photo();
    // A link whose target is gone looks to the scan like a file deleted between listing and
    // reading.
    symlink(dir.join("gone.jpg"), dir.join("deleted.jpg")).unwrap();
    scan_with_problem(&stage, &dir, &["deleted.jpg", "is not there"]);
}

#[test]
fn a_folder_that_does_not_exist() {
    let (stage, dir) = beside_a_good_photo();
    let nowhere = stage.path("nowhere");
    let ran = stage
        .run(&["scan".as_ref(), dir.as_os_str(), nowhere.as_os_str()])
        .ended_with(3);
    ran.says(&["nowhere", "is not there", "check the path"]);
    the_good_photo_is_in(&stage);
}

#[test]
fn a_read_only_catalogue() {
    let (stage, dir) = beside_a_good_photo();
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let home = stage.path("home");
    let mut command = stage.command();
    open_to_all(&stage.path("."));
    for file in fs::read_dir(&home).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
        }
    }
    fs::set_permissions(&home, Permissions::from_mode(0o555)).unwrap();
    if is_root() {
        command.uid(65534).gid(65534);
    }
    fs::copy(dir.join(GOOD), dir.join("copy.jpg")).unwrap();
    let ran = Ran(command.arg("scan").arg(&dir).output().unwrap()).ended_with(4);
    ran.says(&["catalogue.db", "read-only"]);
    fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk() {
    let (stage, dir) = beside_a_good_photo();
    let small = stage.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&small)
        .output()
        .is_ok_and(|o| o.status.success());
    if !mounted {
        fusiform_skips::skip("a small disk cannot be mounted here", "run them as root");
        return;
    }
    let mut filler = File::create(small.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    drop(filler);
    let catalogue = small.join("catalogue.db");
    let ran = stage.run(&[
        OsStr::new("scan"),
        dir.as_os_str(),
        OsStr::new("--catalogue"),
        catalogue.as_os_str(),
    ]);
    let unmounted = Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    ran.ended_with(4).says(&["catalogue.db", "full"]);
}

#[test]
fn a_catalogue_from_a_newer_version() {
    let (stage, dir) = beside_a_good_photo();
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let catalogue = stage.path("home/catalogue.db");
    // `user_version` is the big-endian word at offset 60 (SQLite file format, section 1.3).
    let mut bytes = fs::read(&catalogue).unwrap();
    bytes[60..64].copy_from_slice(&999u32.to_be_bytes());
    fs::write(&catalogue, &bytes).unwrap();
    let ran = stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(4);
    ran.says(&["catalogue.db", "999", "newer"]);
    assert_eq!(
        fs::read(&catalogue).unwrap(),
        bytes,
        "nothing of it is touched"
    );
}

#[test]
fn a_catalogue_that_is_no_database() {
    let (stage, dir) = beside_a_good_photo();
    fs::create_dir_all(stage.path("home")).unwrap();
    fs::write(stage.path("home/catalogue.db"), vec![b'x'; 10_000]).unwrap();
    let ran = stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(4);
    ran.says(&["catalogue.db"]);
}

#[test]
fn a_problem_names_its_file_once() {
    let stage = Stage::bare();
    let letter = stage.path("letter.jpg");
    fs::write(&letter, "Dear aunt,\nthank you for the photos.\n").unwrap();
    let absent = stage.path("absent.jpg");
    for command in ["detect", "redact"] {
        let mut args = vec![command.as_ref(), letter.as_os_str(), absent.as_os_str()];
        if command == "redact" {
            args.extend([OsStr::new("-o"), OsStr::new("out")]);
        }
        let said = stage.run(&args).ended_with(3).stderr();
        for file in ["letter.jpg", "absent.jpg"] {
            assert_eq!(said.matches(file).count(), 1, "{command}: {said}");
        }
        assert_eq!(said.matches("known format").count(), 1, "{command}: {said}");
    }
}

/// An uncompressed RGB BigTIFF whose colour planes lie apart (`PlanarConfiguration` 2) and in tiles
/// that reach over the right edge. The decoder panics on it.
fn tiled_planar_tiff() -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let (width, height, tile_side) = (40u32, 24u32, 16u32);
    let n_tiles = width.div_ceil(tile_side) * height.div_ceil(tile_side) * 3;
    let tile_bytes = tile_side * tile_side;
    // Header, directory of 11 entries, then the arrays that do not fit into an entry, then tiles.
    let offsets_at = 16 + 8 + 11 * 20 + 8;
    let counts_at = offsets_at + 4 * n_tiles;
    let tiles_at = counts_at + 4 * n_tiles;
    let number = u64::from;
    let entries: [(u16, u16, u64, u64); 11] = [
        (256, SHORT, 1, number(width)),
        (257, SHORT, 1, number(height)),
        (258, SHORT, 3, 0x0008_0008_0008),
        (259, SHORT, 1, 1), // not compressed
        (262, SHORT, 1, 2), // RGB
        (277, SHORT, 1, 3), // samples per pixel
        (284, SHORT, 1, 2), // planes apart
        (322, SHORT, 1, number(tile_side)),
        (323, SHORT, 1, number(tile_side)),
        (324, LONG, number(n_tiles), number(offsets_at)),
        (325, LONG, number(n_tiles), number(counts_at)),
    ];
    let mut tiff = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec();
    tiff.extend(11u64.to_le_bytes());
    for (tag, kind, count, value) in entries {
        tiff.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        tiff.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    tiff.extend(0u64.to_le_bytes());
    tiff.extend((0..n_tiles).flat_map(|tile| (tiles_at + tile * tile_bytes).to_le_bytes()));
    tiff.extend((0..n_tiles).flat_map(|_| tile_bytes.to_le_bytes()));
    tiff.extend(vec![128; (n_tiles * tile_bytes) as usize]);
    tiff
}

#[test]
fn a_photo_whose_decoder_panics_is_one_line_and_ends_nothing_else() {
    let (stage, dir) = beside_a_good_photo();
    let (good, bad) = (dir.join(GOOD), dir.join("tiles.tif"));
    fs::write(&bad, tiled_planar_tiff()).unwrap();
    let both = |command: &str| vec![command.into(), bad.clone(), good.clone()];
    let one_line = |ran: &Ran| {
        let said = ran.stderr();
        let named = said.lines().filter(|l| l.contains("tiles.tif")).count();
        assert_eq!((named, said.contains("panicked")), (1, false), "{said}");
    };

    let scanned = stage.run(&["scan".into(), dir.clone()]).ended_with(3);
    one_line(&scanned);
    the_good_photo_is_in(&stage);

    let detected = stage.run(&both("detect")).ended_with(3);
    one_line(&detected);
    assert!(detected.stdout().contains("22-group.jpg\t2 faces"));
    let detected = stage.json(&both("detect"));
    assert_eq!(detected["photos"].as_array().unwrap().len(), 1);
    assert_eq!(detected["problems"].as_array().unwrap().len(), 1);
    let problem = detected["problems"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("tiles.tif"), "{problem}");

    let drawn = stage.run(&[both("detect"), vec!["--draw".into(), "drawn".into()]].concat());
    one_line(&drawn.ended_with(3));
    assert!(stage.path("drawn/22-group-faces.jpg").exists());

    let redacted = stage.run(&[both("redact"), vec!["-o".into(), "out".into()]].concat());
    one_line(&redacted.ended_with(3));
    assert!(stage.path("out/22-group.jpg").exists());
    let redacted = stage.json(&[both("redact"), vec!["-o".into(), "json".into()]].concat());
    assert_eq!(redacted["photos"].as_array().unwrap().len(), 1);
    assert_eq!(redacted["problems"].as_array().unwrap().len(), 1);

    one_line(&stage.run(&both("verify")).ended_with(4));
    one_line(&stage.run(&["find".into(), bad.clone()]).ended_with(4));
}

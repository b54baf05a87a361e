//! Runs the six narrated examples as a user would; the three that other languages have too are
//! compared with them by `.ci/examples`. In: the sample album of the repository, or in a packaged
//! crate the two photos under `tests/data`. Out: that each ends well and finds who is there.

use std::path::{Path, PathBuf};

#[allow(dead_code)]
#[path = "../examples/album.rs"]
mod album;
#[allow(dead_code)]
#[path = "../examples/analyse.rs"]
mod analyse;
#[allow(dead_code)]
#[path = "../examples/cluster.rs"]
mod cluster;
#[allow(dead_code)]
#[path = "../examples/enrol_and_identify.rs"]
mod enrol_and_identify;
#[allow(dead_code)]
#[path = "../examples/redact.rs"]
mod redact;
#[allow(dead_code)]
#[path = "../examples/verify.rs"]
mod verify;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The sample album, which is not part of the packaged crate.
fn sample_album() -> Option<PathBuf> {
    let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    if !album.is_dir() {
        let remedy = "clone the repository: the sample album is not part of the package";
        fusiform_skips::skip("no samples/album", remedy);
        return None;
    }
    Some(album)
}

#[test]
fn analyse_reads_a_folder() {
    analyse::run(&data()).unwrap();
    if let Some(album) = sample_album() {
        analyse::run(&album).unwrap();
    }
}

#[test]
fn verify_states_the_error_rate_of_its_answer() {
    let ida = data().join("ida.jpg");
    let same = verify::run(&ida, &ida).unwrap();
    assert_eq!(same.verdict, fusiform::Verdict::Same);
    assert_eq!(same.same_at.fmr, 1e-3);
}

#[test]
fn enrolled_people_are_found_in_groups() {
    let Some(album) = sample_album() else { return };
    let found = enrol_and_identify::run(&album).unwrap();
    for name in ["Ida", "Jonas", "Mara", "Noor", "Tom"] {
        assert!(found.iter().any(|f| f == name), "{name} not in {found:?}");
    }
}

#[test]
fn an_album_names_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let folder = sample_album().unwrap_or_else(data);
    assert!(album::run(&folder, &dir.path().join("album.db")).unwrap() > 0);
}

#[test]
fn faces_are_grouped_without_a_database() {
    let folder = sample_album().unwrap_or_else(data);
    assert!(cluster::run(&folder).unwrap() > 2);
}

#[test]
fn all_faces_but_one_are_covered() {
    let dir = tempfile::tempdir().unwrap();
    let (photo, portrait) = (data().join("party.jpg"), data().join("ida.jpg"));
    let output = dir.path().join("redacted.jpg");
    assert_eq!(redact::run(&photo, &portrait, &output).unwrap(), 2);
    assert!(output.metadata().unwrap().len() > 1000);
}

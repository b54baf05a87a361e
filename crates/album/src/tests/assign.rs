//! New photos of an album with more faces than are compared all with all; and people who change
//! over the years.

use super::*;

/// As for a large album: even these few faces are put into cells.
fn options() -> ClusterOptions {
    ClusterOptions {
        link_similarity: 0.5,
        exact_up_to: 4,
        ..ClusterOptions::default()
    }
}

fn group_large(album: &mut Album) -> GroupSummary {
    album.group(&ModelId("e@1".into()), &options()).unwrap()
}

fn large() -> (Stage, Album) {
    let (stage, mut album) = filled();
    group_large(&mut album);
    (stage, album)
}

fn has_cells(album: &Album) -> bool {
    album
        .query_value::<i64>("SELECT count(*) FROM face_cells")
        .unwrap()
        > 0
        && album
            .query_value::<i64>("SELECT count(*) FROM state WHERE key = 'cells'")
            .unwrap()
            == 1
}

/// Records a photo and groups; gives the person of its only face.
fn add(album: &mut Album, number: usize, person: usize) -> Option<PersonId> {
    let file = photo(number, &[person], "e@1");
    album.record(std::slice::from_ref(&file)).unwrap();
    group_large(album);
    let id = album.photo_at(&file.path).unwrap();
    album.photo(id).unwrap().faces[0].person
}

#[test]
fn a_new_photo_goes_to_its_person_and_nobody_else_moves() {
    let (_stage, mut album) = large();
    assert!(has_cells(&album));
    let before = members(&album);
    let cards = |c: &Album| c.people().unwrap().iter().map(|p| p.n_faces).sum::<usize>();
    let n_cards = cards(&album);
    let first = album.photo_at(Path::new("/photos/0002.jpg")).unwrap();
    let theirs = album.photo(first).unwrap().faces[0].person;
    assert_eq!(add(&mut album, 20, 1), theirs);
    assert!(has_cells(&album));
    let after = members(&album);
    assert_eq!(after.len(), before.len() + 1);
    assert!(
        before
            .iter()
            .all(|(face, person)| after.get(face) == Some(person))
    );
    assert_eq!(cards(&album), n_cards + 1);
    // A grouping of all faces finds nothing to mend.
    album.group_all(&ModelId("e@1".into()), &options()).unwrap();
    assert_eq!(members(&album), after);
}

#[test]
fn a_stranger_stays_alone_until_seen_again() {
    let (_stage, mut album) = large();
    assert_eq!(add(&mut album, 20, 7), None);
    let person = add(&mut album, 27, 7).expect("two faces make a person");
    assert_eq!(album.person(person).unwrap().n_faces, 2);
    // A lone face that was there before counts as well.
    assert_eq!(
        add(&mut album, 25, 5).map(|p| album.person(p).unwrap().n_faces),
        Some(2)
    );
}

#[test]
fn a_decision_leads_to_a_grouping_of_all_and_an_erasure_leaves_no_cell() {
    let (_stage, mut album) = large();
    let someone = album.people().unwrap()[0].id;
    album.name(someone, "Ida").unwrap();
    let face = album.photos_of(someone).unwrap()[0].face;
    album.assert_is_not(&[face], someone).unwrap();
    assert_eq!(
        album
            .query_value::<i64>("SELECT count(*) FROM state WHERE key = 'cells'")
            .unwrap(),
        0
    );
    group_large(&mut album);
    assert!(has_cells(&album));
    album.erase(someone).unwrap();
    for table in ["face_cells", "cell_centroids"] {
        assert_eq!(
            album
                .query_value::<i64>(&format!("SELECT count(*) FROM {table}"))
                .unwrap(),
            0
        );
    }
}

#[test]
fn many_new_photos_lead_to_a_grouping_of_all() {
    let (_stage, mut album) = large();
    let many: Vec<ScannedFile> = (20..30).map(|n| photo(n, &[n % 4], "e@1")).collect();
    album.record(&many).unwrap();
    let summary = group_large(&mut album);
    assert_eq!((summary.n_people, summary.n_members), (4, 25));
}

#[test]
fn a_person_is_asked_about_by_how_they_looked_at_that_time() {
    let stage = Stage::new();
    let mut album = stage.open();
    // Over sixteen years the face turns from one direction to another, a little each year.
    let turned = |year: usize| {
        let angle = year as f32 / 15.0 * std::f32::consts::FRAC_PI_2;
        let mut v = vec![0.0f32; 16];
        (v[0], v[1]) = (angle.cos(), angle.sin());
        v
    };
    let at = |number: usize, year: usize, vector: Vec<f32>| {
        let mut file = photo(number, &[0], "e@1");
        let Outcome::New(record) = &mut file.outcome else {
            unreachable!()
        };
        record.taken = shot(&format!("{}-05-01T12:00:00", 2000 + year));
        record.faces[0].vector = Some(vector);
        file
    };
    let mut files: Vec<ScannedFile> = (0..16).map(|year| at(year, year, turned(year))).collect();
    // As the child was, yet not near enough to be taken for it.
    let mut child = turned(0);
    (child[0], child[9]) = (0.85, 0.526_78);
    files.push(at(30, 1, child));
    album.record(&files).unwrap();
    let options = ClusterOptions {
        floor_similarity: 0.82,
        link_similarity: 0.85,
        ask_similarity: 0.75,
        ..ClusterOptions::default()
    };
    album.group(&ModelId("e@1".into()), &options).unwrap();
    let people = album.people().unwrap();
    assert_eq!((people.len(), people[0].n_faces), (1, 16));
    let asked = album.questions(Page::default()).unwrap().items;
    assert_eq!(asked.len(), 1);
    // The mean of all years would be 0.60 near.
    assert!(
        asked[0].similarity > Some(0.75),
        "{:?}",
        asked[0].similarity
    );
}

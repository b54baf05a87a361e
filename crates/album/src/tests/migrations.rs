//! Files that earlier builds made open with every person and decision kept.

use rusqlite::Connection;

use super::*;
use crate::database::old_schema;

/// A file of version 3, the last one before times were milliseconds, with one decision of each kind
/// about the faces of four photos.
fn version_3(file: &Path) -> Connection {
    let old = old_schema::create(file, 3);
    old.execute_batch(
        "INSERT INTO photos VALUES (1, x'01', 10, 10, NULL),
            (2, x'02', 10, 10, '2020-01-01T00:00:00'),
            (3, x'03', 10, 10, NULL), (4, x'04', 10, 10, NULL);
         INSERT INTO files VALUES (CAST('/a.jpg' AS BLOB), 5, 6, 1, NULL),
            (CAST('/b.jpg' AS BLOB), 5, 6, 2, NULL),
            (CAST('/c.jpg' AS BLOB), 5, 6, 3, NULL),
            (CAST('/d.jpg' AS BLOB), 5, 6, NULL, 'cut short');
         INSERT INTO passes VALUES (1, 'd', 'e'), (2, 'd', 'e'), (3, 'd', 'e'), (4, 'd', 'e');
         INSERT INTO faces (id, photo, detector, x_min, y_min, x_max, y_max, score, quality,
            aside, overall) VALUES
            (1, 1, 'd', 0, 0, 5, 5, 1, zeroblob(32), NULL, 0.9),
            (2, 2, 'd', 0, 0, 5, 5, 1, zeroblob(32), NULL, 0.8),
            (3, 2, 'd', 5, 5, 9, 9, 1, zeroblob(32), 'ignore', 0.7),
            (4, 3, 'd', 0, 0, 5, 5, 1, zeroblob(32), NULL, 0.6),
            (5, 3, 'd', 5, 5, 9, 9, 1, zeroblob(32), 'not_a_face', 0.5),
            (6, 4, 'd', 0, 0, 5, 5, 1, zeroblob(32), NULL, 0.4);
         INSERT INTO people (id, name, merged_into, hidden) VALUES (1, 'Ida', NULL, 0),
            (2, NULL, 1, 0), (3, 'Bo', NULL, 1);
         INSERT INTO members VALUES (1, 1, NULL), (2, 1, NULL), (4, 3, 0.5);
         INSERT INTO cards VALUES (1, 2, 2, 1, '2020-01-01T00:00:00', '2020-01-01T00:00:00'),
            (3, 1, 1, 4, NULL, NULL);
         INSERT INTO decisions (id, at, who, kind, person, other, old_name, new_name, undone) VALUES
            (1, '2024-02-03 04:05:06', 'command line', 'name', 1, NULL, NULL, 'Ida', 0),
            (2, '2024-02-03 04:05:07', 'web page', 'merge', 1, 2, 'Ida', NULL, 0),
            (3, '2024-02-03 04:05:08', 'web page', 'ignore', NULL, NULL, NULL, NULL, 0),
            (4, '2024-02-03 04:05:09', 'web page', 'not_a_face', NULL, NULL, NULL, NULL, 0),
            (5, '2024-02-03 04:05:10', 'web page', 'name', 3, NULL, NULL, 'Bo', 0),
            (6, '2024-02-03 04:05:11', 'web page', 'hide', 3, NULL, NULL, NULL, 0),
            (7, 'never', 'import of Picasa', 'is_not', 1, NULL, NULL, NULL, 1);
         INSERT INTO facts (decision, hash, x_min, y_min, x_max, y_max, face, kind, person,
            before, before_similarity,
            before_aside) VALUES
            (1, x'01', 0, 0, 5, 5, 1, 'is', 1, 1, 0.7, NULL),
            (2, x'01', 0, 0, 5, 5, 1, 'is', 1, 1, NULL, NULL),
            (2, x'02', 0, 0, 5, 5, 2, 'is', 1, 2, 0.75, NULL),
            (3, x'02', 5, 5, 9, 9, 3, 'ignore', NULL, NULL, NULL, NULL),
            (4, x'03', 5, 5, 9, 9, 5, 'not_a_face', NULL, NULL, NULL, NULL),
            (7, x'03', 0, 0, 5, 5, NULL, 'is_not', 1, NULL, NULL, NULL);
         INSERT INTO questions (subject, face, candidate, similarity, settles) VALUES (NULL, 6, 1,
            0.4, 1);
         INSERT INTO centres VALUES (0, x'00'); INSERT INTO homes VALUES (0, 1);
         INSERT INTO unplaced VALUES (6);
         INSERT INTO state VALUES ('grouped', 'e'), ('standing', '6 0.3 e');",
    )
    .unwrap();
    old
}

/// Everything that a user of the old build could see.
fn holds_version_3(album: &Album) {
    let ida = album.find_person("Ida").unwrap();
    let stats = album.person_stats(ida).unwrap();
    assert_eq!(
        (ida, stats.n_faces, stats.cover),
        (PersonId(1), 2, Some(FaceId(1)))
    );
    let hidden = album
        .people_page(PeopleFilter::Hidden, Page::default())
        .unwrap();
    assert_eq!(hidden.items[0].name.as_deref(), Some("Bo"));
    let excluded = |face| album.face(FaceId(face)).unwrap().excluded;
    assert_eq!(excluded(3), Some(Exclusion::Ignored));
    assert_eq!(excluded(5), Some(Exclusion::NotAFace));
    assert_eq!(excluded(1), None);
    assert_eq!(album.excluded_faces(Page::default()).unwrap().total, 2);
    assert_eq!(album.unassigned_faces(Page::default()).unwrap().total, 1);
    assert_eq!(
        album.problems().unwrap(),
        [("/d.jpg".into(), "cut short".into())]
    );
    let asked = album.questions(Page::default()).unwrap().items;
    assert_eq!((asked.len(), asked[0].candidate), (1, Some(ida)));
    let history = album.history(Page::default()).unwrap().items;
    let seen: Vec<(i64, &str, usize, bool)> = history
        .iter()
        .map(|d| (d.id, &*d.actor, d.n_faces, d.undone))
        .collect();
    assert_eq!(
        seen,
        [
            (7, "import of Picasa", 1, true),
            (6, "web page", 0, false),
            (5, "web page", 0, false),
            (4, "web page", 1, false),
            (3, "web page", 1, false),
            (2, "web page", 2, false),
            (1, "command line", 1, false)
        ]
    );
    assert_eq!(history[5].what, "person 2 merged into person 1");
    // Local time as the old build showed it; a text that was not a time is 1970.
    let first = &history[6];
    assert_eq!(
        album.local_time(first.at_ms).unwrap(),
        "2024-02-03 04:05:06"
    );
    assert_eq!(history[0].at_ms, 0);
    assert_eq!(album.videos_of(ida).unwrap(), []);
    assert!(album.health().unwrap().problems.is_empty());
}

#[test]
fn an_album_of_version_three_keeps_its_people_and_decisions() {
    let stage = Stage::new();
    drop(version_3(&stage.file));
    let mut album = stage.open();
    holds_version_3(&album);
    assert_eq!(album.health().unwrap().version, Album::newest_version());
    // Undo restores what the old build stored for it.
    assert_eq!(album.undo(6).unwrap().len(), 6);
    assert_eq!(album.face(FaceId(3)).unwrap().excluded, None);
    let face = album.face(FaceId(2)).unwrap();
    assert_eq!(
        (face.person, face.similarity),
        (Some(PersonId(2)), Some(0.75))
    );
    assert!(album.find_person("Ida").is_err() && album.find_person("Bo").is_err());
    assert!(album.health().unwrap().problems.is_empty());
}

#[test]
fn decisions_of_an_old_album_constrain_new_groupings() {
    let stage = Stage::new();
    drop(version_3(&stage.file));
    let mut album = stage.open();
    album.clear_photos().unwrap();
    let mut files: Vec<ScannedFile> = (1..=3).map(|n| photo(n, &[0, 0], "e@1")).collect();
    for (file, number) in files.iter_mut().zip(1..) {
        let mut hash = [0; 32];
        hash[0] = number;
        file.hash = Some(hash);
    }
    // The old rows hold hashes of one byte; these of 32 bytes find none of them, so nothing is
    // linked and nothing breaks.
    album.record(&files).unwrap();
    group(&mut album);
    assert_eq!(album.find_person("Ida").unwrap(), PersonId(1));
    assert_eq!(album.history(Page::default()).unwrap().total, 7);
    assert!(album.health().unwrap().problems.is_empty());
}

#[test]
fn an_old_album_opened_read_only_answers_and_stays_as_it_is() {
    let stage = Stage::new();
    let old = version_3(&stage.file);
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(old);
    let before = fs::read(&stage.file).unwrap();
    let read_only = OpenOptions {
        read_only: true,
        create: false,
    };
    let mut album = Album::open(&stage.file, read_only).unwrap();
    holds_version_3(&album);
    assert_eq!(album.health().unwrap().version, 3);
    let refused = album.name(PersonId(1), "Eva").unwrap_err();
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
    drop(album);
    assert_eq!(fs::read(&stage.file).unwrap(), before);
}

#[test]
fn two_processes_may_find_an_old_album_at_once() {
    let stage = Stage::new();
    drop(version_3(&stage.file));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| holds_version_3(&stage.open())))
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn an_album_of_version_one_keeps_its_people_and_decisions() {
    let stage = Stage::new();
    let old = old_schema::create(&stage.file, 1);
    old.execute_batch(
        "INSERT INTO photos VALUES (1, x'01', 10, 10, NULL),
            (2, x'02', 10, 10, '2020-01-01T00:00:00');
         INSERT INTO faces VALUES (1, 1, 'd', 0, 0, 5, 5, 1, NULL, zeroblob(32)),
            (2, 2, 'd', 0, 0, 5, 5, 1, NULL, zeroblob(32)),
            (3, 2, 'd', 5, 5, 9, 9, 1, NULL, zeroblob(32));
         INSERT INTO people (id, name) VALUES (1, 'Ida');
         INSERT INTO members VALUES (1, 1, NULL), (2, 1, 0.5);
         INSERT INTO decisions (id, at, kind, person, new_name) VALUES (1, 'then', 'name', 1,
            'Ida'), (2, 'then', 'ignore', NULL, NULL);
         INSERT INTO facts VALUES (1, 2, 3, 'ignore', NULL, NULL);",
    )
    .unwrap();
    drop(old);
    let mut album = stage.open();
    let card = album
        .people_page(PeopleFilter::Named, Page::default())
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        (card.n_faces, card.n_photos, card.cover),
        (2, 2, Some(FaceId(1)))
    );
    assert_eq!(
        album.face(FaceId(3)).unwrap().excluded,
        Some(Exclusion::Ignored)
    );
    assert_eq!(album.undo(2).unwrap().len(), 2);
    assert_eq!(album.face(FaceId(3)).unwrap().excluded, None);
    assert!(album.health().unwrap().problems.is_empty());
}

//! What a page of an album sees: cards, pages, photos, questions; and that erasure leaves no byte of a person.

use super::*;

fn ids(catalogue: &Album) -> Vec<PersonId> {
    let cards = catalogue.cards(Which::Shown, Page::default()).unwrap();
    cards.items.iter().map(|c| c.id).collect()
}

#[test]
fn lists_come_in_pages_that_together_hold_everything() {
    let (_stage, catalogue) = filled();
    let mut seen = Vec::new();
    for offset in 0..6 {
        let page = Page { offset, limit: 1 };
        let part = catalogue.cards(Which::Shown, page).unwrap();
        assert_eq!(part.total, 4);
        seen.extend(part.items.into_iter().map(|c| c.id));
    }
    assert_eq!(seen, ids(&catalogue));
    let all = catalogue.faces_of(seen[0], Page::default()).unwrap();
    assert_eq!((all.items.len(), all.total), (4, 4));
    let two = Page {
        offset: 2,
        limit: 9,
    };
    let rest = catalogue.faces_of(seen[0], two).unwrap();
    assert_eq!((rest.items.as_slice(), rest.total), (&all.items[2..], 4));
    let lone = catalogue.leftovers(Page::default()).unwrap();
    assert_eq!(lone.total, 1);
    assert_eq!(lone.items[0].person, None);
}

#[test]
fn cards_follow_every_decision_at_once() {
    let (_stage, mut catalogue) = filled();
    let [a, b, ..] = ids(&catalogue)[..] else {
        unreachable!()
    };
    let counts = |c: &Album, p| {
        let card = c.card(p).unwrap();
        (card.n_faces, card.n_photos)
    };
    assert_eq!(counts(&catalogue, a), (4, 4));
    let face = catalogue.card(a).unwrap().cover.unwrap();
    catalogue.assert_is(&[face], b).unwrap();
    assert_eq!((counts(&catalogue, a).0, counts(&catalogue, b).0), (3, 5));
    assert_ne!(catalogue.card(a).unwrap().cover, Some(face));
    assert_eq!(
        catalogue.card(b).unwrap().cover,
        Some(face),
        "a human's word goes first"
    );
    catalogue.undo(1).unwrap();
    assert_eq!((counts(&catalogue, a).0, counts(&catalogue, b).0), (4, 4));
    catalogue.merge(a, b).unwrap();
    assert_eq!(counts(&catalogue, a).0, 8);
    assert!(matches!(catalogue.card(b), Err(Error::NoSuchPerson(_))));
    catalogue.hide(a, true).unwrap();
    assert_eq!(ids(&catalogue).len(), 2);
    assert_eq!(
        catalogue
            .cards(Which::Hidden, Page::default())
            .unwrap()
            .items[0]
            .id,
        a
    );
}

#[test]
fn a_photo_shows_its_faces_and_two_named_people_are_found_together() {
    let (_stage, mut catalogue) = filled();
    let photo = catalogue.photo_at(Path::new("/photos/0001.jpg")).unwrap();
    let view = catalogue.photo(photo).unwrap();
    assert_eq!((view.faces.len(), view.width_px), (2, 640));
    let people: Vec<PersonId> = view.faces.iter().map(|f| f.person.unwrap()).collect();
    catalogue.name(people[0], "Ida").unwrap();
    catalogue.name(people[1], "Ada 100%_").unwrap();
    let both = catalogue.photos_with(&people, Page::default()).unwrap();
    assert_eq!(
        (both.total, both.items[0].photo, both.items[0].n_faces),
        (1, photo, 2)
    );
    let names = |text: &str| {
        catalogue
            .names_like(text, 9)
            .unwrap()
            .into_iter()
            .map(|n| n.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("da"), ["Ada 100%_", "Ida"]);
    assert_eq!(names("i"), ["Ida"]);
    assert_eq!(names("%_"), ["Ada 100%_"]);
    assert!(catalogue.photo_at(Path::new("/nowhere.jpg")).is_err());
    let all = catalogue.photos_with(&[], Page::default()).unwrap();
    assert_eq!(all.total, 12);
}

#[test]
fn questions_come_with_reasons_and_an_answer_is_not_asked_for_twice() {
    let (_stage, mut catalogue) = filled();
    // Everybody is near to everybody, so each but the first is asked about.
    let options = ClusterOptions {
        link_similarity: 0.5,
        ask_similarity: -1.0,
        same_photo_penalty: 0.0,
        ..ClusterOptions::default()
    };
    let regroup = |c: &mut Album| {
        c.record(&[]).unwrap();
        c.group(&ModelId("e@1".into()), &options).unwrap()
    };
    regroup(&mut catalogue);
    let asked = catalogue.questions(Page::default()).unwrap();
    assert_eq!(asked.total, 4, "three groups and a lone face");
    let settles: Vec<usize> = asked.items.iter().map(|q| q.settles).collect();
    assert_eq!(settles, [4, 4, 3, 1]);
    let first = &asked.items[0];
    assert!(
        first.reason().contains("to this person"),
        "{}",
        first.reason()
    );
    assert!(first.next.is_none_or(|(_, next)| next <= first.similarity));
    let Subject::Face(lone) = asked.items[3].subject else {
        unreachable!()
    };

    catalogue.reply(asked.items[3].id, Reply::NotSure).unwrap();
    catalogue.reply(first.id, Reply::No).unwrap();
    let gone = catalogue
        .reply(first.id, Reply::Yes)
        .unwrap_err()
        .to_string();
    assert!(gone.contains("fusiform review"), "{gone}");
    regroup(&mut catalogue);
    let again = catalogue.questions(Page::default()).unwrap().items;
    let same = |q: &Question, r: &Question| q.subject == r.subject && q.candidate == r.candidate;
    assert!(
        !again
            .iter()
            .any(|q| same(q, first) || same(q, &asked.items[3]))
    );

    let yes = again
        .iter()
        .find(|q| matches!(q.subject, Subject::Group(_)))
        .unwrap();
    let n_faces = catalogue.card(yes.candidate).unwrap().n_faces;
    catalogue.reply(yes.id, Reply::Yes).unwrap();
    assert_eq!(
        catalogue.card(yes.candidate).unwrap().n_faces,
        n_faces + yes.settles
    );
    assert_eq!(catalogue.face(lone).unwrap().person, None);
}

#[test]
fn two_people_with_names_never_become_one() {
    let (_stage, mut catalogue) = filled();
    let [a, b, ..] = ids(&catalogue)[..] else {
        unreachable!()
    };
    catalogue.name(a, "Ida").unwrap();
    catalogue.name(b, "Bo").unwrap();
    // A model to which all faces look alike.
    let mut alike = album("e@2");
    for file in &mut alike {
        let Outcome::New(photo) = &mut file.outcome else {
            unreachable!()
        };
        photo
            .faces
            .iter_mut()
            .for_each(|f| f.vector = Some(vector(0, 0)));
    }
    catalogue.record(&alike).unwrap();
    let options = ClusterOptions::default();
    catalogue.group(&ModelId("e@2".into()), &options).unwrap();
    for (person, name) in [(a, "Ida"), (b, "Bo")] {
        let card = catalogue.card(person).unwrap();
        assert!(
            card.name.as_deref() == Some(name) && card.n_faces > 0,
            "{card:?}"
        );
    }
}

#[test]
fn nothing_of_an_erased_person_is_left_in_the_file_nor_comes_back() {
    let (stage, mut catalogue) = filled();
    let person = ids(&catalogue)[0];
    let needle = {
        let face = catalogue.card(person).unwrap().cover.unwrap();
        let sql = "SELECT vector FROM templates WHERE face = ?1";
        catalogue
            .rows(sql, [face.0], |r| r.get::<_, Vec<u8>>(0))
            .unwrap()
            .remove(0)
    };
    catalogue.name(person, "Aunt Ida Unmistakable").unwrap();
    catalogue.name(person, "Aunt Ida Renamed").unwrap();
    let holds = |needle: &[u8]| {
        let files = ["c.db", "c.db-wal"].map(|f| stage.file.with_file_name(f));
        let bytes: Vec<u8> = files
            .iter()
            .flat_map(|f| fs::read(f).unwrap_or_default())
            .collect();
        bytes.windows(needle.len()).any(|w| w == needle)
    };
    assert!(holds(&needle) && holds(b"Unmistakable"));
    let erased = catalogue.erase(person).unwrap();
    assert_eq!(
        (erased.faces.len(), erased.n_templates, erased.log_emptied),
        (4, 4, true)
    );
    // One other person has photos with an equal vector? Then this would prove nothing.
    assert!(!holds(&needle) && !holds(b"Unmistakable") && !holds(b"Renamed"));
    assert!(catalogue.undo(1).is_err() || !holds(&needle));
    assert!(catalogue.find_person("Aunt Ida Renamed").is_err());

    catalogue.start_afresh().unwrap();
    catalogue.record(&album("e@1")).unwrap();
    group(&mut catalogue);
    assert_eq!(
        catalogue
            .cards(Which::Shown, Page::default())
            .unwrap()
            .total,
        3
    );
    let sql = "SELECT count(*) FROM templates";
    assert_eq!(
        catalogue.one::<i64>(sql).unwrap(),
        12,
        "erased faces get no template again"
    );
    let refused = catalogue.assert_is_called(&erased.faces, "Ida");
    assert!(refused.is_err());
    assert!(catalogue.health().unwrap().problems.is_empty());
}

#[test]
fn a_catalogue_of_version_one_keeps_its_people_and_decisions() {
    let stage = Stage::new();
    let old = rusqlite::Connection::open(&stage.file).unwrap();
    old.execute_batch(MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO photos VALUES (1, x'01', 10, 10, NULL), (2, x'02', 10, 10, '2020-01-01T00:00:00');
         INSERT INTO faces VALUES (1, 1, 'd', 0, 0, 5, 5, 1, NULL, zeroblob(32)), (2, 2, 'd', 0, 0, 5, 5, 1, NULL, zeroblob(32)),
            (3, 2, 'd', 5, 5, 9, 9, 1, NULL, zeroblob(32));
         INSERT INTO people (id, name) VALUES (1, 'Ida');
         INSERT INTO members VALUES (1, 1, NULL), (2, 1, 0.5);
         INSERT INTO decisions (id, at, kind, person, new_name) VALUES (1, 'then', 'name', 1, 'Ida'), (2, 'then', 'ignore', NULL, NULL);
         INSERT INTO facts VALUES (1, 2, 3, 'ignore', NULL, NULL);",
    )
    .unwrap();
    drop(old);
    let mut catalogue = stage.open();
    let card = catalogue
        .cards(Which::Named, Page::default())
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        (card.n_faces, card.n_photos, card.cover),
        (2, 2, Some(FaceId(1)))
    );
    assert_eq!(
        catalogue.face(FaceId(3)).unwrap().aside,
        Some(Aside::Ignored)
    );
    assert_eq!(catalogue.undo(2).unwrap().len(), 2);
    assert_eq!(catalogue.face(FaceId(3)).unwrap().aside, None);
    assert!(catalogue.health().unwrap().problems.is_empty());
}

//! Names that files state without a place: asked about, and never taken for true by themselves.

use super::*;

fn state(album: &mut Album, said: &[(usize, &[&str])]) -> usize {
    let of = |(number, names): &(usize, &[&str])| StatedNames {
        photo: album
            .photo_at(Path::new(&format!("/photos/{number:04}.jpg")))
            .unwrap(),
        names: names
            .iter()
            .map(|name| StatedName {
                name: (*name).into(),
                source: "a sidecar".into(),
            })
            .collect(),
    };
    let stated: Vec<StatedNames> = said.iter().map(of).collect();
    let n = album.state_names(&stated).unwrap();
    group(album);
    n
}

fn asked(album: &Album) -> Vec<Question> {
    let all = album.questions(Page::default()).unwrap().items;
    all.into_iter().filter(|q| q.stated_by.is_some()).collect()
}

/// Photos 0 to 2 show person 0 with another, 3 a lone person.
fn album_of_four(stage: &Stage) -> Album {
    let mut album = stage.open();
    let who: [&[usize]; 4] = [&[0, 1], &[0, 2], &[3, 0], &[5]];
    let files: Vec<ScannedFile> = (0..4).map(|n| photo(n, who[n], "e@1")).collect();
    album.record(&files).unwrap();
    group(&mut album);
    album
}

#[test]
fn the_only_face_of_a_photo_that_names_somebody_is_asked_about_and_yes_names_it() {
    let stage = Stage::new();
    let mut album = album_of_four(&stage);
    assert_eq!(state(&mut album, &[(3, &["Zoë"])]), 1);
    let questions = asked(&album);
    let [question] = &questions[..] else {
        panic!("{questions:?}")
    };
    assert_eq!((question.candidate, question.probability), (None, None));
    assert_eq!(question.candidate_called(), "Zoë");
    assert!(
        question.reason().contains("a sidecar names them"),
        "{}",
        question.reason()
    );
    assert!(
        album.find_person("Zoë").is_err(),
        "nothing is taken for true"
    );
    let Subject::Face(face) = question.subject else {
        panic!("{question:?}")
    };
    album.reply(question.id, Reply::Yes).unwrap();
    assert_eq!(album.face(face).unwrap().name.as_deref(), Some("Zoë"));
    group(&mut album);
    assert_eq!(asked(&album), []);
    album.undo(1).unwrap();
    group(&mut album);
    assert!(album.people().unwrap().iter().all(|p| p.name.is_none()));
    assert_eq!(asked(&album).len(), 1, "asked again");
}

#[test]
fn who_is_in_most_photos_of_a_name_is_likeliest_and_after_a_no_the_next_is_asked_about() {
    let stage = Stage::new();
    let mut album = album_of_four(&stage);
    let said: &[(usize, &[&str])] = &[(0, &["Ida"]), (1, &["IDA", " "]), (2, &["Ida"])];
    assert_eq!(state(&mut album, said), 3);
    let questions = asked(&album);
    let [question] = &questions[..] else {
        panic!("{questions:?}")
    };
    let Subject::Group(group_0) = question.subject else {
        panic!("{question:?}")
    };
    assert_eq!(question.settles, 3);
    album.reply(question.id, Reply::No).unwrap();
    // A name that a human has used is somebody's, without a face so far.
    let ida = album.find_person("Ida").unwrap();
    group(&mut album);
    let next = asked(&album);
    assert_eq!(next.len(), 3, "{next:?}");
    assert!(
        next.iter()
            .all(|q| q.candidate == Some(ida) && q.subject != Subject::Group(group_0))
    );
    let gone = album
        .reply(question.id, Reply::Yes)
        .unwrap_err()
        .to_string();
    assert!(gone.contains("is not open any more"), "{gone}");
    album.undo(1).unwrap();
    group(&mut album);
    assert!(
        album.find_person("Ida").is_err(),
        "the name went with the answer"
    );
    let again = asked(&album);
    assert_eq!(again.len(), 1);
    album.reply(again[0].id, Reply::Yes).unwrap();
    assert_eq!(
        album.find_person("ida").unwrap(),
        group_0,
        "the group has the name"
    );
}

#[test]
fn two_names_are_of_two_faces_and_who_is_named_already_is_not_asked_about() {
    let stage = Stage::new();
    let mut album = album_of_four(&stage);
    state(&mut album, &[(0, &["Ida", "Bo"])]);
    let questions = asked(&album);
    assert_eq!(questions.len(), 2);
    assert_ne!(questions[0].subject, questions[1].subject);
    let bo = questions
        .iter()
        .find(|q| q.candidate_called() == "Bo")
        .unwrap();
    album.reply(bo.id, Reply::NotSure).unwrap();
    group(&mut album);
    let Some(q) = asked(&album)
        .into_iter()
        .find(|q| q.candidate_called() == "Bo")
    else {
        panic!("the other face may be Bo")
    };
    assert_ne!(q.subject, bo.subject);
    let photo = album.photo_at(Path::new("/photos/0000.jpg")).unwrap();
    let faces: Vec<FaceId> = album
        .photo(photo)
        .unwrap()
        .faces
        .iter()
        .map(|f| f.face)
        .collect();
    album.assert_is_called(&faces[..1], "Ida").unwrap();
    group(&mut album);
    assert!(asked(&album).iter().all(|q| q.candidate_called() != "Ida"));
    // What a later import does not state any more is not asked about.
    state(&mut album, &[(0, &[])]);
    assert_eq!(asked(&album), []);
}

#[test]
fn nobody_who_was_erased_is_asked_about_and_their_name_is_forgotten() {
    let stage = Stage::new();
    let mut album = album_of_four(&stage);
    state(
        &mut album,
        &[
            (1, &["Ida Unmistakable"]),
            (2, &["Bo"]),
            (3, &["Ida Unmistakable"]),
        ],
    );
    let photo = album.photo_at(Path::new("/photos/0000.jpg")).unwrap();
    let face = album.photo(photo).unwrap().faces[0].face;
    let ida = album.face(face).unwrap().person.unwrap();
    album.name(ida, "Ida Unmistakable").unwrap();
    album.erase(ida).unwrap();
    group(&mut album);
    assert!(
        asked(&album).iter().all(|q| q.candidate_called() == "Bo"),
        "{:?}",
        asked(&album)
    );
    let bytes = fs::read(&stage.file).unwrap();
    let needle = b"Unmistakable";
    assert!(!bytes.windows(needle.len()).any(|w| w == needle));
    // A photo with an erased face: whose name it was is not known any more.
    assert_eq!(state(&mut album, &[(0, &["Ida Unmistakable"])]), 0);
}

#[test]
fn a_question_about_a_name_says_what_became_of_it() {
    let stage = Stage::new();
    let mut album = album_of_four(&stage);
    let reason = |album: &mut Album, id| match album.reply(id, Reply::Yes) {
        Err(Error::NoSuchQuestion { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    state(&mut album, &[(3, &["Zoë"])]);
    let id = asked(&album)[0].id;
    assert_eq!(album.question(id).unwrap().map(|q| q.id), Some(id));
    state(&mut album, &[(3, &[])]);
    assert_eq!(album.question(id).unwrap(), None);
    assert_eq!(
        reason(&mut album, id),
        "no file states that name of a photo now"
    );
    state(&mut album, &[(3, &["Zoë"])]);
    album.reply(id, Reply::No).unwrap();
    group(&mut album);
    assert_eq!(reason(&mut album, id), "it was answered with no");
}

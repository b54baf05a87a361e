//! Many people at once: named, hidden, ignored, and taken back in one step.

use super::*;

fn groups(album: &Album) -> Vec<PersonId> {
    let all = album.people_page(PeopleFilter::Unnamed, Page::default());
    all.unwrap().items.iter().map(|card| card.id).collect()
}

#[test]
fn groups_that_get_one_name_are_one_person_and_one_undo_takes_all_back() {
    let (_stage, mut album) = filled();
    let before = album.dump().unwrap();
    let all = groups(&album);
    let ida = album.name_all(&all[..3], "Ida").unwrap();
    assert_eq!(ida, all[0]);
    assert_eq!(groups(&album), all[3..]);
    let history = album.history(Page::default()).unwrap().items;
    assert_eq!(history.len(), 3);
    assert!(history.iter().all(|d| d.n_in_batch == 3 && d.undoable));
    album.undo_decision(history[1].id).unwrap();
    assert_eq!(groups(&album), all);
    album.undo(1).unwrap_err();
    album
        .group_all(&ModelId("e@1".into()), &ClusterOptions::default())
        .unwrap();
    let people = |dump: &str| {
        let lines = dump
            .lines()
            .filter(|l| l.starts_with("members") || l.starts_with("people"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(people(&album.dump().unwrap()), people(&before));

    // Somebody who has the name takes them in.
    album.name(all[1], "Bo").unwrap();
    assert_eq!(album.name_all(&[all[0]], "bo").unwrap(), all[1]);
    let history = album.history(Page::default()).unwrap().items;
    assert_eq!(history[0].n_in_batch, 1);
}

#[test]
fn a_name_that_was_replaced_comes_back_when_it_is_undone() {
    let (_stage, mut album) = filled();
    let all = groups(&album);
    album.name(all[0], "Ada").unwrap();
    album.name_all(&all[..2], "Ida").unwrap();
    let latest = album.history(Page::default()).unwrap().items[0].id;
    album.undo_decision(latest).unwrap();
    assert_eq!(album.person(all[0]).unwrap().name.as_deref(), Some("Ada"));
}

#[test]
fn a_batch_is_not_undone_in_part_and_hiding_and_ignoring_are_batches_too() {
    let (_stage, mut album) = filled();
    let all = groups(&album);
    album.hide_all(&all[..2]).unwrap();
    assert_eq!(groups(&album).len(), 2);
    let hidden = album.history(Page::default()).unwrap().items[0].id;
    album.name(all[0], "Ida").unwrap();
    // A later decision is about one of them: nothing of the batch is undone.
    album.undo_decision(hidden).unwrap_err();
    assert_eq!(groups(&album).len(), 2);
    assert_eq!(album.undo(1).unwrap().len(), 1);
    assert_eq!(
        album.undo(1).unwrap().len(),
        2,
        "made in one step, undone in one"
    );
    assert_eq!(groups(&album), all);
    album.ignore_all(&all[1..3]).unwrap();
    assert_eq!(groups(&album).len(), 2);
    album.undo(1).unwrap();
    assert_eq!(groups(&album).len(), 4);
    album.hide_all(&[]).unwrap_err();
    album.name_all(&[all[0], PersonId(999)], "Zoe").unwrap_err();
    assert!(album.find_person("Zoe").is_err(), "all or nothing");
}

#[test]
fn two_people_of_one_photo_are_found_before_they_are_merged() {
    let (_stage, mut album) = filled();
    let view = album.photo(PhotoId(2)).unwrap();
    let two: Vec<PersonId> = view.faces.iter().map(|f| f.person.unwrap()).collect();
    let found = album.in_one_photo(&two).unwrap().unwrap();
    assert_eq!(found.photo, PhotoId(2));
    let alone = album.photo(PhotoId(9)).unwrap().faces[0].person.unwrap();
    let other = album.photo(PhotoId(4)).unwrap().faces[0].person.unwrap();
    assert_eq!(album.in_one_photo(&[alone]).unwrap(), None);
    assert!(
        album.in_one_photo(&[alone, other]).unwrap().is_some(),
        "photo 5"
    );
    let third = album.photo(PhotoId(7)).unwrap().faces[0].person.unwrap();
    assert_eq!(album.in_one_photo(&[alone, third]).unwrap(), None);
    album.merge(two[0], two[1]).unwrap();
}

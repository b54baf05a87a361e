//! Links to photos: who is shown, when they end, and that an erasure closes them.

use super::*;

const HASH: [u8; 32] = [7; 32];

fn ida(album: &mut Album) -> PersonId {
    let ida = album.photo(PhotoId(1)).unwrap().faces[0].person.unwrap();
    album.name(ida, "Ida").unwrap();
    ida
}

fn of(person: PersonId, days: u32) -> NewLink {
    NewLink {
        photos: PhotoFilter {
            people: vec![person],
            dates: DateRange::of(&"2020".parse().unwrap()),
            words: "party".into(),
            folder: Some("/photos".into()),
            ..PhotoFilter::default()
        },
        with_names: true,
        days,
    }
}

#[test]
fn a_link_is_found_by_its_token_until_it_is_revoked_and_the_history_says_so() {
    let (_stage, mut album) = filled();
    let ida = ida(&mut album);
    for days in [0, MAX_LINK_DAYS + 1] {
        assert!(album.share(&HASH, &of(ida, days)).is_err());
    }
    let id = album.share(&HASH, &of(ida, 7)).unwrap();
    let link = album.open_link(&HASH).unwrap().unwrap();
    assert_eq!((link.id, &link.photos), (id, &of(ida, 7).photos));
    assert_eq!(link.expires_at_ms - link.made_at_ms, 7 * 24 * 3600 * 1000);
    assert!(!link.is_open_at(link.expires_at_ms) && !link.is_open_at(link.made_at_ms - 1));
    assert_eq!(album.open_link(&[8; 32]).unwrap(), None);

    album.revoke_link(id).unwrap();
    assert_eq!(album.open_link(&HASH).unwrap(), None);
    assert!(album.revoke_link(id).is_err());
    assert_eq!(album.shared_links().unwrap().len(), 1);
    let history = album.history(Page::default()).unwrap().items;
    let said: Vec<(&str, bool)> = history.iter().map(|d| (&*d.what, d.undoable)).collect();
    assert_eq!(said[0], ("link 1 revoked", false));
    assert_eq!(said[1].0, "link 1 made: photos shared with whoever has it");
    assert_eq!(
        album.undo(1).unwrap(),
        ["person 1 named \"Ida\""],
        "a link is not undone"
    );
}

#[test]
fn a_link_that_has_ended_stays_closed_when_the_clock_is_put_back() {
    let (_stage, mut album) = filled();
    let ida = ida(&mut album);
    album.share(&HASH, &of(ida, 7)).unwrap();
    let day_ms = 24 * 3600 * 1000;
    // The same as a clock that moves the other way.
    let shift = |album: &Album, ms: i64| {
        let sql = "UPDATE shared_links SET made_at_ms = made_at_ms + ?1, \
                   expires_at_ms = expires_at_ms + ?1";
        album.db.execute(sql, [ms]).unwrap();
    };
    shift(&album, 3600 * 1000);
    assert_eq!(album.open_link(&HASH).unwrap(), None, "an hour early");
    shift(&album, -3600 * 1000);
    assert!(album.open_link(&HASH).unwrap().is_some());
    shift(&album, -8 * day_ms);
    assert_eq!(album.open_link(&HASH).unwrap(), None, "a day too late");
    shift(&album, 8 * day_ms);
    assert_eq!(album.open_link(&HASH).unwrap(), None);
    // Made by a clock that was a year ahead: it does not open in a year.
    album.share(&[8; 32], &of(ida, 7)).unwrap();
    shift(&album, 365 * day_ms);
    assert_eq!(album.open_link(&[8; 32]).unwrap(), None);
    shift(&album, -365 * day_ms);
    assert_eq!(album.open_link(&[8; 32]).unwrap(), None);
    assert!(
        album
            .shared_links()
            .unwrap()
            .iter()
            .all(|link| !link.is_open())
    );
}

#[test]
fn only_faces_of_the_links_people_are_theirs_and_an_erasure_closes_the_link() {
    let (_stage, mut album) = filled();
    let ida = ida(&mut album);
    album.share(&HASH, &of(ida, 7)).unwrap();
    let faces = album.all_faces_in(PhotoId(2)).unwrap();
    assert_eq!(faces.len(), 2);
    let theirs = |album: &Album| {
        let faces = album.all_faces_in(PhotoId(2)).unwrap();
        faces.iter().filter(|f| f.person == Some(ida)).count()
    };
    assert_eq!(theirs(&album), 1);
    let face = album.photo(PhotoId(2)).unwrap().faces[0].face;
    album.ignore(&[face]).unwrap();
    assert_eq!(theirs(&album), 0, "an ignored face is nobody's");
    album.undo(1).unwrap();
    album.erase(ida).unwrap();
    assert_eq!(theirs(&album), 0);
    assert_eq!(
        album.all_faces_in(PhotoId(2)).unwrap().len(),
        2,
        "and still covered"
    );
    assert_eq!(album.open_link(&HASH).unwrap(), None);
    let left = album.shared_links().unwrap().remove(0);
    assert!(left.photos.people.is_empty() && left.photos.words.is_empty());
    assert!(album.health().unwrap().problems.is_empty());
}

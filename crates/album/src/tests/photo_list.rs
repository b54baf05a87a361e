//! Lists of photos by date, people and words; the photo before and after one; years of a person.

use super::*;

/// The album of [`filled`], whose photos were taken in months from December 2019 on, two of them
/// undated, in folders by year.
fn dated() -> (Stage, Album) {
    let stage = Stage::new();
    let mut album = stage.open();
    let mut files = photos("e@1");
    for (n, file) in files.iter_mut().enumerate() {
        let months = 2019 * 12 + 11 + n;
        let (year, month) = (months / 12, months % 12 + 1);
        let Outcome::New(record) = &mut file.outcome else {
            unreachable!()
        };
        if n < 10 {
            record.taken = shot(&format!("{year}-{month:02}-05T12:00:00"));
        }
        file.path = PathBuf::from(format!("/photos/{year}/Sommer Überall/{n:04}.jpg"));
    }
    album.record(&files).unwrap();
    group(&mut album);
    (stage, album)
}

fn ids_of(album: &Album, filter: &PhotoFilter) -> Vec<i64> {
    let all = album.photos(filter, Page::default()).unwrap();
    assert_eq!(all.total, all.items.len());
    all.items.iter().map(|item| item.photo.0).collect()
}

fn dates(from: &str, to: &str) -> DateRange {
    let date = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    DateRange {
        from: date(from),
        to: date(to),
    }
}

#[test]
fn photos_are_found_by_date_by_words_of_their_path_and_by_folder() {
    let (_stage, album) = dated();
    let by_date = |from: &str, to: &str| {
        let filter = PhotoFilter {
            dates: dates(from, to),
            ..PhotoFilter::default()
        };
        ids_of(&album, &filter)
    };
    assert_eq!(by_date("", "").len(), 12);
    assert_eq!(by_date("2019", "2019"), [1]);
    assert_eq!(by_date("2020", "2020"), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(by_date("2020-02", "2020-03-05"), [3, 4]);
    assert_eq!(
        by_date("", "2020-01"),
        [1, 2],
        "undated photos are not before anything"
    );
    let by_words = |words: &str| {
        let words = words.into();
        let filter = PhotoFilter {
            words,
            ..PhotoFilter::default()
        };
        ids_of(&album, &filter)
    };
    assert_eq!(by_words("uberall 2019"), [1], "whatever case and accents");
    assert_eq!(by_words("0003.JPG"), [4]);
    assert!(by_words("winter").is_empty());
    let folder = PhotoFilter {
        folder: Some("/photos/2019".into()),
        ..PhotoFilter::default()
    };
    assert_eq!(ids_of(&album, &folder), [1]);
    let months = album.months(&PhotoFilter::default()).unwrap();
    let said: Vec<(Option<&str>, usize)> = months
        .iter()
        .map(|m| (m.month.as_deref(), m.n_photos))
        .collect();
    assert_eq!(said[0], (Some("2019-12"), 1));
    assert_eq!(said[10], (None, 2));
    assert_eq!(said.iter().map(|(_, n)| n).sum::<usize>(), 12);
}

#[test]
fn several_people_are_found_together_or_any_of_them_and_thumbnails_name_them() {
    let (_stage, mut album) = dated();
    let view = album.photo(PhotoId(2)).unwrap();
    let people: Vec<PersonId> = view.faces.iter().map(|f| f.person.unwrap()).collect();
    album.name(people[0], "Ida").unwrap();
    album.name(people[1], "Bo").unwrap();
    let mut filter = PhotoFilter {
        people: people.clone(),
        ..PhotoFilter::default()
    };
    let both = album.photos(&filter, Page::default()).unwrap();
    assert_eq!((both.total, both.items[0].photo), (1, PhotoId(2)));
    assert_eq!(both.items[0].names, ["Ida", "Bo"], "from left to right");
    filter.any_person = true;
    assert_eq!(ids_of(&album, &filter), [1, 2, 3, 5, 6, 9, 10]);
    filter.dates = dates("2020-05", "2020");
    assert_eq!(ids_of(&album, &filter), [6, 9, 10]);
    album.hide(people[1], true).unwrap();
    filter.any_person = false;
    filter.dates = DateRange::default();
    let both = album.photos(&filter, Page::default()).unwrap();
    assert_eq!(both.items[0].names, ["Ida"], "a hidden person is not named");
    filter.people = vec![people[0]; 17];
    assert!(album.photos(&filter, Page::default()).is_err());
}

#[test]
fn next_and_previous_go_through_a_list_once_in_its_order() {
    let (_stage, mut album) = dated();
    let person = album.photo(PhotoId(1)).unwrap().faces[0].person.unwrap();
    let lists = [
        PhotoFilter::default(),
        PhotoFilter {
            people: vec![person],
            ..PhotoFilter::default()
        },
        PhotoFilter {
            dates: dates("2020", ""),
            ..PhotoFilter::default()
        },
    ];
    for filter in lists {
        let ids = ids_of(&album, &filter);
        let mut seen = Vec::new();
        let mut at = ids.first().copied().map(PhotoId);
        let mut before = None;
        while let Some(photo) = at {
            let place = album.place(photo, &filter).unwrap().unwrap();
            seen.push(photo.0);
            assert_eq!((place.number, place.total), (seen.len(), ids.len()));
            assert_eq!(place.previous, before);
            (before, at) = (at, place.next);
        }
        assert_eq!(seen, ids);
    }
    let strangers = PhotoFilter {
        people: vec![person],
        dates: dates("1999", "1999"),
        ..PhotoFilter::default()
    };
    assert_eq!(album.place(PhotoId(1), &strangers).unwrap(), None);
    album.name(person, "Ida").unwrap();
    let years = album.years_of(person).unwrap();
    let said: Vec<(Option<String>, usize)> = years
        .iter()
        .map(|y| (y.year.as_ref().map(PartialDate::to_string), y.n_photos))
        .collect();
    assert_eq!(said, [(Some("2019".into()), 1), (Some("2020".into()), 3)]);
    let of_year = album
        .faces_of_dates(person, &dates("2020", "2020"), Page::default())
        .unwrap();
    assert_eq!(of_year.total, 3);
}

#[test]
fn an_unclear_face_is_listed_apart() {
    let (_stage, mut album) = dated();
    let mut blur = photo(200, &[7], "e@1");
    let Outcome::New(record) = &mut blur.outcome else {
        unreachable!()
    };
    record.faces[0].quality = quality(0.0);
    album.record(&[blur]).unwrap();
    group(&mut album);
    let all = Page::default();
    let unclear = album.unclear_faces(all).unwrap();
    assert_eq!((unclear.total, unclear.items[0].unclear), (1, true));
    let nobody = album.unassigned_faces(all).unwrap();
    assert_eq!(nobody.total, nobody.items.len());
    assert!(nobody.items.iter().all(|face| !face.unclear));
}

#[test]
fn every_view_of_the_pages_uses_an_index() {
    let (_stage, album) = dated();
    let filters = [
        PhotoFilter::default(),
        PhotoFilter {
            people: vec![PersonId(1), PersonId(2)],
            dates: dates("2020", "2020"),
            ..PhotoFilter::default()
        },
    ];
    // A plan that sorts or scans shows in the words of `EXPLAIN QUERY PLAN`.
    let key = crate::dates::KEY;
    for sql in [
        format!(
            "SELECT h.id FROM photos h WHERE h.gone = 0 ORDER BY {key}, h.id LIMIT 60 OFFSET 600"
        ),
        format!(
            "SELECT h.id FROM photos h WHERE h.gone = 0 AND {key} >= '2020' AND {key} < '2020~' \
             ORDER BY {key}, h.id LIMIT 60"
        ),
        format!("SELECT count(*) FROM photos h WHERE h.gone = 0 AND {key} >= '2020'"),
    ] {
        let plan = album
            .query_rows(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| {
                row.get::<_, String>(3)
            })
            .unwrap()
            .join("; ");
        assert!(plan.contains("photos_by_date"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
    for filter in filters {
        album.months(&filter).unwrap();
    }
}

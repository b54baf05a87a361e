//! Faces that a human drew, and covers that a human chose: kept, undone, and never in the way.

use super::presence::{edited, pictured, saved_again};
use super::*;
use crate::regions::RelativeBox;

fn at(x: f32, y: f32, side: f32) -> BoundingBox {
    BoundingBox {
        x_min: x,
        y_min: y,
        x_max: x + side,
        y_max: y + side,
    }
}

fn found(bbox: BoundingBox, person: usize) -> FaceRecord {
    FaceRecord {
        bbox,
        score: 0.7,
        landmarks: Some(Landmarks::from_array([Point { x: 300.0, y: 300.0 }; 5])),
        quality: quality(0.7),
        vector: Some(vector(person, 3)),
    }
}

fn names(album: &Album, path: &str) -> Vec<Option<String>> {
    let photo = album.photo_at(Path::new(path)).unwrap();
    let faces = album.photo(photo).unwrap().faces;
    faces.into_iter().map(|face| face.name).collect()
}

#[test]
fn a_face_that_was_drawn_is_like_any_other_and_outlives_a_scan_from_scratch() {
    let (_stage, mut album) = filled();
    let photo = album.photo_at(Path::new("/photos/0003.jpg")).unwrap();
    let bbox = at(300.0, 250.0, 90.0);
    let seen = found(bbox, 0);
    let ida = album
        .face(
            album
                .photo(album.photo_at(Path::new("/photos/0000.jpg")).unwrap())
                .unwrap()
                .faces[0]
                .face,
        )
        .unwrap()
        .person
        .unwrap();
    album.name(ida, "Ida").unwrap();
    let drawn = album
        .draw_face(photo, bbox, Some((&seen, &models("e@1"))), None)
        .unwrap();
    assert!(drawn.is_new && !drawn.is_unclear && drawn.person.is_none());
    // It has a template, so the grouping knows it.
    group(&mut album);
    assert_eq!(album.face(drawn.face).unwrap().person, Some(ida));
    // A name is kept where nobody can be recognised, too.
    let other = album.photo_at(Path::new("/photos/0006.jpg")).unwrap();
    let unclear = album.draw_face(other, bbox, None, Some("Zelda")).unwrap();
    assert!(unclear.is_unclear && unclear.is_new);
    assert_eq!(
        names(&album, "/photos/0006.jpg")[1].as_deref(),
        Some("Zelda")
    );

    album.clear_photos().unwrap();
    album.record(&photos("e@1")).unwrap();
    group(&mut album);
    assert_eq!(
        names(&album, "/photos/0006.jpg")[1].as_deref(),
        Some("Zelda")
    );
    let undescribed = album.undescribed_faces(&ModelId("e@1".into())).unwrap();
    assert_eq!(undescribed.len(), 2, "both are there, without templates");
    let again = undescribed.iter().find(|f| f.photo == photo).unwrap();
    assert_eq!(again.bbox, bbox);
    album
        .describe_face(again.face, &found(bbox, 0), &models("e@1"))
        .unwrap();
    group(&mut album);
    assert_eq!(names(&album, "/photos/0003.jpg")[1].as_deref(), Some("Ida"));
}

#[test]
fn a_box_on_a_known_face_names_that_face_and_a_box_outside_the_photo_is_refused() {
    let (_stage, mut album) = filled();
    let photo = album.photo_at(Path::new("/photos/0003.jpg")).unwrap();
    let known = album.photo(photo).unwrap().faces[0].clone();
    let on_it = at(known.bbox.x_min - 5.0, known.bbox.y_min - 5.0, 90.0);
    assert!(album.draw_face(photo, on_it, None, None).is_err());
    let drawn = album.draw_face(photo, on_it, None, Some("Bo")).unwrap();
    assert_eq!((drawn.face, drawn.is_new), (known.face, false));
    for outside in [
        at(700.0, 10.0, 50.0),
        at(10.0, 10.0, 1.0),
        at(f32::NAN, 0.0, 50.0),
    ] {
        let refused = album
            .draw_face(photo, outside, None, Some("Bo"))
            .unwrap_err();
        assert!(matches!(refused, Error::InvalidRequest(_)), "{refused}");
    }
    let cut = album
        .draw_face(photo, at(600.0, 440.0, 100.0), None, None)
        .unwrap();
    assert_eq!(album.face(cut.face).unwrap().bbox, {
        let mut inside = at(600.0, 440.0, 40.0);
        inside.x_max = 640.0;
        inside.y_max = 480.0;
        inside
    });
}

#[test]
fn drawing_is_taken_back_as_one_decision_and_does_not_return() {
    let (_stage, mut album) = filled();
    let photo = album.photo_at(Path::new("/photos/0003.jpg")).unwrap();
    let bbox = at(300.0, 250.0, 90.0);
    let before = album.photo(photo).unwrap().faces.len();
    let drawn = album.draw_face(photo, bbox, None, Some("Zelda")).unwrap();
    let line = album.history(Page::default()).unwrap().items.remove(0);
    assert!(
        line.what.contains("drawn") && line.what.contains("Zelda"),
        "{}",
        line.what
    );
    // A later decision about it goes first.
    album.ignore(&[drawn.face]).unwrap();
    assert!(album.undo_decision(line.id).is_err());
    album.undo(2).unwrap();
    assert_eq!(album.photo(photo).unwrap().faces.len(), before);
    assert!(album.find_person("Zelda").is_err());
    album.clear_photos().unwrap();
    album.record(&photos("e@1")).unwrap();
    let photo = album.photo_at(Path::new("/photos/0003.jpg")).unwrap();
    assert_eq!(
        album.photo(photo).unwrap().faces.len(),
        before,
        "not drawn anew"
    );
    assert!(album.health().unwrap().problems.is_empty());
}

#[test]
fn a_chosen_cover_survives_grouping_and_a_scan_from_scratch_and_can_be_undone() {
    let (_stage, mut album) = filled();
    let person = album.people().unwrap()[0].id;
    album.name(person, "Ida").unwrap();
    let cover = |album: &Album| {
        let id = album.find_person("Ida").unwrap();
        album.person_stats(id).unwrap().cover.unwrap()
    };
    let usual = cover(&album);
    let faces = album.faces_of(person, Page::default()).unwrap().items;
    let other = faces.iter().map(|f| f.face).find(|f| *f != usual).unwrap();
    let place = |album: &Album, face: FaceId| {
        let face = album.face(face).unwrap();
        (album.photo(face.photo).unwrap().paths, face.bbox)
    };
    let wanted = place(&album, other);
    assert_eq!(album.choose_cover(other).unwrap(), person);
    assert_eq!(cover(&album), other);
    group(&mut album);
    assert_eq!(cover(&album), other);
    // A face that leaves stands for nobody; one that comes back does again.
    album.assert_is_not(&[other], person).unwrap();
    assert_ne!(cover(&album), other);
    album.undo(1).unwrap();
    assert_eq!(cover(&album), other);
    album.clear_photos().unwrap();
    album.record(&photos("e@1")).unwrap();
    group(&mut album);
    assert_eq!(place(&album, cover(&album)), wanted);
    album.undo(1).unwrap();
    assert_ne!(place(&album, cover(&album)), wanted);
    let lone = album.unassigned_faces(Page::default()).unwrap().items[0].face;
    assert!(album.choose_cover(lone).is_err(), "a face of nobody");
}

#[test]
fn a_face_that_is_drawn_in_one_copy_is_in_all_that_are_known_however_they_are_turned() {
    let stage = Stage::new();
    let mut album = stage.open();
    let original = pictured(1, &[0, 1]);
    let (mut small, mut turned) = (
        saved_again(&original, 1, 1, Orientation::Upright),
        saved_again(&original, 1, 2, Orientation::RotatedLeft),
    );
    small.path = "/photos/small.jpg".into();
    turned.path = "/photos/turned.jpg".into();
    album
        .record(&[original.clone(), small.clone(), turned.clone()])
        .unwrap();
    group(&mut album);
    let view = |album: &Album, file: &ScannedFile| {
        album.photo(album.photo_at(&file.path).unwrap()).unwrap()
    };
    let on_small = view(&album, &small);
    assert_eq!(on_small.faces.len(), 2);
    let (width, height) = (on_small.width_px as f32, on_small.height_px as f32);
    let bbox = BoundingBox {
        x_min: 0.8 * width,
        y_min: 0.5 * height,
        x_max: 0.9 * width,
        y_max: 0.7 * height,
    };
    album
        .draw_face(on_small.photo, bbox, None, Some("Zelda"))
        .unwrap();
    for (file, orientation) in [
        (&original, Orientation::Upright),
        (&small, Orientation::Upright),
        (&turned, Orientation::RotatedLeft),
    ] {
        let view = view(&album, file);
        let of_zelda = view
            .faces
            .iter()
            .find(|f| f.name.as_deref() == Some("Zelda"));
        let face = of_zelda.unwrap_or_else(|| panic!("{:?}: {:?}", file.path, view.faces));
        let place = RelativeBox::from_pixels(&face.bbox, view.width_px, view.height_px);
        let stored = place.stored(orientation);
        assert!(
            (stored.x_min - 0.8).abs() < 0.02 && (stored.y_max - 0.7).abs() < 0.02,
            "{stored:?}"
        );
    }
    album.undo(1).unwrap();
    for file in [&original, &small, &turned] {
        assert_eq!(view(&album, file).faces.len(), 2, "taken back in all");
    }
}

#[test]
fn a_chosen_cover_stays_when_its_person_is_merged_and_merged_again() {
    let (_stage, mut album) = filled();
    let ids: Vec<PersonId> = album.people().unwrap().iter().map(|p| p.id).collect();
    let usual = album.person_stats(ids[2]).unwrap().cover;
    let faces = album.faces_of(ids[2], Page::default()).unwrap().items;
    let other = faces
        .iter()
        .map(|f| f.face)
        .find(|f| Some(*f) != usual)
        .unwrap();
    album.choose_cover(other).unwrap();
    album.merge(ids[1], ids[2]).unwrap();
    assert_eq!(album.person_stats(ids[1]).unwrap().cover, Some(other));
    album.merge(ids[0], ids[1]).unwrap();
    assert_eq!(album.person_stats(ids[0]).unwrap().cover, Some(other));
    group(&mut album);
    assert_eq!(album.person_stats(ids[0]).unwrap().cover, Some(other));
}

#[test]
fn a_face_that_was_drawn_where_none_was_found_follows_the_picture_when_it_is_saved_again() {
    for orientation in [Orientation::Upright, Orientation::RotatedLeft] {
        let stage = Stage::new();
        let mut album = stage.open();
        let original = pictured(1, &[]);
        album.record(std::slice::from_ref(&original)).unwrap();
        group(&mut album);
        let photo = album.photo_at(&original.path).unwrap();
        let bbox = at(300.0, 250.0, 90.0);
        album.draw_face(photo, bbox, None, Some("Zelda")).unwrap();
        assert_eq!(names(&album, "/photos/0001.jpg"), [Some("Zelda".into())]);
        // Under the same name, so that the picture in which it was drawn is gone.
        album
            .record(&[saved_again(&original, 1, 1, orientation)])
            .unwrap();
        group(&mut album);
        let now = album.photo_at(&original.path).unwrap();
        assert_ne!(now, photo);
        assert_eq!(names(&album, "/photos/0001.jpg"), [Some("Zelda".into())]);
        // And the metadata of that.
        let edited = edited(&saved_again(&original, 1, 1, orientation), 9);
        album.record(&[edited]).unwrap();
        assert_eq!(names(&album, "/photos/0001.jpg"), [Some("Zelda".into())]);
    }
}

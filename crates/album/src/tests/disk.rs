//! A disk for tests: photos that are edited, re-saved, turned, replaced and deleted. Out: files as
//! a scan finds them, and where the faces lie that the album shows.

use std::collections::BTreeMap;

use super::presence::{edited, pictured, saved_again, with};
use super::*;
use crate::regions::RelativeBox;

/// Number of the picture, and the place of the face in it from the left.
pub(super) type Spot = (usize, usize);

/// Where faces are drawn: no detector finds one so far to the right.
pub(super) const DRAWN_AT: usize = 5;

/// A file of a photo as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct OnDisk {
    /// Another picture lies under the name.
    pub(super) replaced: bool,
    /// How often it was written.
    pub(super) version: u8,
    /// Shrunk, and turned this way.
    pub(super) saved: Option<Orientation>,
    pub(super) deleted: bool,
}

/// The disk: photos by number, below a folder that is there.
pub(super) struct Disk {
    pub(super) root: tempfile::TempDir,
    pub(super) folder: &'static str,
    pub(super) photos: BTreeMap<usize, OnDisk>,
}

impl Disk {
    pub(super) fn new() -> Disk {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("here"), "").unwrap();
        let mut disk = Disk {
            root,
            folder: "a",
            photos: BTreeMap::new(),
        };
        (0..12).for_each(|number| disk.add(number));
        disk
    }

    pub(super) fn add(&mut self, number: usize) {
        let new = OnDisk {
            replaced: false,
            version: 0,
            saved: None,
            deleted: false,
        };
        self.photos.insert(number, new);
    }

    /// The picture that lies under a number.
    pub(super) fn picture(&self, number: usize) -> usize {
        number
            + if self.photos[&number].replaced {
                100
            } else {
                0
            }
    }

    pub(super) fn file(&self, number: usize, embedder: &str) -> Option<ScannedFile> {
        let on_disk = &self.photos[&number];
        if on_disk.deleted {
            return None;
        }
        let picture = self.picture(number);
        let person = [picture % 4];
        // Later ones than the first twelve show one person.
        let who = WHO.get(number).filter(|_| !on_disk.replaced);
        let original = pictured(picture, who.unwrap_or(&&person[..]));
        let mut file = match on_disk.saved {
            Some(o) => saved_again(&original, picture, 1 + on_disk.version % 200, o),
            None if on_disk.version > 0 => edited(&original, 1 + on_disk.version % 200),
            None => original,
        };
        with(&mut file, |record| record.models = models(embedder));
        let name = format!("{number:04}.jpg");
        file.path = self.root.path().join(self.folder).join(name);
        Some(file)
    }

    pub(super) fn files(&self, embedder: &str) -> Vec<ScannedFile> {
        let numbers = self.photos.keys();
        numbers.filter_map(|n| self.file(*n, embedder)).collect()
    }

    pub(super) fn scan(&self, album: &mut Album) {
        let files = self.files("e@1");
        album.record(&files).unwrap();
        let found: Vec<PathBuf> = files.into_iter().map(|f| f.path).collect();
        album
            .reconcile(&[self.root.path().into()], &found, &[])
            .unwrap();
    }

    /// The pictures that are there.
    pub(super) fn pictures(&self) -> impl Iterator<Item = usize> {
        let there = self.photos.iter().filter(|(_, photo)| !photo.deleted);
        there.map(|(number, _)| self.picture(*number))
    }

    /// A photo that is there and where in it no detector finds a face: its number on the disk and
    /// in the album, and the box, in pixels of the upright photo.
    pub(super) fn place_to_draw(
        &self,
        album: &Album,
        at: usize,
    ) -> Option<(usize, PhotoId, BoundingBox)> {
        let there = self.photos.iter().filter(|(_, photo)| !photo.deleted);
        let there: Vec<(&usize, &OnDisk)> = there.collect();
        let (number, on_disk) = there.get(at % there.len().max(1))?;
        let name = format!("{number:04}.jpg");
        let path = self.root.path().join(self.folder).join(name);
        let view = album.photo(album.photo_at(&path).unwrap()).unwrap();
        let stored = RelativeBox {
            x_min: DRAWN_AT as f64 / 6.4,
            y_min: 0.5,
            x_max: (DRAWN_AT as f64 + 0.8) / 6.4,
            y_max: 0.7,
        };
        let upright = stored.upright(on_disk.saved.unwrap_or_default());
        let bbox = upright.to_pixels(view.width_px, view.height_px);
        Some((**number, view.photo, bbox))
    }

    /// Where each face lies that the album shows.
    pub(super) fn spots(&self, album: &Album) -> BTreeMap<FaceId, Spot> {
        let mut spots = BTreeMap::new();
        for (number, on_disk) in self.photos.iter().filter(|(_, p)| !p.deleted) {
            let name = format!("{number:04}.jpg");
            let path = self.root.path().join(self.folder).join(name);
            let view = album.photo(album.photo_at(&path).unwrap()).unwrap();
            for face in view.faces {
                let here = RelativeBox::from_pixels(&face.bbox, view.width_px, view.height_px);
                let there = here.stored(on_disk.saved.unwrap_or_default());
                let place = ((there.x_min + there.x_max) / 2.0 * 6.4) as usize;
                spots.insert(face.face, (self.picture(*number), place));
            }
        }
        spots
    }
}

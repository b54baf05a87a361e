//! Who stays recognisable. In: names, faces. Out: whether a face is of one of them.

use std::path::Path;

use anyhow::Result;
use fusiform::album::{FaceSummary, full_path};
use fusiform::verify::Verdict;
use fusiform::{Engine, Face};

use crate::args::RedactArgs;
use crate::commands::known_people::{KnownPeople, Who};
use crate::context::Context;

pub(super) struct Keep<'a> {
    known: KnownPeople<'a>,
    people: Vec<Who>,
}

/// Overlap (IoU) from which on a face is one that the catalogue knows.
const SAME_FACE: f32 = 0.3;

impl<'a> Keep<'a> {
    /// `None` if nobody is to be kept, which needs no catalogue.
    pub(super) fn of(
        context: &Context,
        engine: &'a Engine,
        args: &RedactArgs,
    ) -> Result<Option<Keep<'a>>> {
        if args.keep.is_empty() {
            return Ok(None);
        }
        let known = KnownPeople::open(context, engine, &args.enrolled)?;
        let mut people = Vec::new();
        for name in &args.keep {
            people.extend(known.find(name)?);
        }
        Ok(Some(Keep { known, people }))
    }

    /// What the catalogue knows of the faces of a photo; nothing if the photo is not in it.
    pub(super) fn catalogued(&self, photo: &Path) -> Result<Vec<FaceSummary>> {
        let path = full_path(photo)?;
        match self
            .known
            .catalogue()
            .map(|album| (album, album.photo_at(&path)))
        {
            Some((album, Ok(id))) => Ok(album.photo(id)?.faces),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether a face that the catalogue knows is of somebody to be kept.
    pub(super) fn keeps_card(&self, card: &FaceSummary) -> bool {
        let person = card.person.map(|p| Who::Catalogue(p.0));
        person.is_some_and(|p| self.people.contains(&p))
    }

    /// Whether a face is of somebody to be kept: as the catalogue has it, else by its similarity.
    pub(super) fn keeps(&self, face: &Face, known: &[FaceSummary]) -> Result<bool> {
        let card = known
            .iter()
            .map(|card| (overlap(face, card), card))
            .filter(|(iou, _)| *iou > SAME_FACE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, card)) = card {
            return Ok(self.keeps_card(card));
        }
        Ok(self.verdict(face)? == Some(Verdict::Same))
    }

    /// How sure it is that a face is of somebody to be kept; `None` if it is more like somebody
    /// else, or has no template.
    pub(super) fn verdict(&self, face: &Face) -> Result<Option<Verdict>, fusiform::Error> {
        // A pack without an embedder was refused when the index was made.
        let Some(probe) = &face.template else {
            return Ok(None);
        };
        let nearest = self.known.nearest(probe)?;
        let best = nearest.first().filter(|n| self.people.contains(&n.who));
        Ok(best.map(|n| n.verdict))
    }

    /// As [`KnownPeople::note`].
    pub(super) fn note(&self, n_faces: usize) -> Result<()> {
        self.known.note(n_faces)
    }
}

/// Whether a face was found where the catalogue knows one.
pub(super) fn is_found(faces: &[Face], card: &FaceSummary) -> bool {
    faces.iter().any(|face| overlap(face, card) > SAME_FACE)
}

fn overlap(face: &Face, card: &FaceSummary) -> f32 {
    face.bbox.iou(&card.bbox)
}

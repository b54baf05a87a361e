//! Whom a face is compared with. In: a template. Out: the person it is most like, of the catalogue
//! and, if that was asked for, of those who are enrolled in the vault; and how sure that is.

#[cfg(feature = "video")]
use anyhow::Context as _;
use anyhow::Result;
#[cfg(feature = "video")]
use fusiform::album::PersonId;
use fusiform::album::{Album, Index};
use fusiform::verify::Verdict;
use fusiform::{AlbumError, Engine, Error, Similarity, Template};
use fusiform_gallery::{Action, Gallery, Service};
use serde::Serialize;

use super::{collection, vault};
use crate::args::EnrolledArgs;
use crate::context::Context;

/// Those who may be recognised.
pub(super) struct KnownPeople<'a> {
    engine: &'a Engine,
    catalogue: Option<(Album, Index)>,
    vault: Option<(Gallery, Service)>,
}

/// A person, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "of", content = "person")]
pub(super) enum Who {
    Catalogue(i64),
    Vault(i64),
}

/// The person a face is most like.
pub(super) struct Nearest {
    pub(super) who: Who,
    #[cfg(feature = "video")]
    pub(super) similarity: Similarity,
    pub(super) verdict: Verdict,
}

impl<'a> KnownPeople<'a> {
    /// A catalogue must be there unless the vault is asked for.
    pub(super) fn open(
        context: &Context,
        engine: &'a Engine,
        enrolled: &EnrolledArgs,
    ) -> Result<KnownPeople<'a>> {
        let model = engine.embedder_id()?;
        let catalogue = match enrolled.enrolled && !context.config.catalogue.exists() {
            true => None,
            false => {
                let catalogue = context.readable_catalogue()?;
                let index = catalogue.index(model)?;
                Some((catalogue, index))
            }
        };
        let vault = match enrolled.enrolled {
            false => None,
            true => {
                vault::present(context)?;
                let gallery = vault::open(context, Some(&model.to_string()))?;
                let key_file = enrolled.key_file.as_deref();
                let service = collection::named(context, &gallery, key_file, enrolled.collection)?;
                Some((gallery, service))
            }
        };
        Ok(KnownPeople {
            engine,
            catalogue,
            vault,
        })
    }

    pub(super) fn catalogue(&self) -> Option<&Album> {
        self.catalogue.as_ref().map(|(album, _)| album)
    }

    /// Everybody of that name or number: one of the catalogue, one of the vault.
    pub(super) fn find(&self, name: &str) -> Result<Vec<Who>> {
        let mut found = Vec::new();
        if let Some((gallery, service)) = &self.vault {
            found.extend(
                gallery
                    .person(*service, name)
                    .map(|(p, _)| Who::Vault(p.number)),
            );
        }
        match self.catalogue().map(|album| album.find_person(name)) {
            Some(Ok(person)) => found.push(Who::Catalogue(person.0)),
            Some(Err(AlbumError::NoSuchPerson(_))) if !found.is_empty() => {}
            Some(Err(error)) => return Err(error.into()),
            None if found.is_empty() => {
                anyhow::bail!("nobody called {name:?} is enrolled in that collection of the vault")
            }
            None => {}
        }
        Ok(found)
    }

    /// The name of a person, if the person has one.
    #[cfg(feature = "video")]
    fn name(&self, who: Who) -> Result<Option<String>> {
        Ok(match who {
            Who::Catalogue(number) => {
                let album = self.catalogue().context("no catalogue is open")?;
                album.person(PersonId(number))?.name
            }
            Who::Vault(number) => self.vault.as_ref().and_then(|(gallery, service)| {
                let mut people = gallery.people(*service).into_iter();
                people.find(|p| p.number == number).map(|p| p.name)
            }),
        })
    }

    /// Whom each of both stores has that is most like a face: none, one or two, the more like
    /// first.
    pub(super) fn nearest(&self, template: &Template) -> Result<Vec<Nearest>, Error> {
        let mut found = Vec::new();
        if let Some((_, index)) = &self.catalogue {
            let best = index.identify(template, 1)?.into_iter().next();
            found.extend(best.map(|m| (Who::Catalogue(m.person.0), m.similarity)));
        }
        if let Some((gallery, service)) = &self.vault {
            let best = gallery.nearest(*service, &[&template.vector], 1);
            let best = best.into_iter().flatten().next();
            found.extend(best.map(|m| (Who::Vault(m.number), Similarity(m.similarity))));
        }
        found.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let judged = found.into_iter().map(|(who, similarity)| {
            let verdict = self.engine.thresholds()?.judge(similarity)?.verdict;
            Ok(Nearest {
                who,
                #[cfg(feature = "video")]
                similarity,
                verdict,
            })
        });
        judged.collect()
    }

    /// Who a face is beyond doubt, by name: of catalogue and vault, the one it is more like.
    #[cfg(feature = "video")]
    pub(super) fn named(&self, template: &Template) -> Result<Option<(String, Nearest)>> {
        for nearest in self.nearest(template)? {
            let is_same = nearest.verdict == Verdict::Same;
            if let Some(name) = self.name(nearest.who)?.filter(|_| is_same) {
                return Ok(Some((name, nearest)));
            }
        }
        Ok(None)
    }

    /// Notes in the vault's log that so many faces were compared with its people.
    pub(super) fn note(&self, n_faces: usize) -> Result<()> {
        if let Some((gallery, service)) = &self.vault {
            gallery.record(Action::Identify, Some(*service), None, n_faces)?;
            gallery.flush()?;
        }
        Ok(())
    }
}

//! Examples that are kept but not matched: the present model could not embed them. In: examples as
//! they are stored. Out: which they are, by id; they go with their person, or one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::gallery::Gallery;
use crate::store::StoredExample;

/// Whose example it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) service: i64,
    pub(crate) person: i64,
}

impl Aside {
    pub(crate) fn of(service: i64, example: StoredExample) -> Aside {
        let person = example.person;
        Aside { service, person }
    }
}

impl Gallery {
    pub(crate) fn n_aside_of(&self, person: i64) -> usize {
        let aside = self.aside.load();
        aside.values().filter(|kept| kept.person == person).count()
    }

    /// Needs the right of [`Gallery::writer`].
    pub(crate) fn set_aside_map(&self, change: impl FnOnce(&mut BTreeMap<Uuid, Aside>)) {
        if self.aside.load().is_empty() {
            return;
        }
        let mut aside = BTreeMap::clone(&self.aside.load());
        change(&mut aside);
        self.aside.store(Arc::new(aside));
    }
}

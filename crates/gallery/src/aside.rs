//! Examples that are kept but not matched: the present model could not embed them. In: examples as
//! they are stored. Out: which they are, by id; they go with their person, or one by one.

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

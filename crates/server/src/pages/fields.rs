//! What a form or an address carries. In: URL-encoded bytes. Out: names with their values, in
//! order.

/// The fields of one form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(bytes: &[u8]) -> Fields {
        Fields(
            form_urlencoded::parse(bytes)
                .into_owned()
                .map(|(name, value)| (name, value.trim().to_owned()))
                .collect(),
        )
    }

    /// The first value of a field; none if it is absent or empty.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let named = |pair: &&(String, String)| pair.0 == name && !pair.1.is_empty();
        self.0.iter().find(named).map(|(_, value)| &**value)
    }

    /// All values of a field that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |pair: &&(String, String)| pair.0 == name && !pair.1.is_empty();
        self.0.iter().filter(named).map(|(_, value)| &**value)
    }

    /// All fields with their values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All values of a field that are numbers.
    pub(super) fn numbers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = i64> + 'a {
        self.all(name).filter_map(|value| value.parse().ok())
    }
}

//! Parts of long lists. In: offset and limit. Out: items with the length of the whole list.
//! Knows nothing of what is listed.

/// Most items of one page.
pub const MAX_PAGE: usize = 1000;

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Items skipped.
    pub offset: usize,
    /// Items wanted, at most [`MAX_PAGE`].
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Page {
        Page {
            offset: 0,
            limit: 100,
        }
    }
}

impl Page {
    /// `LIMIT` of a query.
    pub(crate) fn limit(self) -> i64 {
        self.limit.min(MAX_PAGE) as i64
    }

    /// `OFFSET` of a query.
    pub(crate) fn offset(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }
}

/// Part of a list, and how long the whole list is.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Items on all pages together.
    pub total: usize,
}

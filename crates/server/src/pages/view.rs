//! Which photos a page shows, as its address says. In: fields of an address. Out: a filter for the
//! album, and an address again: `who=Ada&who=Bo&any=1&from=2020&to=2021-07&q=party`.

use std::path::PathBuf;

use fusiform::album::{
    Album, DateRange, Error, FaceId, PartialDate, PersonId, PhotoFilter, PhotoId,
};

use super::fields::Fields;
use super::frame::day_or_part;
use crate::problem::Problem;

/// A list of photos that has an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Names or numbers as they were typed.
    pub(super) who: Vec<String>,
    /// Numbers of people, named or not.
    pub(super) people: Vec<i64>,
    pub(super) any_person: bool,
    pub(super) dates: DateRange,
    pub(super) words: String,
    pub(super) folder: Option<String>,
    /// Dates that are none.
    pub(super) wrong_dates: Vec<String>,
}

impl View {
    pub(super) fn parse(fields: &Fields) -> View {
        let mut wrong_dates = Vec::new();
        let mut date = |name: &str| {
            let text = fields.first(name)?;
            let date = text.parse::<PartialDate>().ok();
            if date.is_none() {
                wrong_dates.push(text.to_owned());
            }
            date
        };
        let dates = DateRange {
            from: date("from"),
            to: date("to"),
        };
        View {
            who: fields.all("who").map(str::to_owned).collect(),
            people: fields.numbers("person").collect(),
            any_person: fields.first("any").is_some(),
            dates,
            words: fields.first("q").unwrap_or_default().to_owned(),
            folder: fields.first("folder").map(str::to_owned),
            wrong_dates,
        }
    }

    pub(super) fn of_person(person: PersonId) -> View {
        View {
            people: vec![person.0],
            ..View::default()
        }
    }

    /// The same photos of other dates.
    pub(super) fn with_dates(&self, dates: DateRange) -> View {
        View {
            dates,
            ..self.clone()
        }
    }

    pub(super) fn is_all(&self) -> bool {
        *self == View::default()
    }

    /// The filter, and the names that nobody has.
    pub(super) fn filter(&self, album: &Album) -> Result<(PhotoFilter, Vec<String>), Problem> {
        let mut people: Vec<PersonId> = self.people.iter().map(|id| PersonId(*id)).collect();
        let mut unknown = Vec::new();
        for name in &self.who {
            match album.find_person(name) {
                Ok(person) => people.push(person),
                Err(Error::NoSuchPerson(_)) => unknown.push(name.clone()),
                Err(why) => return Err(why.into()),
            }
        }
        people.dedup();
        let filter = PhotoFilter {
            people,
            any_person: self.any_person,
            dates: self.dates.clone(),
            words: self.words.clone(),
            folder: self.folder.as_ref().map(PathBuf::from),
        };
        Ok((filter, unknown))
    }

    /// The address's query; empty for all photos.
    pub(super) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in &self.who {
            query.append_pair("who", name);
        }
        for person in &self.people {
            query.append_pair("person", &person.to_string());
        }
        if self.any_person {
            query.append_pair("any", "1");
        }
        let (from, to) = (&self.dates.from, &self.dates.to);
        for (name, date) in [("from", from), ("to", to)] {
            if let Some(date) = date {
                query.append_pair(name, &date.to_string());
            }
        }
        if !self.words.is_empty() {
            query.append_pair("q", &self.words);
        }
        if let Some(folder) = &self.folder {
            query.append_pair("folder", folder);
        }
        query.finish()
    }

    /// The address of the list; more can follow after `&`.
    pub(super) fn list(&self) -> String {
        format!("/photos?{}", self.query())
    }

    /// The address of a photo that was come to from here.
    pub(super) fn photo(&self, photo: PhotoId) -> String {
        match self.query() {
            query if query.is_empty() => format!("/photos/{photo}"),
            query => format!("/photos/{photo}?{query}"),
        }
    }

    /// The address of a face in a photo that was come to from here.
    pub(super) fn face(&self, photo: PhotoId, face: FaceId) -> String {
        let to = self.photo(photo);
        let sign = if to.contains('?') { '&' } else { '?' };
        format!("{to}{sign}face={face}")
    }

    /// The dates in words, if there are any.
    pub(super) fn dates_in_words(&self) -> Option<String> {
        dates_in_words(&self.dates)
    }
}

/// `Ada and Bo`, or `Ada or Bo`.
pub(super) fn joined(names: &[String], any_person: bool) -> String {
    names.join(if any_person { " or " } else { " and " })
}

/// `2021`, `July 2021 to 4 May 2022`, `until 2020`.
pub(super) fn dates_in_words(dates: &DateRange) -> Option<String> {
    let words = |date: &PartialDate| day_or_part(&date.to_string());
    match (&dates.from, &dates.to) {
        (None, None) => None,
        (Some(from), Some(to)) if from == to => Some(words(from)),
        (Some(from), Some(to)) => Some(format!("{} to {}", words(from), words(to))),
        (Some(from), None) => Some(format!("from {}", words(from))),
        (None, Some(to)) => Some(format!("until {}", words(to))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_after_it_was_read() {
        let query = "who=Ida+%26+Bo&person=7&any=1&from=2020&to=2021-07&q=a+b&folder=%2Fpics";
        let view = View::parse(&Fields::parse(query.as_bytes()));
        assert_eq!(view.query(), query);
        assert_eq!(view.photo(PhotoId(3)), format!("/photos/3?{query}"));
        assert_eq!(view.dates_in_words().unwrap(), "2020 to July 2021");
        let none = View::parse(&Fields::parse(b"page=2&who=&from=never"));
        assert_eq!(
            (none.query(), none.wrong_dates),
            (String::new(), vec!["never".to_owned()])
        );
    }
}

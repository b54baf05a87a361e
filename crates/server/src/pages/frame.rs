//! What every page shares. In: a title, the login, the content. Out: a whole HTML page.

use fusiform::album::{MissingRoot, PersonStats};
pub(super) use fusiform::album::{counted, thousands};
use maud::{DOCTYPE, Markup, html};

use super::guard::Login;

/// An entry of the menu, to which a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MenuItem {
    People,
    Groups,
    Review,
    Photos,
    Scan,
    Shared,
    History,
    Cameras,
}

const MENU: [(MenuItem, &str, &str); 8] = [
    (MenuItem::People, "/people", "People"),
    (MenuItem::Groups, "/groups", "Unnamed"),
    (MenuItem::Review, "/review", "Review"),
    (MenuItem::Photos, "/photos", "Photos"),
    (MenuItem::Scan, "/scan", "Add photos"),
    (MenuItem::Shared, "/shared", "Shared"),
    (MenuItem::History, "/history", "History"),
    (MenuItem::Cameras, "/cameras", "Cameras"),
];

/// What was just decided.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) text: String,
    /// Number of the decision, if it can be undone.
    pub(super) undo: Option<i64>,
}

/// What a page shows beside its content.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) login: Login,
    pub(super) notice: Option<Notice>,
    /// Questions waiting for an answer.
    pub(super) n_questions: usize,
    /// Scanned folders that are not there now.
    pub(super) missing: Vec<MissingRoot>,
    /// Whether the server looks at cameras.
    pub(super) has_cameras: bool,
}

impl Frame {
    /// A page with menu, notice and content.
    pub(super) fn page(&self, title: &str, item: MenuItem, content: Markup) -> Markup {
        let menu = html! {
            header.top {
                a.skip href="#content" { "Skip to the content" }
                a.logo href="/people" { "Fusiform" }
                nav aria-label="Main" {
                    @for (at, href, text) in MENU.into_iter().filter(|(at, ..)| {
                        self.has_cameras || *at != MenuItem::Cameras
                    }) {
                        a href=(href) aria-current=[(at == item).then_some("page")] {
                            (text)
                            @if at == MenuItem::Review && self.n_questions > 0 {
                                " " span.badge { (self.n_questions) }
                            }
                        }
                    }
                }
                @if self.login.signed_in {
                    form.signout method="post" action="/logout" {
                        (self.token())
                        button.quiet { "Sign out" }
                    }
                }
            }
        };
        document(
            title,
            html! {
                (menu)
                main #content tabindex="-1" {
                    @for root in &self.missing {
                        div.notice.missing role="status" {
                            p { "The folder " span.path { (root.path.display()) }
                                " " (root.state()) ": is its disk off? "
                                (root.holds())
                                " below it cannot be shown; names and decisions are kept." }
                        }
                    }
                    @if let Some(notice) = &self.notice {
                        div.notice role="status" {
                            p { (notice.text) "." }
                            @if let Some(id) = notice.undo {
                                form method="post" action="/undo" {
                                    (self.token())
                                    input type="hidden" name="decision" value=(id);
                                    button { "Undo" }
                                }
                            }
                        }
                    }
                    (content)
                }
            },
        )
    }

    /// The hidden field that every form must send back.
    pub(super) fn token(&self) -> Markup {
        html! { input type="hidden" name="token" value=(self.login.token); }
    }
}

/// A page without a menu: for errors and the login.
pub(super) fn bare(title: &str, content: Markup) -> Markup {
    document(
        title,
        html! {
            main.bare #content { (content) }
        },
    )
}

/// A page for strangers: without menu and scripts, and found by no search engine.
pub(super) fn public(title: &str, content: Markup) -> Markup {
    let head = html! {
        meta name="robots" content="noindex, nofollow";
        title { (title) }
    };
    whole(head, html! { main #content { (content) } })
}

fn document(title: &str, body: Markup) -> Markup {
    let head = html! {
        title { (title) " · Fusiform" }
        script src="/assets/page.js" defer {}
    };
    whole(head, body)
}

/// What every page has, whoever sees it.
fn whole(head: Markup, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                (head)
                link rel="icon" href="/assets/icon.svg";
                link rel="stylesheet" href="/assets/style.css";
            }
            body { (body) }
        }
    }
}

/// The name, or the number of an unnamed person.
pub(super) fn called(card: &PersonStats) -> String {
    card.name
        .clone()
        .unwrap_or_else(|| format!("Person {}", card.id))
}

/// `4 July 2021` of `2021-07-04T18:30:05`.
pub(super) fn day(taken_at: &str) -> String {
    let mut parts = taken_at.get(..10).unwrap_or_default().splitn(3, '-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|p| p.parse::<usize>().ok());
    match (year, number(month).and_then(month_name), number(day)) {
        (Some(year), Some(month), Some(day)) => format!("{day} {month} {year}"),
        _ => taken_at.to_owned(),
    }
}

/// `July 2021` of `2021-07-04T18:30:05`.
pub(super) fn month(taken_at: &str) -> String {
    let mut parts = taken_at.splitn(3, '-');
    let (year, month) = (parts.next().unwrap_or_default(), parts.next());
    match month.and_then(|m| m.parse().ok()).and_then(month_name) {
        Some(month) => format!("{month} {year}"),
        None => taken_at.to_owned(),
    }
}

/// As [`day`] and [`month`]; a year stays a year.
pub(super) fn day_or_part(text: &str) -> String {
    match text.len() {
        0..=4 => text.to_owned(),
        5..=7 => month(text),
        _ => day(text),
    }
}

fn month_name(number: usize) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    NAMES.get(number.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers_are_written_as_people_write_them() {
        assert_eq!(day("2021-07-04T18:30:05"), "4 July 2021");
        assert_eq!(month("2021-12-04T18:30:05"), "December 2021");
        for odd in ["", "2021", "2021-13-01", "x-y-z", "äöü"] {
            assert_eq!((day(odd), month(odd)), (odd.to_owned(), odd.to_owned()));
        }
    }
}

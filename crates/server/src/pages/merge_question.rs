//! Whether two people may be merged who stand in one photo. In: a form that would merge them. Out:
//! a page that asks once more and sends the same form again.

use axum::response::{IntoResponse, Response};
use fusiform::album::{InOnePhoto, PersonId, PersonStats};
use maud::{Markup, html};

use super::fields::Fields;
use super::frame::{Frame, MenuItem, called};
use super::guard::Login;
use super::state::Pages;
use crate::problem::Problem;

/// The field by which the form says that it was asked.
const ANYWAY: &str = "anyway";

/// What speaks against a merge.
struct Hindrance {
    found: InOnePhoto,
    one: PersonStats,
    other: PersonStats,
}

/// The page that asks whether to make these people one all the same, if something speaks against
/// it and the form was not asked about it already; yes sends `fields` to `action` again.
pub(super) async fn ask(
    pages: &Pages,
    login: Login,
    fields: &Fields,
    people: Vec<PersonId>,
    action: &str,
) -> Result<Option<Response>, Problem> {
    let Some(found) = hindrance(pages, fields, people).await? else {
        return Ok(None);
    };
    let frame = pages.frame(login, None).await?;
    Ok(Some(page(&frame, &found, action, fields).into_response()))
}

async fn hindrance(
    pages: &Pages,
    fields: &Fields,
    people: Vec<PersonId>,
) -> Result<Option<Hindrance>, Problem> {
    if fields.first(ANYWAY).is_some() {
        return Ok(None);
    }
    pages
        .album(move |album| {
            let Some(found) = album.in_one_photo(&people)? else {
                return Ok(None);
            };
            let (one, other) = (
                album.person_stats(found.one)?,
                album.person_stats(found.other)?,
            );
            Ok(Some(Hindrance { found, one, other }))
        })
        .await
}

fn page(frame: &Frame, hindrance: &Hindrance, action: &str, fields: &Fields) -> Markup {
    let Hindrance { found, one, other } = hindrance;
    let (one, other) = (called(one), called(other));
    let content = html! {
        h1 { "Two people in one photo" }
        p { (one) " and " (other) " are both in the photo below, so they are hardly one person. \
            Merge them only if it shows somebody twice: a mirror, a picture on the wall." }
        p { a href={ "/photos/" (found.photo) } {
            img.shown src={ "/photos/" (found.photo) "/small.jpg" }
                alt={ "The photo of " (one) " and " (other) };
        } }
        div.row {
            form method="post" action=(action) {
                (frame.token())
                @for (name, value) in fields.pairs().filter(|(name, _)| *name != "token") {
                    input type="hidden" name=(name) value=(value);
                }
                input type="hidden" name=(ANYWAY) value="1";
                button { "Merge all the same" }
            }
            a.button.main href={ "/people/" (found.one) } { "Keep them apart" }
        }
    };
    frame.page("Two people in one photo", MenuItem::People, content)
}

//! A face that was missed. In: a photo, and a box that somebody draws on it with a pointer, arrow
//! keys or four numbers. Out: the face, as a decision.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use fusiform::album::{Album, PhotoId, PhotoView};
use fusiform::geometry::BoundingBox;
use maud::{Markup, html};
use serde::Deserialize;

use super::faces::name_list;
use super::fields::Fields;
use super::frame::{Frame, MenuItem};
use super::guard::Login;
use super::state::Pages;
use crate::admission::Holder;
use crate::params::{Path, Query};
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    did: Option<i64>,
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let read = move |album: &mut Album| Ok((album.photo(PhotoId(id))?, name_list(album)?));
    let (photo, names) = pages.album(read).await?;
    let content = html! {
        (names)
        div.head { div.words {
            h1 { "Draw a face" }
            p.soft {
                "Draw a box around the face with the pointer, from hair to chin. Or move it \
                 with the arrow keys while the box has the focus, and size it with Shift and the \
                 arrow keys. Or give its place in pixels below."
            }
            p { a href={ "/photos/" (id) } { "Back to the photo" } }
        } }
        (canvas(&photo))
        (form(&frame, &photo))
    };
    Ok(frame.page("Draw a face", MenuItem::Photos, content))
}

/// The box that the page begins with: in the middle, a quarter of the photo.
fn first_box(photo: &PhotoView) -> [u32; 4] {
    let side = (photo.width_px.min(photo.height_px) / 4).max(4);
    let middle = |length: u32| length.saturating_sub(side) / 2;
    [middle(photo.width_px), middle(photo.height_px), side, side]
}

fn canvas(photo: &PhotoView) -> Markup {
    let (width, height) = (photo.width_px, photo.height_px);
    let [x, y, w, h] = first_box(photo);
    html! {
        div.photo.draw data-draw {
            img src={ "/photos/" (photo.photo) "/view.jpg" } alt="The photo" width=(width)
                height=(height) draggable="false";
            svg viewBox={ "0 0 " (width) " " (height) } {
                @for face in photo.faces.iter().filter(|f| f.excluded.is_none()) {
                    @let BoundingBox { x_min, y_min, x_max, y_max } = face.bbox;
                    rect.known x=(x_min) y=(y_min) width=(x_max - x_min) height=(y_max - y_min) {}
                }
                rect.drawn tabindex="0" role="img" aria-label="The box to draw" x=(x) y=(y)
                    width=(w) height=(h) {}
            }
        }
    }
}

fn form(frame: &Frame, photo: &PhotoView) -> Markup {
    let sides = ["Left", "Top", "Width", "Height"];
    let fields = sides.into_iter().zip(["x", "y", "w", "h"]);
    html! {
        form.panel method="post" action={ "/photos/" (photo.photo) "/draw" } {
            (frame.token())
            div.row.box {
                @for ((label, name), value) in fields.zip(first_box(photo)) {
                    div.field {
                        label for={ "box-" (name) } { (label) " (px)" }
                        input #{ "box-" (name) } type="number" name=(name) value=(value) min="0"
                            max=(photo.width_px.max(photo.height_px)) step="1" required;
                    }
                }
            }
            div.field {
                label for="drawn-name" { "Who is it? (may be left empty)" }
                input #drawn-name type="text" name="name" list="names" autocomplete="off";
            }
            button.main { "Save face" }
        }
    }
}

pub(super) async fn draw(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let side = |name: &str| {
        let number = fields.first(name).and_then(|text| text.parse::<f32>().ok());
        number.filter(|n| n.is_finite()).ok_or_else(|| {
            Problem::invalid("give four numbers of pixels: left, top, width, height")
        })
    };
    let (x, y, w, h) = (side("x")?, side("y")?, side("w")?, side("h")?);
    let bbox = BoundingBox::from_array([x, y, x + w, y + h]);
    let name = fields.first("name").map(str::to_owned);
    let worker = pages.clone();
    let photo = PhotoId(id);
    let view = pages.album(move |album| Ok(album.photo(photo)?)).await?;
    // The photo is decoded whole, so it takes its turn like any other work of that size.
    let pixel_bytes = pages.pictures().decoding_bytes(view.paths).await?;
    let work = move || {
        worker.with_album(|album| {
            let engine = worker.engine();
            Ok(engine.draw_face(album, photo, bbox, name.as_deref())?)
        })
    };
    let turns = pages.admission();
    let drawn = turns.compute(Holder::PAGES, pixel_bytes, work).await?;
    pages
        .decide(move |_| Ok(format!("/photos/{id}?face={}", drawn.face)))
        .await
}

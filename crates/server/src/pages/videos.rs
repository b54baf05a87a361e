//! Videos of the album. In: a person, a video's number. Out: when the person appears in which, and
//! the file itself, or the part of it that a player asks for.

use std::io::SeekFrom;
use std::path::Path as FilePath;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fusiform::album::{AppearanceId, PersonId, PersonVideo, VideoId, VideoSpan};
use futures_util::stream;
use maud::{Markup, html};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::fields::Fields;
use super::frame::{Frame, counted};
use super::state::Pages;
use crate::params::Path;
use crate::problem::Problem;

/// Bytes that are read and sent at once.
const PART_BYTES: u64 = 1 << 18;

/// What players are told of files by their endings; any other file is to be saved.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
];

/// Where a person appears in videos: a way to each time, and to say that it is not them.
pub(super) fn of_person(frame: &Frame, person: i64, name: &str, videos: &[PersonVideo]) -> Markup {
    html! {
        @if !videos.is_empty() {
            h2 #videos { "Also in " (counted(videos.len(), "video", "videos")) }
            ul.history {
                @for video in videos {
                    @let path = video.paths.first();
                    @for span in &video.spans {
                        li {
                            div.words {
                                a href={ "/videos/" (video.video) (from(span)) } { (times(span)) }
                                @if let Some(path) = path { br; span.path { (path.display()) } }
                                br; small.soft { "similarity " (format!("{:.2}", span.similarity)) }
                            }
                            form method="post" action={ "/people/" (person) "/not-in-video" } {
                                (frame.token())
                                @for id in &span.appearances {
                                    input type="hidden" name="appearance" value=(id);
                                }
                                button.quiet aria-label={ "Not " (name) ", " (times(span)) } {
                                    "Not " (name)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a player is to begin (W3C Media Fragments).
fn from(span: &VideoSpan) -> String {
    format!("#t={}", span.start_ms / 1000)
}

/// `0:12–0:18`.
fn times(span: &VideoSpan) -> String {
    let clock = |ms: u64| {
        let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        match hours {
            0 => format!("{minutes}:{seconds:02}"),
            _ => format!("{hours}:{minutes:02}:{seconds:02}"),
        }
    };
    format!("{}–{}", clock(span.start_ms), clock(span.end_ms))
}

pub(super) async fn not_in_video(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let appearances: Vec<AppearanceId> = fields.numbers("appearance").map(AppearanceId).collect();
    pages
        .decide(move |album| {
            album.not_in_video(&appearances, PersonId(id))?;
            Ok(format!("/people/{id}"))
        })
        .await
}

/// The file of a video, or the range that is asked for.
pub(super) async fn file(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let paths = pages
        .album(move |album| Ok(album.video_paths(VideoId(id))?))
        .await?;
    for path in &paths {
        // A copy may be on a disk that is off.
        let Ok(mut file) = File::open(path).await else {
            continue;
        };
        let Ok(size) = file.metadata().await.map(|m| m.len()) else {
            continue;
        };
        let range = headers.get(header::RANGE).and_then(|r| r.to_str().ok());
        let Some((from, to)) = range.map_or(Some((0, size)), |range| part(range, size)) else {
            let whole = HeaderValue::try_from(format!("bytes */{size}"));
            let mut refused = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            refused
                .headers_mut()
                .extend(whole.ok().map(|w| (header::CONTENT_RANGE, w)));
            return Ok(refused);
        };
        if file.seek(SeekFrom::Start(from)).await.is_err() {
            continue;
        }
        let is_part = range.is_some();
        return Ok(answer(path, file, (from, to), size, is_part));
    }
    Err(Problem::not_found("this video"))
}

fn answer(
    path: &FilePath,
    file: File,
    (from, to): (u64, u64),
    size: u64,
    is_part: bool,
) -> Response {
    let parts = stream::unfold((file, to - from), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut part = vec![0; left.min(PART_BYTES) as usize];
        match file.read(&mut part).await {
            // A file that became shorter ends the answer early, which the other side sees.
            Ok(0) => None,
            Ok(n) => {
                part.truncate(n);
                Some((Ok(Bytes::from(part)), (file, left - n as u64)))
            }
            Err(e) => Some((Err(e), (file, 0))),
        }
    });
    let mut answer = Response::new(Body::from_stream(parts));
    let headers = answer.headers_mut();
    let ending = path.extension().and_then(|e| e.to_str());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    let media = MEDIA_TYPES.iter().find(|(known, _)| *known == ending);
    let media_type = media.map_or("application/octet-stream", |(_, media)| media);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if media.is_none() {
        let saved = HeaderValue::from_static("attachment");
        headers.insert(header::CONTENT_DISPOSITION, saved);
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    if is_part {
        let range = format!("bytes {from}-{}/{size}", to.saturating_sub(1));
        let range = HeaderValue::try_from(range).ok();
        headers.extend(range.map(|range| (header::CONTENT_RANGE, range)));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    answer
}

/// First byte, and the one behind the last, of a range as players ask for it (RFC 9110, section
/// 14): one range, `bytes=5-9`, `bytes=5-` or `bytes=-5`. `None` if there is nothing of it.
fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.trim(), to.trim()) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (from, "") => (from.parse().ok()?, size),
        (from, last) => {
            let last: u64 = last.parse().ok()?;
            (from.parse().ok()?, last.saturating_add(1).min(size))
        }
    };
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_range_lies_within_the_file_or_is_refused() {
        assert_eq!(part("bytes=0-", 10), Some((0, 10)));
        assert_eq!(part("bytes=2-5", 10), Some((2, 6)));
        assert_eq!(part("bytes=2-500", 10), Some((2, 10)));
        assert_eq!(part("bytes=-3", 10), Some((7, 10)));
        assert_eq!(part("bytes=-30", 10), Some((0, 10)));
        for refused in [
            "bytes=10-",
            "bytes=5-2",
            "bytes=-0",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=x-",
            "bytes=-",
        ] {
            assert_eq!(part(refused, 10), None, "{refused}");
        }
        assert_eq!(part("bytes=0-", 0), None);
        assert_eq!(part("bytes=0-18446744073709551615", 10), Some((0, 10)));
    }
}

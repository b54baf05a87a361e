//! RTSP (RFC 2326) over TCP, by `retina`. In: an address. Out: coded pictures into a [`Sink`].

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use retina::client::{Credentials, PlayOptions, Session, SessionOptions, SetupOptions};
use retina::codec::{CodecItem, FrameFormat};

use super::address::Address;
use super::error::LiveError;
use super::options::LiveOptions;
use super::sink::Sink;
use crate::codec::Codec;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How pictures of the stream are coded.
#[derive(Clone, Copy)]
enum Coding {
    Units(Codec),
    Jpeg,
}

/// Receives until the stream ends.
pub(super) async fn receive(
    address: &Address,
    options: &LiveOptions,
    mut sink: Sink,
) -> Result<Infallible, LiveError> {
    let (mut session, coding) = tokio::time::timeout(CONNECT_TIMEOUT, play(address))
        .await
        .map_err(|_| LiveError::Stalled(CONNECT_TIMEOUT))??;
    let mut last = Instant::now();
    loop {
        // Reports of the connection are no pictures.
        let left = options.stall.saturating_sub(last.elapsed());
        let item = tokio::time::timeout(left, session.next()).await;
        let item = item.map_err(|_| LiveError::Stalled(options.stall))?;
        let CodecItem::VideoFrame(frame) = item.ok_or(LiveError::Ended)?.map_err(of_retina)? else {
            continue;
        };
        last = Instant::now();
        match coding {
            Coding::Units(codec) => {
                let (is_key, is_whole) = (frame.is_random_access_point(), frame.loss() == 0);
                sink.coded(codec, frame.into_data(), is_key, is_whole)?;
            }
            Coding::Jpeg => sink.jpeg(frame.into_data())?,
        }
    }
}

async fn play(address: &Address) -> Result<(retina::client::Demuxed, Coding), LiveError> {
    let login = address.login().map(|login| Credentials {
        username: login.user.clone(),
        password: login.password.clone(),
    });
    let options = SessionOptions::default()
        .creds(login)
        .user_agent("fusiform".to_owned());
    let mut session = Session::describe(address.url().clone(), options)
        .await
        .map_err(of_retina)?;
    let is_known = |name: &str| matches!(name, "h264" | "h265" | "jpeg");
    let streams = session.streams();
    let video = streams
        .iter()
        .position(|s| s.media() == "video" && is_known(s.encoding_name()));
    let Some(video) = video else {
        let all = streams
            .iter()
            .map(|s| format!("{} {}", s.media(), s.encoding_name()));
        let all: Vec<String> = all.collect();
        return Err(LiveError::NoPictures(match all.is_empty() {
            true => "no stream".to_owned(),
            false => all.join(", "),
        }));
    };
    let coding = match streams[video].encoding_name() {
        "h264" => Coding::Units(Codec::H264),
        "h265" => Coding::Units(Codec::H265),
        _ => Coding::Jpeg,
    };
    let setup = SetupOptions::default().frame_format(FrameFormat::SIMPLE);
    session.setup(video, setup).await.map_err(of_retina)?;
    let session = session
        .play(PlayOptions::default())
        .await
        .map_err(of_retina)?;
    Ok((session.demuxed().map_err(of_retina)?, coding))
}

/// Its text names addresses and packets and no login.
fn of_retina(error: retina::Error) -> LiveError {
    match error.status_code() {
        Some(401 | 403) => LiveError::Login,
        Some(status) => LiveError::Refused(status.to_string()),
        // What follows its first line are numbers of packets.
        None => LiveError::Protocol(
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
    }
}

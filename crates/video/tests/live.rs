//! Streams of real servers: RTSP by GStreamer's server, JPEG over HTTP by a small one in here.
//! Pictures are compared with ffmpeg's decoding of the files that are served. Needs ffmpeg and
//! Debian's packages python3-gi and gir1.2-gst-rtsp-server-1.0 with GStreamer's plugins.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fusiform_face::image::DecodeLimits;
use fusiform_video::live::{Address, Live, LiveError, LiveOptions, LiveState, onvif};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

const WAIT: Duration = Duration::from_secs(30);
/// RTP counts the sides of a JPEG in units of eight pixels.
const SIZE: (usize, usize) = (320, 192);

fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    let done = command
        .args(["-v", "error", "-y", "-nostdin"])
        .args(arguments);
    let Ok(done) = done.output() else {
        fusiform_skips::skip("no ffmpeg", "install Debian's package ffmpeg");
        return None;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ffmpeg {arguments:?}: {said}");
    Some(done.stdout)
}

/// A clip whose frames all differ.
fn clip(file: &Path, coding: &[&str]) -> Option<()> {
    let source = format!("testsrc2=size={}x{}:rate=25", SIZE.0, SIZE.1);
    let input = ["-f", "lavfi", "-i", &source, "-t", "20"];
    ffmpeg(&[&input[..], coding, &[file.to_str()?]].concat())?;
    Some(())
}

/// Luma of each frame, and its number.
fn frames(file: &Path) -> Option<HashMap<Vec<u8>, usize>> {
    let input = ["-i", file.to_str()?, "-fps_mode", "passthrough"];
    let planes = ffmpeg(&[&input[..], &["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]].concat())?;
    let luma = SIZE.0 * SIZE.1;
    let frames = planes
        .chunks(luma * 3 / 2)
        .map(|frame| frame[..luma].to_vec());
    Some(frames.enumerate().map(|(n, frame)| (frame, n)).collect())
}

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// GStreamer's server; `None` where it is not installed, and the calling test is listed as skipped.
#[track_caller]
fn rtsp_server(arguments: &[&str]) -> Option<Server> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rtsp_server.py");
    let skip = || {
        let remedy = "install Debian's python3-gi, gir1.2-gst-rtsp-server-1.0, \
                      gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad";
        fusiform_skips::skip("no RTSP server of GStreamer", remedy);
    };
    let mut command = Command::new("/usr/bin/python3");
    let started = command
        .arg(script)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        skip();
        return None;
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take()?)
        .read_line(&mut line)
        .ok()?;
    let Ok(port) = line.trim().parse() else {
        skip();
        let _ = child.wait();
        return None;
    };
    Some(Server(child, port))
}

fn options() -> LiveOptions {
    LiveOptions {
        interval: Duration::from_millis(100),
        stall: Duration::from_secs(3),
        longest_pause: Duration::from_secs(1),
        ..LiveOptions::default()
    }
}

async fn picture(live: &mut Live) -> Vec<u8> {
    let next = tokio::time::timeout(WAIT, live.next()).await;
    let next = next.unwrap_or_else(|_| panic!("no picture: {:?}", live.state()));
    let luma = next.luma(&DecodeLimits::DEFAULT).expect("a picture");
    luma.y.clone()
}

async fn state(live: &Live, is_wanted: impl Fn(&LiveState) -> bool) -> LiveState {
    let wait = async {
        while !is_wanted(&live.state()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        live.state()
    };
    let waited = tokio::time::timeout(WAIT, wait).await;
    waited.unwrap_or_else(|_| panic!("still {:?}", live.state()))
}

#[tokio::test]
async fn pictures_of_rtsp_are_ffmpegs_and_a_server_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let h264 = [
        "-c:v", "libx264", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p",
    ];
    let h265 = [
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=none:bframes=0:keyint=25",
    ];
    let h265 = [&h265[..], &["-pix_fmt", "yuv420p"]].concat();
    // RTP has no room for other tables.
    let jpeg = [
        "-c:v", "mjpeg", "-q:v", "3", "-huffman", "default", "-pix_fmt", "yuvj420p",
    ];
    let codings: [(&str, &[&str]); 3] = [("a.mp4", &h264), ("b.mp4", &h265), ("c.avi", &jpeg)];
    for (name, coding) in codings {
        if clip(&file(name), coding).is_none() {
            return;
        }
    }
    let mounts = ["a.mp4", "b.mp4", "c.avi"].map(|name| format!("{name}={}", file(name).display()));
    let mounts = mounts.each_ref().map(String::as_str);
    let Some(server) = rtsp_server(&mounts) else {
        return;
    };
    let port = server.1;
    let open = |name: &str| {
        let address = Address::parse(&format!("rtsp://127.0.0.1:{port}/{name}")).unwrap();
        Live::start(address, options())
    };
    for (name, codec) in [("a.mp4", "H.264"), ("b.mp4", "H.265")] {
        let wanted = frames(&file(name)).unwrap();
        let mut live = open(name);
        let mut last = None;
        for _ in 0..10 {
            let frame = wanted.get(&picture(&mut live).await).copied();
            assert!(frame.is_some(), "{name}: not a frame of ffmpeg's");
            assert!(frame > last, "{name}: {frame:?} after {last:?}");
            last = frame;
        }
        let is_codec =
            |s: &LiveState| matches!(s, LiveState::Receiving { codec: c, .. } if *c == codec);
        assert!(is_codec(&live.state()), "{:?}", live.state());
        assert_eq!(live.counts().damaged, 0);
    }
    // Decoders of JPEG differ by a level, and RTP carries no more than the tables' quality.
    let mut live = open("c.avi");
    assert_eq!(picture(&mut live).await.len(), SIZE.0 * SIZE.1);

    let mut live = open("a.mp4");
    picture(&mut live).await;
    drop(server);
    state(&live, |s| matches!(s, LiveState::Away { .. })).await;
    let port = port.to_string();
    let again = [&mounts[..], &["--port", &port]].concat();
    let _server = rtsp_server(&again).unwrap();
    picture(&mut live).await;
    assert_eq!(live.counts().connections, 2);
}

#[tokio::test]
async fn a_wrong_login_is_said_and_the_right_one_opens() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.mp4");
    if clip(&file, &["-c:v", "libx264", "-bf", "0", "-g", "25"]).is_none() {
        return;
    }
    let mount = format!("door={}", file.display());
    let Some(server) = rtsp_server(&[&mount, "--user", "ida:s:cret/1"]) else {
        return;
    };
    let address = Address::parse(&format!("rtsp://127.0.0.1:{}/door", server.1)).unwrap();
    for login in [None, Some(("ida", "wrong"))] {
        let address = match login {
            Some((user, password)) => address.clone().with_login(user, password),
            None => address.clone(),
        };
        let live = Live::start(address, options());
        let LiveState::Away { why, .. } =
            state(&live, |s| matches!(s, LiveState::Away { .. })).await
        else {
            unreachable!();
        };
        assert!(why.contains("login"), "{why}");
    }
    let mut live = Live::start(address.with_login("ida", "s:cret/1"), options());
    picture(&mut live).await;
}

/// Answers each connection by what `answer` makes of its number and of the head of the request.
async fn http_server(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for n in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let mut request = Vec::new();
            while !is_whole(&request) {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let answer = answer(n, &String::from_utf8_lossy(&request));
            let _ = stream.write_all(&answer).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
    port
}

fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head.split_once("content-length: ").map(|(_, rest)| rest);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn jpeg() -> Vec<u8> {
    include_bytes!("../../fusiform/tests/data/ida.jpg").to_vec()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let n = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {n}\r\nConnection: close\r\n{headers}");
    [head.as_bytes(), b"\r\n", body].concat()
}

#[tokio::test]
async fn jpegs_come_in_parts_and_one_by_one_with_a_login_if_one_is_wanted() {
    let part = |bytes: &[u8]| {
        let head = format!("--frame\r\nContent-Length: {}\r\n\r\n", bytes.len());
        [head.as_bytes(), bytes, b"\r\n"].concat()
    };
    let parts = move |_: usize, _: &str| {
        let kind = "Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{kind}");
        [head.as_bytes(), &part(&jpeg())].concat()
    };
    let still = |_: usize, head: &str| {
        // "ida:secret"
        match head.contains("Basic aWRhOnNlY3JldA==") {
            true => answer("200 OK", "Content-Type: image/jpeg\r\n", &jpeg()),
            false => answer("401 no", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
        }
    };
    let [parts, still] = [http_server(parts).await, http_server(still).await];
    for address in [
        format!("http://127.0.0.1:{parts}/mjpeg"),
        format!("http://ida:secret@127.0.0.1:{still}/snap.jpg"),
    ] {
        let mut live = Live::start(Address::parse(&address).unwrap(), options());
        for _ in 0..2 {
            let next = tokio::time::timeout(WAIT, live.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{address}: {:?}", live.state()));
            let image = next.image(&DecodeLimits::DEFAULT).unwrap();
            assert!(image.width() > 100);
        }
    }
}

#[tokio::test]
async fn answers_of_something_else_than_a_camera_are_named() {
    let page = |_: usize, _: &str| answer("200 OK", "Content-Type: text/html\r\n", b"<p>");
    let gone = |_: usize, _: &str| answer("404 Not Found", "", b"");
    let mute = |_: usize, _: &str| {
        let kind = "Content-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n";
        format!("HTTP/1.1 200 OK\r\n{kind}").into_bytes()
    };
    let junk = |_: usize, _: &str| b"\x00\x01\x02 no HTTP".to_vec();
    let large = |_: usize, _: &str| {
        let kind = "Content-Type: image/jpeg\r\n\r\n";
        format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n{kind}").into_bytes()
    };
    let ports = [
        (http_server(page).await, "text/html"),
        (http_server(gone).await, "404"),
        (http_server(mute).await, "ended"),
        (http_server(junk).await, "no connection"),
        (http_server(large).await, "cannot be read"),
        (1, "no connection"),
    ];
    for (port, wanted) in ports {
        let address = Address::parse(&format!("http://127.0.0.1:{port}/x")).unwrap();
        let live = Live::start(address, options());
        let LiveState::Away { why, .. } =
            state(&live, |s| matches!(s, LiveState::Away { .. })).await
        else {
            unreachable!();
        };
        assert!(why.contains(wanted), "{wanted}: {why}");
    }
}

/// A camera as ONVIF's specifications describe it: its clock is open to everybody, all else wants a
/// digest of nonce, its own time and the password.
fn onvif_answer(port: u16, request: &str) -> Vec<u8> {
    let envelope = |body: &str| {
        let text = format!(
            "<?xml version=\"1.0\"?><SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/\
             soap-envelope\" xmlns:tt=\"http://www.onvif.org/ver10/schema\"><SOAP-ENV:Body>{body}\
             </SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        answer(
            "200 OK",
            "Content-Type: application/soap+xml\r\n",
            text.as_bytes(),
        )
    };
    if request.contains("GetSystemDateAndTime") {
        return envelope(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time>\
             <tt:Hour>7</tt:Hour><tt:Minute>5</tt:Minute><tt:Second>9</tt:Second></tt:Time>\
             <tt:Date><tt:Year>2019</tt:Year><tt:Month>3</tt:Month><tt:Day>4</tt:Day></tt:Date>\
             </tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
        );
    }
    let of = |name: &str| {
        let starts = [format!("<{name}>"), format!("<{name} ")];
        let rest = starts
            .iter()
            .find_map(|start| request.split_once(&**start))?
            .1;
        let rest = rest
            .split_once("\">")
            .filter(|(a, _)| !a.contains('<'))
            .map_or(rest, |r| r.1);
        Some(rest.split_once("</")?.0.to_owned())
    };
    let digest = of("w:Nonce").map(|nonce| {
        use base64::Engine as _;
        use sha1::Digest as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let mut sha1 = sha1::Sha1::new();
        sha1.update(engine.decode(nonce).unwrap());
        sha1.update(of("u:Created").unwrap());
        sha1.update("a <secret>");
        engine.encode(sha1.finalize())
    });
    let is_login = of("w:Username").as_deref() == Some("ida")
        && of("u:Created").as_deref() == Some("2019-03-04T07:05:09Z")
        && digest == of("w:Password");
    if !is_login {
        let fault = "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Subcode><SOAP-ENV:Value>\
                     ter:NotAuthorized</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code>\
                     </SOAP-ENV:Fault>";
        return answer("400 Bad Request", "", fault.as_bytes());
    }
    if request.contains("GetCapabilities") {
        // Its address in a network of its own.
        return envelope(
            "<tds:Capabilities><tt:Media><tt:XAddr>http://10.99.0.1:80/onvif/media</tt:XAddr>\
             </tt:Media></tds:Capabilities>",
        );
    }
    if request.contains("GetProfiles") {
        let profile = |token: &str, name: &str, width: u32| {
            format!(
                "<trt:Profiles token=\"{token}\"><tt:Name>{name}</tt:Name>\
                 <tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution>\
                 <tt:Width>{width}</tt:Width><tt:Height>720</tt:Height></tt:Resolution>\
                 </tt:VideoEncoderConfiguration></trt:Profiles>"
            )
        };
        return envelope(&(profile("a&amp;1", "main", 2560) + &profile("b", "sub", 1280)));
    }
    let stream = match request.contains("<ProfileToken>a&amp;1</ProfileToken>") {
        true => "main",
        false => "sub?x=1&amp;y=2",
    };
    envelope(&format!(
        "<trt:MediaUri><tt:Uri>rtsp://127.0.0.1:{port}/{stream}</tt:Uri></trt:MediaUri>"
    ))
}

#[tokio::test]
async fn onvif_gives_the_addresses_of_streams_to_who_may_log_in() {
    let port = http_server(move |_, request| onvif_answer(554, request)).await;
    let address = Address::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let camera = address.clone().with_login("ida", "a <secret>");
    let streams = onvif::streams(&camera).await.unwrap();
    let told: Vec<_> = streams
        .iter()
        .map(|s| {
            (
                &*s.name,
                &*s.encoding,
                s.width_px,
                s.height_px,
                s.address.to_string(),
            )
        })
        .collect();
    let main = "rtsp://127.0.0.1:554/main".to_owned();
    let sub = "rtsp://127.0.0.1:554/sub?x=1&y=2".to_owned();
    assert_eq!(
        told,
        [
            ("main", "H264", 2560, 720, main),
            ("sub", "H264", 1280, 720, sub)
        ]
    );
    for login in [None, Some("wrong")] {
        let camera = match login {
            Some(password) => address.clone().with_login("ida", password),
            None => address.clone(),
        };
        let error = onvif::streams(&camera).await.unwrap_err();
        assert!(matches!(error, LiveError::Login), "{error}");
    }
}

#[tokio::test]
async fn cameras_that_answer_a_probe_are_found_and_junk_is_none() {
    let camera = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = camera.local_addr().unwrap();
    tokio::spawn(async move {
        let mut probe = vec![0; 4096];
        let (n, from) = camera.recv_from(&mut probe).await.unwrap();
        assert!(String::from_utf8_lossy(&probe[..n]).contains("NetworkVideoTransmitter"));
        let found = "<e:Envelope xmlns:e=\"x\"><e:Body><d:ProbeMatches><d:ProbeMatch><d:Scopes>\
                     onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/X1\
                     </d:Scopes><d:XAddrs>http://10.0.0.7/onvif/device_service http://[fe80::1]/x\
                     </d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>";
        // Twice, as cameras do, and junk.
        for answer in [found, "<a><b>", found] {
            camera.send_to(answer.as_bytes(), from).await.unwrap();
        }
    });
    let found = onvif::discover(address, Duration::from_millis(700))
        .await
        .unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|f| (&*f.service, &*f.name, &*f.hardware))
        .collect();
    assert_eq!(
        told,
        [("http://10.0.0.7/onvif/device_service", "Front door", "X1")]
    );
}

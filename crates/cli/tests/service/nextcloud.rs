//! The external model of Nextcloud's "Face Recognition", asked as PHP's curl asks it.

use serde_json::{Value, json};

use crate::server_fixture::{Home, Server, form_of, portrait};

const KEY: &str = "a key of 24 characters..";

fn serve(home: &Home, settings: &[(&str, &str)]) -> (Server, String) {
    let file = home.secret("nextcloud.key", KEY);
    let ours = [
        ("FUSIFORM_NEXTCLOUD_LISTEN", "127.0.0.1:0"),
        ("FUSIFORM_NEXTCLOUD_KEY_FILE", &*file),
    ];
    let mut server = home.serve_with(&[&ours, settings].concat());
    let line = server.line();
    let address = line.strip_prefix("nextcloud: ").expect(&line);
    let address = address.trim_end_matches('/').to_owned();
    (server, address)
}

/// Status and JSON; `None` if the body broke off, which PHP's curl reports as an error.
fn ask(
    server: &Server,
    address: &str,
    path: &str,
    key: &str,
    parts: &[(&str, Option<&str>, &[u8])],
) -> (u16, Option<Value>) {
    let (kind, body) = form_of(parts);
    let method = if parts.is_empty() { "GET" } else { "POST" };
    let headers = [("content-type", &*kind), ("x-api-key", key)];
    let mut answer = server.request_at(address, method, path, &headers, &body);
    let read = answer.body_mut().read_to_vec();
    let json = read
        .ok()
        .map(|body| serde_json::from_slice(&body).unwrap_or(Value::Null));
    (answer.status().as_u16(), json)
}

fn distance(a: &Value, b: &Value) -> f64 {
    let numbers =
        |face: &Value| -> Vec<f64> { serde_json::from_value(face["descriptor"].clone()).unwrap() };
    let (a, b) = (numbers(a), numbers(b));
    let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn photos_become_faces_whose_distances_fit_the_apps_sensitivity() {
    let home = Home::empty();
    let (server, address) = serve(&home, &[]);
    let get = |path: &str| server.ask_at(&address, "GET", path, &[], b"");
    assert_eq!(get("/health").body, b"ok");
    let welcome = get("/welcome").json();
    assert_eq!(welcome["facerecognition-external-model"], "welcome");
    assert_eq!(welcome["version"], "1.0.0");
    let open = ask(&server, &address, "/open", KEY, &[]);
    let terms = json!({"preferred_mimetype": "image/jpeg", "maximum_area": 8_294_400});
    assert_eq!(open, (200, Some(terms)));

    let detect = |number: usize| {
        let image = portrait(number);
        let file = [("file", Some("/tmp/oc_tmp_x.jpg"), &image[..])];
        let (status, answer) = ask(&server, &address, "/detect", KEY, &file);
        let answer = answer.unwrap();
        assert_eq!(
            (status, &answer["faces-count"]),
            (200, &json!(1)),
            "{answer}"
        );
        assert_eq!(answer["filename"], "oc_tmp_x.jpg");
        answer["faces"][0].clone()
    };
    let (one, again, other) = (detect(1), detect(2), detect(5));
    for side in ["left", "top", "right", "bottom"] {
        assert!(one[side].is_i64(), "{one}");
    }
    assert_eq!(one["detection_confidence"], 1.0);
    assert_eq!(one["landmarks"].as_array().unwrap().len(), 5);
    assert!(one["landmarks"][0]["x"].is_i64());
    assert!(distance(&one, &again) < 0.4 && distance(&one, &other) > 0.4);

    // The app sends a face back, with whatever it keeps of it.
    let image = portrait(1);
    let compute = |face: Value| {
        let text = face.to_string();
        let parts = [
            ("file", Some("x.jpg"), &image[..]),
            ("face", None, text.as_bytes()),
        ];
        ask(&server, &address, "/compute", KEY, &parts)
    };
    let sides = json!({"left": one["left"], "top": one["top"], "right": one["right"],
        "bottom": one["bottom"], "id": 7});
    let (status, computed) = compute(sides);
    let face = computed.unwrap()["face"].clone();
    assert_eq!((status, &face["id"]), (200, &json!(7)));
    assert!(distance(&one, &face) < 1e-6);
    let (status, elsewhere) = compute(json!({"left": 0, "top": 0, "right": 60, "bottom": 60}));
    let elsewhere = elsewhere.unwrap();
    assert_eq!(status, 200);
    assert_eq!(elsewhere["face"]["landmarks"], json!([]));
    assert_eq!(compute(json!({"left": 0})).0, 400);
    assert_eq!(compute(json!([1])).0, 400);
}

#[test]
fn what_fails_is_never_taken_for_a_photo_without_faces() {
    let home = Home::empty();
    let (server, address) = serve(&home, &[("FUSIFORM_PIXEL_MEMORY_MIB", "8")]);
    let detect = |key: &str, image: &[u8]| {
        ask(
            &server,
            &address,
            "/detect",
            key,
            &[("file", Some("x.jpg"), image)],
        )
    };
    let grey = |side: u32| {
        let n = side as usize;
        let image = fusiform::image::Image::new(side, side, vec![90; n * n * 3]).unwrap();
        fusiform::image::encode_png(&image).unwrap()
    };
    let (status, nobody) = detect(KEY, &grey(200));
    assert_eq!((status, &nobody.unwrap()["faces-count"]), (200, &json!(0)));
    // In each of these PHP would read no "faces-count", and the app would keep "no faces".
    assert_eq!(detect("wrong", &grey(200)), (401, None));
    assert_eq!(detect(KEY, b"no picture at all"), (422, None));
    assert_eq!(detect(KEY, &grey(2900)), (412, None));
    assert_eq!(
        detect(KEY, &grey(1000)),
        (412, None),
        "more memory than is allowed"
    );
    assert_eq!(ask(&server, &address, "/open", "", &[]).0, 401);
    let (status, _) = ask(
        &server,
        &address,
        "/detect",
        KEY,
        &[("other", Some("x"), b"y")],
    );
    assert_eq!(status, 400);
    for _ in 0..30 {
        detect("wrong", b"x");
    }
    assert_eq!(detect("wrong", b"x").0, 429);
    let (status, found) = detect(KEY, &grey(200));
    assert!(status == 200 && found.is_some(), "a right key never waits");
    let (_, said) = server.stop();
    assert!(
        said.contains("nextcloud: 422") && said.contains("wrong key from"),
        "{said}"
    );
    assert!(!said.contains(KEY), "{said}");
}

#[test]
fn the_first_start_makes_a_key_and_shows_it_once() {
    let home = Home::empty();
    let start = || home.serve_with(&[("FUSIFORM_NEXTCLOUD_LISTEN", "127.0.0.1:0")]);
    let mut server = start();
    let (address, line) = (server.line(), server.line());
    let address = address
        .strip_prefix("nextcloud: ")
        .unwrap()
        .trim_end_matches('/');
    let key = line.rsplit_once(": ").unwrap().1;
    assert!(
        line.contains("key for Nextcloud") && key.len() == 32,
        "{line}"
    );
    assert_eq!(ask(&server, address, "/open", key, &[]).0, 200);
    drop(server);
    let mut server = start();
    server.line();
    server.signal("-TERM");
    assert_eq!(server.line(), "", "nothing is printed again");
}

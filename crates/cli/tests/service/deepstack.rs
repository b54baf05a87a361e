//! DeepStack's face routes: its fields, its errors, and who may use them.

use serde_json::{Value, json};

use crate::server_fixture::{Answer, Home, Server, form_of, portrait};

/// A server and the address for a client's settings; without a key, clients must send one.
fn serve(home: &Home, key: Option<&str>) -> (Server, String) {
    let file = key.map(|key| home.secret("deepstack.key", key));
    let mut settings = vec![("FUSIFORM_DEEPSTACK_LISTEN", "127.0.0.1:0")];
    settings.extend(
        file.as_deref()
            .map(|file| ("FUSIFORM_DEEPSTACK_KEY_FILE", file)),
    );
    let mut server = home.serve_with(&settings);
    let line = server.line();
    let address = line.strip_prefix("deepstack: ").expect(&line);
    let address = address.trim_end_matches('/').to_owned();
    (server, address)
}

type Parts<'a> = &'a [(&'a str, Option<&'a str>, &'a [u8])];

fn post(server: &Server, address: &str, verb: &str, parts: Parts) -> Answer {
    let (kind, body) = form_of(parts);
    let path = format!("/v1/vision/face{verb}");
    server.ask_at(address, "POST", &path, &[("content-type", &kind)], &body)
}

fn field<'a>(name: &'a str, value: &'a str) -> (&'a str, Option<&'a str>, &'a [u8]) {
    (name, None, value.as_bytes())
}

#[test]
fn people_are_registered_recognised_compared_listed_and_deleted() {
    let home = Home::new();
    let (server, address) = serve(&home, Some(&home.key));
    let images: Vec<Vec<u8>> = [1, 2, 5].iter().map(|n| portrait(*n)).collect();
    let image = |n: usize| ("image", Some("image"), &images[n][..]);
    let ok = |verb: &str, parts: Parts| {
        let answer = post(&server, &address, verb, parts);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["success"]),
            (200, &json!(true)),
            "{verb}: {body}"
        );
        body
    };
    let stranger = ok("/recognize", &[image(0)]);
    let face = &stranger["predictions"][0];
    assert_eq!(
        (&face["userid"], &face["confidence"]),
        (&json!("unknown"), &json!(0.0))
    );
    for side in ["x_min", "y_min", "x_max", "y_max"] {
        assert!(face[side].is_i64(), "{face}");
    }
    let two = [
        field("userid", "Ida Müller"),
        ("image1", Some("a.jpg"), &images[0]),
        ("image2", Some("b.jpg"), &images[1]),
    ];
    assert_eq!(ok("/register", &two)["message"], "face added");
    assert_eq!(ok("/register", &two)["message"], "face updated");
    let known = ok("/recognize", &[image(0)]);
    let face = &known["predictions"][0];
    assert_eq!(face["userid"], "Ida Müller");
    assert!(face["confidence"].as_f64().unwrap() > 0.95, "{face}");
    assert_eq!(
        ok("/recognize", &[image(2)])["predictions"][0]["userid"],
        "unknown"
    );
    // What a client asks for goes, also if it is little.
    let any = ok("/recognize", &[image(2), field("min_confidence", "0.01")]);
    assert_eq!(any["predictions"][0]["userid"], "Ida Müller");
    assert_eq!(ok("/list", &[])["faces"], json!(["Ida Müller"]));
    let similarity = |a: usize, b: usize| {
        let (a, b) = (
            ("a", Some("a"), &images[a][..]),
            ("b", Some("b"), &images[b][..]),
        );
        ok("/match", &[a, b])["similarity"].as_f64().unwrap()
    };
    assert!(similarity(0, 1) > 0.67 && similarity(0, 2) < 0.67);
    for path in ["", "/"] {
        let found = ok(path, &[image(0)]);
        let face = &found["predictions"][0];
        assert!(face["confidence"].as_f64().unwrap() > 0.55 && face.get("userid").is_none());
    }
    // As `requests` sends fields without files.
    let form = ("content-type", "application/x-www-form-urlencoded");
    let path = "/v1/vision/face/delete";
    let gone = server
        .ask_at(&address, "POST", path, &[form], b"userid=Ida+M%C3%BCller")
        .json();
    assert_eq!(
        (&gone["success"], &gone["deleted"]),
        (&json!(true), &json!(4))
    );
    assert_eq!(ok("/list", &[])["faces"], json!([]));
    assert_eq!(ok("/delete", &[field("userid", "Nobody")])["deleted"], 0);
    let log = home.printed(&["audit", "list"]);
    for entry in ["assume", "enrol", "identify", "compare", "erase"] {
        assert!(
            log.contains(&format!("\t{entry}\t")),
            "{entry} is not in {log}"
        );
    }
}

#[test]
fn errors_have_deepstacks_words_and_nothing_is_kept_of_a_registration_that_fails() {
    let home = Home::new();
    let (server, address) = serve(&home, Some(&home.key));
    let image = portrait(1);
    let group = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/group.jpg");
    let group = std::fs::read(group).unwrap();
    let one = ("image", Some("a.jpg"), &image[..]);
    let cases: [(&str, Parts, &str); 16] = [
        ("/register", &[one], "userid not specified"),
        (
            "/register",
            &[one, field("userid", " ")],
            "userid not specified",
        ),
        (
            "/register",
            &[one, field("userid", "..")],
            "cannot be the name",
        ),
        (
            "/register",
            &[one, field("userid", "Unknown")],
            "cannot be the name",
        ),
        (
            "/register",
            &[field("userid", "Ida")],
            "No valid image file found",
        ),
        (
            "/register",
            &[field("userid", "Ida"), ("a", Some("a"), b"?")],
            "invalid image",
        ),
        (
            "/register",
            &[field("userid", "Ida"), one, ("b", Some("b"), &group)],
            "one face is wanted",
        ),
        (
            "/recognize",
            &[field("image", "text")],
            "No valid image file found",
        ),
        (
            "/recognize",
            &[one, field("min_confidence", "2")],
            "cannot be greater than 1",
        ),
        (
            "/recognize",
            &[one, field("min_confidence", "x")],
            "Invalid value",
        ),
        (
            "/register",
            &[one, ("userid", None, b"M\xfcller")],
            "userid is not UTF-8",
        ),
        (
            "/register",
            &[one, field("userid", "I\u{1b}[2Ja")],
            "no control characters",
        ),
        (
            "/register",
            &[one, field("userid", "a\nb")],
            "no control characters",
        ),
        (
            "/recognize",
            &[one, field("min_confidence", "high")],
            "\"high\"; a number from 0 to 1",
        ),
        ("/match", &[one], "expected two image files, only one found"),
        ("/match", &[one, one, one], "only two images allowed"),
    ];
    for (verb, parts, words) in cases {
        let answer = post(&server, &address, verb, parts);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["success"]),
            (400, &json!(false)),
            "{verb} {body}"
        );
        assert!(
            body["error"].as_str().unwrap().contains(words),
            "{verb}: {body}"
        );
    }
    let list = post(&server, &address, "/list", &[]).json();
    assert_eq!(list["faces"], json!([]));
    assert_eq!(post(&server, &address, "/nothing", &[]).status, 404);
}

#[test]
fn a_key_is_needed_and_a_page_of_a_browser_cannot_do_without() {
    let home = Home::new();
    let other = home.make_key("recognition");
    let image = portrait(1);
    let parts = |key: &str| -> Value {
        let (server, address) = serve(&home, None);
        let parts = [
            ("image", Some("a.jpg"), &image[..]),
            field("userid", "Ida"),
            field("api_key", key),
        ];
        let answer = post(&server, &address, "/register", &parts);
        json!([answer.status, answer.json()["error"]])
    };
    assert_eq!(parts(&home.key), json!([200, null]));
    assert_eq!(parts(""), json!([401, "Incorrect api key"]));
    assert_eq!(parts("password"), json!([401, "Incorrect api key"]));
    let admin = home.make_key("admin");
    assert_eq!(parts(&admin), json!([401, "Incorrect api key"]));

    let (server, address) = serve(&home, Some(&other));
    let list = |extra: &[(&str, &str)], key: &str| {
        let (kind, body) = form_of(&[field("api_key", key)]);
        let headers = [&[("content-type", &*kind)], extra].concat();
        server.ask_at(&address, "POST", "/v1/vision/face/list", &headers, &body)
    };
    assert_eq!(
        list(&[], "").json()["faces"],
        json!([]),
        "the people of the settings' key"
    );
    assert_eq!(list(&[], &home.key).json()["faces"], json!(["Ida"]));
    let page = [("origin", "https://evil.example")];
    assert_eq!(list(&page, "").status, 401);
    assert_eq!(list(&page, &home.key).status, 200);
}

#[test]
fn a_picture_without_a_file_name_is_one_and_a_form_need_not_be_utf8() {
    let home = Home::new();
    let (server, address) = serve(&home, Some(&home.key));
    let image = portrait(1);
    // As some clients send it: no file name, so a field like the others.
    let nameless = [field("userid", "Ida"), ("image1", None, &image[..])];
    let added = post(&server, &address, "/register", &nameless);
    assert_eq!(added.json()["enrolled"], 1, "{:?}", added.json());
    let found = post(&server, &address, "/recognize", &[("image", None, &image)]).json();
    assert_eq!(found["predictions"][0]["userid"], "Ida", "{found}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let path = "/v1/vision/face/delete";
    let bodies: [(&[u8], u16); 3] = [
        (b"userid=M%FCller", 400),
        (b"userid=%00", 400),
        (b"userid=Ida", 200),
    ];
    for (body, status) in bodies {
        let answer = server.ask_at(&address, "POST", path, &[form], body);
        assert_eq!(answer.status, status, "{:?}", answer.json());
        assert_eq!(answer.json()["success"], status == 200);
    }
    let list = post(&server, &address, "/list", &[]).json();
    assert_eq!(list["faces"], json!([]));
}

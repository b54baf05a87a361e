//! The v1 API: collections, jobs, the page to try it on, and how problems are answered.

use std::process::Command;

use base64::Engine;
use serde_json::{Value, json};

use crate::server_fixture::{Home, Server, portrait};

const API: &str = "/api/fusiform/v1";

fn base64(number: usize) -> String {
    base64::engine::general_purpose::STANDARD.encode(portrait(number))
}

fn done(server: &Server, key: &str, begun: &Value) -> Value {
    let path = format!("{API}/jobs/{}", begun["id"].as_str().unwrap());
    server.wait_for(&path, key, |job| job["state"] != "running")
}

#[test]
fn a_batch_enrols_whom_it_can_and_says_why_not_the_others() {
    let home = Home::new();
    let server = home.serve();
    let consent = json!({"basis": "consent", "purpose": "door", "expires_at_ms": null});
    let person = format!("{API}/people/Ida");
    assert_eq!(server.json("PUT", &person, &home.key, &consent).status, 200);
    let batch = json!({"faces": [
        {"name": "Ida", "image": base64(1)},
        {"name": "Nobody", "image": base64(2)},
        {"name": "Ida", "image": "%%%"},
    ]});
    let begun = server.json("POST", &format!("{API}/jobs/enrol"), &home.key, &batch);
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = done(&server, &home.key, &begun.json());
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(3)));
    let images = job["images"].as_array().unwrap();
    assert!(images[0]["id"].is_string() && images[0]["error"].is_null());
    assert!(images[1]["error"].is_string() && images[2]["error"].is_string());
    let person = server.get(&person, &home.key).json();
    assert_eq!(person["n_faces"], 1);
    let other = home.make_key("recognition");
    let path = format!("{API}/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(server.get(&path, &other).status, 404, "another key's job");
}

#[test]
fn images_are_grouped_by_who_is_on_them_and_nothing_is_kept() {
    let home = Home::new();
    let server = home.serve();
    let images = json!({"images": [base64(1), base64(1), base64(5), "AAAA"]});
    let begun = server.json("POST", &format!("{API}/jobs/cluster"), &home.key, &images);
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = done(&server, &home.key, &begun.json());
    let group = |g: &Value| -> Vec<i64> {
        let of = g.as_array().unwrap().iter();
        of.map(|m| m["image"].as_i64().unwrap()).collect()
    };
    let groups: Vec<Vec<i64>> = job["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(group)
        .collect();
    assert!(groups.contains(&vec![0, 1]), "{job}");
    assert_eq!(job["images"][0]["image"], 3, "{job}");
    let people = server.get(&format!("{API}/people"), &home.key).json();
    assert_eq!(people["people"], json!([]));
}

#[test]
fn an_admin_makes_collections_and_copies_but_sees_nobody() {
    let home = Home::new();
    let admin = home.make_key("admin");
    let backups = home.path("backups");
    std::fs::create_dir(&backups).unwrap();
    let server = home.serve_with(&[("FUSIFORM_BACKUP_DIR", backups.to_str().unwrap())]);
    let collections = format!("{API}/collections");
    assert_eq!(server.get(&collections, &home.key).status, 401);
    assert_eq!(server.get(&format!("{API}/people"), &admin).status, 401);
    let wanted = json!({"kind": "recognition", "basis": "contract", "purpose": "gym"});
    let made = server.json("POST", &collections, &admin, &wanted).json();
    let key = made["key"].as_str().unwrap();
    let enrolled = server.send("faces?subject=Bo", key, &portrait(2));
    assert_eq!(enrolled.status, 201);
    let all = server.get(&collections, &admin).json();
    let counts = all["collections"].as_array().unwrap().iter();
    let counts: Vec<_> = counts.map(|c| c["n_faces"].as_i64().unwrap()).collect();
    assert_eq!(counts, [0, 0, 1]);
    assert!(!all.to_string().contains("Bo"));

    let begun = server.json("POST", &format!("{API}/jobs/backup"), &admin, &json!({}));
    let job = done(&server, &admin, &begun.json());
    assert!(
        backups.join(job["file"].as_str().unwrap()).exists(),
        "{job}"
    );

    let number = made["number"].as_i64().unwrap();
    let gone = server.ask("DELETE", &format!("{collections}/{number}"), &admin, None);
    assert_eq!(gone.json()["n_faces"], 1);
    assert_eq!(server.send("recognize", key, &portrait(2)).status, 404);
    // A key made by the command is known without a restart.
    let later = home.make_key("recognition");
    assert_eq!(
        server.get("/api/v1/recognition/subjects", &later).status,
        200
    );
}

#[test]
fn the_page_and_the_document_name_every_operation() {
    let home = Home::new();
    let server = home.serve();
    let page = server.get(&format!("{API}/"), "");
    let text = String::from_utf8_lossy(&page.body);
    assert!(
        page.status == 200 && text.contains("Fusiform API"),
        "{text}"
    );
    let script = server.get(&format!("{API}/page.js"), "");
    assert!(String::from_utf8_lossy(&script.body).contains("openapi.json"));
    let document = server.get(&format!("{API}/openapi.json"), "").json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"].as_object().unwrap().len(), 11);
    let metrics = String::from_utf8(server.get("/metrics", "").body).unwrap();
    for metric in ["fusiform_requests_total", "fusiform_request_seconds"] {
        let help = format!("# HELP {metric} ");
        let kind = format!("# TYPE {metric} ");
        let heads = |head: &str| metrics.lines().any(|l| l.starts_with(head));
        assert!(metrics.starts_with("# HELP"), "{metrics}");
        assert!(heads(&help) && heads(&kind), "{metrics}");
    }
    assert!(metrics.contains("fusiform_requests_total{"), "{metrics}");
    let written = home.path("metrics");
    std::fs::write(&written, &metrics).unwrap();
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(&written).unwrap())
        .output();
    match checked {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}\n{metrics}");
        }
        Err(_) => fusiform_skips::skip("promtool is not here", "install prometheus"),
    }
}

#[test]
fn the_document_is_valid_openapi() {
    let home = Home::new();
    let server = home.serve();
    let document = server.get(&format!("{API}/openapi.json"), "");
    let mut ids = Vec::new();
    for (path, methods) in document.json()["paths"].as_object().unwrap() {
        for (method, about) in methods.as_object().unwrap() {
            ids.push(about["operationId"].as_str().unwrap().to_owned());
            let none = Vec::new();
            for parameter in about["parameters"].as_array().unwrap_or(&none) {
                let name = parameter["name"].as_str().unwrap();
                let in_path = path.contains(&format!("{{{name}}}"));
                let place = if in_path { "path" } else { "query" };
                assert_eq!(parameter["in"], place, "{method} {path} {name}");
            }
        }
    }
    let n = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), n, "each operation has an id of its own");
    let file = home.path("openapi.json");
    std::fs::write(&file, &document.body).unwrap();
    let python = "python3";
    let here = Command::new(python)
        .args(["-c", "import openapi_spec_validator"])
        .output();
    if !here.is_ok_and(|output| output.status.success()) {
        let why = "openapi-spec-validator is not here";
        fusiform_skips::skip(why, "pip install openapi-spec-validator");
        return;
    }
    let checked = Command::new(python)
        .args(["-m", "openapi_spec_validator"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
}

#[test]
fn a_problem_names_its_kind() {
    let home = Home::new();
    let server = home.serve();
    let missing = server.get(&format!("{API}/people/Nobody"), &home.key);
    let problem = missing.json();
    assert_eq!(missing.status, 404);
    assert_eq!(problem["type"], "urn:fusiform:problem:unknown_subject");
    assert_eq!(problem["status"], 404);
    let unreadable = server.put_image("identify", &home.key, b"no image at all");
    assert_eq!(unreadable.status, 422);
    let problem = unreadable.json();
    assert_eq!(problem["type"], "urn:fusiform:problem:unreadable_image");
    assert!(problem["detail"].is_string() && problem["title"].is_string());
    let key = "11111111-2222-4333-8444-555555555555";
    let refused = server.get(&format!("{API}/people"), key);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["type"], "urn:fusiform:problem:unknown_key");
}

#[test]
fn what_cannot_be_used_is_named_with_its_value_and_what_is_wanted() {
    let home = Home::new();
    let admin = home.make_key("admin");
    let server = home.serve();
    let image = Some(("application/octet-stream", &b"x"[..]));
    let json = |text: &'static str| Some(("application/json", text.as_bytes()));
    let person = "/people/Ida";
    let wide = r#"{"kind": "recognition", "basis": "b", "purpose": "p", "keep_days": 99999}"#;
    for (method, path, body, words) in [
        (
            "POST",
            "/identify?fmr=abc",
            image,
            "fmr is \"abc\": a number is wanted",
        ),
        (
            "POST",
            "/identify?frm=0.1",
            image,
            "there is no `frm`; what there is: `fmr`",
        ),
        ("POST", "/identify?fmr=0.5", image, "0.5"),
        (
            "GET",
            "/audit?after=x",
            None,
            "after is \"x\": a whole number is wanted",
        ),
        ("GET", "/audit?limit=0", None, "limit 0"),
        ("GET", "/people/%FF", None, "not UTF-8"),
        ("PUT", "/people/a%00b", json("{}"), "basis"),
        ("PUT", person, json("{}"), "the field `basis` is missing"),
        (
            "PUT",
            person,
            json(r#"{"basis": 7}"#),
            "basis in the body cannot be used: a string",
        ),
        (
            "PUT",
            person,
            json(r#"{"bases": 7}"#),
            "there is no `bases`",
        ),
        ("PUT", person, json("{"), "the body is no JSON"),
        (
            "DELETE",
            "/collections/abc",
            None,
            "\"abc\" where a number is wanted",
        ),
        (
            "POST",
            "/collections",
            json(r#"{"kind": "door"}"#),
            "`door` is not known: one of",
        ),
        ("POST", "/collections", json(wide), "keep_days is 99999"),
    ] {
        let key = if path.starts_with("/collections") {
            &admin
        } else {
            &home.key
        };
        let answer = server.ask(method, &format!("{API}{path}"), key, body);
        let problem = answer.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{method} {path}: {problem}"
        );
        assert!(detail.contains(words), "{method} {path}: {detail}");
    }
    let good = json(r#"{"basis": "b", "purpose": "p", "expires_at_ms": null}"#);
    let refused = server.ask("PUT", &format!("{API}/people/a%07b"), &home.key, good);
    let problem = refused.json();
    assert_eq!(refused.status, 422, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("control"),
        "{problem}"
    );
    // The pages say it in the same words.
    for path in ["/people/abc", "/people?page=x", "/history?page=-1"] {
        let page = String::from_utf8(server.get(path, "").body).unwrap();
        assert!(page.contains("number is wanted"), "{path}: {page}");
        assert!(
            !page.contains("deserialize") && !page.contains("Cannot parse"),
            "{page}"
        );
    }
}

//! Tests of the page: hostile text, self-containment, order.

use proptest::prelude::*;

use super::*;

fn crop(photo_name: &str) -> Crop {
    Crop {
        jpeg: vec![0xff, 0xd8, 0xff],
        photo_name: photo_name.into(),
        taken_at: None,
        similarity: None,
    }
}

fn strip(name: Option<&str>, n_crops: usize) -> PersonStrip {
    let crops = (0..n_crops)
        .map(|i| crop(&format!("IMG_{i}.jpg")))
        .collect();
    let name = name.map(str::to_owned);
    PersonStrip {
        name,
        id: "17".into(),
        n_photos: 1,
        n_faces: n_crops,
        crops,
        n_videos: 0,
        n_more: 0,
    }
}

fn rendered(page: &Page, people: Vec<PersonStrip>) -> String {
    let mut out = Vec::new();
    render(&mut out, page, people.into_iter().map(Ok)).unwrap();
    String::from_utf8(out).unwrap()
}

/// The page with `text` wherever it takes text.
fn filled_with(text: &str) -> String {
    let page = Page {
        title: text.into(),
        created: text.into(),
        problems: vec![Problem {
            file: text.into(),
            text: text.into(),
        }],
        ..Page::default()
    };
    let crop = Crop {
        taken_at: Some(text.into()),
        similarity: Some(0.5),
        ..crop(text)
    };
    let named = PersonStrip {
        crops: vec![crop],
        ..strip(Some(text), 0)
    };
    let unnamed = PersonStrip {
        name: None,
        id: text.into(),
        ..named.clone()
    };
    rendered(&page, vec![named, unnamed])
}

/// Names of the elements in the order they open, as a browser's tokenizer would see them.
fn elements(html: &str) -> Vec<&str> {
    let opening = html
        .split('<')
        .skip(1)
        .filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
    opening
        .map(|rest| rest.split([' ', '>']).next().unwrap_or_default())
        .collect()
}

#[test]
fn hostile_text_adds_nothing_to_the_page() {
    let plain = filled_with("Ada");
    for text in [
        "</title></style><script>alert(1)</script>",
        "\" onerror=\"alert(1)\" x=\"",
        "' onload='alert(1)",
        "<!-- ",
        "]]>",
        "&#60;script&#62;",
        "--><img src=x>",
        "</bdi></section>",
        "\u{202e}gpj.\u{0}",
    ] {
        let hostile = filled_with(text);
        assert_eq!(elements(&hostile), elements(&plain), "{text}");
        let quotes = |html: &str| html.matches('"').count();
        assert_eq!(quotes(&hostile), quotes(&plain), "{text}");
        // A single quote is plain text: every attribute stands in double quotes, counted above.
        assert!(!hostile.contains(text) || text.starts_with('\''), "{text}");
    }
}

#[test]
fn markup_becomes_text() {
    let text = "<b a='1' b=\"2\">&amp;\0\n";
    assert_eq!(
        html! { (visible(text)) }.into_string(),
        "&lt;b a='1' b=&quot;2&quot;&gt;&amp;amp;\u{fffd} "
    );
}

proptest! {
    #[test]
    fn nothing_that_ends_text_or_attribute_is_left(text in any::<String>()) {
        let safe = html! { (visible(&text)) }.into_string();
        prop_assert!(!safe.contains(['<', '>', '"']));
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;"];
        for (at, _) in safe.match_indices('&') {
            prop_assert!(entities.iter().any(|entity| safe[at..].starts_with(entity)));
        }
        prop_assert!(!safe.chars().any(char::is_control));
    }
}

#[test]
fn the_page_loads_nothing() {
    let html = filled_with("Ada");
    for word in [
        "http:",
        "https:",
        "//",
        "url(",
        "@import",
        "<script",
        "<iframe",
        "<link rel=\"style",
        "srcset",
    ] {
        assert!(!html.contains(word), "{word}");
    }
    let sources: Vec<_> = html.match_indices("src=\"").collect();
    assert_eq!(sources.len(), 2);
    for attribute in ["src=\"", "href=\""] {
        for (at, _) in html.match_indices(attribute) {
            assert!(
                html[at + attribute.len()..].starts_with("data:"),
                "{attribute}"
            );
        }
    }
    assert!(
        html.contains("content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"")
    );
}

#[test]
fn people_keep_their_order_and_their_counts() {
    let ada = PersonStrip {
        n_photos: 1234,
        n_faces: 1,
        n_videos: 0,
        n_more: 22,
        ..strip(Some("Ada"), 2)
    };
    let html = rendered(
        &Page::default(),
        vec![ada, strip(None, 1), strip(Some("Grace"), 1)],
    );
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at(">Ada<") < at(">Someone not named yet<"));
    assert!(at(">Someone not named yet<") < at(">Grace<"));
    at("1,234 photos · 1 face<");
    at("<span>22 more</span>");
    at("fusiform name 17 \"…\"");
    assert_eq!(
        html.matches("fusiform name").count(),
        1,
        "only for those without a name"
    );
    assert_eq!(html.matches("<section").count(), 3);
    assert_eq!(html.matches("<img ").count(), 4);
    assert_eq!(html.matches(" more</span>").count(), 1);
}

#[test]
fn every_picture_says_what_it_shows() {
    let taken = Crop {
        taken_at: Some("12 May 2019".into()),
        similarity: Some(0.714),
        ..crop("a.jpg")
    };
    let html = rendered(
        &Page::default(),
        vec![PersonStrip {
            crops: vec![taken],
            ..strip(Some("Ada"), 0)
        }],
    );
    assert!(html.contains("alt=\"Ada in a.jpg, 12 May 2019\""));
    assert!(html.contains("title=\"a.jpg · 12 May 2019 · similarity 0.71\""));
    assert!(html.contains("src=\"data:image/jpeg;base64,/9j/\""));
    let html = rendered(&Page::default(), vec![strip(None, 1)]);
    assert!(html.contains("alt=\"Someone in IMG_0.jpg\""));
}

#[test]
fn what_could_not_be_done_is_said() {
    let problem = Problem {
        file: "a.jpg".into(),
        text: "the file is empty".into(),
    };
    let page = Page {
        problems: vec![problem],
        n_unsorted_faces: 1,
        ..Page::default()
    };
    let html = rendered(&page, vec![]);
    for text in [
        "1 file could not be read",
        "<dd>the file is empty</dd>",
        "1 face is with nobody",
        "No people yet",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let html = rendered(&Page::default(), vec![strip(None, 1)]);
    assert!(
        !html.contains("<details") && !html.contains("with nobody") && !html.contains("No people")
    );
}

#[test]
fn strips_are_written_as_they_come() {
    // The second strip cannot be had: the first is written by then, and the error is not swallowed.
    let mut out = Vec::new();
    let people = [
        Ok(strip(Some("Ada"), 1)),
        Err(anyhow::anyhow!("the catalogue is gone")),
    ];
    let error = render(&mut out, &Page::default(), people).unwrap_err();
    assert_eq!(error.to_string(), "the catalogue is gone");
    assert!(String::from_utf8(out).unwrap().contains(">Ada<"));
}

#[test]
fn every_element_is_closed() {
    let html = filled_with("Ada");
    let void = ["meta", "link", "img"];
    let mut open = Vec::new();
    for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
        let name = tag.split([' ', '>', '\n']).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if void.contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

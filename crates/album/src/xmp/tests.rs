//! What is written is read again, what other programs write is read, and what could harm is
//! refused.

use super::*;

#[test]
fn what_is_written_is_read_again() {
    let area = |x_min, y_min, x_max, y_max| RelativeBox {
        x_min,
        y_min,
        x_max,
        y_max,
    };
    let faces = vec![
        Region {
            name: "Zoë <\"&'> 李".into(),
            area: area(0.1, 0.2, 0.3, 0.4),
        },
        Region {
            name: "Bo".into(),
            area: area(0.0, 0.0, 1.0, 1.0),
        },
    ];
    let text = write(640, 480, &faces);
    let mut file = b"\xff\xd8 rubbish".to_vec();
    file.extend(text.as_bytes());
    let read = read(packet(&file).unwrap()).unwrap();
    assert_eq!(read.drawn_on, Some((640, 480)));
    assert_eq!(read.faces.len(), 2);
    for (a, b) in read.faces.iter().zip(&faces) {
        assert_eq!(a.name, b.name);
        let sides = |r: RelativeBox| [r.x_min, r.y_min, r.x_max, r.y_max];
        assert!(
            sides(a.area)
                .iter()
                .zip(sides(b.area))
                .all(|(a, b)| (a - b).abs() < 1e-8)
        );
    }
    assert!(packet(&file).unwrap().contains(TOOLKIT));
}

#[test]
fn the_packet_is_laid_out_line_by_line() {
    let face = Region {
        name: "A\u{7}b".into(),
        area: RelativeBox {
            x_max: 0.5,
            y_max: 0.5,
            ..RelativeBox::default()
        },
    };
    let text = write(6, 4, &[face]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 20, "{text}");
    assert!(lines[0].starts_with("<?xpacket begin=\"\u{feff}\" id=") && lines[0].ends_with("?>"));
    assert_eq!(
        lines[5],
        "    <mwg-rs:AppliedToDimensions stDim:w=\"6\" stDim:h=\"4\" stDim:unit=\"pixel\"/>"
    );
    assert_eq!(
        lines[9],
        "       <rdf:Description mwg-rs:Name=\"A b\" mwg-rs:Type=\"Face\">"
    );
    assert_eq!(lines[19], "<?xpacket end=\"w\"?>");
}

fn with_items(items: &str) -> String {
    format!(
        "<x:xmpmeta xmlns:x='{X}' xmlns:rdf='{RDF}' xmlns:r='{MWG}' xmlns:a='{AREA}'><rdf:RDF>\
         <rdf:Description><r:Regions rdf:parseType='Resource'><r:RegionList><rdf:Bag>{items}\
         </rdf:Bag></r:RegionList></r:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
}

#[test]
fn properties_as_elements_are_read_and_what_is_no_named_face_is_passed_over() {
    let item = |body: &str| format!("<rdf:li rdf:parseType='Resource'>{body}</rdf:li>");
    let area = "<r:Area a:x='.5' a:y='.5' a:w='.2' a:h='.4' a:unit='normalized'/>";
    let items = [
        item(&format!("<r:Name>Ida</r:Name><r:Type>Face</r:Type>{area}")),
        item(&format!("<r:Name>Rex</r:Name><r:Type>Pet</r:Type>{area}")),
        item(&format!("<r:Type>Face</r:Type>{area}")),
        item("<r:Name>Nowhere</r:Name><r:Type>Face</r:Type>"),
    ];
    let found = read(&with_items(&items.concat())).unwrap();
    assert_eq!(found.faces.len(), 1);
    assert_eq!(found.faces[0].name, "Ida");
    assert!((found.faces[0].area.y_min - 0.3).abs() < 1e-9);
    assert!(read("<x:xmpmeta").is_err());
}

#[test]
fn character_references_and_cdata_are_text() {
    let area = "<r:Area><rdf:Description><a:x>.5</a:x><a:y>.5</a:y><a:w>.2</a:w><a:h>.4</a:h>\
                </rdf:Description></r:Area>";
    let name = "Zo&#xeb; &amp; <![CDATA[<Bo>]]>";
    let items = format!("<rdf:li><r:Name>{name}</r:Name>{area}</rdf:li>");
    let found = read(&with_items(&items)).unwrap();
    assert_eq!(found.faces[0].name, "Zoë & <Bo>");
}

#[test]
fn what_could_grow_without_bound_is_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>";
    assert!(read(&format!("{bomb}{}", with_items("&b;"))).is_err());
    assert!(read(&with_items("&b;")).is_err());
    assert!(read(&with_items(&"<rdf:li>".repeat(100_000))).is_err());
    let deep = "<rdf:li>".repeat(100) + &"</rdf:li>".repeat(100);
    assert!(read(&with_items(&deep)).is_err());
    assert!(read(&with_items(&"<rdf:li/>".repeat(MAX_ELEMENTS))).is_err());
}

#[test]
fn malformed_xml_is_refused() {
    for broken in [
        "",
        "<rdf:li></rdf:Bag>",
        "<rdf:li r:Name='a' r:Name='b'/>",
        "<u:li/>",
        "<rdf:li u:Name='a'/>",
        "&nbsp;",
        "<rdf:li",
    ] {
        let text = match broken {
            "" => String::new(),
            broken => with_items(broken),
        };
        assert!(read(&text).is_err(), "{broken:?}");
    }
}

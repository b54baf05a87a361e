//! What is written is read again, what other programs write is read, and what could harm is
//! refused.

use super::namespaces::{AREA, MWG, RDF, X};
use super::parse::MAX_ELEMENTS;
use super::*;
use crate::regions::{Region, RelativeBox};

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
            is_ours: true,
        },
        Region {
            name: "Bo".into(),
            area: area(0.0, 0.0, 1.0, 1.0),
            is_ours: true,
        },
    ];
    let text = write(640, 480, &faces, "2026-01-02T03:04:05Z");
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
        is_ours: true,
    };
    let text = write(6, 4, &[face], "2026-01-02T03:04:05Z");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("<?xpacket begin=\"\u{feff}\" id=") && lines[0].ends_with("?>"));
    for line in [
        "    <mwg-rs:AppliedToDimensions stDim:w=\"6\" stDim:h=\"4\" stDim:unit=\"pixel\"/>",
        "     <rdf:li>A b</rdf:li>",
        "     <rdf:li>People/A b</rdf:li>",
        "<?xpacket end=\"w\"?>",
    ] {
        assert!(lines.contains(&line), "{line}\n{text}");
    }
    assert!(
        text.contains("mwg-rs:Name=\"A b\" mwg-rs:Type=\"Face\""),
        "{text}"
    );
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
    // What was passed over is counted and named, and a name without a place is a name.
    let left_out: Vec<(&str, usize)> = found.left_out.iter().map(|(k, n)| (&**k, *n)).collect();
    assert_eq!(
        left_out,
        [
            ("face regions without a name", 1),
            ("face regions without an area", 1),
            ("regions of the type \"Pet\"", 1)
        ]
    );
    assert_eq!(found.people, ["Nowhere"]);
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

#[test]
fn microsofts_and_iptcs_regions_tags_and_people_are_read() {
    let text = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"
      xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:RDF><rdf:Description
      xmlns:MP="http://ns.microsoft.com/photo/1.2/"
      xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
      xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
      xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
      xmlns:digiKam="http://www.digikam.org/ns/1.0/">
      <MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>
       <rdf:li MPReg:Rectangle="0.1, 0.2, 0.3, 0.4" MPReg:PersonDisplayName="Ida"/>
       <rdf:li MPReg:PersonDisplayName="Bo"/>
       <rdf:li MPReg:Rectangle="0.5, 0.5, 0.1, 0.1"/>
      </rdf:Bag></MPRI:Regions></MP:RegionInfo>
      <i:ImageRegion><rdf:Bag><rdf:li rdf:parseType="Resource">
       <i:RegionBoundary rdf:parseType="Resource"><i:rbShape>rectangle</i:rbShape>
        <i:rbUnit>relative</i:rbUnit><i:rbX>0.6</i:rbX><i:rbY>0.1</i:rbY><i:rbW>0.2</i:rbW>
        <i:rbH>0.3</i:rbH></i:RegionBoundary>
       <i:PersonInImage><rdf:Bag><rdf:li>Cleo</rdf:li></rdf:Bag></i:PersonInImage>
      </rdf:li></rdf:Bag></i:ImageRegion>
      <i:PersonInImage><rdf:Bag><rdf:li>IDA</rdf:li><rdf:li>Dan</rdf:li></rdf:Bag>
      </i:PersonInImage>
      <digiKam:TagsList><rdf:Seq><rdf:li>People/Family/Eva</rdf:li><rdf:li>Places/Rome</rdf:li>
       <rdf:li>People/Unknown</rdf:li><rdf:li>People</rdf:li></rdf:Seq></digiKam:TagsList>
      </rdf:Description></rdf:RDF></x:xmpmeta>"#;
    let found = read(text).unwrap();
    let names: Vec<&str> = found.faces.iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["Ida", "Cleo"]);
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(found.faces[0].area.x_min, 0.1) && near(found.faces[0].area.y_max, 0.6));
    assert!(near(found.faces[1].area.x_max, 0.8) && near(found.faces[1].area.y_min, 0.1));
    assert_eq!(found.people, ["Bo", "Dan", "Eva"], "IDA has a place");
    assert_eq!(found.left_out["face regions without a name"], 1);
}

/// Another program's sidecar with a rating, a keyword and a face of its own.
const THEIRS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:a="http://ns.adobe.com/xmp/sType/Area#" xmp:Rating="4">
   <r:Regions rdf:parseType="Resource"><r:RegionList><rdf:Bag>
    <rdf:li><rdf:Description r:Name="Theirs &amp; mine" r:Type="Face">
     <r:Area a:x="0.2" a:y="0.2" a:w="0.1" a:h="0.1"/></rdf:Description></rdf:li>
   </rdf:Bag></r:RegionList></r:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"#;

fn ours(name: &str) -> Region {
    Region {
        name: name.into(),
        area: RelativeBox {
            x_min: 0.6,
            y_min: 0.6,
            x_max: 0.8,
            y_max: 0.8,
        },
        is_ours: true,
    }
}

#[test]
fn a_sidecar_of_another_program_keeps_all_that_is_not_ours() {
    let merged = merge(THEIRS, 640, 480, &[ours("Ida")]).unwrap();
    let names = |text: &str| -> Vec<(String, bool)> {
        let faces = read(text).unwrap().faces;
        faces.into_iter().map(|f| (f.name, f.is_ours)).collect()
    };
    let theirs = ("Theirs & mine".to_string(), false);
    assert_eq!(names(&merged), [theirs.clone(), ("Ida".into(), true)]);
    assert!(
        merged.contains("xmp:Rating=\"4\"") && merged.contains("Exiv2"),
        "{merged}"
    );
    // Ours are renewed, and taken out when there is none any more.
    let renewed = merge(&merged, 640, 480, &[ours("Bo")]).unwrap();
    assert_eq!(names(&renewed), [theirs.clone(), ("Bo".into(), true)]);
    let without = merge(&renewed, 640, 480, &[]).unwrap();
    assert_eq!(names(&without), [theirs]);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&without), squeezed(THEIRS));
}

#[test]
fn a_sidecar_without_regions_gets_a_list() {
    for theirs in [
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF \
         xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description \
         xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='3'/></rdf:RDF></x:xmpmeta>",
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description \
         xmlns:xmp='http://ns.adobe.com/xap/1.0/'><xmp:Rating>3</xmp:Rating></rdf:Description>\
         </rdf:RDF>",
    ] {
        let merged = merge(theirs, 640, 480, &[ours("Ida")]).unwrap();
        let found = read(&merged).unwrap();
        assert_eq!(
            (found.faces.len(), found.drawn_on),
            (1, Some((640, 480))),
            "{merged}"
        );
        assert!(merged.contains("Rating"), "{merged}");
        assert_eq!(merge(theirs, 640, 480, &[]).unwrap(), theirs);
    }
    assert!(merge("<x:xmpmeta", 1, 1, &[ours("Ida")]).is_err());
    assert!(
        merge("<a/>", 1, 1, &[ours("Ida")]).is_err(),
        "it has no place for regions"
    );
}

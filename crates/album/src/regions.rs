//! Face regions as photo programs keep them. In: XMP packets, `.picasa.ini`. Out: boxes with names; and XMP from them.
//! Knows nothing of files' places or of the catalogue.
//!
//! Source: Metadata Working Group, "Guidelines for Handling Image Metadata" 2.0 (2010), section 5.9; Picasa's
//! `rect64` as its own files show it: four 16-bit fractions, left, top, right, bottom.

use std::collections::HashMap;
use std::fmt::Write;

use roxmltree::{Document, Node};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const MWG: &str = "http://www.metadataworkinggroup.com/schemas/regions/";
const AREA: &str = "http://ns.adobe.com/xmp/sType/Area#";
const DIMENSIONS: &str = "http://ns.adobe.com/xap/1.0/sType/Dimensions#";

/// What every sidecar of ours opens with; no other is overwritten.
pub const TOOLKIT: &str = "x:xmptk=\"Fusiform\"";

/// Largest metadata that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Most regions taken from one photo.
const MAX_REGIONS: usize = 10_000;

/// One face with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The person.
    pub name: String,
    /// `x_min, y_min, x_max, y_max` as shares of width and height, 0…1.
    pub share: [f64; 4],
}

/// The regions of one photo.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Regions {
    /// Width and height in pixels that the regions were drawn on, if stated.
    pub drawn_on: Option<(u32, u32)>,
    /// Faces with a name.
    pub faces: Vec<Region>,
}

/// The XMP packet inside a file's bytes, if there is one.
pub fn packet(bytes: &[u8]) -> Option<&str> {
    let find = |from: usize, what: &[u8]| {
        let at = bytes
            .get(from..)?
            .windows(what.len())
            .position(|w| w == what);
        at.map(|at| from + at)
    };
    let end_mark = b"</x:xmpmeta>";
    let start = find(0, b"<x:xmpmeta")?;
    let end = find(start, end_mark)? + end_mark.len();
    std::str::from_utf8(&bytes[start..end]).ok()
}

/// Reads the MWG regions of an XMP packet; regions without a name and those that are no faces are passed over.
///
/// # Errors
/// What is wrong with the XML.
pub fn read_xmp(text: &str) -> Result<Regions, String> {
    let document = Document::parse(text).map_err(|e| format!("its XMP is not XML: {e}"))?;
    let mut regions = Regions::default();
    for node in document.descendants() {
        if node.has_tag_name((MWG, "AppliedToDimensions")) {
            let side = |name| value(node, DIMENSIONS, name)?.parse::<f64>().ok();
            let sides = side("w").zip(side("h"));
            regions.drawn_on = sides.map(|(w, h)| (w.round() as u32, h.round() as u32));
        }
        if !node.has_tag_name((MWG, "RegionList")) {
            continue;
        }
        let items = node.descendants().filter(|n| n.has_tag_name((RDF, "li")));
        for item in items.take(MAX_REGIONS) {
            let kind = value(item, MWG, "Type");
            let face = kind.is_none_or(|kind| kind.eq_ignore_ascii_case("face"));
            let Some(name) = value(item, MWG, "Name").filter(|n| face && !n.trim().is_empty())
            else {
                continue;
            };
            let area = item.descendants().find(|n| n.has_tag_name((MWG, "Area")));
            let number = |name| {
                let number: f64 = value(area?, AREA, name)?.trim().parse().ok()?;
                number.is_finite().then_some(number)
            };
            // The area is a centre with sides; a point has none and is no box.
            let parts = [number("x"), number("y"), number("w"), number("h")];
            let [Some(x), Some(y), Some(w), Some(h)] = parts else {
                continue;
            };
            let share = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
            regions.add(name.trim(), share);
        }
    }
    Ok(regions)
}

impl Regions {
    fn add(&mut self, name: &str, share: [f64; 4]) {
        let share = share.map(|s| s.clamp(0.0, 1.0));
        if share[2] > share[0] && share[3] > share[1] {
            let name = name.into();
            self.faces.push(Region { name, share });
        }
    }
}

/// A property, written as an attribute of a node or of its description, or as an element.
fn value<'a>(node: Node<'a, 'a>, space: &str, name: &str) -> Option<&'a str> {
    let described = node
        .children()
        .filter(|n| n.has_tag_name((RDF, "Description")));
    for place in std::iter::once(node).chain(described) {
        if let Some(text) = place.attribute((space, name)) {
            return Some(text);
        }
        let element = place.children().find(|n| n.has_tag_name((space, name)));
        if let Some(text) = element.and_then(|n| n.text()) {
            return Some(text);
        }
    }
    None
}

/// Reads a `.picasa.ini`: for each file name its regions. Faces without a contact in the file are passed over.
pub fn read_picasa(text: &str) -> HashMap<String, Regions> {
    let mut contacts: HashMap<&str, &str> = HashMap::new();
    let mut faces: Vec<(&str, &str)> = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            if section.eq_ignore_ascii_case("contacts2") || section.eq_ignore_ascii_case("contacts")
            {
                contacts.insert(key, value.split(';').next().unwrap_or("").trim());
            } else if key == "faces" {
                faces.push((section, value));
            }
        }
    }
    let mut found: HashMap<String, Regions> = HashMap::new();
    for (file, list) in faces {
        for face in list.split(';').take(MAX_REGIONS) {
            let parts = face
                .strip_prefix("rect64(")
                .and_then(|rest| rest.split_once("),"));
            let Some((hex, contact)) = parts else {
                continue;
            };
            let name = contacts.get(contact).filter(|name| !name.is_empty());
            let (Ok(word), Some(name)) = (u64::from_str_radix(hex, 16), name) else {
                continue;
            };
            // Leading zeros are left out by Picasa, which reading as a number makes good.
            let side = |shift: u32| f64::from((word >> shift) as u16) / 65535.0;
            let regions = found.entry(file.into()).or_default();
            regions.add(name, [side(48), side(32), side(16), side(0)]);
        }
    }
    found
}

/// The regions of a photo as an XMP sidecar.
pub fn write_xmp(width_px: u32, height_px: u32, faces: &[Region]) -> String {
    let mut text = format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\" {TOOLKIT}>\n \
         <rdf:RDF xmlns:rdf=\"{RDF}\">\n  \
         <rdf:Description rdf:about=\"\" xmlns:mwg-rs=\"{MWG}\" xmlns:stArea=\"{AREA}\" xmlns:stDim=\"{DIMENSIONS}\">\n   \
         <mwg-rs:Regions rdf:parseType=\"Resource\">\n    \
         <mwg-rs:AppliedToDimensions stDim:w=\"{width_px}\" stDim:h=\"{height_px}\" stDim:unit=\"pixel\"/>\n    \
         <mwg-rs:RegionList>\n     <rdf:Bag>\n"
    );
    for Region { name, share } in faces {
        let [x_min, y_min, x_max, y_max] = share;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "      <rdf:li>\n       <rdf:Description mwg-rs:Name=\"{}\" mwg-rs:Type=\"Face\">\n        \
             <mwg-rs:Area stArea:x=\"{:.9}\" stArea:y=\"{:.9}\" stArea:w=\"{:.9}\" stArea:h=\"{:.9}\" \
             stArea:unit=\"normalized\"/>\n       </rdf:Description>\n      </rdf:li>\n",
            escaped(name),
            (x_min + x_max) / 2.0,
            (y_min + y_max) / 2.0,
            x_max - x_min,
            y_max - y_min
        );
    }
    text.push_str(
        "     </rdf:Bag>\n    </mwg-rs:RegionList>\n   </mwg-rs:Regions>\n  </rdf:Description>\n \
         </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n",
    );
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let faces = vec![
            Region {
                name: "Zoë <\"&'> 李".into(),
                share: [0.1, 0.2, 0.3, 0.4],
            },
            Region {
                name: "Bo".into(),
                share: [0.0, 0.0, 1.0, 1.0],
            },
        ];
        let text = write_xmp(640, 480, &faces);
        let mut file = b"\xff\xd8 rubbish".to_vec();
        file.extend(text.as_bytes());
        let read = read_xmp(packet(&file).unwrap()).unwrap();
        assert_eq!(read.drawn_on, Some((640, 480)));
        assert_eq!(read.faces.len(), 2);
        for (a, b) in read.faces.iter().zip(&faces) {
            assert_eq!(a.name, b.name);
            assert!(
                a.share
                    .iter()
                    .zip(b.share)
                    .all(|(a, b)| (a - b).abs() < 1e-8)
            );
        }
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
        let text = format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:rdf='{RDF}' xmlns:r='{MWG}' xmlns:a='{AREA}'><rdf:RDF>\
             <rdf:Description><r:Regions rdf:parseType='Resource'><r:RegionList><rdf:Bag>{}</rdf:Bag></r:RegionList>\
             </r:Regions></rdf:Description></rdf:RDF></x:xmpmeta>",
            items.concat()
        );
        let read = read_xmp(&text).unwrap();
        assert_eq!(read.faces.len(), 1);
        assert_eq!(read.faces[0].name, "Ida");
        assert!((read.faces[0].share[1] - 0.3).abs() < 1e-9);
        assert!(read_xmp("<x:xmpmeta").is_err());
    }

    #[test]
    fn picasas_faces_get_their_contacts_names() {
        let text = "[a.jpg]\nfaces=rect64(3fff3fffbfffbfff),c1;rect64(1),c2;rect64(zz),c1\n\
                    [Contacts2]\nc1=Aunt Ida;;\n";
        let found = read_picasa(text);
        assert_eq!(found["a.jpg"].faces.len(), 1);
        assert_eq!(found["a.jpg"].faces[0].name, "Aunt Ida");
        assert!((found["a.jpg"].faces[0].share[0] - 0.25).abs() < 1e-4);
    }
}

//! Face regions in XMP. In: an XMP packet. Out: regions; and a packet from regions.
//! Knows nothing of files or albums.
//!
//! Source: Metadata Working Group, "Guidelines for Handling Image Metadata" 2.0 (2010), section
//! 5.9. A property may be an attribute or an element, of the region or of its `rdf:Description`.
//!
//! Read in one pass into a flat list of elements, of which only the names below are kept. Document
//! type declarations, and with them entities of the document's own, are refused; so are documents
//! with more elements or deeper nesting than any program writes.

use std::io;

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesPI, BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};
use quick_xml::writer::Writer;

use crate::regions::{MAX_REGIONS, Region, Regions, RelativeBox};

const X: &str = "adobe:ns:meta/";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const MWG: &str = "http://www.metadataworkinggroup.com/schemas/regions/";
const AREA: &str = "http://ns.adobe.com/xmp/sType/Area#";
const DIMENSIONS: &str = "http://ns.adobe.com/xap/1.0/sType/Dimensions#";

/// Present in every packet that [`write()`] makes, and in no other program's.
pub const TOOLKIT: &str = "x:xmptk=\"Fusiform\"";

/// Largest metadata that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// Most elements of a packet; ten thousand regions need about a hundred thousand.
const MAX_ELEMENTS: usize = 500_000;
/// Deepest nesting of elements; a region's area lies nine deep.
const MAX_DEPTH: usize = 64;

/// The XMP packet inside a file's bytes, if there is one.
pub fn packet(bytes: &[u8]) -> Option<&str> {
    let find = |from: usize, what: &[u8]| {
        let found = bytes
            .get(from..)?
            .windows(what.len())
            .position(|w| w == what);
        found.map(|offset| from + offset)
    };
    let end_mark = b"</x:xmpmeta>";
    let start = find(0, b"<x:xmpmeta")?;
    let end = find(start, end_mark)? + end_mark.len();
    std::str::from_utf8(&bytes[start..end]).ok()
}

/// Reads the MWG regions of an XMP packet. Regions without a name are left out, and those of
/// another type than `Face`.
///
/// # Errors
/// What is wrong with the XML.
pub fn read(packet: &str) -> Result<Regions, String> {
    let elements = parse(packet).map_err(|e| format!("its XMP is not XML: {e}"))?;
    let document = Document(&elements);
    let mut regions = Regions::default();
    for (index, element) in elements.iter().enumerate() {
        match element.name {
            Some(Known::AppliedToDimensions) => {
                let side = |name| document.value(index, name)?.parse::<f64>().ok();
                let sides = side(Known::Width).zip(side(Known::Height));
                regions.drawn_on = sides.map(|(w, h)| (w.round() as u32, h.round() as u32));
            }
            Some(Known::RegionList) => {
                let items = document.descendants(index, Known::Li);
                for item in items.take(MAX_REGIONS) {
                    read_region(&document, item, &mut regions);
                }
            }
            _ => {}
        }
    }
    Ok(regions)
}

fn read_region(document: &Document, item: usize, regions: &mut Regions) {
    let kind = document.value(item, Known::Type);
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("face")) {
        return;
    }
    let name = document.value(item, Known::Name).map(str::trim);
    let area = document.descendants(item, Known::Area).next();
    let (Some(name), Some(area)) = (name.filter(|n| !n.is_empty()), area) else {
        return;
    };
    let number = |name| {
        let number: f64 = document.value(area, name)?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    };
    // A rectangle is a centre and sides. A point has no sides and is left out.
    let parts = [Known::AreaX, Known::AreaY, Known::AreaW, Known::AreaH].map(number);
    if let [Some(x), Some(y), Some(w), Some(h)] = parts {
        let area = RelativeBox {
            x_min: x - w / 2.0,
            y_min: y - h / 2.0,
            x_max: x + w / 2.0,
            y_max: y + h / 2.0,
        };
        regions.add(name, area);
    }
}

/// The names of elements and attributes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Li,
    Description,
    AppliedToDimensions,
    RegionList,
    Area,
    Name,
    Type,
    AreaX,
    AreaY,
    AreaW,
    AreaH,
    Width,
    Height,
}

impl Known {
    fn of(namespace: &str, local: &str) -> Option<Known> {
        Some(match (namespace, local) {
            (RDF, "li") => Known::Li,
            (RDF, "Description") => Known::Description,
            (MWG, "AppliedToDimensions") => Known::AppliedToDimensions,
            (MWG, "RegionList") => Known::RegionList,
            (MWG, "Area") => Known::Area,
            (MWG, "Name") => Known::Name,
            (MWG, "Type") => Known::Type,
            (AREA, "x") => Known::AreaX,
            (AREA, "y") => Known::AreaY,
            (AREA, "w") => Known::AreaW,
            (AREA, "h") => Known::AreaH,
            (DIMENSIONS, "w") => Known::Width,
            (DIMENSIONS, "h") => Known::Height,
            _ => return None,
        })
    }

    /// `None` for a name that is not read.
    fn resolved(found: ResolveResult, name: QName) -> Result<Option<Known>, String> {
        match found {
            ResolveResult::Bound(Namespace(namespace)) => {
                Ok(Known::of(namespace, name.local_name().into_inner()))
            }
            ResolveResult::Unbound => Ok(None),
            ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix:?} is not declared")),
        }
    }
}

/// An element; its descendants follow it in the list.
#[derive(Debug)]
struct Element {
    name: Option<Known>,
    /// Index of the parent; of the root its own.
    parent: usize,
    /// Index after the last descendant.
    end: usize,
    attributes: Vec<(Known, String)>,
    /// Text before the first child element.
    text: String,
}

/// The elements in document order.
struct Document<'a>(&'a [Element]);

impl<'a> Document<'a> {
    fn descendants(&self, index: usize, name: Known) -> impl Iterator<Item = usize> + use<'a> {
        let elements = self.0;
        (index + 1..elements[index].end).filter(move |i| elements[*i].name == Some(name))
    }

    /// A property of an element, or of its `rdf:Description`.
    fn value(&self, index: usize, name: Known) -> Option<&'a str> {
        let children =
            |of: usize, name| (self.descendants(of, name)).filter(move |i| self.0[*i].parent == of);
        let described = children(index, Known::Description);
        std::iter::once(index).chain(described).find_map(|index| {
            let element = &self.0[index];
            let attribute = element.attributes.iter().find(|(n, _)| *n == name);
            attribute.map(|(_, value)| &**value).or_else(|| {
                let text = &*self.0[children(index, name).next()?].text;
                (!text.is_empty()).then_some(text)
            })
        })
    }
}

fn parse(packet: &str) -> Result<Vec<Element>, String> {
    let mut reader = NsReader::from_str(packet);
    reader.config_mut().expand_empty_elements = true;
    let mut elements: Vec<Element> = Vec::new();
    // Indices of the elements that are not closed yet.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        // Text counts until the first child element.
        let last = elements.len().wrapping_sub(1);
        let text_of = (open.last() == Some(&last)).then_some(last);
        match event {
            Event::Start(start) => {
                if elements.len() == MAX_ELEMENTS || open.len() == MAX_DEPTH {
                    return Err("more elements than any program writes".into());
                }
                let index = elements.len();
                let parent = open.last().copied().unwrap_or(index);
                elements.push(read_start(&reader, &start, parent)?);
                open.push(index);
            }
            Event::End(_) => {
                // The reader has checked that the names match.
                let Some(closed) = open.pop() else { continue };
                elements[closed].end = elements.len();
            }
            Event::Text(text) => {
                if let Some(index) = text_of {
                    elements[index].text.push_str(&text.xml10_content());
                }
            }
            Event::CData(text) => {
                if let Some(index) = text_of {
                    elements[index].text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let of_number = reference.resolve_char_ref().map_err(|e| e.to_string())?;
                let resolved = match of_number {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or_else(|| format!("the entity {:?} is not declared", &*reference))?
                        .into(),
                };
                if let Some(index) = text_of {
                    elements[index].text.push_str(&resolved);
                }
            }
            Event::DocType(_) => return Err("a document type declaration is not accepted".into()),
            Event::Eof if elements.is_empty() || !open.is_empty() => {
                return Err("it ends before its last element is closed".into());
            }
            Event::Eof => return Ok(elements),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn read_start(
    reader: &NsReader<&[u8]>,
    start: &BytesStart,
    parent: usize,
) -> Result<Element, String> {
    let resolver = reader.resolver();
    let (namespace, _) = resolver.resolve_element(start.name());
    let name = Known::resolved(namespace, start.name())?;
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let (namespace, _) = resolver.resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|e| e.to_string())?;
        if let Some(name) = Known::resolved(namespace, attribute.key)? {
            attributes.push((name, value.into_owned()));
        }
    }
    Ok(Element {
        name,
        parent,
        end: 0,
        attributes,
        text: String::new(),
    })
}

/// The regions of one photo as an XMP sidecar.
pub fn write(width_px: u32, height_px: u32, faces: &[Region]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    // Neither writing to memory nor quick-xml's output, made of `str`s, can fail.
    let _ = write_packet(&mut writer, width_px, height_px, faces);
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

type Xml = Writer<Vec<u8>>;

fn write_packet(xml: &mut Xml, width_px: u32, height_px: u32, faces: &[Region]) -> io::Result<()> {
    let begin = "xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"";
    xml.write_event(Event::PI(BytesPI::new(begin)))?;
    xml.create_element("x:xmpmeta")
        .with_attributes([("xmlns:x", X), ("x:xmptk", "Fusiform")])
        .write_inner_content(|xml| {
            xml.create_element("rdf:RDF")
                .with_attribute(("xmlns:rdf", RDF))
                .write_inner_content(|xml| {
                    write_description(xml, width_px, height_px, faces)?;
                    Ok(())
                })?;
            Ok(())
        })?;
    xml.write_event(Event::PI(BytesPI::new("xpacket end=\"w\"")))
}

fn write_description(
    xml: &mut Xml,
    width_px: u32,
    height_px: u32,
    faces: &[Region],
) -> io::Result<()> {
    xml.create_element("rdf:Description")
        .with_attributes([
            ("rdf:about", ""),
            ("xmlns:mwg-rs", MWG),
            ("xmlns:stArea", AREA),
            ("xmlns:stDim", DIMENSIONS),
        ])
        .write_inner_content(|xml| {
            xml.create_element("mwg-rs:Regions")
                .with_attribute(("rdf:parseType", "Resource"))
                .write_inner_content(|xml| {
                    xml.create_element("mwg-rs:AppliedToDimensions")
                        .with_attributes([
                            ("stDim:w", &*width_px.to_string()),
                            ("stDim:h", &*height_px.to_string()),
                            ("stDim:unit", "pixel"),
                        ])
                        .write_empty()?;
                    xml.create_element("mwg-rs:RegionList")
                        .write_inner_content(|xml| {
                            xml.create_element("rdf:Bag").write_inner_content(|xml| {
                                faces.iter().try_for_each(|face| write_region(xml, face))
                            })?;
                            Ok(())
                        })?;
                    Ok(())
                })?;
            Ok(())
        })?;
    Ok(())
}

fn write_region(xml: &mut Xml, face: &Region) -> io::Result<()> {
    let RelativeBox {
        x_min,
        y_min,
        x_max,
        y_max,
    } = face.area;
    // Control characters are not allowed in XML, even escaped.
    let name = face.name.replace(char::is_control, " ");
    let decimal = |share: f64| format!("{share:.9}");
    xml.create_element("rdf:li").write_inner_content(|xml| {
        xml.create_element("rdf:Description")
            .with_attributes([("mwg-rs:Name", &*name), ("mwg-rs:Type", "Face")])
            .write_inner_content(|xml| {
                xml.create_element("mwg-rs:Area")
                    .with_attributes([
                        ("stArea:x", &*decimal((x_min + x_max) / 2.0)),
                        ("stArea:y", &*decimal((y_min + y_max) / 2.0)),
                        ("stArea:w", &*decimal(x_max - x_min)),
                        ("stArea:h", &*decimal(y_max - y_min)),
                        ("stArea:unit", "normalized"),
                    ])
                    .write_empty()?;
                Ok(())
            })?;
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;

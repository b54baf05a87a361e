//! XMP sidecars. In: named faces. Out: a packet that says where they are; or one that another
//! program wrote, with ours put in and everything else as it was. Knows nothing of files.

use std::io;

use quick_xml::NsReader;
use quick_xml::events::{BytesEnd, BytesPI, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::writer::Writer;

use super::namespaces::*;
use super::parse::Known;
use crate::regions::{Region, RelativeBox};

type Xml = Writer<Vec<u8>>;

/// The faces of one photo as an XMP sidecar: MWG regions, and the names for programs that read no
/// regions (PersonInImage, digiKam's tags).
///
/// # Units
/// Size and areas are those of the pixels as the file stores them, before the EXIF orientation.
/// `written_at` is ISO 8601.
pub fn write(width_px: u32, height_px: u32, faces: &[Region], written_at: &str) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    // Neither writing to memory nor quick-xml's output, made of `str`s, can fail.
    let _ = write_packet(&mut xml, (width_px, height_px), faces, written_at);
    let mut text = String::from_utf8(xml.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

fn write_packet(
    xml: &mut Xml,
    stored_px: (u32, u32),
    faces: &[Region],
    written_at: &str,
) -> io::Result<()> {
    let begin = "xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"";
    xml.write_event(Event::PI(BytesPI::new(begin)))?;
    xml.create_element("x:xmpmeta")
        .with_attributes([("xmlns:x", X), ("x:xmptk", "Fusiform stored")])
        .write_inner_content(|xml| {
            xml.create_element("rdf:RDF")
                .with_attribute(("xmlns:rdf", RDF))
                .write_inner_content(|xml| write_description(xml, stored_px, faces, written_at))?;
            Ok(())
        })?;
    xml.write_event(Event::PI(BytesPI::new("xpacket end=\"w\"")))
}

fn write_description(
    xml: &mut Xml,
    stored_px: (u32, u32),
    faces: &[Region],
    written_at: &str,
) -> io::Result<()> {
    let mut names: Vec<String> = faces.iter().map(|f| printable(&f.name)).collect();
    names.sort_unstable();
    names.dedup();
    let list = |xml: &mut Xml, element, kind, items: Vec<String>| -> io::Result<()> {
        xml.create_element(element).write_inner_content(|xml| {
            xml.create_element(kind).write_inner_content(|xml| {
                items.iter().try_for_each(|item| {
                    let text = quick_xml::events::BytesText::new(item);
                    xml.create_element("rdf:li").write_text_content(text)?;
                    Ok(())
                })
            })?;
            Ok(())
        })?;
        Ok(())
    };
    xml.create_element("rdf:Description")
        .with_attributes([
            ("rdf:about", ""),
            ("xmlns:xmp", XMP),
            ("xmlns:Iptc4xmpExt", IPTC),
            ("xmlns:digiKam", DIGIKAM),
            ("xmp:MetadataDate", written_at),
        ])
        .write_inner_content(|xml| {
            write_regions(xml, stored_px, faces)?;
            list(xml, "Iptc4xmpExt:PersonInImage", "rdf:Bag", names.clone())?;
            let tags = names
                .iter()
                .map(|name| format!("People/{}", name.replace('/', " ")));
            list(xml, "digiKam:TagsList", "rdf:Seq", tags.collect())
        })?;
    Ok(())
}

/// The element declares its own prefixes, so that it fits into any document.
fn write_regions(xml: &mut Xml, stored_px: (u32, u32), faces: &[Region]) -> io::Result<()> {
    xml.create_element("mwg-rs:Regions")
        .with_attributes([
            ("xmlns:rdf", RDF),
            ("xmlns:mwg-rs", MWG),
            ("xmlns:stDim", DIMENSIONS),
            ("rdf:parseType", "Resource"),
        ])
        .write_inner_content(|xml| {
            xml.create_element("mwg-rs:AppliedToDimensions")
                .with_attributes([
                    ("stDim:w", &*stored_px.0.to_string()),
                    ("stDim:h", &*stored_px.1.to_string()),
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
}

/// Control characters are not allowed in XML, even escaped.
fn printable(name: &str) -> String {
    name.replace(char::is_control, " ")
}

fn write_region(xml: &mut Xml, face: &Region) -> io::Result<()> {
    let RelativeBox {
        x_min,
        y_min,
        x_max,
        y_max,
    } = face.area;
    let decimal = |share: f64| format!("{share:.9}");
    xml.create_element("rdf:li")
        .with_attribute(("xmlns:rdf", RDF))
        .write_inner_content(|xml| {
            xml.create_element("rdf:Description")
                .with_attributes([
                    ("xmlns:mwg-rs", MWG),
                    ("xmlns:stArea", AREA),
                    ("xmlns:fusiform", FUSIFORM),
                    ("mwg-rs:Name", &*printable(&face.name)),
                    ("mwg-rs:Type", "Face"),
                    ("fusiform:written", "1"),
                ])
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

/// Another program's sidecar with our regions renewed: those that Fusiform wrote before are taken
/// out, `faces` put in, and everything else stays as it is.
///
/// # Units
/// As [`write()`]; where the sidecar has regions of its own, areas are in the frame of those.
///
/// # Errors
/// What is wrong with the XML; then the sidecar must be left alone.
pub fn merge(
    sidecar: &str,
    width_px: u32,
    height_px: u32,
    faces: &[Region],
) -> Result<String, String> {
    // The limits on elements and nesting are checked first.
    super::parse::parse(sidecar)?;
    let mut reader = NsReader::from_str(sidecar);
    let mut merger = Merger {
        xml: Writer::new(Vec::new()),
        stored_px: (width_px, height_px),
        faces,
        open: Vec::new(),
        done: false,
        item: None,
        text: None,
    };
    let has_regions = super::read(sidecar)?.has_list;
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        if matches!(event, Event::Eof) {
            break;
        }
        let known = match &event {
            Event::Start(e) | Event::Empty(e) => {
                match reader.resolver().resolve_element(e.name()).0 {
                    ResolveResult::Bound(Namespace(ns)) => {
                        Known::of(ns, e.name().local_name().into_inner())
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let is_ours = match &event {
            Event::Start(e) | Event::Empty(e) => e.attributes().flatten().any(|attribute| {
                let (ns, local) = reader.resolver().resolve_attribute(attribute.key);
                matches!(ns, ResolveResult::Bound(Namespace(FUSIFORM)))
                    && local.into_inner() == "written"
            }),
            _ => false,
        };
        let step = merger.take(event, known, is_ours, has_regions);
        step.map_err(|e| e.to_string())?;
    }
    if !merger.done && !faces.is_empty() {
        return Err("it has no place for regions".into());
    }
    String::from_utf8(merger.xml.into_inner()).map_err(|e| e.to_string())
}

/// One `rdf:li` of a list of regions, held back until it is known whose it is.
struct Item<'a> {
    events: Vec<Event<'a>>,
    depth: usize,
    is_ours: bool,
}

struct Merger<'a> {
    xml: Xml,
    stored_px: (u32, u32),
    faces: &'a [Region],
    /// The elements that are open.
    open: Vec<Option<Known>>,
    /// Whether our regions are written.
    done: bool,
    item: Option<Item<'a>>,
    /// Space before an item, which goes with it.
    text: Option<Event<'a>>,
}

impl<'a> Merger<'a> {
    fn take(
        &mut self,
        event: Event<'a>,
        known: Option<Known>,
        is_ours: bool,
        has_regions: bool,
    ) -> io::Result<()> {
        if let Some(item) = &mut self.item {
            item.is_ours |= is_ours;
            match &event {
                Event::Start(_) => item.depth += 1,
                Event::End(_) => item.depth -= 1,
                _ => {}
            }
            item.events.push(event);
            if item.depth == 0 {
                self.close_item()?;
            }
            return Ok(());
        }
        let in_list = matches!(&*self.open, [.., Some(Known::RegionList), _]);
        match event {
            Event::Start(start) if in_list && known == Some(Known::Li) => {
                let mut events: Vec<Event<'a>> = self.text.take().into_iter().collect();
                events.push(Event::Start(start));
                self.item = Some(Item {
                    events,
                    depth: 1,
                    is_ours,
                });
                Ok(())
            }
            Event::Text(text) if in_list => {
                self.flush_text()?;
                self.text = Some(Event::Text(text));
                Ok(())
            }
            Event::Start(start) => {
                self.flush_text()?;
                self.open.push(known);
                self.xml.write_event(Event::Start(start))
            }
            Event::End(end) => {
                if in_list && !self.done {
                    self.write_items()?;
                }
                self.flush_text()?;
                let closed = self.open.pop().flatten();
                if closed == Some(Known::Description) && self.open.len() == self.depth_of_rdf() {
                    self.write_list(has_regions)?;
                }
                self.xml.write_event(Event::End(end))
            }
            Event::Empty(empty) => {
                let is_list_bag = self.open.last() == Some(&Some(Known::RegionList));
                let is_top = known == Some(Known::Description)
                    && self.open.len() == self.depth_of_rdf()
                    && !has_regions;
                if (is_list_bag || is_top) && !self.done && !self.faces.is_empty() {
                    return self.open_up(&empty, is_list_bag);
                }
                self.xml.write_event(Event::Empty(empty))
            }
            other => self.xml.write_event(other),
        }
    }

    /// How many elements are open inside `rdf:RDF`: it lies in `x:xmpmeta` or is the root.
    fn depth_of_rdf(&self) -> usize {
        // Neither of the two is a known element, and everything above a description is one of them.
        self.open.iter().take_while(|known| known.is_none()).count()
    }

    /// An element without content gets ours.
    fn open_up(&mut self, empty: &BytesStart<'a>, is_bag: bool) -> io::Result<()> {
        let name = String::from_utf8_lossy(empty.name().as_ref().as_bytes()).into_owned();
        self.xml.write_event(Event::Start(empty.clone()))?;
        if is_bag {
            self.write_items()?;
        } else {
            self.write_list(false)?;
        }
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }

    fn write_items(&mut self) -> io::Result<()> {
        self.done = true;
        self.faces
            .iter()
            .try_for_each(|face| write_region(&mut self.xml, face))
    }

    /// The whole list, into a document that has none.
    fn write_list(&mut self, has_regions: bool) -> io::Result<()> {
        if self.done || has_regions || self.faces.is_empty() {
            return Ok(());
        }
        self.done = true;
        write_regions(&mut self.xml, self.stored_px, self.faces)
    }

    fn close_item(&mut self) -> io::Result<()> {
        let Some(item) = self.item.take().filter(|item| !item.is_ours) else {
            return Ok(());
        };
        item.events
            .into_iter()
            .try_for_each(|event| self.xml.write_event(event))
    }

    fn flush_text(&mut self) -> io::Result<()> {
        match self.text.take() {
            Some(text) => self.xml.write_event(text),
            None => Ok(()),
        }
    }
}

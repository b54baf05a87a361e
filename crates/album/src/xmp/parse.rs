//! XMP as a flat list of elements. In: an XML text. Out: elements with their parents, of which only
//! the names below are kept. Knows nothing of what they mean.
//!
//! Document type declarations, and with them entities of the document's own, are refused; so are
//! documents with more elements or deeper nesting than any program writes.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};

use super::namespaces::*;

/// Most elements of a packet; ten thousand regions need about a hundred thousand.
pub(super) const MAX_ELEMENTS: usize = 500_000;
/// Deepest nesting of elements; a region's area lies nine deep.
const MAX_DEPTH: usize = 64;

/// The names of elements and attributes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
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
    /// Set by Fusiform on its own regions.
    Written,
    Toolkit,
    MetadataDate,
    /// Microsoft's list of regions.
    MicrosoftRegions,
    Rectangle,
    PersonDisplayName,
    PersonInImage,
    ImageRegion,
    RegionBoundary,
    BoundaryShape,
    BoundaryUnit,
    BoundaryX,
    BoundaryY,
    BoundaryW,
    BoundaryH,
    RegionName,
    /// digiKam's and others' lists of tags, each a path such as `People/Ida`.
    TagPaths,
}

impl Known {
    pub(super) fn of(namespace: &str, local: &str) -> Option<Known> {
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
            (FUSIFORM, "written") => Known::Written,
            (X, "xmptk") => Known::Toolkit,
            (XMP, "MetadataDate") => Known::MetadataDate,
            (MPRI, "Regions") => Known::MicrosoftRegions,
            (MPREG, "Rectangle") => Known::Rectangle,
            (MPREG, "PersonDisplayName") => Known::PersonDisplayName,
            (IPTC, "PersonInImage") => Known::PersonInImage,
            (IPTC, "ImageRegion") => Known::ImageRegion,
            (IPTC, "RegionBoundary") => Known::RegionBoundary,
            (IPTC, "rbShape") => Known::BoundaryShape,
            (IPTC, "rbUnit") => Known::BoundaryUnit,
            (IPTC, "rbX") => Known::BoundaryX,
            (IPTC, "rbY") => Known::BoundaryY,
            (IPTC, "rbW") => Known::BoundaryW,
            (IPTC, "rbH") => Known::BoundaryH,
            (IPTC, "Name") => Known::RegionName,
            (DIGIKAM, "TagsList") | (LIGHTROOM, "hierarchicalSubject") => Known::TagPaths,
            (MICROSOFT_PHOTO, "LastKeywordXMP") => Known::TagPaths,
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
pub(super) struct Element {
    pub(super) name: Option<Known>,
    /// Index of the parent; of the root its own.
    pub(super) parent: usize,
    /// Index after the last descendant.
    pub(super) end: usize,
    pub(super) attributes: Vec<(Known, String)>,
    /// Text before the first child element.
    pub(super) text: String,
}

/// The elements in document order.
pub(super) struct Document<'a>(pub(super) &'a [Element]);

impl<'a> Document<'a> {
    pub(super) fn descendants(
        &self,
        index: usize,
        name: Known,
    ) -> impl Iterator<Item = usize> + use<'a> {
        let elements = self.0;
        (index + 1..elements[index].end).filter(move |i| elements[*i].name == Some(name))
    }

    /// A property of an element, or of its `rdf:Description`.
    pub(super) fn value(&self, index: usize, name: Known) -> Option<&'a str> {
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

pub(super) fn parse(packet: &str) -> Result<Vec<Element>, String> {
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

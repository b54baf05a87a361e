//! What an XMP packet says of people. In: a packet. Out: regions, names without a place, and what
//! was not understood. Knows nothing of the photo.
//!
//! Source: Metadata Working Group, "Guidelines for Handling Image Metadata" 2.0 (2010), section
//! 5.9; IPTC Photo Metadata Standard 2022.1 (ImageRegion, PersonInImage); Microsoft Photo Region
//! Schema 1.2. A property may be an attribute or an element, of the region or of its
//! `rdf:Description`.

use super::parse::{Document, Known, parse};
use crate::names::is_same_name;
use crate::regions::{MAX_REGIONS, Region, Regions, RelativeBox};

/// Reads regions and names of people.
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
                regions.has_list = true;
                for item in document.descendants(index, Known::Li).take(MAX_REGIONS) {
                    read_region(&document, item, &mut regions);
                }
            }
            Some(Known::MicrosoftRegions) => {
                for item in document.descendants(index, Known::Li).take(MAX_REGIONS) {
                    read_microsoft(&document, item, &mut regions);
                }
            }
            Some(Known::ImageRegion) => {
                let items = document.descendants(index, Known::Li);
                let items = items.filter(|i| is_item_of(&document, *i, index));
                for item in items.take(MAX_REGIONS) {
                    read_iptc(&document, item, &mut regions);
                }
            }
            Some(Known::PersonInImage) if !is_within(&document, index, Known::ImageRegion) => {
                for item in document.descendants(index, Known::Li).take(MAX_REGIONS) {
                    regions.people.push(elements[item].text.trim().into());
                }
            }
            Some(Known::TagPaths) => {
                for item in document.descendants(index, Known::Li).take(MAX_REGIONS) {
                    regions.people.extend(person_of_tag(&elements[item].text));
                }
            }
            _ => {}
        }
        let attribute = |name| element.attributes.iter().find(|(n, _)| *n == name);
        if attribute(Known::Toolkit).is_some_and(|(_, toolkit)| toolkit == "Fusiform") {
            regions.is_upright = true;
        }
        if let Some((_, date)) = attribute(Known::MetadataDate) {
            regions.written_at = Some(date.clone());
        }
    }
    let mut people: Vec<String> = Vec::new();
    for name in std::mem::take(&mut regions.people) {
        let has_a_place = regions.faces.iter().any(|f| is_same_name(&f.name, &name));
        let is_known = has_a_place || people.iter().any(|p| is_same_name(p, &name));
        if !name.is_empty() && !is_known {
            people.push(name);
        }
    }
    regions.people = people;
    Ok(regions)
}

/// The person of a tag such as `People/Family/Ida` or `People|Ida`; other tags are of no person.
fn person_of_tag(path: &str) -> Option<String> {
    let mut parts = path.split(['/', '|']).map(str::trim);
    let is_people = ["people", "person", "persons"].contains(&&*parts.next()?.to_lowercase());
    let name = parts
        .next_back()
        .filter(|name| is_people && !name.is_empty())?;
    // digiKam's own tags for faces without a name.
    let is_name = !["Unknown", "Unconfirmed", "Ignored"].contains(&name);
    is_name.then(|| name.into())
}

fn is_within(document: &Document, index: usize, name: Known) -> bool {
    let mut at = index;
    while document.0[at].parent != at {
        at = document.0[at].parent;
        if document.0[at].name == Some(name) {
            return true;
        }
    }
    false
}

/// Whether an `rdf:li` is an item of this list and not of one within it.
fn is_item_of(document: &Document, item: usize, list: usize) -> bool {
    let bag = document.0[item].parent;
    document.0[bag].parent == list
}

fn read_region(document: &Document, item: usize, regions: &mut Regions) {
    let kind = document.value(item, Known::Type);
    if let Some(kind) = kind.filter(|kind| !kind.eq_ignore_ascii_case("face")) {
        let kind: String = kind.chars().take(40).collect();
        return regions.leave_out(format!("regions of the type {kind:?}"));
    }
    let name = document.value(item, Known::Name).map(str::trim);
    let Some(name) = name.filter(|n| !n.is_empty()) else {
        return regions.leave_out("face regions without a name");
    };
    let number = |area, name| {
        let number: f64 = document.value(area, name)?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    };
    let area = document.descendants(item, Known::Area).next();
    // A rectangle is a centre and sides. A point has no sides and is left out.
    let parts = area.map(|area| {
        [Known::AreaX, Known::AreaY, Known::AreaW, Known::AreaH].map(|n| number(area, n))
    });
    let Some([Some(x), Some(y), Some(w), Some(h)]) = parts else {
        regions.people.push(name.into());
        return regions.leave_out("face regions without an area");
    };
    let area = RelativeBox {
        x_min: x - w / 2.0,
        y_min: y - h / 2.0,
        x_max: x + w / 2.0,
        y_max: y + h / 2.0,
    };
    let is_ours = document.value(item, Known::Written).is_some();
    regions.add(name, area, is_ours);
}

/// A rectangle is `x, y, width, height` from the upper left, as shares.
fn read_microsoft(document: &Document, item: usize, regions: &mut Regions) {
    let name = document
        .value(item, Known::PersonDisplayName)
        .map(str::trim);
    let Some(name) = name.filter(|n| !n.is_empty()) else {
        return regions.leave_out("face regions without a name");
    };
    let rectangle = document.value(item, Known::Rectangle).unwrap_or_default();
    let numbers = rectangle.split(',').map(|n| n.trim().parse::<f64>());
    match numbers.collect::<Result<Vec<f64>, _>>().as_deref() {
        Ok(&[x, y, w, h]) => add_from_corner(regions, name, [x, y, w, h]),
        _ => regions.people.push(name.into()),
    }
}

fn read_iptc(document: &Document, item: usize, regions: &mut Regions) {
    let within = |name| document.descendants(item, name).next();
    let text_of = |list: usize| {
        let text = &document.0[document.descendants(list, Known::Li).next()?].text;
        Some(text.trim()).filter(|text| !text.is_empty())
    };
    let named = within(Known::PersonInImage).and_then(text_of);
    let Some(name) = named.or_else(|| within(Known::RegionName).and_then(text_of)) else {
        return regions.leave_out("image regions without a name");
    };
    let boundary = within(Known::RegionBoundary);
    let value = |name| boundary.and_then(|b| document.value(b, name));
    let side = |name| value(name)?.trim().parse::<f64>().ok();
    let sides = [
        Known::BoundaryX,
        Known::BoundaryY,
        Known::BoundaryW,
        Known::BoundaryH,
    ]
    .map(side);
    let is_rectangle =
        value(Known::BoundaryShape).is_none_or(|s| s.eq_ignore_ascii_case("rectangle"));
    let is_relative = value(Known::BoundaryUnit).is_none_or(|u| u.eq_ignore_ascii_case("relative"));
    match sides {
        [Some(x), Some(y), Some(w), Some(h)] if is_rectangle && is_relative => {
            add_from_corner(regions, name, [x, y, w, h]);
        }
        _ => {
            regions.people.push(name.into());
            regions.leave_out("image regions that are no relative rectangle");
        }
    }
}

fn add_from_corner(regions: &mut Regions, name: &str, [x, y, w, h]: [f64; 4]) {
    let area = RelativeBox {
        x_min: x,
        y_min: y,
        x_max: x + w,
        y_max: y + h,
    };
    // Programs that write several kinds write the same face in each.
    let is_known = |f: &Region| is_same_name(&f.name, name) && f.area.iou(&area) > 0.5;
    if [x, y, w, h].iter().all(|n| n.is_finite()) && !regions.faces.iter().any(is_known) {
        regions.add(name, area, false);
    }
}

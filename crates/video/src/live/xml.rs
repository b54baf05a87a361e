//! XML of cameras as a tree, names without their prefixes. In: text. Out: elements, within limits.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const MAX_ELEMENTS: usize = 20_000;
const MAX_DEPTH: usize = 64;

/// An element.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) text: String,
    children: Vec<Element>,
}

/// Text that is no XML, or too much of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no XML that can be read: {0}")]
pub(super) struct MalformedXml(String);

impl Element {
    /// All elements of a name below it, none of which is within another.
    pub(super) fn all(&self, name: &str) -> Vec<&Element> {
        let below = self
            .children
            .iter()
            .flat_map(|child| match child.name == name {
                true => vec![child],
                false => child.all(name),
            });
        below.collect()
    }

    /// The first element of a name below it.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.children
            .iter()
            .find_map(|child| match child.name == name {
                true => Some(child),
                false => child.first(name),
            })
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }
}

/// The root, whose children are what the text holds.
pub(super) fn parse(text: &str) -> Result<Element, MalformedXml> {
    let wrong = |why: String| MalformedXml(why);
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let mut n = 0;
    loop {
        let event = reader.read_event().map_err(|e| wrong(e.to_string()))?;
        match event {
            Event::Start(start) => {
                n += 1;
                if n > MAX_ELEMENTS || open.len() > MAX_DEPTH {
                    return Err(wrong("too many elements".to_owned()));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                n += 1;
                if n > MAX_ELEMENTS {
                    return Err(wrong("too many elements".to_owned()));
                }
                let element = element(&start)?;
                add(&mut open, element);
            }
            Event::End(_) => {
                let done = open.pop().unwrap_or_default();
                if open.is_empty() {
                    return Err(wrong("an end without a start".to_owned()));
                }
                add(&mut open, done);
            }
            Event::Text(text) => {
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let name = format!("&{};", &*entity);
                // Of a document type's own entities none is known, and so none grows.
                let text = quick_xml::escape::unescape(&name).map_err(|e| wrong(e.to_string()))?;
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&text);
                }
            }
            Event::CData(data) => {
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&data);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(wrong("it is cut".to_owned())),
    }
}

fn add(open: &mut [Element], child: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(child);
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, MalformedXml> {
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.map_err(|e| MalformedXml(e.to_string()))?;
        let value = quick_xml::escape::unescape(&attribute.value);
        let value = value.map_err(|e| MalformedXml(e.to_string()))?;
        let name = attribute.key.local_name().as_ref().to_owned();
        Ok((name, value.into_owned()))
    });
    Ok(Element {
        name: start.local_name().as_ref().to_owned(),
        attributes: attributes.collect::<Result<_, _>>()?,
        ..Element::default()
    })
}

/// Text for an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_matter_and_text_is_unescaped() {
        let text = "<?xml version=\"1.0\"?><a:Env xmlns:a=\"x\"><b:P token=\"a&amp;1\">\
                    <Name>Front &lt;1&gt; &#228;</Name></b:P><b:P token=\"2\"/></a:Env>";
        let root = parse(text).unwrap();
        let profiles = root.all("P");
        assert_eq!(profiles.len(), 2);
        assert_eq!(profiles[0].attribute("token"), Some("a&1"));
        assert_eq!(profiles[0].first("Name").unwrap().text, "Front <1> ä");
        assert_eq!(escaped("a<b&c"), "a&lt;b&amp;c");
    }

    #[test]
    fn bombs_and_cuts_are_errors() {
        let deep = "<a>".repeat(100);
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS + 1));
        let grows = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>";
        for text in ["<a>", "</a>", "<a></b>", &deep, &many, grows, "<a b></a>"] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(60)]);
        }
    }
}

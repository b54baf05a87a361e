//! Face regions in Picasa's `.picasa.ini`. In: the text of one folder's file. Out: regions by
//! photo. Knows nothing of files or albums.
//!
//! Source: the files that Picasa writes. A box is `rect64(…)`, four 16-bit fractions of the photo:
//! left, top, right, bottom.

use std::collections::HashMap;

use crate::regions::{MAX_REGIONS, Regions, RelativeBox};

/// Reads a `.picasa.ini`: regions by file name. Faces whose contact the file does not name are left
/// out.
pub fn read(text: &str) -> HashMap<String, Regions> {
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
            let (Some(area), Some(name)) = (rect64(hex), name) else {
                continue;
            };
            let regions = found.entry(file.into()).or_default();
            regions.is_upright = true;
            regions.add(name, area, false);
        }
    }
    found
}

/// Picasa omits leading zeros, so the digits are one number and not four fields.
fn rect64(hex: &str) -> Option<RelativeBox> {
    let word = u64::from_str_radix(hex, 16).ok()?;
    let side = |shift: u32| f64::from((word >> shift) as u16) / 65535.0;
    Some(RelativeBox {
        x_min: side(48),
        y_min: side(32),
        x_max: side(16),
        y_max: side(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picasas_faces_get_their_contacts_names() {
        let text = "[a.jpg]\nfaces=rect64(3fff3fffbfffbfff),c1;rect64(1),c2;rect64(zz),c1\n\
                    [Contacts2]\nc1=Aunt Ida;;\n";
        let found = read(text);
        assert_eq!(found["a.jpg"].faces.len(), 1);
        assert_eq!(found["a.jpg"].faces[0].name, "Aunt Ida");
        assert!((found["a.jpg"].faces[0].area.x_min - 0.25).abs() < 1e-4);
    }
}

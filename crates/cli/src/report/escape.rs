//! Text made harmless. In: any text. Out: the same text as HTML content or as a quoted attribute's value.
//! Knows nothing of the page.

use std::fmt::{Display, Formatter, Result, Write};

/// Writes text so that HTML reads back exactly it, and control characters as `�`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_whitespace() => f.write_char(' ')?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            Escaped("<b a='1' b=\"2\">&amp;\0\n").to_string(),
            "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;\u{fffd} "
        );
    }

    proptest! {
        #[test]
        fn nothing_that_ends_text_or_attribute_is_left(text in any::<String>()) {
            let safe = Escaped(&text).to_string();
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            for (at, _) in safe.match_indices('&') {
                prop_assert!(entities.iter().any(|entity| safe[at..].starts_with(entity)));
            }
            prop_assert!(!safe.chars().any(char::is_control));
        }
    }
}

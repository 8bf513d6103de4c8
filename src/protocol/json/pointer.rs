//! JSON pointers, which name a value inside a body.
//! Spec: <https://www.rfc-editor.org/rfc/rfc6901>
use std::fmt;
use std::ops::Range;

use super::{elements, object};

/// A pointer to a value inside a document, never to the document itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pointer {
    text: String,
    /// The unescaped reference tokens; at least one.
    tokens: Vec<String>,
}

impl Pointer {
    /// Parses a pointer; the error tells what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a JSON pointer begins with `/`, such as `/thinking/budget_tokens`");
        };
        let tokens: Option<Vec<String>> = rest.split('/').map(unescape).collect();
        let tokens =
            tokens.ok_or("in a JSON pointer `~` is written `~0`, and `/` in a name `~1`")?;
        if tokens.len() > MAX_TOKENS {
            return Err("no request is nested so deep");
        }
        Ok(Self {
            text: text.to_owned(),
            tokens,
        })
    }

    /// The pointer as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the top-level member that contains the value.
    pub fn member(&self) -> &str {
        self.tokens.first().map_or("", String::as_str)
    }

    /// The path inside that member; empty if the pointer means the member itself.
    pub fn inside(&self) -> &[String] {
        self.tokens.get(1..).unwrap_or_default()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The position of the value at the path `tokens` inside `value`.
pub(super) fn find(value: &[u8], tokens: &[String]) -> Option<Range<usize>> {
    let mut found = 0..value.len();
    for token in tokens {
        let outer = value.get(found.clone())?;
        let inner = match outer.first()? {
            b'{' => object(outer)?.span(outer, token)?,
            b'[' => {
                let elements = elements(outer)?;
                elements.get(index(token, elements.len())?)?.clone()
            }
            _ => return None,
        };
        found = found.start + inner.start..found.start + inner.end;
    }
    Some(found)
}

/// A token as a position in an array of this length; `-` is the position behind the last element.
pub(super) fn index(token: &str, length: usize) -> Option<usize> {
    match token.as_bytes() {
        b"-" => Some(length),
        b"0" => Some(0),
        [b'1'..=b'9', ..] if token.bytes().all(|byte| byte.is_ascii_digit()) => token.parse().ok(),
        _ => None,
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// Most tokens of a pointer. Requests are far less deep.
const MAX_TOKENS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// The document of section 5 of the RFC, with the values of its pointers.
    #[test]
    fn the_examples_of_the_rfc() {
        let document = br#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        for (pointer, expected) in [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            let pointer = Pointer::parse(pointer).expect("a pointer");
            let found = find(document, &pointer.tokens).expect("something");
            assert_eq!(&document[found], expected.as_bytes(), "{pointer}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["", "foo", "#/foo", "/a~", "/a~2", &"/a".repeat(33)] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn positions_are_written_without_zeros_before_them() {
        for (token, expected) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("-", Some(3)),
            ("01", None),
            ("+1", None),
            ("-1", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(index(token, 3), expected, "{token}");
        }
    }
}

//! Extracts the text inside `{"input":"…"}`, fragment by fragment: the input of a freeform tool if the upstream has
//! only functions.
//!
//! ```text
//!  Head ── {"input":" ──► Text ── " ──► Done
//!    └── anything else ──► Whole: no output until the end, then as much as can be read
//! ```
use serde_json::Value;

use crate::protocol::hub::names::FREEFORM_FIELD;

/// Reads the arguments of one call.
#[derive(Debug, Default)]
pub struct Freeform {
    state: State,
    /// The unread text; everything, while the form is not known.
    all: String,
    /// The number of bytes of `all` that were read.
    read: usize,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    Done,
    #[default]
    Head,
    Text,
    Whole,
}

impl Freeform {
    /// Adds a fragment and returns the text that it adds.
    pub fn push(&mut self, fragment: &str) -> String {
        self.all.push_str(fragment);
        if self.state == State::Head {
            match head(&self.all) {
                Head::Cut => return String::new(),
                Head::Ends(at) => {
                    self.read = at;
                    self.state = State::Text;
                }
                Head::Other => self.state = State::Whole,
            }
        }
        if self.state != State::Text {
            return String::new();
        }
        let text = self.text();
        self.all.drain(..self.read);
        self.read = 0;
        text
    }

    /// The number of bytes that are kept.
    pub fn held(&self) -> usize {
        self.all.len()
    }

    /// The arguments have ended: returns the text that is still missing.
    pub fn finish(self) -> String {
        match self.state {
            State::Done | State::Text => String::new(),
            State::Head | State::Whole => whole(&self.all),
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        loop {
            let rest = self.all.get(self.read..).unwrap_or_default();
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            let (before, tail) = rest.split_at(plain);
            text.push_str(before);
            self.read += plain;
            if tail.starts_with('"') {
                self.state = State::Done;
                return text;
            }
            let Some((length, decoded)) = escape(tail) else {
                return text;
            };
            text.push_str(&decoded);
            self.read += length;
        }
    }
}

/// The text in complete arguments: the value of the one field; if there is none, the arguments as they are.
pub fn whole(args: &str) -> String {
    match serde_json::from_str::<Value>(args) {
        Ok(Value::Object(mut object)) => match object.remove(FREEFORM_FIELD) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => args.to_owned(),
        },
        _ => args.to_owned(),
    }
}

enum Head {
    Cut,
    /// The string begins at this byte.
    Ends(usize),
    Other,
}

fn head(text: &str) -> Head {
    let mut rest = text;
    for token in ["{", "\"input\"", ":", "\""] {
        rest = rest.trim_start();
        match rest.strip_prefix(token) {
            Some(after) => rest = after,
            None if token.starts_with(rest) => return Head::Cut,
            None => return Head::Other,
        }
    }
    Head::Ends(text.len() - rest.len())
}

/// The escape at the start of `text`: its length and its character; `None` = it is incomplete.
fn escape(text: &str) -> Option<(usize, String)> {
    let length = match text.as_bytes().get(1)? {
        b'u' => {
            let high = text
                .get(2..6)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match high {
                // A surrogate pair needs its second half.
                Some(0xD800..=0xDBFF) if text.len() < 12 => return None,
                Some(0xD800..=0xDBFF) => 12,
                None if text.len() < 6 => return None,
                Some(_) | None => 6,
            }
        }
        _ => 2,
    };
    let decoded = text
        .get(..length)
        .and_then(|escape| serde_json::from_str::<String>(&format!("\"{escape}\"")).ok());
    Some((
        length,
        decoded.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(args: &str, expected: &str) {
        for size in 1..=args.len() {
            let mut freeform = Freeform::default();
            let chars: Vec<char> = args.chars().collect();
            let mut text: String = chars
                .chunks(size)
                .map(|chunk| freeform.push(&chunk.iter().collect::<String>()))
                .collect();
            text.push_str(&freeform.finish());
            assert_eq!(text, expected, "in pieces of {size}");
        }
        assert_eq!(whole(args), expected);
    }

    #[test]
    fn escapes_are_decoded_wherever_they_are_cut() {
        check(
            r#"{"input":"a\n\"b\" \u00e9 \ud83d\ude00 é"}"#,
            "a\n\"b\" é 😀 é",
        );
        check(r#" { "input" : "" } "#, "");
    }

    #[test]
    fn another_form_is_handed_on() {
        check(r#"{"input":{"a":1}}"#, r#"{"a":1}"#);
        check(r#"{"x":"y"}"#, r#"{"x":"y"}"#);
        check("*** Begin Patch", "*** Begin Patch");
    }
}

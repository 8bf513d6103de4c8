//! The arguments of a tool call: their exact text, and a check that follows the text fragment by fragment.
use std::borrow::Cow;

use memchr::memchr2;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::protocol::json::surrogates;

/// The arguments exactly as the model or the client wrote them: free text for a freeform tool, else normally one JSON
/// object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Args {
    pub raw: String,
}

impl Args {
    /// Arguments with this text.
    pub fn new(raw: impl Into<String>) -> Self {
        Self { raw: raw.into() }
    }

    /// Whether the text is one complete JSON object, or blank (a tool without parameters).
    pub fn is_whole(&self) -> bool {
        let mut scanner = Scanner::default();
        scanner.push(&self.raw).is_ok() && (scanner.is_complete() || scanner.is_blank())
    }

    /// The arguments as the text of a JSON object. An object is returned unchanged, except that lone surrogates, which
    /// no parser accepts, are replaced. Blank text and other values become `{}`; a text that was cut off is closed;
    /// anything else becomes `{"_raw_arguments": "…"}`.
    pub fn object(&self) -> Cow<'_, str> {
        let mut scanner = Scanner::default();
        let sound = scanner.push(&self.raw).is_ok();
        if sound && scanner.is_complete() {
            return whole_characters(&self.raw);
        }
        if self.raw.trim().is_empty() {
            return Cow::Borrowed("{}");
        }
        if sound {
            let closed = scanner.close(&self.raw);
            if serde_json::from_str::<&RawValue>(&closed).is_ok() {
                return Cow::Owned(closed);
            }
        }
        match serde_json::from_str::<Value>(&self.raw) {
            // The object was encoded twice.
            Ok(Value::String(inner)) if is_object(&inner) => Cow::Owned(inner),
            Ok(_) => Cow::Borrowed("{}"),
            Err(_) => Cow::Owned(serde_json::json!({ "_raw_arguments": self.raw }).to_string()),
        }
    }
}

/// Replaces every lone surrogate by U+FFFD.
fn whole_characters(text: &str) -> Cow<'_, str> {
    match surrogates::replaced(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(mended) => Cow::Owned(String::from_utf8_lossy(&mended).into_owned()),
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Follows the text of one JSON object in arbitrary pieces, and tells when the object is complete or the text is
/// invalid.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    state: State,
    /// The open brackets, innermost last: `true` = object.
    open: Vec<bool>,
}

/// The text cannot be the beginning of a JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAnObject;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// Expects `,` or the end of the bracket.
    AfterValue,
    /// Expects a key, after a comma.
    Key,
    /// Expects a key or the end of an empty object.
    KeyOrEnd,
    Colon,
    /// The rest of `true`, `false` or `null` that is still missing.
    Literal(&'static [u8]),
    Number(Number),
    /// Nothing but white space so far.
    #[default]
    Start,
    Text {
        key: bool,
        escape: Escape,
    },
    Value,
    /// Expects a value or the end of an empty array.
    ValueOrEnd,
    Whole,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Escape {
    None,
    Backslash,
    /// The number of hex digits of `\uXXXX` that are still missing.
    Hex(u8),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Scanner {
    /// Reads the next piece.
    pub fn push(&mut self, text: &str) -> Result<(), NotAnObject> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let State::Text {
                escape: Escape::None,
                ..
            } = self.state
            {
                let rest = &bytes[at..];
                let end = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                if rest[..end].iter().any(|&b| b < b' ') {
                    return Err(NotAnObject);
                }
                if end > 0 {
                    at += end;
                    continue;
                }
            }
            self.state = self.step(byte).ok_or(NotAnObject)?;
            at += 1;
        }
        Ok(())
    }

    /// Whether the object is complete.
    pub fn is_complete(&self) -> bool {
        self.state == State::Whole
    }

    /// Whether the text so far is blank.
    pub fn is_blank(&self) -> bool {
        self.state == State::Start
    }

    fn step(&mut self, byte: u8) -> Option<State> {
        let space = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        match self.state {
            State::Text { key, escape } => text(key, escape, byte),
            State::Literal([next]) if *next == byte => Some(State::AfterValue),
            State::Literal([next, rest @ ..]) if *next == byte => Some(State::Literal(rest)),
            State::Literal(_) => None,
            State::Number(number) => match number.step(byte) {
                Some(next) => Some(State::Number(next)),
                None if number.may_end() && (space || matches!(byte, b',' | b'}' | b']')) => {
                    self.after_value(byte)
                }
                None => None,
            },
            state if space => Some(state),
            State::Start if byte == b'{' => self.enter(true),
            State::KeyOrEnd if byte == b'}' => self.leave(true),
            State::KeyOrEnd | State::Key if byte == b'"' => Some(State::Text {
                key: true,
                escape: Escape::None,
            }),
            State::Colon if byte == b':' => Some(State::Value),
            State::ValueOrEnd if byte == b']' => self.leave(false),
            State::Value | State::ValueOrEnd => self.value(byte),
            State::AfterValue => self.after_value(byte),
            State::Start | State::KeyOrEnd | State::Key | State::Colon | State::Whole => None,
        }
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        Some(match byte {
            b'{' => return self.enter(true),
            b'[' => return self.enter(false),
            b'"' => State::Text {
                key: false,
                escape: Escape::None,
            },
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            _ => return None,
        })
    }

    fn after_value(&mut self, byte: u8) -> Option<State> {
        match (byte, self.open.last()) {
            (b',', Some(true)) => Some(State::Key),
            (b',', Some(false)) => Some(State::Value),
            (b'}', _) => self.leave(true),
            (b']', _) => self.leave(false),
            (b' ' | b'\n' | b'\r' | b'\t', _) => Some(State::AfterValue),
            _ => None,
        }
    }

    fn enter(&mut self, object: bool) -> Option<State> {
        if self.open.len() >= DEEPEST {
            return None;
        }
        self.open.push(object);
        Some(if object {
            State::KeyOrEnd
        } else {
            State::ValueOrEnd
        })
    }

    fn leave(&mut self, object: bool) -> Option<State> {
        if self.open.pop()? != object {
            return None;
        }
        Some(if self.open.is_empty() {
            State::Whole
        } else {
            State::AfterValue
        })
    }

    /// The text with all open strings and brackets closed. The result may still be invalid JSON, for example after a
    /// key without a value.
    fn close(&self, text: &str) -> String {
        let mut text = text.to_owned();
        match self.state {
            State::Text {
                escape: Escape::None,
                ..
            } => text.push('"'),
            State::Literal(rest) => text.push_str(std::str::from_utf8(rest).unwrap_or_default()),
            _ => {}
        }
        for object in self.open.iter().rev() {
            text.push(if *object { '}' } else { ']' });
        }
        text
    }
}

fn text(key: bool, escape: Escape, byte: u8) -> Option<State> {
    let escape = match escape {
        Escape::None => match byte {
            b'"' if key => return Some(State::Colon),
            b'"' => return Some(State::AfterValue),
            b'\\' => Escape::Backslash,
            _ => Escape::None,
        },
        Escape::Backslash => match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Escape::None,
            b'u' => Escape::Hex(4),
            _ => return None,
        },
        Escape::Hex(_) if !byte.is_ascii_hexdigit() => return None,
        Escape::Hex(1) => Escape::None,
        Escape::Hex(left) => Escape::Hex(left - 1),
    };
    Some(State::Text { key, escape })
}

impl Number {
    const fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    const fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::Power
        )
    }
}

/// Deepest nesting that is accepted.
const DEEPEST: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(Args::new(raw).object(), expected);
    }

    #[test]
    fn half_a_character_is_none() {
        check(r#"{"a":"\ud83d0"}"#, "{\"a\":\"\u{fffd}0\"}");
    }

    #[test]
    fn an_object_is_passed_verbatim() {
        check(
            r#" {"b": 1.50, "a":[true,null,"\u00e9"]} "#,
            r#" {"b": 1.50, "a":[true,null,"\u00e9"]} "#,
        );
    }

    #[test]
    fn nothing_and_other_values_become_an_empty_object() {
        check("", "{}");
        check("  ", "{}");
        check("null", "{}");
        check("[1]", "{}");
        check(r#""text""#, "{}");
    }

    #[test]
    fn an_object_encoded_twice_is_unwrapped() {
        check(r#""{\"a\":1}""#, r#"{"a":1}"#);
    }

    #[test]
    fn a_text_cut_short_is_closed() {
        check(r#"{"a":{"b":["x"#, r#"{"a":{"b":["x"]}}"#);
        check(r#"{"a":tr"#, r#"{"a":true}"#);
        check(r#"{"a":1"#, r#"{"a":1}"#);
    }

    #[test]
    fn what_cannot_be_saved_is_handed_on_as_text() {
        check(r#"{"a""#, r#"{"_raw_arguments":"{\"a\""}"#);
        check("{a: 1}", r#"{"_raw_arguments":"{a: 1}"}"#);
    }

    #[test]
    fn the_scanner_refuses_what_json_refuses() {
        for text in [
            "[",
            "{]",
            "{,",
            r#"{"a" 1"#,
            r#"{"a":01"#,
            r#"{"a":1,}"#,
            "{} {",
            r#"{"a":"\x"#,
            "{\"a\":\"\n",
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\u12g"#,
            "{\"a\":[1}",
        ] {
            assert_eq!(Scanner::default().push(text), Err(NotAnObject), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "{\"a\":".repeat(DEEPEST + 1);
        assert_eq!(Scanner::default().push(&deep), Err(NotAnObject));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_with_the_parser(value in json(), pretty in any::<bool>(), cut in any::<prop::sample::Index>()) {
            let value = serde_json::json!({ "v": value });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let boundary = (0..=cut.index(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap();
            let mut scanner = Scanner::default();
            prop_assert_eq!(scanner.push(&text[..boundary]), Ok(()));
            prop_assert!(!scanner.is_complete());
            prop_assert_eq!(scanner.push(&text[boundary..]), Ok(()));
            prop_assert!(scanner.is_complete());
        }

        #[test]
        fn whatever_the_text_the_result_is_an_object(raw in ".{0,60}") {
            prop_assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&Args::new(raw).object()).is_ok());
        }
    }
}

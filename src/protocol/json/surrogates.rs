//! Halves of surrogate pairs that stand alone in an escape (`"\ud83d"`): not text, so a parser refuses the whole document for one.
//!
//! Servers that cut their text by UTF-16 units send them, the other half in the next event; clients keep them in histories.
use std::borrow::Cow;

use memchr::{memchr, memmem};

/// The document with U+FFFD in the place of every half.
pub fn replaced(json: &[u8]) -> Cow<'_, [u8]> {
    each_half(json, |_| char::REPLACEMENT_CHARACTER)
}

/// The document with a mark in the place of every half, so that the next one can be joined to it. See [`half`].
pub fn marked(json: &[u8]) -> Cow<'_, [u8]> {
    each_half(json, |half| {
        char::from_u32(MARKS + u32::from(half - FIRST)).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
}

/// The half that a mark stands for.
pub fn half(mark: char) -> Option<u16> {
    let offset = u32::from(mark).checked_sub(MARKS)?;
    let offset = u16::try_from(offset).ok()?;
    (offset <= LAST - FIRST).then_some(FIRST + offset)
}

/// The character that two halves are.
pub fn joined(high: u16, low: u16) -> Option<char> {
    char::decode_utf16([high, low])
        .next()
        .and_then(Result::ok)
        .filter(|_| is_high(high))
}

/// Whether another half has to follow.
pub const fn is_high(half: u16) -> bool {
    matches!(half, 0xD800..=0xDBFF)
}

fn each_half(json: &[u8], stand_in: impl Fn(u16) -> char) -> Cow<'_, [u8]> {
    // Most text has none, and most that has escapes has whole pairs.
    if !NEEDLES
        .iter()
        .any(|needle| memmem::find(json, needle).is_some())
    {
        return Cow::Borrowed(json);
    }
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        let start = at + found;
        let Some(unit) = unit(json, start) else {
            // Some other escape, two bytes long.
            at = start + 2;
            continue;
        };
        at = start + ESCAPE;
        if !(FIRST..=LAST).contains(&unit) {
            continue;
        }
        if is_high(unit) && self::unit(json, at).is_some_and(|low| (0xDC00..=LAST).contains(&low)) {
            at += ESCAPE;
            continue;
        }
        let out = out.get_or_insert_default();
        out.extend_from_slice(json.get(copied..start).unwrap_or_default());
        let mut bytes = [0; 4];
        out.extend_from_slice(stand_in(unit).encode_utf8(&mut bytes).as_bytes());
        copied = at;
    }
    match out {
        None => Cow::Borrowed(json),
        Some(mut out) => {
            out.extend_from_slice(json.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
    }
}

/// The UTF-16 unit of the escape at that place, if one is there.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at + ESCAPE)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Bytes of `\uXXXX`.
const ESCAPE: usize = 6;

const NEEDLES: [&[u8]; 2] = [b"\\ud", b"\\uD"];

/// The halves.
const FIRST: u16 = 0xD800;
const LAST: u16 = 0xDFFF;

/// Where the marks begin: in a plane for private use, of which nobody uses the end.
const MARKS: u32 = 0x0010_F000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(
            std::str::from_utf8(&replaced(json.as_bytes())).unwrap(),
            expected
        );
    }

    #[test]
    fn only_lonely_halves_are_replaced() {
        check(r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#);
        check(r#"{"a":"\ud83d"}"#, "{\"a\":\"\u{fffd}\"}");
        check(
            r#"{"a":"x\uDE00\ud83d\ude00"}"#,
            "{\"a\":\"x\u{fffd}\\ud83d\\ude00\"}",
        );
        check(
            r#"{"a":"\ud83d\ud83d\ude00"}"#,
            "{\"a\":\"\u{fffd}\\ud83d\\ude00\"}",
        );
        check(r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#);
        check(r#"{"a":"\ud83"#, r#"{"a":"\ud83"#);
    }

    #[test]
    fn a_mark_tells_its_half() {
        let marked = marked(br#""\ud83d""#).into_owned();
        let text: String = serde_json::from_slice(&marked).unwrap();
        let high = half(text.chars().next().unwrap()).unwrap();
        assert_eq!(high, 0xD83D);
        assert_eq!(joined(high, 0xDE00), Some('😀'));
        assert_eq!(joined(0xDE00, high), None);
        assert_eq!(half('x'), None);
    }
}

//! Lone surrogates in escapes (`"\ud83d"`). They are not valid text, so a parser refuses a whole document because of
//! one.
//!
//! Servers that split their text by UTF-16 units send them, with the other half in the next event; clients keep them in
//! histories.
use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

/// The document with every lone surrogate replaced by U+FFFD.
pub fn replaced(json: &[u8]) -> Cow<'_, [u8]> {
    each_half(json, |_| char::REPLACEMENT_CHARACTER)
}

/// The document with every lone surrogate replaced by a mark, so that the next half can be joined to it. See [`half`].
pub fn marked(json: &[u8]) -> Cow<'_, [u8]> {
    each_half(json, |half| {
        char::from_u32(MARKS + u32::from(half - FIRST)).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
}

/// The surrogate that a mark stands for.
pub fn half(mark: char) -> Option<u16> {
    let offset = u32::from(mark).checked_sub(MARKS)?;
    let offset = u16::try_from(offset).ok()?;
    (offset <= LAST - FIRST).then_some(FIRST + offset)
}

/// The character of a surrogate pair.
pub fn joined(high: u16, low: u16) -> Option<char> {
    char::decode_utf16([high, low])
        .next()
        .and_then(Result::ok)
        .filter(|_| is_high(high))
}

/// Whether this is a high surrogate, which a low one must follow.
pub const fn is_high(half: u16) -> bool {
    matches!(half, 0xD800..=0xDBFF)
}

fn each_half(json: &[u8], stand_in: impl Fn(u16) -> char) -> Cow<'_, [u8]> {
    // Most text has no surrogates at all, and most other text only whole pairs.
    if memchr(b'\\', json).is_none() || NEEDLES.iter().all(|needle| needle.find(json).is_none()) {
        return Cow::Borrowed(json);
    }
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        let start = at + found;
        let Some(unit) = unit(json, start) else {
            // Any other escape, two bytes long.
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

/// The UTF-16 unit of the escape at this position, if there is one.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at + ESCAPE)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The length of `\uXXXX` in bytes.
const ESCAPE: usize = 6;

static NEEDLES: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [b"\\ud", b"\\uD"].map(Finder::new));

/// The range of surrogates.
const FIRST: u16 = 0xD800;
const LAST: u16 = 0xDFFF;

/// The first mark: near the end of a private-use plane, which nobody else uses.
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

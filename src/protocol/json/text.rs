//! JSON strings: where their plain stretches end, what they mean, how they are written.
use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;

/// The text of a raw value, if it is a string.
pub fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    unescape(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// What a string means: the text between the quotes with its escapes resolved. A lone surrogate, which has no meaning
/// in UTF-8, becomes U+FFFD. `None` only if `inner` is no string that [`super::scan`] would accept.
pub fn unescape(inner: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(inner).ok()?;
    let Some(first) = text.find('\\') else {
        return Some(Cow::Borrowed(text));
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(rest.get(..at)?);
        rest = unescape_one(rest.get(at + 1..)?, &mut out)?;
        next = rest.find('\\');
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Resolves the escape whose backslash lies just before `rest`; gives what follows it.
fn unescape_one<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    let mut chars = rest.chars();
    out.push(match chars.next()? {
        plain @ ('"' | '\\' | '/') => plain,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (unit, after) = hex4(chars.as_str())?;
            let low = after.strip_prefix("\\u").and_then(hex4);
            if let (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, after))) = (unit, low) {
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                out.push(char::from_u32(code)?);
                return Some(after);
            }
            out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
            return Some(after);
        }
        _ => return None,
    });
    Some(chars.as_str())
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(4..)?))
}

/// A JSON string of this text, quotes included.
pub fn quote(text: &str) -> Bytes {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    out.push_str(&escaped(text));
    out.push('"');
    Bytes::from(out)
}

/// Offset of the first quote, backslash or control character from `start` on, or the end of `body`.
///
/// Most stretches are short (an escaped line end or quote follows), some are megabytes (an image): word by word at
/// first, then in blocks that compile to vector code.
pub(super) fn plain_end(body: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(word) = body.get(at..).and_then(<[u8]>::first_chunk) {
        let ends = word_ends(u64::from_le_bytes(*word));
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += size_of::<u64>();
        if at - start == WORDS_BEFORE_BLOCKS * size_of::<u64>() {
            at = skip_plain_blocks(body, at);
        }
    }
    let rest = body.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|&byte| is_end(byte))
        .unwrap_or(rest.len())
}

/// The high bit of every byte that ends a plain stretch; above the lowest such bit there may be false ones.
fn word_ends(word: u64) -> u64 {
    let equals = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | equals(b'"') | equals(b'\\')) & (ONES * 0x80)
}

fn skip_plain_blocks(body: &[u8], mut at: usize) -> usize {
    while let Some(block) = body.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // Without an early exit inside the block.
        let ends = block.iter().map(|&byte| u8::from(is_end(byte)));
        if ends.fold(0, |found, end| found | end) != 0 {
            break;
        }
        at += BLOCK;
    }
    at
}

fn is_end(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The text with its quotes, backslashes and control characters escaped.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// A word with every byte 1.
const ONES: u64 = u64::MAX / 255;

/// Most plain stretches of code and prose end within this many words.
const WORDS_BEFORE_BLOCKS: usize = 4;

/// Bytes that one step over a long stretch looks at.
const BLOCK: usize = 32;

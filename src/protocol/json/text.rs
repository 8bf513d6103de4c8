//! JSON strings: unescapes and writes them.
use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;

use super::blocks::Blocks;

/// The unescaped text of a raw value, if it is a string.
pub fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    unescape(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// The text between the quotes with its escapes resolved. A lone surrogate, which UTF-8 cannot express, becomes U+FFFD.
/// `None` only if `inner` is not a string that [`super::scan`] accepts.
pub fn unescape(inner: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(inner).ok()?;
    resolved(text, Some(char::REPLACEMENT_CHARACTER))
}

/// The same as [`unescape`], with `lone` in place of a lone surrogate; `None` if there is a lone surrogate and `lone`
/// is `None`.
pub(super) fn resolved(text: &str, lone: Option<char>) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let mut blocks = Blocks::new(bytes);
    let mut next = blocks.plain_end(0);
    if next == bytes.len() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut plain = 0;
    while let Some(&end) = bytes.get(next) {
        if end != b'\\' {
            // A quote or a control character; the caller knows why it is there.
            next = blocks.plain_end(next + 1);
            continue;
        }
        out.push_str(text.get(plain..next)?);
        plain = next + 1 + resolve_one(text.get(next + 1..)?, lone, &mut out)?;
        next = blocks.plain_end(plain);
    }
    out.push_str(text.get(plain..)?);
    Some(Cow::Owned(out))
}

/// Resolves the escape whose backslash is just before `rest`; returns the number of bytes of `rest` that it takes.
fn resolve_one(rest: &str, lone: Option<char>, out: &mut String) -> Option<usize> {
    out.push(match rest.as_bytes().first()? {
        b'n' => '\n',
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let (unit, after) = hex4(rest.get(1..)?)?;
            let low = after.strip_prefix("\\u").and_then(hex4);
            if let (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, after))) = (unit, low) {
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                out.push(char::from_u32(code)?);
                return Some(rest.len() - after.len());
            }
            out.push(char::from_u32(unit).or(lone)?);
            return Some(rest.len() - after.len());
        }
        _ => return None,
    });
    Some(1)
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(4..)?))
}

/// This text as a JSON string with its quotes.
pub fn quote(text: &str) -> Bytes {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    out.push_str(&escaped(text));
    out.push('"');
    Bytes::from(out)
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

//! Whether words of an upstream's error occur in the client's own request: vendors repeat what they were sent.
use std::collections::VecDeque;

use memchr::memmem;

/// Whether a text contains the phrase in any encoding. Only letters and digits count, in upper or lower case. Escapes
/// of JSON, URLs and HTML and Base64 are decoded. Base64 beyond `MOST_HIDDEN` is assumed to contain the phrase.
pub(super) fn says(text: &[u8], phrase: &str) -> bool {
    let is_coded = || memchr::memchr2(b'%', b'&', text).is_some();
    if is_in(letters(unescaped(text, false)), phrase)
        || is_coded() && is_in(letters(unescaped(text, true)), phrase)
    {
        return true;
    }
    let mut hidden = Base64::of(unescaped(text, false));
    is_in(letters(hidden.by_ref().take(MOST_HIDDEN)), phrase) || hidden.next().is_some()
}

/// Whether the strings of a JSON body contain the phrase when they are joined: servers join what is separate in a
/// request, such as the parts of one message.
pub(super) fn joins(body: &[u8], phrase: &str) -> bool {
    let texts = texts(body).flat_map(|text| unescaped(text, false));
    is_in(letters(texts), phrase)
}

fn is_in(mut rest: impl Iterator<Item = u8>, phrase: &str) -> bool {
    let wanted: Vec<u8> = letters(phrase.bytes()).collect();
    if wanted.is_empty() {
        return false;
    }
    let finder = memmem::Finder::new(&wanted);
    let mut seen = Vec::new();
    loop {
        let before = seen.len();
        seen.extend(rest.by_ref().take(WINDOW));
        if finder.find(&seen).is_some() {
            return true;
        }
        if seen.len() - before < WINDOW {
            return false;
        }
        // The end may be the beginning of a match, so it is kept.
        let kept = seen.len() - (wanted.len() - 1);
        seen.drain(..kept);
    }
}

/// The strings of a JSON body except names of members and the values of `type` and `role`, which nobody repeats.
fn texts(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    let mut name: &[u8] = b"";
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'"', rest)? + 1;
            let inner = rest.get(start..)?;
            let text = inner.get(..length(inner))?;
            rest = inner.get(text.len() + 1..).unwrap_or_default();
            let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
            if next == Some(&b':') {
                name = text;
            } else if !matches!(std::mem::take(&mut name), b"type" | b"role") {
                return Some(text);
            }
        }
    })
}

/// The length of a JSON string; `inner` begins after its opening quotation mark.
fn length(inner: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', inner.get(at..).unwrap_or_default()) {
        if inner.get(at + found) == Some(&b'"') {
            return at + found;
        }
        at += found + 2;
    }
    inner.len()
}

/// The letters and digits of a text, in lower case.
fn letters(text: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    text.filter(u8::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
}

/// A JSON string without its escapes; with `coded`, also without those of URLs and HTML.
fn unescaped(text: &[u8], coded: bool) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        let (byte, after) = match (byte, after) {
            (b'\\', [b'u', a, b, c, d, after @ ..])
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                (number(&[*a, *b, *c, *d], 16).unwrap_or(b' '), after)
            }
            (b'\\', [b'n' | b'r', after @ ..]) => (b'\n', after),
            // An escape for a control character, such as a tab.
            (b'\\', [b'b' | b'f' | b't', after @ ..]) => (b' ', after),
            (b'\\', [b'/', after @ ..]) => (b'/', after),
            (b'%', [a, b, after @ ..])
                if coded && a.is_ascii_hexdigit() && b.is_ascii_hexdigit() =>
            {
                (number(&[*a, *b], 16).unwrap_or(b' '), after)
            }
            (b'&', after) if coded => entity(after).unwrap_or((byte, after)),
            _ => (byte, after),
        };
        rest = after;
        Some(byte)
    })
}

/// The HTML character reference that begins after this `&`, and the rest of the text. A named reference is never a
/// letter.
fn entity(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text
        .iter()
        .take(LONGEST_ENTITY)
        .position(|byte| *byte == b';')?;
    let after = text.get(end + 1..)?;
    let letter = match text.get(..end)? {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16).unwrap_or(b' '),
        [b'#', digits @ ..] => number(digits, 10).unwrap_or(b' '),
        name if !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric) => b' ',
        _ => return None,
    };
    Some((letter, after))
}

/// Decodes Base64 in a text, in either alphabet: every run that is long enough, one after the other.
struct Base64<I> {
    text: I,
    /// The number of characters in the current run.
    run: usize,
    bits: u32,
    /// How many of `bits` do not form a byte yet.
    open: u32,
    said: VecDeque<u8>,
}

impl<I: Iterator<Item = u8>> Base64<I> {
    fn of(text: I) -> Self {
        Self {
            text,
            run: 0,
            bits: 0,
            open: 0,
            said: VecDeque::new(),
        }
    }
}

impl<I: Iterator<Item = u8>> Iterator for Base64<I> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            if self.run >= LEAST_RUN
                && let Some(byte) = self.said.pop_front()
            {
                return Some(byte);
            }
            let value = match self.text.next()? {
                byte @ b'A'..=b'Z' => byte - b'A',
                byte @ b'a'..=b'z' => byte - b'a' + 26,
                byte @ b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                // Base64 may be broken into short lines.
                b'\n' | b'\r' => continue,
                _ => {
                    self.said.clear();
                    (self.run, self.open) = (0, 0);
                    continue;
                }
            };
            self.run += 1;
            self.bits = self.bits << 6 | u32::from(value);
            self.open += 6;
            if self.open >= 8 {
                self.open -= 8;
                let [.., byte] = (self.bits >> self.open).to_be_bytes();
                self.said.push_back(byte);
            }
        }
    }
}

/// The ASCII character with this number.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let mut number = 0_u32;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        number = number.checked_mul(radix)?.checked_add(digit)?;
    }
    u8::try_from(number).ok().filter(u8::is_ascii)
}

/// The number of letters that are searched at a time.
const WINDOW: usize = 64 << 10;

/// The most decoded bytes of Base64 that are searched.
const MOST_HIDDEN: usize = 8 << 20;

/// The fewest characters of a run that may be Base64: twelve bytes, shorter than any phrase.
const LEAST_RUN: usize = 16;

/// The most bytes of an HTML character reference after its `&`.
const LONGEST_ENTITY: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "credit balance is too low";

    #[test]
    fn a_phrase_is_found_however_it_is_written() {
        for text in [
            r#"{"a":"Credit Balance is too LOW"}"#,
            r#"{"a":["\u0063redit balance is\u0020too low"]}"#,
            r#"{"credit balance is too low":1}"#,
            r#"{"a":"credit\nbalance\tis  too\u00a0low"}"#,
            r#"{"a":"`credit-balance`, **is_too** (low)"}"#,
            r#"{"a":"\u0043\u0052EDIT \"balance\" is too low"}"#,
        ] {
            assert!(says(text.as_bytes(), PHRASE), "{text}");
        }
        for text in [
            r#"{"a":"credit balance is low"}"#,
            r#"{"a":"\u0163redit balance is too low"}"#,
            r#"{"a":"\u00"#,
            "\\",
            "",
        ] {
            assert!(!says(text.as_bytes(), PHRASE), "{text}");
        }
    }

    #[test]
    fn a_phrase_is_found_within_codings_that_a_vendor_may_undo() {
        for text in [
            // Base64: in a document, in a data URL, in the other alphabet and with escapes, in lines, with text before
            // it.
            r#"{"data":"WW91ciBjcmVkaXQgYmFsYW5jZSBpcyB0b28gbG93IQ=="}"#,
            r#"{"url":"data:text/plain;base64,WW91ciBjcmVkaXQgYmFsYW5jZSBpcyB0b28gbG93IQ"}"#,
            r#"{"data":"w7_Dv8O_IGNyZWRpdCBiYWxhbmNlIGlzIHRvbyBsb3c"}"#,
            r#"{"data":"w7\/Dv8O\/IGNyZWRpdCBiYWxhbmNlIGlzIHRvbyBsb3c="}"#,
            r#"{"data":"WW91ciBjcmVk\naXQgYmFsYW5j\r\nZSBpcyB0b28gbG93IQ=="}"#,
            r#"{"data":"\u0057W91ciBjcmVkaXQgYmFsYW5jZSBpcyB0b28gbG93IQ=="}"#,
            // Across two documents.
            r#"[{"type":"base64","data":"WW91ciBjcmVkaXQgYmFs"},{"type":"base64","data":"YW5jZSBpcyB0b28gbG93"}]"#,
            r#"{"url":"https://a.example/Credit%20balance%20is%20too%20low.png"}"#,
            r#"{"url":"https://a.example/%63redit+balance+is+%74oo+low"}"#,
            r#"{"a":"credit&nbsp;balance&#32;is&#x20;too&amp;&#108;ow"}"#,
            "{\"a\":\"cre\u{200b}dit bal\u{feff}ance is t\u{2060}oo low\"}",
            r#"{"a":"cre\u200bdit balance is too low"}"#,
        ] {
            assert!(says(text.as_bytes(), PHRASE), "{text}");
        }
        for text in [
            // Not valid Base64, because it is cut off.
            r#"{"data":"W91ciBjcmVkaXQgYmFsYW5jZSBpcyB0b28gbG93IQ=="}"#,
            r#"{"url":"credit%balance%2 is too %"}"#,
            r#"{"a":"credit &balance is; too &#; &;low now"}"#,
            "&#99999999999;&#x;&",
        ] {
            assert!(
                !says(text.as_bytes(), "credit balance is too high"),
                "{text}"
            );
        }
    }

    #[test]
    fn of_more_base64_than_is_searched_nobody_knows_what_it_says() {
        let coded = |bytes: usize| vec![b'A'; bytes / 3 * 4];
        assert!(!says(&coded(MOST_HIDDEN), PHRASE));
        assert!(says(&coded(MOST_HIDDEN + 100), PHRASE));
        let words = b"a word of a text ".repeat(1 << 20);
        assert!(!says(&words, PHRASE));
    }

    #[test]
    fn a_phrase_is_found_across_the_parts_of_a_message() {
        for text in [
            r#"[{"type":"text","text":"your credit balance"},{"type":"text","text":"is too low"}]"#,
            r#"{"a":"credit ", "b":[1, {"text": "bal\u0061nce \"is\" \\"}], "role":"user", "c" : "too low"}"#,
        ] {
            assert!(joins(text.as_bytes(), PHRASE), "{text}");
            assert!(!says(text.as_bytes(), PHRASE), "{text}");
        }
        for text in [
            r#"{"credit balance":"is too low"}"#,
            r#"["credit balance","is","now","too low"]"#,
            r#"["credit balance is too l"#,
            r#"["credit balance is too lo\"#,
            "\"",
            "",
        ] {
            assert!(!joins(text.as_bytes(), PHRASE), "{text}");
        }
    }

    #[test]
    fn it_is_found_wherever_it_stands_in_a_long_text() {
        for before in [0, WINDOW - 20, WINDOW - 1, WINDOW, 3 * WINDOW - 7] {
            let mut text = vec![b'x'; before];
            text.extend_from_slice(PHRASE.as_bytes());
            text.extend(vec![b'y'; 2 * WINDOW]);
            assert!(says(&text, PHRASE), "{before}");
        }
        assert!(!says(&vec![b'c'; 4 * WINDOW], PHRASE));
    }
}

//! Whether words of an upstream's error stand in the client's own request: vendors repeat what they were sent.
use memchr::memmem;

/// Whether a text says this, however it is written: only letters and digits count, in any case, and JSON's escapes are
/// read.
pub(super) fn says(text: &[u8], phrase: &str) -> bool {
    is_in(letters(text), phrase)
}

/// Whether the texts of a JSON body say this, one after the other: what stands apart in a request, as parts of one message
/// do, servers join.
pub(super) fn joins(body: &[u8], phrase: &str) -> bool {
    is_in(texts(body).flat_map(letters), phrase)
}

fn is_in(mut rest: impl Iterator<Item = u8>, phrase: &str) -> bool {
    let wanted: Vec<u8> = letters(phrase.as_bytes()).collect();
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
        // What may be the start of it stays.
        let kept = seen.len() - (wanted.len() - 1);
        seen.drain(..kept);
    }
}

/// The strings of a JSON body but for the names of members, and for those of `type` and `role`, which nobody repeats.
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

/// The length of a string of JSON, of which this is what follows its quotation mark.
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
fn letters(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (&byte, after) = rest.split_first()?;
            let (letter, after) = match (byte, after) {
                (b'\\', [b'u', a, b, c, d, after @ ..]) => match code_unit([*a, *b, *c, *d]) {
                    Some(letter) => (letter, after),
                    None => (byte, after),
                },
                // A character of one letter, such as a line's end.
                (b'\\', [b'b' | b'f' | b'n' | b'r' | b't', after @ ..]) => (byte, after),
                _ => (byte, after),
            };
            rest = after;
            if letter.is_ascii_alphanumeric() {
                return Some(letter.to_ascii_lowercase());
            }
        }
    })
}

/// The character of an escape, if it is one of ASCII.
fn code_unit(digits: [u8; 4]) -> Option<u8> {
    let mut unit = 0_u32;
    for digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    u8::try_from(unit).ok().filter(u8::is_ascii)
}

/// Letters that are searched at a time.
const WINDOW: usize = 64 << 10;

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

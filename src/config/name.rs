//! Names in the configuration: the rule for them, their normal form, and their form in a header.
//!
//! A name may be in any script. Texts that look the same may differ in their bytes (`é` as one character or as two), so
//! each name is converted to Unicode's form NFC before it is stored or compared. Headers can only contain ASCII, so
//! there a name is percent-encoded UTF-8, as in a path.
use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// The normal form of a name.
pub fn normal(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// The name in a header: percent-encoded, or plain UTF-8. Invalid UTF-8 becomes U+FFFD, which no name contains.
pub fn from_header(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains('%') => normal(text),
        _ => {
            let text = percent_decode(value).decode_utf8_lossy();
            Cow::Owned(normal(&text).into_owned())
        }
    }
}

/// A name in its form for a header.
pub fn for_header(name: &str) -> Cow<'_, str> {
    utf8_percent_encode(name, &NOT_IN_A_HEADER).into()
}

/// Whether a name may contain this character anywhere except at its beginning.
fn may_follow(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter) || ".-_@:+".contains(letter)
}

/// Parses a name: returns its normal form, or the rule that it breaks.
pub(super) fn read(text: &str) -> Result<String, String> {
    let name = normal(text);
    if name.is_empty()
        || name.chars().count() > MOST_LETTERS
        || !name.chars().all(may_follow)
        || !name.starts_with(char::is_alphanumeric)
    {
        return Err(RULE.to_owned());
    }
    if name == "other" {
        return Err("`other` is what metrics call everything that is not configured".to_owned());
    }
    Ok(name.into_owned())
}

/// Most characters of a name.
const MOST_LETTERS: usize = 64;

const RULE: &str = "a name has 1 to 64 letters (of any script), digits or `. _ - @ : +`, and begins with a letter or digit";

/// A name never contains a `%`.
const NOT_IN_A_HEADER: AsciiSet = CONTROLS.add(b'%');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(read("Ame\u{301}lie").as_deref(), Ok("Amélie"));
        assert_eq!(read("Amélie").as_deref(), Ok("Amélie"));
        // Hangul in parts, and a symbol whose normal form is a letter.
        assert_eq!(read("\u{1112}\u{1161}\u{11ab}").as_deref(), Ok("한"));
        assert_eq!(read("\u{212b}").as_deref(), Ok("Å"));
    }

    #[test]
    fn letters_of_any_script_are_names() {
        for name in ["研究-组", "Ürün", "команда", "कर्म", "أحمد", "チーム1", "a"]
        {
            assert_eq!(read(name).as_deref(), Ok(name));
        }
        let longest = "研".repeat(64);
        assert_eq!(read(&longest), Ok(longest.clone()));
    }

    #[test]
    fn what_is_no_letter_is_refused() {
        // A mark without a letter, symbols, white space, characters that change the writing direction, and invisible
        // characters.
        let long = "研".repeat(65);
        for text in [
            "",
            "\u{301}a",
            "a b",
            "a/b",
            "a\u{a0}b",
            "🙂",
            "a\u{202e}b",
            "a\u{200b}b",
            "€",
            "-é",
            "other",
            &long,
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_header_carries_every_name_and_brings_it_back() {
        for name in ["claude-a", "研究-组", "Amélie", "alice@example.com"] {
            let header = for_header(name);
            assert!(header.is_ascii());
            assert_eq!(from_header(header.as_bytes()), name);
            assert_eq!(from_header(name.as_bytes()), name, "as plain UTF-8");
        }
        assert_eq!(for_header("é"), "%C3%A9");
        assert_eq!(from_header(b"Ame%CC%81lie"), "Amélie");
        assert_eq!(from_header(b"100%"), "100%");
        assert!(from_header(b"\xff").contains('\u{fffd}'));
        assert!(from_header(b"%ff").contains('\u{fffd}'));
    }
}

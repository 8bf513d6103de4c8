//! Repairs JSON of careless servers: invalid UTF-8, control characters within a string, `NaN` and `Infinity` as
//! numbers.
use std::fmt::Write as _;

use serde_json::Value;

/// The data as strict JSON: invalid UTF-8 becomes U+FFFD, control characters become escapes, numbers that are none
/// become `null`. `None` if there is nothing to repair.
pub fn strict(data: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(data);
    let mut out = String::with_capacity(text.len() + 16);
    let mut changed = matches!(text, std::borrow::Cow::Owned(_));
    let mut in_string = false;
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let (length, stand_in) = if in_string {
            match c {
                '"' => {
                    in_string = false;
                    (1, None)
                }
                // Includes the escaped character, if one follows.
                '\\' => (1 + rest[1..].chars().next().map_or(0, char::len_utf8), None),
                '\0'..='\u{1f}' => (1, Some(c)),
                _ => (c.len_utf8(), None),
            }
        } else {
            in_string = c == '"';
            match NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
                Some(word) => {
                    changed = true;
                    out.push_str("null");
                    rest = &rest[word.len()..];
                    continue;
                }
                None => (c.len_utf8(), None),
            }
        };
        match stand_in {
            Some(control) => {
                changed = true;
                // Writing to a string never fails.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    changed.then(|| out.into_bytes())
}

/// The data as JSON that every reader accepts: [`strict`], and each member once; the last one counts, as in the vendors'
/// SDKs. `None` if it is no JSON even then.
pub fn plain(data: &[u8]) -> Option<Vec<u8>> {
    let strict = strict(data);
    let value: Value = serde_json::from_slice(strict.as_deref().unwrap_or(data)).ok()?;
    serde_json::to_vec(&value).ok()
}

/// What writers in Python and JavaScript put in place of an invalid number.
const NO_NUMBERS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(data: &[u8]) -> String {
        String::from_utf8(strict(data).unwrap()).unwrap()
    }

    #[test]
    fn what_is_loose_becomes_strict() {
        assert_eq!(
            mended(br#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN"}"#),
            r#"{"a":null,"b":[null,null],"c":"NaN"}"#
        );
        assert_eq!(mended(b"{\"a\":\"x\ty\x01\"}"), r#"{"a":"x\u0009y\u0001"}"#);
        assert_eq!(mended(b"{\"a\":\"x\xffy\"}"), "{\"a\":\"x\u{fffd}y\"}");
        assert_eq!(
            mended(br#"{"a":"\"NaN","b":NaN,"c":"\\"}"#),
            r#"{"a":"\"NaN","b":null,"c":"\\"}"#
        );
    }

    #[test]
    fn what_is_strict_or_cut_is_left_alone() {
        for fine in [
            r#"{"a":1}"#,
            r#"{"a":"Infinity"}"#,
            r#"{"a":"x"#,
            "\"\\",
            "",
        ] {
            assert_eq!(strict(fine.as_bytes()), None, "{fine}");
        }
    }

    #[test]
    fn of_single_bytes_only_what_is_loose_in_a_text_changes() {
        for byte in 0..=255_u8 {
            let loose = !(b' '..0x80).contains(&byte);
            let changed = strict(&[b'"', byte, b'"']);
            assert_eq!(changed.is_some(), loose, "{byte}");
            if let Some(changed) = changed {
                serde_json::from_slice::<String>(&changed).expect("strict JSON");
            }
        }
    }
}

//! JSON as some servers write it: bytes that are no UTF-8, control characters within a string, `NaN` and `Infinity` for numbers.
use std::fmt::Write as _;

/// The same as strict JSON, if that is all that is wrong with it: U+FFFD for what is no text, escapes, `null` for what is no number.
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
                // With what it escapes, if anything follows.
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

/// What Python's and JavaScript's writers put where a number is none.
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

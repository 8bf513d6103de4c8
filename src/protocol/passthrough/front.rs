//! Finds a member in an incomplete JSON object.

/// The bytes after the name and the colon of a top-level member, as far as they have arrived. Names inside strings and
/// inner objects are skipped.
pub(super) fn value<'a>(start: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = start.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = end_of_text(start, at + 1)?;
                let text = start.get(at + 1..end)?;
                let after = start.get(end + 1..)?.trim_ascii_start();
                if depth == 1
                    && text == name.as_bytes()
                    && let Some(value) = after.strip_prefix(b":")
                {
                    return Some(value);
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position of the closing quote of the string whose content begins at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_member_of_the_object_itself_is_one() {
        for (start, expected) in [
            (r#"{"usage":{"a":1},"data":["#, Some(r#"{"a":1},"data":["#)),
            (r#"{ "x" : [1] , "usage" : 7"#, Some(" 7")),
            (r#"{"data":[{"usage":{}}],"y":"#, None),
            (r#"{"text":"\\\"usage\":{}","y":1"#, None),
            (r#"{"x":"usage","y":{"usage":1}"#, None),
            (r#"{"usage"#, None),
            (r#"{"usage""#, None),
            (r#"["usage":1"#, Some("1")),
            ("", None),
            ("}}}\"\\", None),
        ] {
            let found = value(start.as_bytes(), "usage");
            assert_eq!(found, expected.map(str::as_bytes), "{start}");
        }
    }
}

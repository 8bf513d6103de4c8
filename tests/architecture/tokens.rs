//! A Rust text as tokens, as far as the rules of the architecture need it: what is a comment or a string is not code.
/// Identifiers, `::` and single signs of a Rust text; comments, strings and characters left out.
pub fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if literal(rest).is_some() => literal(rest).unwrap_or(1),
            '\'' => character(rest),
            _ if rest.starts_with("::") => push(&mut found, rest, 2),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                push(&mut found, rest, end)
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => push(&mut found, rest, first.len_utf8()),
        };
        rest = &rest[taken..];
    }
    found
}

fn push(found: &mut Vec<String>, rest: &str, length: usize) -> usize {
    found.push(rest[..length].to_owned());
    length
}

/// Length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let pair = text.as_bytes().get(at..at + 2);
        depth = match pair {
            Some(b"/*") => depth + 1,
            Some(b"*/") => depth - 1,
            _ => {
                at += 1;
                continue;
            }
        };
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of a string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a literal with a prefix: `b"…"`, `c"…"`, `b'…'`, `r"…"`, `br#"…"#`.
fn literal(text: &str) -> Option<usize> {
    let prefix = text.find(|c: char| !matches!(c, 'r' | 'b' | 'c'))?;
    let (kind, rest) = text.split_at(prefix);
    if !matches!(kind, "r" | "b" | "c" | "br" | "cr") {
        return None;
    }
    if kind == "b" && rest.starts_with('\'') {
        return Some(prefix + character(rest));
    }
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if !rest[hashes..].starts_with('"') || (hashes > 0 && !kind.ends_with('r')) {
        return None;
    }
    if !kind.ends_with('r') {
        return Some(prefix + string(rest));
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let begin = prefix + hashes + 1;
    text[begin..]
        .find(&close)
        .map(|end| begin + end + close.len())
}

/// Length of a character, or of the tick of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(1, |end| end + 4),
        Some((_, c)) if text[1 + c.len_utf8()..].starts_with('\'') => c.len_utf8() + 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(tokens(text), expected);
    }

    #[test]
    fn paths_come_apart_at_their_colons() {
        check("use a::b_2;", &["use", "a", "::", "b_2", ";"]);
    }

    #[test]
    fn comments_and_literals_are_left_out() {
        check("a // b\n/* c /* d */ e */ f", &["a", "f"]);
        check(r##"a "b\"c" br#"d"e"# b'\'' '\\' '"' f"##, &["a", "f"]);
    }

    #[test]
    fn lifetimes_and_names_with_a_prefix_are_not_literals() {
        check(
            "&'a r brr r#type",
            &["&", "a", "r", "brr", "r", "#", "type"],
        );
    }

    #[test]
    fn a_text_that_breaks_off_ends() {
        check("a /* b", &["a"]);
        check("a \"b\\", &["a"]);
        check("a r#\"b", &["a", "r", "#"]);
    }
}

//! Masks the secrets of a text: they, and digests with which guesses at a secret could be compared, become `***`.
//!
//! References (`{ env: NAME }`, `{ file: PATH }`) stay, because they are not secrets. In comments, words that look like
//! a credential are masked too.
use saphyr_parser::{Event, Parser};

use super::yaml::document;

/// The text with its secrets masked; `None` = it cannot be parsed, so that the places of secrets are unknown.
pub fn masked(text: &str) -> Option<String> {
    if text.len() > document::MAX_BYTES {
        return None;
    }
    let mut open: Vec<Open> = Vec::new();
    // Positions in characters, as the parser counts.
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        match event {
            Event::Scalar(value, ..) => {
                if is_key(open.last()) {
                    if let Some(Open::Mapping(key)) = open.last_mut() {
                        *key = Some(value.into_owned());
                    }
                    continue;
                }
                if is_secret(&open) && !value.is_empty() || has_credentials(&value) {
                    spans.push((span.start.index(), span.end.index()));
                }
                complete(&mut open);
            }
            Event::Alias(_) => complete(&mut open),
            Event::SequenceStart(..) => open.push(Open::List),
            Event::MappingStart(..) => open.push(Open::Mapping(None)),
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                complete(&mut open);
            }
            _ => {}
        }
        if open.len() > document::MAX_DEPTH {
            return None;
        }
    }
    Some(comments(&replaced(text, &spans)))
}

/// A collection that is still open; a mapping has the key whose value comes next.
enum Open {
    List,
    Mapping(Option<String>),
}

/// Whether the next scalar is a key.
fn is_key(open: Option<&Open>) -> bool {
    matches!(open, Some(Open::Mapping(None)))
}

/// A value has come: the next scalar of a mapping is a key.
fn complete(open: &mut [Open]) {
    if let Some(Open::Mapping(key)) = open.last_mut() {
        *key = None;
    }
}

/// Whether the value here is a secret, by the names above it.
fn is_secret(open: &[Open]) -> bool {
    let mut keys = open.iter().rev().filter_map(|open| match open {
        Open::Mapping(key) => key.as_deref(),
        Open::List => None,
    });
    let Some(own) = keys.next() else { return false };
    let above: Vec<&str> = keys.collect();
    if above.contains(&"when") || matches!(own, "env" | "file") {
        return false;
    }
    // Anyone who knows the URL of a webhook may post to it.
    let posts = own == "url" && above.first() == Some(&"webhook");
    posts || SECRET.contains(&own) || above.first().is_some_and(|above| TABLES.contains(above))
}

/// Whether the text is a URL with a user name in it.
fn has_credentials(value: &str) -> bool {
    let rest = value.split_once("://").map(|(_, rest)| rest);
    rest.is_some_and(|rest| {
        rest.split('/')
            .next()
            .is_some_and(|host| host.contains('@'))
    })
}

fn replaced(text: &str, spans: &[(usize, usize)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut spans = spans.iter().peekable();
    // White space at the end of a secret: the parser extends a value to the beginning of the next one.
    let mut tail = String::new();
    for (at, character) in text.chars().enumerate() {
        if spans.next_if(|(_, end)| *end <= at).is_some() {
            out.push_str(MASK);
            out.push_str(&std::mem::take(&mut tail));
        }
        if spans.peek().is_none_or(|(start, _)| at < *start) {
            out.push(character);
        } else if character.is_whitespace() {
            tail.push(character);
        } else {
            tail.clear();
        }
    }
    if spans.next().is_some() {
        out.push_str(MASK);
        out.push_str(&tail);
    }
    out
}

/// Masks long words of letters and digits after a `#`.
fn comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let begins = |at: &usize| *at == 0 || line[..*at].ends_with([' ', '\t']);
        let start = line.match_indices('#').map(|(at, _)| at).find(begins);
        let (before, comment) = line.split_at(start.unwrap_or(line.len()));
        out.push_str(before);
        let mut rest = comment;
        while !rest.is_empty() {
            let word = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let (found, after) = rest.split_at(word);
            let has = |test: fn(&u8) -> bool| found.bytes().any(|byte| test(&byte));
            let is_token =
                found.len() >= LONG && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
            out.push_str(if is_token { MASK } else { found });
            let next = after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&after[..next]);
            rest = &after[next..];
        }
    }
    out
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '+' | '=')
}

/// Settings that are secrets.
const SECRET: &[&str] = &[
    "client_id",
    "client_secret",
    "egress",
    "key",
    "keys",
    "password",
    "refresh_token",
    "secret",
    "service_account",
    "sha256",
    "token",
];

/// Mappings of which every value may be a secret.
const TABLES: &[&str] = &["headers", "params", "set"];

/// A word of a comment that has at least this many bytes, with letters and digits, may be a credential.
const LONG: usize = 16;

const MASK: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_everything_else_stays() {
        let text = "version: 1\nadmin: { token: hunter2, tokens: [{ name: ops, sha256: \"aa00\", role: admin }] } # was sk-ant-0123456789abcdef\naccounts:\n  - name: ä # günstig\n    key: \"s3cret\\\"x\"\n    egress: socks5://u:p@h:1\n    headers: { x-a: 'b' , x-c: { env: C } }\n    base_url: http://u:p@h/v1\n  - { name: b, keys: [one, { env: TWO }], key: { file: /k } }\n  - name: c\n    key: |\n      block\n    weight: 3\nroutes: [{ when: { key: \"team-*\" } }]\nkeys:\n  - { name: k, key: zz }\n";
        let shown = masked(text).expect("YAML");
        let expected = "version: 1\nadmin: { token: ***, tokens: [{ name: ops, sha256: ***, role: admin }] } # was ***\naccounts:\n  - name: ä # günstig\n    key: ***\n    egress: ***\n    headers: { x-a: *** , x-c: { env: C } }\n    base_url: ***\n  - { name: b, keys: [***, { env: TWO }], key: { file: /k } }\n  - name: c\n    key: |\n      ***\n    weight: 3\nroutes: [{ when: { key: \"team-*\" } }]\nkeys:\n  - { name: k, key: *** }\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_url_of_a_webhook_is_one() {
        let text = "alerts: { webhook: { url: https://h/T0KEN, secret: s }, at: [1] }\nprometheus: { url: http://p }\n";
        let expected = "alerts: { webhook: { url: ***, secret: *** }, at: [1] }\nprometheus: { url: http://p }\n";
        assert_eq!(masked(text).as_deref(), Some(expected));
        let text = "alerts: { webhook: { url: { env: HOOK } } }";
        assert_eq!(masked(text).as_deref(), Some(text));
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        assert_eq!(masked("key: [sk-1\n"), None);
        assert_eq!(masked(""), Some(String::new()));
        assert_eq!(masked("key: last"), Some("key: ***".to_owned()));
    }
}

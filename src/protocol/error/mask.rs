//! Removes credentials from an upstream's error body before a client or a log sees it.
use std::borrow::Cow;

use memchr::memmem;

/// Replaces `secret` (the account's own key) and everything in the form of a common vendor's key by `***`. Nothing else
/// changes; a body without any of these is borrowed.
pub fn mask<'a>(body: &'a [u8], secret: &str) -> Cow<'a, [u8]> {
    let body = replace_secret(body, secret.as_bytes());
    match mask_shapes(&body) {
        Some(masked) => Cow::Owned(masked),
        None => body,
    }
}

fn replace_secret<'a>(body: &'a [u8], secret: &[u8]) -> Cow<'a, [u8]> {
    if secret.len() < SHORTEST_SECRET {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::new();
    let mut from = 0;
    for at in memmem::find_iter(body, secret) {
        out.extend_from_slice(body.get(from..at).unwrap_or_default());
        out.extend_from_slice(MASK);
        from = at + secret.len();
    }
    if from == 0 {
        return Cow::Borrowed(body);
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

fn mask_shapes(body: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut from = 0;
    let mut at = 0;
    while at < body.len() {
        // A key does not begin in the middle of a word: `task-force` contains no `sk-` key.
        let fresh = at == 0 || body.get(at - 1).is_some_and(|&before| !is_token(before));
        let found = if fresh {
            shape(body.get(at..).unwrap_or_default())
        } else {
            None
        };
        let Some((prefix, len)) = found else {
            at += 1;
            continue;
        };
        let out = out.get_or_insert_default();
        out.extend_from_slice(body.get(from..at + prefix).unwrap_or_default());
        out.extend_from_slice(MASK);
        at += len;
        from = at;
    }
    let mut out = out?;
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Some(out)
}

/// If `rest` begins with a key: how many bytes of it stay readable, and its length.
fn shape(rest: &[u8]) -> Option<(usize, usize)> {
    SHAPES.iter().find_map(|shape| {
        let head = rest.get(..shape.prefix.len())?;
        if !head.eq_ignore_ascii_case(shape.prefix.as_bytes()) {
            return None;
        }
        let tail = rest.get(shape.prefix.len()..)?;
        let token = tail.iter().take_while(|&&byte| is_token(byte)).count();
        // A full stop behind a key ends the sentence and is not part of the key.
        let dots = tail
            .get(..token)?
            .iter()
            .rev()
            .take_while(|&&byte| byte == b'.');
        let len = token - dots.count();
        (len >= shape.shortest).then_some((shape.prefix.len(), shape.prefix.len() + len))
    })
}

/// Whether a key may contain this byte. The star counts because vendors mask the middle of a key themselves.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*' | b'~' | b'+')
}

/// The beginning of a vendor's keys, and the least number of characters that follow.
struct Shape {
    prefix: &'static str,
    shortest: usize,
}

const SHAPES: [Shape; 7] = [
    Shape {
        prefix: "sk-",
        shortest: 8,
    },
    Shape {
        prefix: "AIza",
        shortest: 16,
    },
    // Longer than any English word that follows "Bearer".
    Shape {
        prefix: "Bearer ",
        shortest: 16,
    },
    Shape {
        prefix: "gsk_",
        shortest: 16,
    },
    Shape {
        prefix: "xai-",
        shortest: 16,
    },
    Shape {
        prefix: "ya29.",
        shortest: 16,
    },
    Shape {
        prefix: "hf_",
        shortest: 16,
    },
];

const MASK: &[u8] = b"***";

/// Shorter secrets are placeholders, and masking them would hide innocent text.
const SHORTEST_SECRET: usize = 6;

//! Masks an account's own credential in the upstream's answer. The number of bytes does not change, because readers of
//! the answer rely on its lengths.
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use memchr::memmem;

use crate::config::secret::Secret;
use crate::exchange::verdict::Failed;

/// A credential to search for. It is made once per answer, because preparing a search costs more than searching one
/// event.
#[derive(Debug)]
pub(super) struct Sought {
    secret: Secret,
    /// Finds the beginning of the credential that no writer escapes.
    anchor: memmem::Finder<'static>,
}

impl Sought {
    /// `None` where there is nothing to mask. A short credential is not masked, because it may be a word that occurs by
    /// chance.
    pub(super) fn of(secret: Option<&Secret>) -> Option<Self> {
        let secret = secret.filter(|secret| secret.expose().len() >= SHORTEST)?;
        let anchor = anchor(secret.expose().as_bytes());
        Some(Self {
            secret: secret.clone(),
            anchor: memmem::Finder::new(anchor).into_owned(),
        })
    }

    fn text(&self) -> &[u8] {
        self.secret.expose().as_bytes()
    }

    /// The places of the credential, plain or with characters that a JSON writer or a URL escapes.
    fn places(&self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut from = 0;
        let starts = self.anchor.find_iter(bytes);
        starts.filter_map(move |at| {
            // Two places cannot overlap.
            let rest = bytes.get(at..).filter(|_| at >= from)?;
            match read(rest, self.text()) {
                Read::Whole(length) => {
                    from = at + length;
                    Some(at..from)
                }
                Read::Open | Read::Other => None,
            }
        })
    }

    /// The same bytes with the credential masked; `None` where it does not occur.
    fn covered(&self, bytes: &[u8]) -> Option<Bytes> {
        let mut places = self.places(bytes).peekable();
        places.peek()?;
        let mut out = BytesMut::from(bytes);
        for place in places {
            if let Some(place) = out.get_mut(place) {
                place.fill(b'*');
            }
        }
        Some(out.freeze())
    }

    /// Masks the credential in the values of headers.
    pub(super) fn cover_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let clean = self.covered(value.as_bytes());
            if let Some(Ok(clean)) = clean.map(|clean| HeaderValue::from_bytes(&clean)) {
                *value = clean;
            }
        }
    }
}

/// Masks one credential in bytes that arrive in pieces.
#[derive(Debug)]
pub(super) struct Cover {
    sought: Sought,
    /// The end of what arrived, which may be the beginning of the credential.
    held: BytesMut,
}

impl Cover {
    pub(super) fn new(sought: Sought) -> Self {
        Self {
            sought,
            held: BytesMut::new(),
        }
    }

    /// Adds bytes. Returns those that can be shown.
    pub(super) fn push(&mut self, bytes: Bytes) -> Bytes {
        let mut bytes = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(&bytes);
            self.held.split().freeze()
        };
        if let Some(covered) = self.sought.covered(&bytes) {
            bytes = covered;
        }
        let open = open_end(&bytes, self.sought.text());
        if open > 0 {
            self.held
                .extend_from_slice(&bytes.split_off(bytes.len() - open));
        }
        bytes
    }

    /// The bytes that are held at the end of the answer.
    pub(super) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

/// Masks the credential in a whole body.
pub(super) fn cover(body: &[u8], secret: Option<&Secret>) -> Bytes {
    let covered = Sought::of(secret).and_then(|sought| sought.covered(body));
    covered.unwrap_or_else(|| Bytes::copy_from_slice(body))
}

/// Masks the credential in what a client sees of a failed attempt.
pub(super) fn veil(mut failed: Box<Failed>, secret: Option<&Secret>) -> Box<Failed> {
    if let Some(answer) = &mut failed.answer {
        answer.body = cover(&answer.body, secret);
    }
    failed
}

/// The beginning of `secret` that no writer escapes.
fn anchor(secret: &[u8]) -> &[u8] {
    let plain = secret
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric());
    secret.get(..plain.count().max(1)).unwrap_or(secret)
}

/// How bytes compare with a credential.
enum Read {
    /// They begin with the credential, which takes this many of them.
    Whole(usize),
    /// They are the beginning of the credential.
    Open,
    Other,
}

fn read(bytes: &[u8], secret: &[u8]) -> Read {
    let mut rest = bytes;
    for &byte in secret {
        let length = match rest {
            [] => return Read::Open,
            [first, ..] if *first == byte => 1,
            [b'\\', b'u', digits @ ..] => match is_hex_of(byte, digits, 4) {
                Some(true) => 6,
                Some(false) => return Read::Other,
                None => return Read::Open,
            },
            [b'\\', second, ..] if *second == byte => 2,
            [b'%', digits @ ..] => match is_hex_of(byte, digits, 2) {
                Some(true) => 3,
                Some(false) => return Read::Other,
                None => return Read::Open,
            },
            [b'\\'] => return Read::Open,
            _ => return Read::Other,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Read::Whole(bytes.len() - rest.len())
}

/// Whether `digits` are the `count` hexadecimal digits of `byte`; `None` = some have not come yet.
fn is_hex_of(byte: u8, digits: &[u8], count: usize) -> Option<bool> {
    let digits = digits.get(..count.min(digits.len())).unwrap_or_default();
    let wanted = format!("{byte:0count$x}");
    let begins = digits
        .iter()
        .zip(wanted.bytes())
        .all(|(digit, wanted)| digit.eq_ignore_ascii_case(&wanted));
    match (begins, digits.len() == count) {
        (false, _) => Some(false),
        (true, true) => Some(true),
        (true, false) => None,
    }
}

/// How many bytes at the end of `bytes` may be the beginning of `secret`.
fn open_end(bytes: &[u8], secret: &[u8]) -> usize {
    let longest = bytes.len().min(secret.len() * LONGEST_ESCAPE - 1);
    let end = bytes.get(bytes.len() - longest..).unwrap_or_default();
    let first = secret.first().copied().unwrap_or_default();
    memchr::memchr_iter(first, end)
        .map(|at| end.get(at..).unwrap_or_default())
        .find(|open| matches!(read(open, secret), Read::Open))
        .map_or(0, <[u8]>::len)
}

/// The most bytes of an escaped character: `\u002f`.
const LONGEST_ESCAPE: usize = 6;

/// The fewest bytes of a credential that is masked.
const SHORTEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-secret-sk-0815";

    fn secret() -> Secret {
        Secret::new(KEY)
    }

    /// However the bytes are cut, the credential is masked and no byte is lost.
    #[test]
    fn it_is_covered_across_every_cut() {
        let text = format!("a sk-secre {KEY}, sk-{KEY}sk-secret");
        let clean = text.replace(KEY, &"*".repeat(KEY.len()));
        for one in 0..=text.len() {
            for other in one..=text.len() {
                let mut cover = Cover::new(Sought::of(Some(&secret())).expect("a secret"));
                let mut out = Vec::new();
                for piece in [&text[..one], &text[one..other], &text[other..]] {
                    out.extend_from_slice(&cover.push(Bytes::copy_from_slice(piece.as_bytes())));
                }
                out.extend_from_slice(&cover.finish());
                assert_eq!(String::from_utf8_lossy(&out), clean, "{one} {other}");
            }
        }
    }

    /// A key with characters that writers of JSON and URLs escape is masked in any of its forms, however the bytes are
    /// cut.
    #[test]
    fn it_is_covered_when_it_is_escaped() {
        const KEY: &str = "ab/cd+e=-f";
        let forms = [
            KEY,
            r"ab\/cd+e=-f",
            r"ab/cd\u002Be\u003d\u002df",
            r"ab\u002fcd\u002be=-f",
            "ab%2Fcd%2be%3D-f",
        ];
        for form in forms {
            let text = format!("a ab/c {form}, ab\\u00, ab/cd%2g{form}ab%2");
            let clean = text.replace(form, &"*".repeat(form.len()));
            for cut in 0..=text.len() {
                let secret = Secret::new(KEY);
                let mut cover = Cover::new(Sought::of(Some(&secret)).expect("a secret"));
                let mut out = Vec::new();
                for piece in [&text[..cut], &text[cut..]] {
                    out.extend_from_slice(&cover.push(Bytes::copy_from_slice(piece.as_bytes())));
                }
                out.extend_from_slice(&cover.finish());
                assert_eq!(String::from_utf8_lossy(&out), clean, "{form} {cut}");
            }
        }
        for other in [
            "ab/cd+e=-",
            r"ab\u002ecd+e=-f",
            "ab%2fcd%20e=-f",
            "AB/cd+e=-f",
        ] {
            assert_eq!(cover(other.as_bytes(), Some(&Secret::new(KEY))), other);
        }
    }

    #[test]
    fn what_holds_none_is_not_copied_and_nothing_is_held() {
        let mut cover = Cover::new(Sought::of(Some(&secret())).expect("a secret"));
        let bytes = Bytes::from_static(b"data: {\"text\":\"none here\"}\n\n");
        let shown = cover.push(bytes.clone());
        assert_eq!((shown.as_ptr(), shown.len()), (bytes.as_ptr(), bytes.len()));
        assert!(cover.finish().is_empty());
    }

    #[test]
    fn short_words_are_no_secret() {
        assert!(Sought::of(Some(&Secret::new("demo"))).is_none());
        assert_eq!(&*cover(b"a demo", Some(&Secret::new("demo"))), b"a demo");
    }
}

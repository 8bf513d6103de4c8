//! An account's own credential out of whatever its upstream says, by as many bytes as it takes: whoever reads the answer
//! counts on its lengths.
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use memchr::memmem;

use crate::config::secret::Secret;
use crate::exchange::verdict::Failed;

/// Covers one credential in bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Cover {
    secret: Secret,
    /// The end of what came, where it may be the beginning of the credential.
    held: BytesMut,
}

impl Cover {
    /// `None` where there is nothing to cover: a shorter text is a word that occurs by itself.
    pub(super) fn of(secret: Option<&Secret>) -> Option<Self> {
        let secret = secret.filter(|secret| secret.expose().len() >= SHORTEST)?;
        Some(Self {
            secret: secret.clone(),
            held: BytesMut::new(),
        })
    }

    /// The next bytes, as far as they can be shown.
    pub(super) fn push(&mut self, bytes: Bytes) -> Bytes {
        let secret = self.secret.expose().as_bytes();
        let mut bytes = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(&bytes);
            self.held.split().freeze()
        };
        if memmem::find(&bytes, secret).is_some() {
            bytes = covered(&bytes, secret);
        }
        let open = open_end(&bytes, secret);
        if open > 0 {
            self.held
                .extend_from_slice(&bytes.split_off(bytes.len() - open));
        }
        bytes
    }

    /// What is held at the end of the answer.
    pub(super) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

/// The same for a whole body.
pub(super) fn cover(body: &[u8], secret: Option<&Secret>) -> Bytes {
    match secret.map(|secret| secret.expose().as_bytes()) {
        Some(secret) if secret.len() >= SHORTEST => covered(body, secret),
        _ => Bytes::copy_from_slice(body),
    }
}

/// The same for what a client sees of a failed attempt.
pub(super) fn veil(mut failed: Box<Failed>, secret: Option<&Secret>) -> Box<Failed> {
    if let Some(answer) = &mut failed.answer {
        answer.body = cover(&answer.body, secret);
    }
    failed
}

/// The same for the values of headers.
pub(super) fn cover_headers(headers: &mut HeaderMap, secret: Option<&Secret>) {
    let Some(secret) = secret.map(|secret| secret.expose().as_bytes()) else {
        return;
    };
    if secret.len() < SHORTEST {
        return;
    }
    for value in headers.values_mut() {
        if memmem::find(value.as_bytes(), secret).is_some()
            && let Ok(clean) = HeaderValue::from_bytes(&covered(value.as_bytes(), secret))
        {
            *value = clean;
        }
    }
}

fn covered(bytes: &[u8], secret: &[u8]) -> Bytes {
    let mut out = BytesMut::from(bytes);
    for at in memmem::find_iter(bytes, secret) {
        if let Some(place) = out.get_mut(at..at + secret.len()) {
            place.fill(b'*');
        }
    }
    out.freeze()
}

/// How many bytes at the end of `bytes` may be the beginning of `secret`.
fn open_end(bytes: &[u8], secret: &[u8]) -> usize {
    let longest = bytes.len().min(secret.len() - 1);
    let end = bytes.get(bytes.len() - longest..).unwrap_or_default();
    let first = secret.first().copied().unwrap_or_default();
    memchr::memchr_iter(first, end)
        .map(|at| end.get(at..).unwrap_or_default())
        .find(|open| secret.starts_with(open))
        .map_or(0, <[u8]>::len)
}

/// Bytes of the shortest credential that is covered.
const SHORTEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-secret-sk-0815";

    fn secret() -> Secret {
        Secret::new(KEY)
    }

    /// However it is cut, the credential is covered and not a byte is lost.
    #[test]
    fn it_is_covered_across_every_cut() {
        let text = format!("a sk-secre {KEY}, sk-{KEY}sk-secret");
        let clean = text.replace(KEY, &"*".repeat(KEY.len()));
        for one in 0..=text.len() {
            for other in one..=text.len() {
                let mut cover = Cover::of(Some(&secret())).expect("a secret");
                let mut out = Vec::new();
                for piece in [&text[..one], &text[one..other], &text[other..]] {
                    out.extend_from_slice(&cover.push(Bytes::copy_from_slice(piece.as_bytes())));
                }
                out.extend_from_slice(&cover.finish());
                assert_eq!(String::from_utf8_lossy(&out), clean, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_holds_none_is_not_copied_and_nothing_is_held() {
        let mut cover = Cover::of(Some(&secret())).expect("a secret");
        let bytes = Bytes::from_static(b"data: {\"text\":\"none here\"}\n\n");
        let shown = cover.push(bytes.clone());
        assert_eq!((shown.as_ptr(), shown.len()), (bytes.as_ptr(), bytes.len()));
        assert!(cover.finish().is_empty());
    }

    #[test]
    fn short_words_are_no_secret() {
        assert!(Cover::of(Some(&Secret::new("demo"))).is_none());
        assert_eq!(&*cover(b"a demo", Some(&Secret::new("demo"))), b"a demo");
    }
}

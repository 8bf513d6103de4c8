//! Bodies in the log, for debugging (`log.bodies`): bounded, and with everything masked that has the shape of a key.
use crate::config::secret::Secret;
use crate::protocol::error;

/// Keeps the beginning of what is sent.
pub(crate) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_LOGGED.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// A body as a log may show it. `secret` is the credential that the upstream saw: a client's own fault comes back as the
/// upstream worded it, and may repeat it.
pub(crate) fn shown(body: &[u8], secret: Option<&Secret>) -> String {
    let beginning = &body[..body.len().min(MAX_LOGGED)];
    let masked = error::mask(beginning, secret.map_or("", Secret::expose));
    String::from_utf8_lossy(&masked).into_owned()
}

/// Bytes of a body that are logged.
const MAX_LOGGED: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_body_is_not_shown() {
        let body = br#"{"note":"my key is sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
        let shown = shown(body, None);
        assert!(shown.contains("my key is"), "{shown}");
        assert!(!shown.contains("AAAAAAAA"), "{shown}");
        let secret = Secret::new("a key without a shape");
        let body = b"a key without a shape is no good";
        assert_eq!(super::shown(body, Some(&secret)), "*** is no good");
    }

    #[test]
    fn only_the_beginning_is_kept() {
        let mut kept = Vec::new();
        for _ in 0..3 {
            keep(&mut kept, &vec![b'x'; MAX_LOGGED / 2 + 1]);
        }
        assert_eq!(kept.len(), MAX_LOGGED);
    }
}

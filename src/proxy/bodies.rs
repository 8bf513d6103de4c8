//! Bodies in the log, for debugging (`log.bodies`): bounded, and with everything masked that has the shape of a key.
use std::borrow::Cow;

use crate::protocol::error;

/// Keeps the beginning of what is sent.
pub(super) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_LOGGED.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// A body as a log may show it.
pub(super) fn shown(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(MAX_LOGGED)];
    let masked: Cow<'_, [u8]> = error::mask(beginning, "");
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
        let shown = shown(body);
        assert!(shown.contains("my key is"), "{shown}");
        assert!(!shown.contains("AAAAAAAA"), "{shown}");
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

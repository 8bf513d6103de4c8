//! What people are shown of a request and its answer: bodies in the log for debugging (`log.bodies`), and headers in
//! the console. The amount is bounded, and everything that is a credential or looks like one is masked.
use http::HeaderMap;

use crate::config::secret::Secret;
use crate::exchange::explain;
use crate::protocol::error;

/// The headers of a request, one line each, for later display. A header that carries a credential reads `***`. This is
/// done for every request; the rest of the masking is done only when somebody looks ([`header_lines`]).
pub(crate) fn headers(headers: &HeaderMap) -> Box<[u8]> {
    let mut lines = Vec::with_capacity(MAX_HEADERS / 2);
    for (name, value) in headers {
        let value = value.as_bytes();
        let value = if explain::upstream::is_secret(name.as_str()) {
            b"***"
        } else {
            &value[..value.len().min(MAX_VALUE)]
        };
        if lines.len() + name.as_str().len() + value.len() > MAX_HEADERS {
            lines.extend_from_slice(b"...\n");
            break;
        }
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value);
        lines.push(b'\n');
    }
    lines.into()
}

/// The lines of headers as they are displayed: text that looks like a credential is masked, too.
pub(crate) fn header_lines(lines: &[u8]) -> String {
    String::from_utf8_lossy(&error::mask(lines, "")).into_owned()
}

/// Keeps the beginning of what is sent, up to `MAX_LOGGED` bytes.
pub(crate) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_LOGGED.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// A body as a log may show it. `secret` is the credential that the upstream saw: the upstream may repeat it in its
/// message about a fault of the client.
pub(crate) fn shown(body: &[u8], secret: Option<&Secret>) -> String {
    let beginning = &body[..body.len().min(MAX_LOGGED)];
    let masked = error::mask(beginning, secret.map_or("", Secret::expose));
    String::from_utf8_lossy(&masked).into_owned()
}

/// The most bytes of all headers that are kept.
const MAX_HEADERS: usize = 1024;
/// The most bytes of one header that are kept.
const MAX_VALUE: usize = 256;

/// The most bytes of a body that are logged.
const MAX_LOGGED: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
    fn headers_are_lines_without_credentials_and_without_end() {
        let mut all = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            all.append(name, value.parse().expect("a value"));
        };
        add("user-agent", "claude-cli/2.1");
        add("x-api-key", "weir-key-of-somebody");
        add("proxy-authorization", "Basic c2VjcmV0");
        add("cookie", "a=b");
        add("anthropic-beta", "a");
        add("anthropic-beta", "b");
        add("x-note", "sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let shown = header_lines(&super::headers(&all));
        let first = "user-agent: claude-cli/2.1\nx-api-key: ***\nproxy-authorization: ***\ncookie: ***\n\
                     anthropic-beta: a\nanthropic-beta: b\nx-note: ";
        assert!(shown.starts_with(first), "{shown}");
        assert!(!shown.contains("AAAAAAAA"), "{shown}");
        for _ in 0..100 {
            let long = HeaderValue::from_bytes("é".repeat(2000).as_bytes());
            all.append("x-long", long.expect("a value"));
        }
        let shown = header_lines(&super::headers(&all));
        assert!(
            shown.len() < 2 * MAX_HEADERS && shown.ends_with("...\n"),
            "{shown}"
        );
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

//! Checks the head of an HTTP/1.1 request, so that every reader agrees on where the request goes and where it ends.
use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

use super::refusal::Refusal;

/// Why the head of an HTTP/1 request is refused (RFC 9112, sections 3.2 and 6.1).
pub fn fault(version: Version, headers: &HeaderMap) -> Option<Refusal> {
    let fault = |why| Some(Refusal::Framing { why });
    if version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return fault("HTTP/1.1 needs a Host header");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return fault("the only Transfer-Encoding understood is `chunked`, once");
    }
    // A request with both chunks and a length is read by its chunks, and the connection is closed after the answer;
    // Pingora does that.
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn found(version: Version, headers: &[(&str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_static(value))
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        fault(version, &all).is_some()
    }

    #[test]
    fn a_host_and_one_framing() {
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        let (host, chunked) = (("host", "x"), ("transfer-encoding", "Chunked"));
        assert!(!found(new, &[host]) && found(new, &[]) && !found(old, &[]));
        assert!(!found(new, &[host, chunked]));
        for coding in [
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "chunked;x",
            "",
        ] {
            assert!(
                found(new, &[host, ("transfer-encoding", coding)]),
                "{coding}"
            );
        }
        assert!(found(new, &[host, chunked, chunked]));
    }
}

//! Base URLs of upstreams and URLs of egress proxies.
use std::net::IpAddr;

use http::Uri;

use crate::config::secret::Secret;
use crate::config::{Egress, EgressKind, Endpoint};
use crate::protocol::UpstreamDialect;

/// Why a URL is refused: what was expected, and a hint.
pub type Refusal = (&'static str, Option<String>);

/// Splits a base URL into its parts.
pub fn base_url(text: &str, weight: u32) -> Result<Endpoint, Refusal> {
    let expected = "a URL such as `https://api.example.com/v1`";
    if text.contains(['?', '#']) {
        return Err((
            expected,
            Some("without a query; that has its own setting: query: { name: value }".to_owned()),
        ));
    }
    let uri: Uri = text.parse().map_err(|_| (expected, None))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) => return Err((expected, Some("the scheme is `https` or `http`".to_owned()))),
        None => return Err((expected, Some("begin it with `https://`".to_owned()))),
    };
    let authority = uri.authority().ok_or((expected, None))?;
    if authority.as_str().contains('@') {
        return Err((
            expected,
            Some("credentials do not belong here: use `key`".to_owned()),
        ));
    }
    let (host, port) =
        host_and_port(authority, if tls { 443 } else { 80 }).ok_or((expected, None))?;
    let path = uri.path().trim_end_matches('/').to_owned();
    for suffix in CALL_SUFFIXES {
        if let Some(base) = path.strip_suffix(suffix) {
            let hint = format!(
                "cut off `{suffix}`: {}://{authority}{base}",
                uri.scheme_str().unwrap_or("https")
            );
            return Err(("the base that paths are added to", Some(hint)));
        }
    }
    Ok(Endpoint {
        origin: format!("{}://{authority}", if tls { "https" } else { "http" }).into(),
        tls,
        host,
        port,
        authority: authority.as_str().to_owned(),
        path,
        weight,
    })
}

/// Splits the URL of a token endpoint. Path and query stay as they are: nothing is appended to them.
pub fn token_url(text: &str) -> Result<Endpoint, Refusal> {
    let expected = "a URL such as `https://login.example.com/oauth2/token`";
    let uri: Uri = text.parse().map_err(|_| (expected, None))?;
    if text.contains(['#', '@']) {
        let hint = "credentials have their own settings: client_id, client_secret";
        return Err((expected, Some(hint.to_owned())));
    }
    let path = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    // Only the host is checked as a base URL: a token endpoint may have paths that a base URL may not have.
    let host = text.strip_suffix(path).unwrap_or(text);
    let endpoint = base_url(host, 1).map_err(|(_, hint)| (expected, hint))?;
    Ok(Endpoint {
        path: path.to_owned(),
        ..endpoint
    })
}

/// Why a base URL is unusual for this dialect, though it may be right.
pub fn odd_base(endpoint: &Endpoint, dialect: UpstreamDialect) -> Option<String> {
    let path = endpoint.path.as_str();
    let origin = &endpoint.origin;
    match dialect {
        UpstreamDialect::Anthropic if path.ends_with("/v1") => Some(format!(
            "found `/v1` at the end, so requests go to {origin}{path}/v1/messages, expected it without"
        )),
        UpstreamDialect::Gemini if path.ends_with("/v1beta") || path.ends_with("/v1") => {
            Some(format!(
                "found a version at the end, so requests go to {origin}{path}/v1beta/models/…, expected it without"
            ))
        }
        UpstreamDialect::OpenaiChat | UpstreamDialect::OpenaiResponses
            if path.is_empty() && !VERSIONLESS.contains(&&*endpoint.host) =>
        {
            let call = if dialect == UpstreamDialect::OpenaiChat {
                "/chat/completions"
            } else {
                "/responses"
            };
            Some(format!(
                "found no path, so requests go to {origin}{call}, expected `/v1` at the end"
            ))
        }
        _ => None,
    }
}

/// Whether data for this host stays on the machine or within its cloud.
pub fn is_local(host: &str) -> bool {
    // Clouds provide tokens to their machines at a link-local address.
    let local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    host == "localhost" || host.parse().is_ok_and(local)
}

/// Parses the URL of an egress proxy. The text may contain a password, so no part of it is ever shown.
pub fn egress(text: &str) -> Result<Egress, Refusal> {
    let expected = "`http://host:port` or `socks5://user:password@host:port`";
    let uri: Uri = text.parse().map_err(|_| (expected, None))?;
    let (kind, default_port) = match uri.scheme_str() {
        Some("http") => (EgressKind::Http, 3128),
        // In curl, `socks5h` means that the proxy resolves names; Weir always leaves that to the proxy.
        Some("socks5" | "socks5h") => (EgressKind::Socks5, 1080),
        Some("https") => {
            return Err((
                expected,
                Some("TLS to the proxy is not supported: `http://` (CONNECT)".to_owned()),
            ));
        }
        _ => return Err((expected, None)),
    };
    let authority = uri.authority().ok_or((expected, None))?;
    let (host, port) = host_and_port(authority, default_port).ok_or((expected, None))?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err((expected, Some("without a path".to_owned())));
    }
    let credentials = match authority.as_str().rsplit_once('@') {
        None => None,
        Some((userinfo, _)) => {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            let hint = || Some("user and password are percent-encoded".to_owned());
            let user = decode(user).ok_or_else(|| (expected, hint()))?;
            let password = decode(password).ok_or_else(|| (expected, hint()))?;
            // RFC 1929 has one byte for a length.
            if user.is_empty() || user.len() > 255 || password.len() > 255 {
                return Err((
                    expected,
                    Some("user and password have 1 to 255 bytes".to_owned()),
                ));
            }
            Some((user, Secret::new(password)))
        }
    };
    Ok(Egress {
        kind,
        host,
        port,
        credentials,
    })
}

/// The host without brackets, and the port.
fn host_and_port(authority: &http::uri::Authority, default: u16) -> Option<(String, u16)> {
    let host = authority.host();
    let after_host = authority.as_str().rsplit_once(host)?.1;
    // `Authority::port` treats a port out of range as missing.
    let port = match after_host.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => default,
    };
    let bare = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host.to_lowercase(),
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let legal =
        bare.parse::<IpAddr>().is_ok() || !bare.starts_with(['.', '-']) && bare.bytes().all(name);
    (!bare.is_empty() && bare.len() <= 253 && legal).then_some((bare, port))
}

/// Percent-decodes text; `None` if a `%` is not followed by two hex digits, or if the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%').skip(1);
    let whole = parts.all(|rest| {
        rest.get(..2)
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.ok().filter(|_| whole).map(Into::into)
}

/// Ends of URLs that are calls instead of base URLs; vendors print such URLs in their examples.
const CALL_SUFFIXES: &[&str] = &[
    "/chat/completions",
    "/v1/messages",
    "/responses",
    "/completions",
];
/// Hosts whose documented base URL for OpenAI's dialect has no version.
const VERSIONLESS: &[&str] = &["api.deepseek.com"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_in_its_parts() {
        let endpoint = base_url("https://API.example.com:8443/openai/v1/", 2).expect("a URL");
        assert_eq!(&*endpoint.origin, "https://API.example.com:8443");
        assert_eq!(
            (endpoint.tls, &*endpoint.host, endpoint.port),
            (true, "api.example.com", 8443)
        );
        assert_eq!(
            (&*endpoint.authority, &*endpoint.path, endpoint.weight),
            ("API.example.com:8443", "/openai/v1", 2)
        );
        let endpoint = base_url("http://[::1]", 1).expect("a URL");
        assert_eq!(
            (
                endpoint.tls,
                &*endpoint.host,
                endpoint.port,
                &*endpoint.path
            ),
            (false, "::1", 80, "")
        );
        assert_eq!(&*endpoint.authority, "[::1]");
    }

    #[test]
    fn what_is_no_base_url() {
        for text in [
            "",
            "x",
            "api.example.com",
            "ftp://a/",
            "https://",
            "https://a b",
            "https://u:p@a",
            "https://a/?x=1",
            "https://a/#x",
            "https://a:0",
            "https://a:99999",
            "https://a:",
            "https://[::g]",
            "https://a/v1/chat/completions",
            "https://a/v1/messages/",
            "https://-a",
            "https://é",
        ] {
            assert!(base_url(text, 1).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_token_url_keeps_its_path_and_query() {
        let endpoint = token_url("https://login.example.com:8443/o/token/?a=b").expect("a URL");
        assert_eq!(&*endpoint.origin, "https://login.example.com:8443");
        assert_eq!((&*endpoint.path, endpoint.port), ("/o/token/?a=b", 8443));
        assert_eq!(token_url("https://a").expect("a URL").path, "/");
        assert_eq!(token_url("https://a/").expect("a URL").path, "/");
        for text in [
            "",
            "a/token",
            "ftp://a/token",
            "https://u:p@a/t",
            "https://a/#x",
        ] {
            assert!(token_url(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn egress_proxies() {
        let proxy = egress("socks5://us%40er:p%3Ass@127.0.0.1").expect("a proxy");
        assert_eq!(
            (proxy.kind, &*proxy.host, proxy.port),
            (EgressKind::Socks5, "127.0.0.1", 1080)
        );
        let (user, password) = proxy.credentials.expect("credentials");
        assert_eq!((&*user, password.expose()), ("us@er", "p:ss"));
        let proxy = egress("http://proxy:8888/").expect("a proxy");
        assert_eq!(
            (proxy.kind, proxy.port, proxy.credentials.is_none()),
            (EgressKind::Http, 8888, true)
        );
        for text in [
            "",
            "proxy:8888",
            "https://proxy",
            "socks4://proxy",
            "http://proxy/x",
            "http://u%zz@proxy",
            "http://%+1@proxy",
            "http://:p@proxy",
        ] {
            assert!(egress(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn odd_bases_are_noticed() {
        let odd = |url, dialect| odd_base(&base_url(url, 1).expect("a URL"), dialect).is_some();
        assert!(odd("https://a/v1", UpstreamDialect::Anthropic));
        assert!(!odd("https://a", UpstreamDialect::Anthropic));
        assert!(odd("http://a:8000", UpstreamDialect::OpenaiChat));
        assert!(!odd(
            "https://api.deepseek.com",
            UpstreamDialect::OpenaiChat
        ));
        assert!(odd("https://a/v1beta", UpstreamDialect::Gemini));
    }
}

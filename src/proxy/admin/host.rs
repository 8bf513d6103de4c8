//! Whether the person in front of the browser meant a request for the admin plane.
//!
//! Any page can make a browser send requests to 127.0.0.1: either openly (then they carry the page's `Origin`), or
//! under a host name of its own that resolves to 127.0.0.1 (DNS rebinding; then they carry that name as `Host`). Both
//! are recognized by these headers, which a page cannot choose.
use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};

use crate::config::{Admin, AdminAddr};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stranger {
    /// The request is for a host name that is not the plane's.
    Host,
    /// A page of another site sends the request.
    Origin,
}

/// Refuses what a browser was tricked into sending. Paths for probes and scrapes are not checked.
pub(super) fn check(admin: &Admin, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
    if PROBES.contains(&uri.path()) {
        return Ok(());
    }
    let mut asked: Vec<&str> = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .into_iter()
        .collect();
    for host in headers.get_all(HOST) {
        asked.push(host.to_str().map_err(|_| Stranger::Host)?);
    }
    if !asked.iter().all(|host| is_ours(admin, host)) {
        return Err(Stranger::Host);
    }
    // A browser never sends more than one `Origin`.
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if is_same(origin, asked.first().copied()) => Ok(()),
        _ => Err(Stranger::Origin),
    }
}

/// Whether `host` is a name of the plane. On a loopback listener these are the names of loopback and those in
/// `admin.hosts`. On any other TCP listener the token protects the plane, and names are checked only if some are
/// configured. A browser cannot reach a Unix socket.
fn is_ours(admin: &Admin, host: &str) -> bool {
    let asks = match &admin.addr {
        AdminAddr::Unix(_) => false,
        AdminAddr::Tcp(addr) => addr.ip().to_canonical().is_loopback() || !admin.hosts.is_empty(),
    };
    if !asks {
        return true;
    }
    let name = name(host);
    is_loopback(name)
        || admin
            .hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
}

fn is_loopback(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The host without its port, and without the final dot of a fully qualified name.
fn name(host: &str) -> &str {
    let name = match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether `origin` is the address under which the plane itself was asked.
fn is_same(origin: &HeaderValue, host: Option<&str>) -> bool {
    let (Ok(origin), Some(host)) = (origin.to_str(), host) else {
        return false;
    };
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // Browsers omit the default port in both headers; other clients omit it in only one.
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    plain(authority) == plain(host)
}

/// Paths that reveal no more than an open port does, or need a token where others can connect.
const PROBES: [&str; 3] = ["/metrics", "/livez", "/readyz"];

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(addr: &str, hosts: &[&str], host: Option<&str>, origin: Option<&str>) -> &'static str {
        let addr = match addr.strip_prefix("unix:") {
            Some(path) => AdminAddr::Unix(path.into()),
            None => AdminAddr::Tcp(addr.parse().expect("an address")),
        };
        let admin = Admin {
            tls: None,
            addr,
            token: None,
            tokens: Vec::new(),
            audit: None,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            fragments: None,
            oidc: None,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(value).expect("a value"));
            }
        }
        match check(&admin, &Uri::from_static("/status"), &headers) {
            Ok(()) => "answered",
            Err(Stranger::Host) => "host",
            Err(Stranger::Origin) => "origin",
        }
    }

    #[test]
    fn on_loopback_only_its_own_names_are_answered() {
        let on = |host| ask("127.0.0.1:9090", &["weir.example.com"], Some(host), None);
        for host in [
            "127.0.0.1:9090",
            "127.1.2.3",
            "localhost",
            "LocalHost:9090",
            "localhost.:9090",
            "[::1]:9090",
            "[::ffff:127.0.0.1]",
            "weir.example.com",
            "WEIR.example.com:443",
        ] {
            assert_eq!(on(host), "answered", "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[2001:db8::1]:9090",
            "weir.example.com.evil.example",
            "",
        ] {
            assert_eq!(on(host), "host", "{host}");
        }
        assert_eq!(ask("[::1]:9090", &[], Some("evil.example"), None), "host");
        // An HTTP/1.0 client that sends no `Host` is not a browser.
        assert_eq!(ask("127.0.0.1:9090", &[], None, None), "answered");
    }

    #[test]
    fn elsewhere_names_matter_where_some_are_configured() {
        assert_eq!(
            ask("0.0.0.0:9090", &[], Some("any.example"), None),
            "answered"
        );
        let hosts = ["weir.example.com"];
        assert_eq!(
            ask("0.0.0.0:9090", &hosts, Some("any.example"), None),
            "host"
        );
        let known = ask("0.0.0.0:9090", &hosts, Some("weir.example.com:9090"), None);
        assert_eq!(known, "answered");
        assert_eq!(ask("unix:/run/w.sock", &hosts, Some("x"), None), "answered");
    }

    #[test]
    fn a_foreign_origin_is_refused_everywhere() {
        let on = |addr, origin| ask(addr, &[], Some("localhost:9090"), Some(origin));
        for addr in ["127.0.0.1:9090", "0.0.0.0:9090", "unix:/run/w.sock"] {
            for origin in [
                "https://evil.example",
                "http://localhost",
                "http://localhost:8080",
                "null",
                "chrome-extension://abc",
                "",
            ] {
                assert_eq!(on(addr, origin), "origin", "{addr} {origin}");
            }
            assert_eq!(on(addr, "http://localhost:9090"), "answered");
        }
        let usual = ask(
            "127.0.0.1:80",
            &[],
            Some("localhost"),
            Some("http://localhost:80"),
        );
        assert_eq!(usual, "answered");
    }

    #[test]
    fn the_target_of_the_request_line_counts_as_the_host_does_and_probes_are_not_asked() {
        let admin = Admin {
            tls: None,
            addr: AdminAddr::Tcp(([127, 0, 0, 1], 9090).into()),
            token: None,
            hosts: Vec::new(),
            fragments: None,
            oidc: None,
            tokens: Vec::new(),
            audit: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        let absolute = Uri::from_static("http://evil.example/status");
        assert_eq!(check(&admin, &absolute, &headers), Err(Stranger::Host));
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(
            check(&admin, &Uri::from_static("/status"), &headers),
            Err(Stranger::Host)
        );
        for probe in PROBES {
            assert_eq!(check(&admin, &Uri::from_static(probe), &headers), Ok(()));
        }
    }
}

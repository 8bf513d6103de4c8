//! The origin of a request: its id, the client's address, its project, and the CORS headers for its web origin.
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use super::Gateway;
use super::refusal::Refusal;
use super::relaying::Answer;
use crate::config::{ClientKey, Config, Cors, name};

/// The client's `x-request-id`, if it can be used unchanged in logs and headers.
pub fn sane_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(sane)).then_some(id)
}

/// The project of a request: the one that it names, if the configuration has it, otherwise that of its key. A key that
/// is bound to projects may name no others.
pub fn project(
    config: &Config,
    key: &ClientKey,
    headers: &HeaderMap,
) -> Result<Option<Arc<str>>, Refusal> {
    let said = headers.get("x-weir-project").map(HeaderValue::as_bytes);
    let Some(said) = said.filter(|said| !said.is_empty()) else {
        return Ok(key.project.clone());
    };
    let said = name::from_header(said);
    if let Some(own) = &key.projects
        && !own.iter().any(|project| **project == said)
    {
        return Err(Refusal::ProjectForbidden {
            project: said.into_owned(),
        });
    }
    let mut known = config.projects.iter();
    let found = known.find(|project| *project.name == said);
    Ok(found
        .map(|project| project.name.clone())
        .or_else(|| key.project.clone()))
}

/// Whether `ip` is one of the networks.
pub fn is_trusted(networks: &[ipnet::IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

/// The address of the client: the peer, or behind trusted proxies the last `X-Forwarded-For` entry that is not a
/// trusted proxy's address.
pub fn client_ip(config: &Config, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let trusted = |ip: IpAddr| is_trusted(&config.server.trusted_proxies, ip);
    let peer = peer.map(|ip| ip.to_canonical())?;
    if !trusted(peer) {
        return Some(peer);
    }
    let forwarded: Vec<_> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    for entry in forwarded.iter().rev() {
        let Ok(ip) = entry.trim().parse::<IpAddr>() else {
            break;
        };
        client = ip.to_canonical();
        if !trusted(client) {
            break;
        }
    }
    Some(client)
}

/// The answer to a CORS preflight from an allowed origin; `None` when the request is not one.
pub fn preflight(cors: Option<&Cors>, method: &Method, headers: &HeaderMap) -> Option<Answer> {
    if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    allowed_origin(cors?, headers)?;
    let mut answer = Answer::json(204, "");
    answer.headers.clear();
    let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let any = HeaderValue::from_static("*");
    answer
        .headers
        .insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(any));
    answer.headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
    );
    answer
        .headers
        .insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    Some(answer)
}

/// Refuses a request without a key that a web page of another origin caused, because a browser sends it for any page
/// that it visits. With a key, the request is the page's own intention. An origin that CORS allows is the operator's
/// choice.
pub fn check(gateway: &Gateway, key: &ClientKey, headers: &HeaderMap) -> Result<(), Refusal> {
    let anonymous = gateway.keys.anonymous();
    let Some(origin) = headers.get(ORIGIN).filter(|_| anonymous.is_some()) else {
        return Ok(());
    };
    let cors = gateway.config.server.cors.as_ref();
    let own = || {
        let host = headers.get(HOST)?.to_str().ok()?;
        let (_, authority) = origin.to_str().ok()?.split_once("://")?;
        Some(authority.eq_ignore_ascii_case(host))
    };
    let is_keyed = anonymous.is_some_and(|anonymous| anonymous.name != key.name);
    if is_keyed
        || own().unwrap_or(false)
        || cors.is_some_and(|cors| allowed_origin(cors, headers).is_some())
    {
        Ok(())
    } else {
        Err(Refusal::OriginForbidden)
    }
}

/// The CORS headers of every answer to an allowed origin.
pub fn add_cors(cors: Option<&Cors>, request: &HeaderMap, answer: &mut HeaderMap) {
    let Some(cors) = cors else { return };
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed_origin(cors, request) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
}

fn allowed_origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let allowed = |entry: &String| entry == "*" || entry.eq_ignore_ascii_case(text);
    cors.allow_origins
        .iter()
        .any(allowed)
        .then(|| origin.clone())
}

/// The most bytes of a client's request id that is adopted.
const MAX_REQUEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_request_id_is_taken_over_only_when_it_is_harmless() {
        let id = |value| sane_request_id(&headers(&[("x-request-id", value)])).map(str::to_owned);
        assert_eq!(id("req-1_A.b"), Some("req-1_A.b".into()));
        assert_eq!(id("has space"), None);
        assert_eq!(id("quote\"}"), None);
        assert_eq!(id(""), None);
    }

    #[test]
    fn only_allowed_origins_are_answered() {
        let cors = Cors {
            allow_origins: vec!["https://app.example.com".into()],
        };
        let ask = |origin| {
            let mut answer = HeaderMap::new();
            add_cors(Some(&cors), &headers(&[("origin", origin)]), &mut answer);
            answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        assert_eq!(
            ask("https://app.example.com"),
            Some(HeaderValue::from_static("https://app.example.com"))
        );
        assert_eq!(ask("https://evil.example.com"), None);
        let request = headers(&[
            ("origin", "https://evil.example.com"),
            ("access-control-request-method", "POST"),
        ]);
        assert!(preflight(Some(&cors), &Method::OPTIONS, &request).is_none());
        let request = headers(&[
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "POST"),
        ]);
        assert_eq!(
            preflight(Some(&cors), &Method::OPTIONS, &request).map(|answer| answer.status),
            Some(204)
        );
    }
}

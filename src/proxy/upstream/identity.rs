//! Requests to an OpenID provider: its description, its keys, and a token for a code. Bounded in time and in bytes.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use super::connect::Connections;
use super::own_request::OwnRequest;
use super::way::{Target, Way};
use crate::config;

/// The document at this URL, or why it could not be fetched.
pub(crate) async fn get(connections: &Connections, url: &str) -> Result<Bytes, String> {
    match ask(connections, url, HeaderMap::new(), None).await? {
        (200, body) => Ok(body),
        (status, _) => Err(format!("{url} answered with status {status}")),
    }
}

/// The answer to a form, or why there is none. `authorization` is a credential.
pub(crate) async fn post(
    connections: &Connections,
    url: &str,
    authorization: Option<HeaderValue>,
    form: String,
) -> Result<(u16, Bytes), String> {
    let mut headers = HeaderMap::new();
    let media = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, media);
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value);
    }
    ask(connections, url, headers, Some(Bytes::from(form))).await
}

async fn ask(
    connections: &Connections,
    url: &str,
    mut headers: HeaderMap,
    body: Option<Bytes>,
) -> Result<(u16, Bytes), String> {
    let endpoint = config::endpoint_at(url).map_err(|why| format!("{url}: {why}"))?;
    let base = &endpoint.origin;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let own_request = OwnRequest {
        method: if body.is_some() {
            Method::POST
        } else {
            Method::GET
        },
        path: &endpoint.path,
        endpoint: &endpoint,
        headers,
        body,
        longest: LONGEST,
    };
    let target = Target::new(Arc::new(Way::direct(&endpoint, PATIENCE)));
    let sent = tokio::time::timeout(PATIENCE, own_request.send(connections, &target, PATIENCE));
    match sent.await {
        Err(_) => Err(format!("{base}: no answer within {PATIENCE:?}")),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(fault)) => Err(format!("{base}: no answer: {fault:?}")),
    }
}

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
/// The longest time for one request, including the connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of an answer; keys and tokens stay far below.
const LONGEST: usize = 512 << 10;

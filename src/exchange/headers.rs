//! Which headers are passed on, from client to upstream and from upstream to client.
//!
//! Unknown headers are passed on in both directions, because new `anthropic-*` and `openai-*` headers appear with every
//! client release. Held back are hop-by-hop headers, credentials, and headers that reveal to a client something about
//! the operator or another client.
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::config::Account;
use crate::config::providers::Auth;
use crate::credentials::Token;

/// The headers of a request to `account`: those of the client, without those of its connection and those that stay
/// here, and with those of the account and its credential. `token` is the access token, if the account uses one. `edit`
/// is applied to the client's headers.
pub fn to_account(
    client: &HeaderMap,
    account: &Account,
    token: Option<&Token>,
    edit: impl FnOnce(&mut HeaderMap),
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(client.len() + 6);
    let nominated = connection_options(client);
    for (name, value) in client {
        if !is_hop_by_hop(name)
            && !stays_here(name)
            && !nominated.iter().any(|other| other == name.as_str())
        {
            headers.append(name, value.clone());
        }
    }
    edit(&mut headers);
    // The tap and the error classes read the answer as text.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in &account.headers {
        headers.insert(name, value.clone());
    }
    if let Some((name, value)) = credential(account, token) {
        headers.insert(name, value);
    }
    headers
}

/// The headers of a translated request. None of the client's headers are passed on, because they belong to its dialect.
/// `own` are those that the translation needs.
pub fn of_translation(own: &[(&'static str, &'static str)], stream: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in own {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
}

/// The headers of an answer for the client, without those of the connection and those about the operator.
pub fn to_client(upstream: &HeaderMap) -> HeaderMap {
    // With room for the headers that are added here.
    let mut headers = HeaderMap::with_capacity(upstream.len() + 12);
    let nominated = connection_options(upstream);
    for (name, value) in upstream {
        if is_hop_by_hop(name)
            || is_private(name)
            || nominated.iter().any(|other| other == name.as_str())
        {
            continue;
        }
        // OpenAI's own request id uses the same header name as ours.
        if name == "x-request-id" {
            headers.append(
                const { HeaderName::from_static("x-upstream-request-id") },
                value.clone(),
            );
        } else {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// Tells an nginx in front not to buffer the events of a stream.
pub fn unbuffered(headers: &mut HeaderMap) {
    let name = const { HeaderName::from_static("x-accel-buffering") };
    headers.insert(name, HeaderValue::from_static("no"));
}

/// Removes the upstream's headers about its own limits: the account is shared by many clients, and the next request may
/// use another account. The pool has read these headers already.
pub fn hide_limits(headers: &mut HeaderMap) {
    let names: SmallVec<[HeaderName; 8]> = headers
        .keys()
        .filter(|name| tells_limits(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The header for the credential of `account`. `None` when the account has none, or one that no header can hold.
pub fn credential(account: &Account, token: Option<&Token>) -> Option<(HeaderName, HeaderValue)> {
    let key = match token {
        Some(token) => token.secret.expose(),
        None => account.key.as_ref()?.expose(),
    };
    let (name, text) = match account.auth {
        Auth::None => return None,
        Auth::ApiKey => (const { HeaderName::from_static("api-key") }, key.to_owned()),
        Auth::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        Auth::XApiKey => (
            const { HeaderName::from_static("x-api-key") },
            key.to_owned(),
        ),
        Auth::XGoogApiKey => (
            const { HeaderName::from_static("x-goog-api-key") },
            key.to_owned(),
        ),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// The names that `Connection` lists; these headers are hop-by-hop, too.
fn connection_options(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|option| option.trim().to_ascii_lowercase())
        .filter(|option| option != "close" && option != "keep-alive")
        .collect()
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "http2-settings"
        )
}

/// Whether a client's header is not passed to any upstream.
fn stays_here(name: &HeaderName) -> bool {
    if [
        ACCEPT_ENCODING,
        AUTHORIZATION,
        CONTENT_ENCODING,
        COOKIE,
        EXPECT,
        HOST,
    ]
    .contains(name)
    {
        return true;
    }
    let name = name.as_str();
    matches!(
        name,
        "api-key"
            | "forwarded"
            // These belong to the account: a foreign one causes a refusal that says nothing about the account.
            | "openai-organization"
            | "openai-project"
            | "origin"
            | "referer"
            | "via"
            | "x-api-key"
            | "x-goog-api-key"
            | "x-real-ip"
            | "x-request-id"
    ) || name.starts_with("x-forwarded-")
        || name.starts_with("x-weir-")
        || name.starts_with("sec-")
        || name.starts_with("cf-")
}

/// Whether a header states limits: `anthropic-ratelimit-*`, `x-ratelimit-*`, `x-codex-*` and those of other vendors.
fn tells_limits(name: &str) -> bool {
    name.contains("ratelimit")
        || name.contains("rate-limit")
        || name.starts_with("anthropic-priority-")
        || name.starts_with("anthropic-fast-")
        || name.starts_with("x-codex-")
}

/// Whether a header reveals something about the upstream or the operator's account.
fn is_private(name: &HeaderName) -> bool {
    if name == SET_COOKIE {
        return true;
    }
    let name = name.as_str();
    matches!(
        name,
        "alt-svc"
            | "anthropic-organization-id"
            | "anthropic-workspace-id"
            | "nel"
            | "openai-organization"
            | "openai-project"
            | "report-to"
            | "server"
            | "strict-transport-security"
            | "via"
    ) || name.starts_with("cf-")
        || name.starts_with("access-control-")
        || name.starts_with("x-weir-")
}

/// Whether a body has this media type.
pub(super) fn has_media_type(headers: &HeaderMap, media: &str) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(media))
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    has_media_type(headers, "application/json")
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    has_media_type(headers, "text/event-stream")
}

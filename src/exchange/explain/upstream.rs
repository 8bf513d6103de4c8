//! The upstream's request in a report, without the secrets.
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use super::report::{DroppedPart, UpstreamPart};
use crate::config::{Account, EgressKind};
use crate::pool::Pick;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::error::Dropped;

/// How a body was changed.
pub(super) enum Change {
    None,
    Model,
    Rewritten,
    Translated(Vec<Dropped>),
}

/// The request for `pick`.
pub(super) fn upstream(
    pick: &Pick,
    dialect: UpstreamDialect,
    head: &Parts,
    body: &Bytes,
    change: Change,
) -> UpstreamPart {
    let account = &pick.account;
    let model = (!pick.model.is_empty()).then(|| pick.model.to_string());
    let (change, dropped) = match change {
        Change::None => ("unchanged", Vec::new()),
        Change::Model => ("model", Vec::new()),
        Change::Rewritten => ("rewritten", Vec::new()),
        Change::Translated(dropped) => ("translated", dropped),
    };
    let dropped = dropped.into_iter().map(|dropped| DroppedPart {
        field: dropped.field,
        notable: dropped.notable,
    });
    UpstreamPart {
        account: account.name.to_string(),
        provider: account.provider.name,
        dialect: dialect.as_str(),
        model,
        egress: egress(account),
        method: head.method.to_string(),
        url: url(account, pick.endpoint, head),
        headers: masked(&head.headers),
        change,
        body_bytes: body.len(),
        body: raw(body),
        dropped: dropped.collect(),
    }
}

/// The URL of the request, without credentials in the query.
pub(super) fn url(account: &Account, endpoint: usize, head: &Parts) -> String {
    let Some(endpoint) = account.endpoints.get(endpoint) else {
        return String::new();
    };
    let scheme = if endpoint.tls { "https" } else { "http" };
    let mut url = format!("{scheme}://{}{}", endpoint.authority, head.uri.path());
    for (at, pair) in head
        .uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .enumerate()
    {
        url.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                url.push_str(name);
                url.push_str("=***");
            }
            _ => url.push_str(pair),
        }
    }
    url
}

/// Weir's own headers, which contain no secrets.
pub(super) fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// The headers of an upstream's request, with secrets masked.
fn masked(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut masked = plain(headers);
    for ((name, text), value) in masked.iter_mut().zip(headers.values()) {
        if value.is_sensitive() || is_secret(name) {
            MASK.clone_into(text);
        }
    }
    masked
}

/// A JSON body as it is; any other body is left out.
fn raw(body: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(body).ok()?;
    RawValue::from_string(text.to_owned()).ok()
}

fn egress(account: &Account) -> Option<String> {
    let egress = account.egress.as_ref()?;
    let scheme = match egress.kind {
        EgressKind::Http => "http",
        EgressKind::Socks5 => "socks5",
    };
    Some(format!("{scheme}://{}:{}", egress.host, egress.port))
}

/// Whether a header or parameter of this name most likely contains a secret. Called for every header of every request.
pub(crate) fn is_secret(name: &str) -> bool {
    static PARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let parts = [
            "auth",
            "cookie",
            "key",
            "passw",
            "secret",
            "signature",
            "token",
        ];
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true);
        builder.kind(Some(AhoCorasickKind::DFA));
        builder.build(parts).expect("invariant: seven short words")
    });
    // Names that Azure Functions and signed URLs use for secrets.
    let whole = ["code", "sig"];
    whole.iter().any(|whole| name.eq_ignore_ascii_case(whole)) || PARTS.is_match(name)
}

/// The text that is shown instead of a secret.
const MASK: &str = "***";

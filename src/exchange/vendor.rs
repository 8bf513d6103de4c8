//! A request to an endpoint that Weir does not interpret: which account gets it, and the head that it gets.
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use super::refusal::Refusal;
use super::{headers, target};
use crate::config::{Account, AffinityBy, ClientKey};
use crate::credentials::Token;
use crate::pool::affinity::{self, Traces};
use crate::pool::{Exhausted, Verdict, Want};
use crate::protocol::Dialect;

/// What such an endpoint makes (a file, a batch) lives on one account, so the client's key decides: the same key finds
/// its things again.
pub fn want<'a>(
    key: &'a ClientKey,
    dialect: Dialect,
    pool: usize,
    path: &'a str,
    draw: u64,
) -> Want<'a> {
    let traces = Traces {
        key: Some(&key.name),
        ..Traces::default()
    };
    // `GET /v1/responses/{id}` belongs to the account that made the response.
    let response = path
        .strip_prefix("/v1/responses/")
        .and_then(|rest| rest.split('/').next());
    Want {
        pool,
        pools: key.pools.as_deref(),
        model: "",
        dialect: Some(dialect),
        without: &[],
        prefers: None,
        account: None,
        session: affinity::session(&traces, AffinityBy::Key),
        previous_response: response,
        tried: &[],
        tokens: 0,
        draw,
        insist: true,
    }
}

/// The head for an account at its endpoint of that position, with its access token if it has one. `None` when no such
/// request can be written.
pub fn head(
    dialect: Dialect,
    (account, endpoint, token): (&Account, usize, Option<&Token>),
    method: &Method,
    uri: &Uri,
    client: &HeaderMap,
) -> Option<Parts> {
    let endpoint = account.endpoints.get(endpoint)?;
    let mut headers = headers::to_account(client, account, token, |_| {});
    // The body goes through as it came: so do its framing and its coding, in both directions.
    headers.remove(ACCEPT_ENCODING);
    for name in [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        ACCEPT_ENCODING,
        CONTENT_ENCODING,
    ] {
        if let Some(value) = client.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let path = target::vendor(dialect, endpoint, uri.path(), uri.query(), account);
    // For HTTP/2 Pingora makes the absolute URI itself, out of `Host`.
    target::head(method, &path, endpoint, headers, None, false)
}

/// Why nobody serves it.
pub fn refusal(dialect: Dialect, exhausted: &Exhausted) -> Refusal {
    match exhausted.verdict {
        Verdict::Dialect | Verdict::Model => Refusal::VendorUnserved { dialect },
        Verdict::Drained => Refusal::Drained,
        verdict => Refusal::Exhausted {
            class: verdict.class(),
            retry_after: exhausted.soonest,
        },
    }
}

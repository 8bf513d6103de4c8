//! Where at an upstream a request goes: paths joined as users of each vendor's SDK expect.
//!
//! | dialect | base URL | joined with |
//! | --- | --- | --- |
//! | Anthropic | `https://api.anthropic.com` | `/v1/messages` |
//! | OpenAI | ends in `/v1` | `/chat/completions`, `/responses` |
//! | Gemini | `https://generativelanguage.googleapis.com` | `/v1beta/models/{model}:{verb}` |
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::operation::{self, ModelCall};
use crate::config::{Account, Endpoint};
use crate::protocol::Dialect;

/// The path of a model call at `endpoint`.
pub fn path(call: &ModelCall, endpoint: &Endpoint, model: &str) -> String {
    let base = &endpoint.path;
    match (call.dialect, call.endpoint) {
        (Dialect::Anthropic, operation::Endpoint::Count) => format!("{base}/v1/messages/count_tokens"),
        (Dialect::Anthropic, _) => format!("{base}/v1/messages"),
        (Dialect::OpenaiChat, operation::Endpoint::LegacyCompletions) => format!("{base}/completions"),
        (Dialect::OpenaiChat, _) => format!("{base}/chat/completions"),
        (Dialect::OpenaiResponses, operation::Endpoint::Count) => format!("{base}/responses/input_tokens"),
        (Dialect::OpenaiResponses, _) => format!("{base}/responses"),
        (Dialect::Gemini, endpoint) => {
            let verb = match (endpoint, call.path_stream) {
                (operation::Endpoint::Count, _) => "countTokens",
                (_, Some(true)) => "streamGenerateContent",
                _ => "generateContent",
            };
            format!("{base}/v1beta/models/{}:{verb}", path_segment(model))
        }
    }
}

/// The path of an endpoint that Weir does not interpret.
pub fn vendor_path(dialect: Dialect, endpoint: &Endpoint, path: &str) -> String {
    let base = &endpoint.path;
    let rest = match dialect {
        // The base URL of this dialect ends in `/v1` already.
        Dialect::OpenaiChat | Dialect::OpenaiResponses => path.strip_prefix("/v1").unwrap_or(path),
        Dialect::Anthropic | Dialect::Gemini => path,
    };
    format!("{base}{rest}")
}

/// Adds the client's query, less any credential in it, and the account's own parameters.
pub fn with_query(mut path: String, client: Option<&str>, account: &Account) -> String {
    let own = |name: &str| account.query.iter().any(|(other, _)| other == name);
    let kept = client.into_iter().flat_map(|query| query.split('&')).filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && name != "key" && !own(name)
    });
    let mut separator = '?';
    for pair in kept {
        path.push(separator);
        path.push_str(pair);
        separator = '&';
    }
    for (name, value) in &account.query {
        path.push(separator);
        path.push_str(&query_component(name));
        path.push('=');
        path.push_str(&query_component(value));
        separator = '&';
    }
    path
}

/// A request head. HTTP/2 wants an absolute URI and no `Host`; HTTP/1.1 the opposite, and a length.
pub fn head(
    method: &Method,
    path: &str,
    endpoint: &Endpoint,
    mut headers: HeaderMap,
    length: Option<usize>,
    h2: bool,
) -> Option<Parts> {
    let authority = HeaderValue::from_str(&endpoint.authority).ok()?;
    let builder = http::Request::builder().method(method);
    let request = if h2 {
        let scheme = if endpoint.tls { "https" } else { "http" };
        let uri = format!("{scheme}://{}{path}", endpoint.authority);
        builder.version(http::Version::HTTP_2).uri(uri)
    } else {
        headers.insert(HOST, authority);
        builder.version(http::Version::HTTP_11).uri(path)
    };
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    parts.headers = headers;
    Some(parts)
}

fn path_segment(text: &str) -> String {
    percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-_.~@/:".contains(&byte))
}

fn query_component(text: &str) -> String {
    percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

fn percent_encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

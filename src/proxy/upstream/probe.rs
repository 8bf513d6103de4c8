//! Tests whether an account would serve, by asking for its list of models, which costs nothing.
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::accounts::Upstreams;
use super::connect::Connections;
use super::own_request::{OwnRequest, OwnRequestFault};
use super::tokens::AccessTokens;
use crate::config::Account;
use crate::exchange::{headers, target};
use crate::protocol::UpstreamDialect;
use crate::protocol::error::mask;

/// The result of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probed {
    /// The name of the account.
    pub account: String,
    pub verdict: Verdict,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    pub latency: Duration,
    /// Names of models, in the order of the answer, at most `MOST_MODELS`.
    pub models: Vec<String>,
    /// What the upstream said about it, or what went wrong; without secrets.
    pub detail: Option<String>,
}

/// Whether an account would serve.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The account listed its models.
    Fine,
    /// The upstream answers but has no such list, so it is not known whether it accepts the key.
    NoList,
    /// The upstream does not accept the key.
    Refused,
    /// The upstream answers with an error.
    Failing,
    /// There was no answer.
    Unreachable,
}

impl Verdict {
    /// The name on the admin plane and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::NoList => "no_list",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether the test found nothing wrong.
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Fine | Self::NoList)
    }

    const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Fine,
            401 | 403 => Self::Refused,
            404 | 405 => Self::NoList,
            _ => Self::Failing,
        }
    }
}

/// Tests the first endpoint of `account`.
pub(crate) async fn probe(
    account: &Account,
    upstreams: &Upstreams,
    tokens: &AccessTokens,
    connections: &Connections,
) -> Probed {
    let began = Instant::now();
    let patience = account.timeouts.first_byte.min(PATIENCE);
    let asking = ask(account, upstreams, tokens, connections);
    let answered = tokio::time::timeout(patience, asking).await;
    let answered = answered.unwrap_or_else(|_| Err("there was no answer in time".to_owned()));
    let mut probed = Probed {
        account: account.name.to_string(),
        verdict: Verdict::Unreachable,
        status: None,
        latency: began.elapsed(),
        models: Vec::new(),
        detail: None,
    };
    match answered {
        Err(why) => probed.detail = Some(why),
        Ok((status, body)) => {
            probed.verdict = Verdict::of(status);
            probed.status = Some(status);
            if probed.verdict == Verdict::Fine {
                probed.models = models(&body);
            } else {
                probed.detail = said(account, &body);
            }
        }
    }
    probed
}

async fn ask(
    account: &Account,
    upstreams: &Upstreams,
    tokens: &AccessTokens,
    connections: &Connections,
) -> Result<(u16, Bytes), String> {
    let dialect = account.dialects.first().copied();
    let path = target::models(dialect.unwrap_or(UpstreamDialect::OpenaiChat));
    get(account, upstreams, tokens, connections, path).await
}

/// Sends a GET request for a path of the account's dialect to its first endpoint. Returns status and body, or why there
/// is no answer.
pub(crate) async fn get(
    account: &Account,
    upstreams: &Upstreams,
    tokens: &AccessTokens,
    connections: &Connections,
    path: &str,
) -> Result<(u16, Bytes), String> {
    let endpoint = account.endpoints.first().ok_or("it has no endpoint")?;
    let target = upstreams
        .target(account, 0)
        .ok_or("it is not in force yet")?;
    let token = tokens.token(account).await;
    let token = token
        .map_err(|_| "there is no access token for it: `/status/accounts` says why".to_owned())?;
    let dialect = account
        .dialects
        .first()
        .copied()
        .unwrap_or(UpstreamDialect::OpenaiChat);
    let mut own = HeaderMap::new();
    if dialect == UpstreamDialect::Anthropic {
        let name = HeaderName::from_static("anthropic-version");
        own.insert(name, HeaderValue::from_static("2023-06-01"));
    }
    let own_request = OwnRequest {
        method: Method::GET,
        path: &target::vendor(dialect, path, endpoint, account),
        endpoint,
        headers: headers::to_account(&own, account, token.as_ref(), |_| {}),
        body: None,
        longest: LONGEST_ANSWER,
    };
    let answer = own_request
        .send(connections, &target, account.timeouts.connect)
        .await;
    answer.map_err(|fault| match fault {
        OwnRequestFault::NoConnection(fault) => {
            format!("no connection to {}: {fault:?}", endpoint.authority)
        }
        OwnRequestFault::TooLong(_) => "its answer is too long".to_owned(),
        _ => format!("{} broke the connection off", endpoint.authority),
    })
}

/// The ids (OpenAI, Anthropic) or names (Gemini) of the models.
fn models(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let list = body.get("data").or_else(|| body.get("models"));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let name = |model: &Value| {
        let name = model.get("id").or_else(|| model.get("name"))?.as_str()?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    list.filter_map(name).take(MOST_MODELS).collect()
}

/// The message of an error, shortened, with the key masked.
fn said(account: &Account, body: &[u8]) -> Option<String> {
    let secret = account.key.as_ref().map_or("", |key| key.expose());
    let masked = mask(body, secret);
    let parsed: Value = serde_json::from_slice(&masked).unwrap_or_default();
    let message = parsed
        .pointer("/error/message")
        .or_else(|| parsed.get("message"));
    let text = match message.and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(&masked).into_owned(),
    };
    let line: Vec<&str> = text.split_whitespace().collect();
    let line: String = line.join(" ").chars().take(LONGEST_DETAIL).collect();
    Some(line).filter(|line| !line.is_empty())
}

/// The longest time for a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer. Lists of models are long: OpenRouter's has 500 KiB.
const LONGEST_ANSWER: usize = 8 << 20;

/// The most names that are kept.
const MOST_MODELS: usize = 1_000;

/// The most characters of an upstream's message.
const LONGEST_DETAIL: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_models_are_read_in_every_shape() {
        assert_eq!(
            models(br#"{"data":[{"id":"a"},{"id":"b"},{}]}"#),
            ["a", "b"]
        );
        assert_eq!(models(br#"{"models":[{"name":"models/g"}]}"#), ["g"]);
        for text in ["", "[]", "{\"data\":3}", "nonsense"] {
            assert!(models(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_status_tells_whether_the_key_is_taken() {
        let words = [200, 401, 403, 404, 429, 500].map(|status| Verdict::of(status).as_str());
        assert_eq!(
            words,
            [
                "fine", "refused", "refused", "no_list", "failing", "failing"
            ]
        );
    }
}

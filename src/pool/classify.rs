//! What a failure means: from what an upstream or a connection said to a class, a scope and a stated time.
//!
//! The status decides first, the words second: compatible vendors agree on statuses far more than on words. The words
//! are a table in `words.rs`.
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::hints;
use super::quota;
use super::words::{self, Sense};
use crate::outcome::FailureClass;
use crate::protocol::Dialect;

/// What a failure means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    pub class: FailureClass,
    /// What is out because of it.
    pub scope: Scope,
    /// When it will serve again, as the upstream stated; `None` when it said nothing that concerns this class.
    pub retry_after: Option<Duration>,
    /// Whether it counts at once where others count only three in a row: a refused connection.
    pub at_once: bool,
}

/// What a failure puts out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// The account, for every model.
    Account,
    /// The account, for models of the class of the one asked for.
    AccountModel,
    /// The account, for every model, because no credential for it could be had.
    Credential,
    /// The endpoint, for every account behind it.
    Endpoint,
    /// Nothing: the request is at fault, or the client left.
    Nothing,
}

/// Where the request may go after a failure, as long as nothing has been sent to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Another account, at once.
    Elsewhere,
    /// Another account, but only once for this class in one request.
    ElsewhereOnce,
    /// Another provider; when there is none, one more try in place after the backoff.
    ElsewhereOrInPlace,
    /// Anywhere, the same account included, but only once in one request: the model failed by chance, nobody is out.
    InPlaceOnce,
    /// Only the pool's declared fallback: every account here would say the same.
    Fallback,
    /// Nowhere.
    Stop,
}

/// What an error body says, however it is spelt; the caller parses it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorFacts<'a> {
    /// `error.type`, or Gemini's `error.status`.
    pub type_: Option<&'a str>,
    /// `error.code`, also when it is a number.
    pub code: Option<&'a str>,
    pub message: Option<&'a str>,
    /// A wait that the body states: `RetryInfo`, `resets_in_seconds`, "try again in 1.5s".
    pub retry_after: Option<Duration>,
    /// Gemini's `QuotaFailure.violations[].quotaId`.
    pub quota_ids: &'a [String],
    /// Whether the body is JSON at all.
    pub is_json: bool,
}

/// What went wrong below HTTP, or between a head and its end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// No connection within `timeouts.connect`, or it failed otherwise.
    Connect,
    /// The name does not resolve.
    Dns,
    /// The stream ended without its terminal marker.
    Eof,
    /// No head within `timeouts.first_byte`.
    FirstByte,
    /// Silence for longer than `timeouts.idle`.
    Idle,
    /// The peer refused the connection.
    Refused,
    /// The connection broke.
    Reset,
    /// The handshake failed.
    Tls,
}

impl Failure {
    /// Where the request may go now.
    pub const fn next(&self) -> Next {
        match self.class {
            FailureClass::ClientFault | FailureClass::ClientGone | FailureClass::Truncated => {
                Next::Stop
            }
            FailureClass::ContextLength => Next::Fallback,
            FailureClass::Overloaded => Next::ElsewhereOrInPlace,
            FailureClass::Slow => Next::ElsewhereOnce,
            FailureClass::ServerError if matches!(self.scope, Scope::Nothing) => Next::InPlaceOnce,
            FailureClass::Auth
            | FailureClass::Quota
            | FailureClass::ServerError
            | FailureClass::Throttled
            | FailureClass::ThrottledBlind
            | FailureClass::Transport => Next::Elsewhere,
        }
    }

    /// The model made an answer that is none (a call that cannot be parsed, say): the server is well.
    pub const fn of_the_model() -> Self {
        Self::new(FailureClass::ServerError, Scope::Nothing)
    }

    /// The client closed first: nobody's failure.
    pub const fn client_gone() -> Self {
        Self::new(FailureClass::ClientGone, Scope::Nothing)
    }

    /// There is no access token for the account, and none will come before `wait`. `refused`: the token endpoint does
    /// not accept its credentials.
    pub const fn no_token(refused: bool, wait: Duration) -> Self {
        let class = if refused {
            FailureClass::Auth
        } else {
            FailureClass::Transport
        };
        Self {
            retry_after: Some(wait),
            ..Self::new(class, Scope::Credential)
        }
    }

    const fn new(class: FailureClass, scope: Scope) -> Self {
        Self {
            class,
            scope,
            retry_after: None,
            at_once: false,
        }
    }
}

/// What an answer means that is no good: any status but 2xx, or a 2xx whose body (or first event) is an error.
pub fn classify(
    dialect: Dialect,
    status: u16,
    headers: &HeaderMap,
    error: &ErrorFacts<'_>,
    wall: SystemTime,
) -> Failure {
    let sense = words::sense(status, error);
    let status = match status {
        200..=299 => words::implied_status(sense, error),
        other => other,
    };
    let class = class_of(status, sense, headers, error, wall);
    let scope = match class {
        // Any client can ask for a model or an operation that is not for everyone: that must bench nothing.
        FailureClass::Auth if sense == Some(Sense::ModelDenied) => Scope::Nothing,
        FailureClass::Auth => Scope::Account,
        FailureClass::Quota | FailureClass::Throttled | FailureClass::ThrottledBlind => {
            limit_scope(dialect, class, headers, error)
        }
        FailureClass::ClientFault | FailureClass::ClientGone | FailureClass::ContextLength => {
            Scope::Nothing
        }
        _ => Scope::Endpoint,
    };
    let retry_after = match class {
        FailureClass::Quota => quota_reset(headers, error, wall),
        FailureClass::Throttled => throttle_reset(headers, error, wall),
        FailureClass::Overloaded | FailureClass::ServerError => stated(headers, error, wall),
        _ => None,
    };
    Failure {
        retry_after,
        ..Failure::new(class, scope)
    }
}

/// What an error event in a stream means. No headers of its own; before the commit point it may go elsewhere.
pub fn classify_event(dialect: Dialect, error: &ErrorFacts<'_>, wall: SystemTime) -> Failure {
    classify(dialect, 200, &HeaderMap::new(), error, wall)
}

/// What a broken connection or a passed deadline means.
pub const fn classify_transport(fault: Fault, committed: bool) -> Failure {
    if committed {
        return Failure::new(FailureClass::Truncated, Scope::Endpoint);
    }
    let class = match fault {
        Fault::FirstByte | Fault::Idle => FailureClass::Slow,
        Fault::Connect | Fault::Dns | Fault::Eof | Fault::Refused | Fault::Reset | Fault::Tls => {
            FailureClass::Transport
        }
    };
    Failure {
        at_once: matches!(fault, Fault::Refused),
        ..Failure::new(class, Scope::Endpoint)
    }
}

fn class_of(
    status: u16,
    sense: Option<Sense>,
    headers: &HeaderMap,
    error: &ErrorFacts<'_>,
    wall: SystemTime,
) -> FailureClass {
    match status {
        401 => FailureClass::Auth,
        402 => FailureClass::Quota,
        403 => forbidden(sense, error),
        429 => too_many(sense, headers, error, wall),
        529 => FailureClass::Overloaded,
        503 if sense == Some(Sense::SlowDown) || stated(headers, error, wall).is_some() => {
            FailureClass::Overloaded
        }
        408 | 499 => FailureClass::ServerError,
        400..=498 => match sense {
            Some(Sense::ContextLength) if matches!(status, 400 | 413 | 422) => {
                FailureClass::ContextLength
            }
            Some(Sense::Quota) => FailureClass::Quota,
            Some(Sense::KeyInvalid) => FailureClass::Auth,
            _ => FailureClass::ClientFault,
        },
        _ if sense == Some(Sense::Overloaded) => FailureClass::Overloaded,
        _ => FailureClass::ServerError,
    }
}

/// 403 has three meanings: the credential, the request, or a firewall in between.
fn forbidden(sense: Option<Sense>, error: &ErrorFacts<'_>) -> FailureClass {
    match sense {
        Some(Sense::Quota) => FailureClass::Quota,
        Some(Sense::Auth | Sense::KeyInvalid | Sense::ModelDenied) => FailureClass::Auth,
        _ if !error.is_json => FailureClass::ServerError,
        _ => FailureClass::ClientFault,
    }
}

/// 429 has four.
fn too_many(
    sense: Option<Sense>,
    headers: &HeaderMap,
    error: &ErrorFacts<'_>,
    wall: SystemTime,
) -> FailureClass {
    let daily = error.quota_ids.iter().any(|id| id.contains("PerDay"));
    if sense == Some(Sense::Quota) || daily || quota::is_rejected(headers) {
        FailureClass::Quota
    } else if sense == Some(Sense::Overloaded) {
        FailureClass::Overloaded
    } else if throttle_reset(headers, error, wall).is_some() {
        FailureClass::Throttled
    } else if headers
        .get("x-should-retry")
        .is_some_and(|value| value == "false")
    {
        // A refusal that names no end and forbids retrying is a spent budget: so Anthropic's own spend cap answers.
        FailureClass::Quota
    } else {
        FailureClass::ThrottledBlind
    }
}

/// Whether a limit concerns the whole account or only one model class of it.
fn limit_scope(
    dialect: Dialect,
    class: FailureClass,
    headers: &HeaderMap,
    error: &ErrorFacts<'_>,
) -> Scope {
    let per_model = if quota::is_rejected(headers) {
        quota::rejected_for_model(headers)
    } else if dialect == Dialect::Gemini {
        !error.quota_ids.is_empty() && error.quota_ids.iter().all(|id| id.contains("PerModel"))
    } else {
        class == FailureClass::Throttled
            && (quota::is_per_model_class(headers)
                || error.message.is_some_and(words::names_a_model))
    };
    if per_model {
        Scope::AccountModel
    } else {
        Scope::Account
    }
}

/// The latest of what the retry headers and the body state.
fn stated(headers: &HeaderMap, error: &ErrorFacts<'_>, wall: SystemTime) -> Option<Duration> {
    let body = error
        .retry_after
        .and_then(|wait| hints::positive(wait.as_secs_f64()));
    hints::retry_after(headers, wall).max(body)
}

fn throttle_reset(
    headers: &HeaderMap,
    error: &ErrorFacts<'_>,
    wall: SystemTime,
) -> Option<Duration> {
    stated(headers, error, wall).max(quota::spent_until(headers, wall))
}

/// A quota ends when the upstream says so. The per-minute windows that come with every answer say nothing about it.
fn quota_reset(headers: &HeaderMap, error: &ErrorFacts<'_>, wall: SystemTime) -> Option<Duration> {
    let daily = error.quota_ids.iter().any(|id| id.contains("PerDay"));
    stated(headers, error, wall)
        .max(quota::rejected_until(headers, wall))
        .max(
            error
                .message
                .and_then(|message| hints::regained(message, wall)),
        )
        .max(daily.then(|| hints::until_midnight_pacific(wall)).flatten())
}

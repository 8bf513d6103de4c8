//! What a failure means: turns what an upstream or a connection reported into a class, a scope and a stated time.
//!
//! `protocol::error` decides the kind of an error, for the pool and for the client. This file decides what follows from
//! it.
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::failure::{Failure, Scope, Worded};
use super::fault::Fault;
use super::hints;
use super::quota;
use crate::outcome::{Cause, FailureClass};
use crate::protocol::UpstreamDialect;
use crate::protocol::error::{self, ErrorKind, Indication, ParsedError, WireError};

/// What an upstream reported beside the kind of its error.
#[derive(Clone, Copy, Debug)]
pub struct Hints<'a> {
    dialect: UpstreamDialect,
    status: u16,
    message: &'a str,
    retry_after: Option<Duration>,
    /// In Unix seconds.
    resets_at: Option<u64>,
    quota_ids: &'a [String],
    indication: Indication,
    is_json: bool,
    /// Whether a date in the message is taken into account.
    has_date: bool,
}

impl<'a> Hints<'a> {
    /// The hints of an error that was parsed.
    pub fn of(dialect: UpstreamDialect, error: &'a ParsedError) -> Self {
        Self {
            dialect,
            status: error.status,
            message: &error.message,
            retry_after: error.retry_after,
            resets_at: error.resets_at,
            quota_ids: &error.quota_ids,
            indication: error.indication,
            is_json: error.is_json,
            has_date: true,
        }
    }

    /// The hints of an error of which only the status is known.
    pub const fn of_status(dialect: UpstreamDialect, status: u16) -> Self {
        Self {
            dialect,
            status,
            message: "",
            retry_after: None,
            resets_at: None,
            quota_ids: &[],
            indication: Indication::Status,
            is_json: false,
            has_date: true,
        }
    }

    /// The hints of an error event within an answer that is being translated: its message, and the wait that it states.
    pub fn of_event(dialect: UpstreamDialect, said: &'a WireError) -> Self {
        Self {
            dialect,
            status: 200,
            message: &said.message,
            retry_after: said.retry_after,
            resets_at: None,
            quota_ids: &[],
            indication: Indication::of_event(said),
            is_json: true,
            has_date: true,
        }
    }

    /// Whether a daily quota is spent (Gemini).
    fn is_daily(&self) -> bool {
        self.quota_ids.iter().any(|id| id.contains("PerDay"))
    }

    /// The words of the message that state the wait, when the wait is stated only in words.
    fn wait_words(&self) -> Option<&'a str> {
        match error::wait_in_words(self.message) {
            Some((wait, words)) if self.retry_after == Some(wait) => Some(words),
            _ => hints::regain_words(self.message),
        }
    }

    /// The same hints without the waits that are stated only in words.
    fn unworded(self) -> Self {
        let worded = error::wait_in_words(self.message).map(|(wait, _)| wait);
        Self {
            retry_after: self.retry_after.filter(|wait| Some(*wait) != worded),
            has_date: false,
            ..self
        }
    }

    /// Whether the message names the model that it is about, as Anthropic's and OpenAI's messages do for limits per
    /// model.
    fn names_a_model(&self) -> bool {
        self.message.contains("Rate limit reached for ") || self.message.contains("model: ")
    }
}

/// What an error means. The error is an answer whose status is not 2xx, or a 2xx whose body or event is an error.
pub fn classify(
    kind: ErrorKind,
    hints: &Hints<'_>,
    headers: &HeaderMap,
    wall: SystemTime,
) -> Failure {
    let failure = as_told(kind, hints, headers, wall);
    let worded = hints.wait_words().map(|words| {
        let unworded = as_told(kind, &hints.unworded(), headers, wall);
        Worded::new(words, &unworded)
    });
    Failure { worded, ..failure }
}

fn as_told(kind: ErrorKind, hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Failure {
    let failure = meaning(kind, hints, headers, wall);
    let doubt = match hints.indication {
        Indication::Status | Indication::Code => None,
        Indication::Words(phrase) => Some(failure.as_doubt(phrase)),
        Indication::Phrase(phrase, otherwise) => {
            Some(meaning(otherwise, hints, headers, wall).as_doubt(phrase))
        }
    };
    Failure {
        is_named: hints.indication != Indication::Status,
        doubt,
        ..failure
    }
}

fn meaning(kind: ErrorKind, hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Failure {
    if kind == ErrorKind::NoAnswer {
        return Failure::of_the_model();
    }
    let class = class_of(kind, hints, headers, wall);
    let scope = match class {
        // Any client can ask for a model or an operation that is not open to everyone; that must not bench anything.
        FailureClass::Auth if kind != ErrorKind::Authentication => Scope::Nothing,
        FailureClass::Auth => Scope::Account,
        // This request costs more than what is left; smaller requests may still pass.
        FailureClass::Quota if kind == ErrorKind::TooDear => Scope::Nothing,
        FailureClass::Quota | FailureClass::Throttled | FailureClass::ThrottledBlind => {
            limit_scope(class, hints, headers)
        }
        FailureClass::ClientFault | FailureClass::ClientGone | FailureClass::ContextLength => {
            Scope::Nothing
        }
        _ => Scope::Endpoint,
    };
    let retry_after = match class {
        FailureClass::Quota => quota_reset(hints, headers, wall),
        FailureClass::Throttled => throttle_reset(hints, headers, wall),
        FailureClass::Overloaded | FailureClass::ServerError => stated(hints, headers, wall),
        _ => None,
    };
    Failure {
        retry_after,
        cause: cause_of(hints, headers),
        ..Failure::new(class, scope)
    }
}

/// The cause, when the answer is one that no API gives, so something between Weir and the API sent it.
fn cause_of(hints: &Hints<'_>, headers: &HeaderMap) -> Option<Cause> {
    let is_page = || {
        let media = headers.get(CONTENT_TYPE)?.as_bytes();
        media
            .get(..HTML.len())
            .filter(|media| media.eq_ignore_ascii_case(HTML))
    };
    match hints.status {
        300..=399 => Some(Cause::Redirect),
        407 => Some(Cause::ProxyAuth),
        426 => Some(Cause::NotHttp),
        _ if !hints.is_json && is_page().is_some() => Some(Cause::Html),
        _ => None,
    }
}

/// What an error event in a stream means. An event has no headers. Before the commit point the request may still go
/// elsewhere.
pub fn classify_event(dialect: UpstreamDialect, error: &ParsedError, wall: SystemTime) -> Failure {
    let hints = Hints::of(dialect, error);
    classify(error.kind, &hints, &HeaderMap::new(), wall)
}

/// What a broken connection or a passed deadline means.
pub const fn classify_transport(fault: Fault, committed: bool) -> Failure {
    if committed {
        return Failure {
            cause: Some(fault.cause()),
            ..Failure::new(FailureClass::Truncated, Scope::Endpoint)
        };
    }
    let class = match fault {
        Fault::FirstByte | Fault::Idle | Fault::Write => FailureClass::Slow,
        Fault::NotAStream | Fault::UnaskedStream => FailureClass::ServerError,
        _ => FailureClass::Transport,
    };
    Failure {
        at_once: matches!(fault, Fault::Refused),
        cause: Some(fault.cause()),
        ..Failure::new(class, Scope::Endpoint)
    }
}

fn class_of(
    kind: ErrorKind,
    hints: &Hints<'_>,
    headers: &HeaderMap,
    wall: SystemTime,
) -> FailureClass {
    match kind {
        ErrorKind::Authentication => FailureClass::Auth,
        ErrorKind::Billing | ErrorKind::Quota | ErrorKind::TooDear => FailureClass::Quota,
        ErrorKind::ContextLength => FailureClass::ContextLength,
        ErrorKind::Overloaded => FailureClass::Overloaded,
        ErrorKind::RateLimit => too_many(hints, headers, wall),
        ErrorKind::ModelNotFound if matches!(hints.status, 401 | 403) => FailureClass::Auth,
        ErrorKind::Permission if matches!(hints.status, 401 | 402) => FailureClass::Auth,
        // A firewall between Weir and the API answered.
        ErrorKind::Permission if !hints.is_json => FailureClass::ServerError,
        ErrorKind::Conflict
        | ErrorKind::InvalidRequest
        | ErrorKind::MethodNotAllowed
        | ErrorKind::ModelNotFound
        | ErrorKind::NotFound
        | ErrorKind::Permission
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported => FailureClass::ClientFault,
        // Gemini uses one word (`UNAVAILABLE`) for overload and for an outage.
        ErrorKind::Unavailable
            if hints.is_json && hints.dialect == UpstreamDialect::Gemini
                || stated(hints, headers, wall).is_some() =>
        {
            FailureClass::Overloaded
        }
        ErrorKind::Api
        | ErrorKind::BadGateway
        | ErrorKind::ClientClosed
        | ErrorKind::NoAnswer
        | ErrorKind::RequestTimeout
        | ErrorKind::Timeout
        | ErrorKind::Unavailable => FailureClass::ServerError,
    }
}

/// The class of a rate limit: a spent quota when the headers say so, and blind when no end is stated.
fn too_many(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> FailureClass {
    if quota::is_rejected(headers) {
        FailureClass::Quota
    } else if throttle_reset(hints, headers, wall).is_some() {
        FailureClass::Throttled
    } else if headers
        .get("x-should-retry")
        .is_some_and(|value| value == "false")
    {
        // Anthropic's own spend cap answers like this: no end is stated and a retry is forbidden. The budget is spent.
        FailureClass::Quota
    } else {
        FailureClass::ThrottledBlind
    }
}

/// Whether a limit concerns the whole account or only one model class of it.
fn limit_scope(class: FailureClass, hints: &Hints<'_>, headers: &HeaderMap) -> Scope {
    let per_model = if quota::is_rejected(headers) {
        quota::rejected_for_model(headers)
    } else if hints.dialect == UpstreamDialect::Gemini {
        !hints.quota_ids.is_empty() && hints.quota_ids.iter().all(|id| id.contains("PerModel"))
    } else {
        class == FailureClass::Throttled
            && (quota::is_per_model_class(headers) || hints.names_a_model())
    };
    if per_model {
        Scope::AccountModel
    } else {
        Scope::Account
    }
}

/// The latest of the times that the retry headers and the body state.
fn stated(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let body = hints
        .retry_after
        .and_then(|wait| hints::positive(wait.as_secs_f64()));
    let reset = hints.resets_at.and_then(|at| hints::until_unix(at, wall));
    hints::retry_after(headers, wall).max(body).max(reset)
}

fn throttle_reset(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    stated(hints, headers, wall).max(quota::spent_until(headers, wall))
}

/// When a quota ends, as the upstream states it. The per-minute windows that come with every answer do not concern it.
fn quota_reset(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    stated(hints, headers, wall)
        .max(quota::rejected_until(headers, wall))
        .max(
            hints
                .has_date
                .then(|| hints::regained(hints.message, wall))
                .flatten(),
        )
        .max(
            hints
                .is_daily()
                .then(|| hints::until_midnight_pacific(wall))
                .flatten(),
        )
}

/// The media type of HTML pages.
const HTML: &[u8] = b"text/html";

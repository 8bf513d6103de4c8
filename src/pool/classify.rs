//! What a failure means: from what an upstream or a connection said to a class, a scope and a stated time.
//!
//! The kind of an error is decided by `protocol::error`, for the pool and for the client. Here stands what becomes of it.
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::evidence::Evidence;
use super::fault::Fault;
use super::hints;
use super::quota;
use crate::outcome::{Cause, FailureClass, Next};
use crate::protocol::Dialect;
use crate::protocol::error::{ErrorKind, ParsedError, Told, WireError};

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
    /// What was behind it, where there is more to say than the class.
    pub cause: Option<Cause>,
    /// Whether more than the status says so: a code, or words.
    pub is_named: bool,
    /// What it is if the client wrote the phrase that tells it.
    pub doubt: Option<Doubt>,
    /// Whether the client wrote that phrase.
    pub is_echo: bool,
}

/// What a failure amounts to if the phrase that tells it is the client's own: vendors repeat what they were sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// In lower case.
    phrase: &'static str,
    class: FailureClass,
    scope: Scope,
    retry_after: Option<Duration>,
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

/// What an upstream said beside the kind of its error.
#[derive(Clone, Copy, Debug)]
pub struct Hints<'a> {
    dialect: Dialect,
    status: u16,
    message: &'a str,
    retry_after: Option<Duration>,
    quota_ids: &'a [String],
    told: Told,
    is_json: bool,
}

impl<'a> Hints<'a> {
    /// Of an error that was read.
    pub fn of(dialect: Dialect, error: &'a ParsedError) -> Self {
        Self {
            dialect,
            status: error.status,
            message: &error.message,
            retry_after: error.retry_after,
            quota_ids: &error.quota_ids,
            told: error.told,
            is_json: error.is_json,
        }
    }

    /// Of an error of which only the status is known.
    pub const fn of_status(dialect: Dialect, status: u16) -> Self {
        Self {
            dialect,
            status,
            message: "",
            retry_after: None,
            quota_ids: &[],
            told: Told::Status,
            is_json: false,
        }
    }

    /// Of an error within an answer that is translated: its message, and the wait that it states.
    pub fn of_event(dialect: Dialect, said: &'a WireError) -> Self {
        Self {
            dialect,
            status: 200,
            message: &said.message,
            retry_after: said.retry_after,
            quota_ids: &[],
            told: Told::of_event(said),
            is_json: true,
        }
    }

    /// Whether a quota per day is spent (Gemini).
    fn is_daily(&self) -> bool {
        self.quota_ids.iter().any(|id| id.contains("PerDay"))
    }

    /// Whether the message names the model it is for, as Anthropic's and OpenAI's do for limits per model.
    fn names_a_model(&self) -> bool {
        self.message.contains("Rate limit reached for ") || self.message.contains("model: ")
    }
}

impl Failure {
    /// Where the request may go now.
    pub const fn next(&self) -> Next {
        match self.class {
            // Only another account's word tells whether the client's words are repeated, or happen to be true.
            FailureClass::ClientFault if self.is_echo => Next::ElsewhereOnce,
            _ if self.is_the_models() => Next::InPlaceOnce,
            class => class.next(),
        }
    }

    /// Whether the model failed by chance, and the server is well.
    pub(super) const fn is_the_models(&self) -> bool {
        matches!(self.class, FailureClass::ServerError) && matches!(self.scope, Scope::Nothing)
    }

    /// Whether it is only soft evidence: it may have been chance, and nothing says how long it lasts.
    pub(super) fn is_soft(&self) -> bool {
        let by_phrase = self.doubt.is_some_and(|doubt| doubt.class != self.class);
        self.retry_after.is_none() && (by_phrase || self.class.is_soft())
    }

    /// What it amounts to, once it is known which phrases the client wrote.
    #[must_use]
    pub fn unless_said(self, says: impl FnOnce(&str) -> bool) -> Self {
        match self.doubt {
            Some(doubt) if says(doubt.phrase) => Self {
                class: doubt.class,
                scope: doubt.scope,
                retry_after: doubt.retry_after,
                is_named: false,
                doubt: None,
                is_echo: true,
                ..self
            },
            _ => self,
        }
    }

    /// It instead of another, if the client wrote this phrase.
    const fn as_doubt(&self, phrase: &'static str) -> Doubt {
        Doubt {
            phrase,
            class: self.class,
            scope: self.scope,
            retry_after: self.retry_after,
        }
    }

    /// What it says against what it puts out.
    pub(super) const fn evidence(&self) -> Evidence {
        Evidence {
            class: self.class,
            cause: self.cause,
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
            cause: None,
            is_named: false,
            doubt: None,
            is_echo: false,
        }
    }
}

/// What an error means: of an answer whose status is not 2xx, or of a 2xx whose body or event is an error.
pub fn classify(
    kind: ErrorKind,
    hints: &Hints<'_>,
    headers: &HeaderMap,
    wall: SystemTime,
) -> Failure {
    let failure = meaning(kind, hints, headers, wall);
    let doubt = match hints.told {
        Told::Status | Told::Code => None,
        Told::Words(phrase) => Some(failure.as_doubt(phrase)),
        Told::Phrase(phrase, otherwise) => {
            Some(meaning(otherwise, hints, headers, wall).as_doubt(phrase))
        }
    };
    Failure {
        is_named: hints.told != Told::Status,
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
        // Any client can ask for a model or an operation that is not for everyone: that must bench nothing.
        FailureClass::Auth if kind != ErrorKind::Authentication => Scope::Nothing,
        FailureClass::Auth => Scope::Account,
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

/// Answers that no API gives: something in between did.
fn cause_of(hints: &Hints<'_>, headers: &HeaderMap) -> Option<Cause> {
    let is_page = || {
        let media = headers.get(CONTENT_TYPE)?.as_bytes();
        media
            .get(..HTML.len())
            .filter(|media| media.eq_ignore_ascii_case(HTML))
    };
    match hints.status {
        300..=399 => Some(Cause::Redirect),
        _ if !hints.is_json && is_page().is_some() => Some(Cause::Html),
        _ => None,
    }
}

/// What an error event in a stream means. No headers of its own; before the commit point it may go elsewhere.
pub fn classify_event(dialect: Dialect, error: &ParsedError, wall: SystemTime) -> Failure {
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
        Fault::FirstByte | Fault::Idle => FailureClass::Slow,
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
        ErrorKind::Billing | ErrorKind::Quota => FailureClass::Quota,
        ErrorKind::ContextLength => FailureClass::ContextLength,
        ErrorKind::Overloaded => FailureClass::Overloaded,
        ErrorKind::RateLimit => too_many(hints, headers, wall),
        ErrorKind::ModelNotFound if matches!(hints.status, 401 | 403) => FailureClass::Auth,
        ErrorKind::Permission if matches!(hints.status, 401 | 402) => FailureClass::Auth,
        // A firewall in between.
        ErrorKind::Permission if !hints.is_json => FailureClass::ServerError,
        ErrorKind::Conflict
        | ErrorKind::InvalidRequest
        | ErrorKind::MethodNotAllowed
        | ErrorKind::ModelNotFound
        | ErrorKind::NotFound
        | ErrorKind::Permission
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported => FailureClass::ClientFault,
        // Gemini has one word for both.
        ErrorKind::Unavailable
            if hints.is_json && hints.dialect == Dialect::Gemini
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

/// A rate limit is a spent budget when the upstream says so without words, and blind when it says no end.
fn too_many(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> FailureClass {
    if quota::is_rejected(headers) {
        FailureClass::Quota
    } else if throttle_reset(hints, headers, wall).is_some() {
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
fn limit_scope(class: FailureClass, hints: &Hints<'_>, headers: &HeaderMap) -> Scope {
    let per_model = if quota::is_rejected(headers) {
        quota::rejected_for_model(headers)
    } else if hints.dialect == Dialect::Gemini {
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

/// The latest of what the retry headers and the body state.
fn stated(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let body = hints
        .retry_after
        .and_then(|wait| hints::positive(wait.as_secs_f64()));
    hints::retry_after(headers, wall).max(body)
}

fn throttle_reset(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    stated(hints, headers, wall).max(quota::spent_until(headers, wall))
}

/// A quota ends when the upstream says so. The per-minute windows that come with every answer say nothing about it.
fn quota_reset(hints: &Hints<'_>, headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    stated(hints, headers, wall)
        .max(quota::rejected_until(headers, wall))
        .max(hints::regained(hints.message, wall))
        .max(
            hints
                .is_daily()
                .then(|| hints::until_midnight_pacific(wall))
                .flatten(),
        )
}

/// The media type of pages.
const HTML: &[u8] = b"text/html";

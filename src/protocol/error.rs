//! The error envelopes of the four dialects, in both directions.
//!
//! [`encode`] writes Weir's own errors (an upstream's error to a client of the same dialect passes unmodified instead),
//! [`parse`] reads whatever an upstream sends, [`mask`] takes credentials out of a body before a client sees it. What a
//! kind looks like per dialect is one table, [`row`].
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Dialect;

mod delay;
mod kinds;
mod mask;
mod parse;
mod table;
mod window;
mod words_table;
pub use delay::wait_in_words;
pub use kinds::Told;
pub use mask::mask;
pub use parse::{ParsedError, parse, parse_event};
pub use table::{Row, row};
pub use window::{input_and_output, output_alone, token_counts};

/// What went wrong: the superset of what the dialects can say.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The server failed, no more is known.
    Api,
    /// No or a wrong credential.
    Authentication,
    /// An upstream answered with something that is no answer.
    BadGateway,
    /// A budget of the caller is spent.
    Billing,
    /// The caller closed. Never sent to anyone; logs say 499.
    ClientClosed,
    /// Clashes with the present state, or was tried twice.
    Conflict,
    /// The request does not fit the context window of the model.
    ContextLength,
    /// The request is malformed.
    InvalidRequest,
    /// The path exists, the method does not fit.
    MethodNotAllowed,
    /// No such model, or none that this caller may use.
    ModelNotFound,
    /// The model ended without an answer, by chance: the server is well.
    NoAnswer,
    /// No such path or object.
    NotFound,
    /// The server is overloaded, whoever asks.
    Overloaded,
    /// The credential may not do this.
    Permission,
    /// A quota that will not come back soon is spent.
    Quota,
    /// Too many requests or tokens in a short time.
    RateLimit,
    /// The request itself did not arrive in time.
    RequestTimeout,
    /// An upstream did not answer in time.
    Timeout,
    /// The request costs more than what is left to be spent; a smaller one may be served.
    TooDear,
    /// The request body is too large.
    TooLarge,
    /// Nobody can serve this now, though nothing is overloaded.
    Unavailable,
    /// Well-formed, but not supported here.
    Unsupported,
}

/// An error to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WireError {
    /// Decides status, type and the code if there is none of its own.
    pub kind: ErrorKind,
    /// What happened and what to do next.
    pub message: String,
    /// The request field at fault.
    pub param: Option<String>,
    /// Replaces the code of the table.
    pub code: Option<String>,
    /// When to come back. The head's `retry-after` is written by whoever writes the head.
    pub retry_after: Option<Duration>,
    /// The id that the client sees in `x-request-id`.
    pub request_id: Option<String>,
    /// By what its kind is known, if an upstream said it.
    pub told: Option<Told>,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::Api,
        Self::Authentication,
        Self::BadGateway,
        Self::Billing,
        Self::ClientClosed,
        Self::Conflict,
        Self::ContextLength,
        Self::InvalidRequest,
        Self::MethodNotAllowed,
        Self::ModelNotFound,
        Self::NoAnswer,
        Self::NotFound,
        Self::Overloaded,
        Self::Permission,
        Self::Quota,
        Self::RateLimit,
        Self::RequestTimeout,
        Self::Timeout,
        Self::TooDear,
        Self::TooLarge,
        Self::Unavailable,
        Self::Unsupported,
    ];

    /// What a status says by itself.
    pub const fn of_status(status: u16) -> Self {
        kinds::by_status(status)
    }

    /// Whether an SDK that retries 408, 409, 429 and 5xx by itself must be told not to: `x-should-retry: false`.
    pub const fn forbids_retry(self) -> bool {
        matches!(self, Self::Billing | Self::Quota | Self::TooDear)
    }
}

impl WireError {
    /// An error with this message and nothing else.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            request_id: None,
            told: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Replaces the code of the table.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says by what its kind is known.
    #[must_use]
    pub fn told(mut self, told: Told) -> Self {
        self.told = Some(told);
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Names the request.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }
}

/// The HTTP status of this kind of error to a client of this dialect.
pub fn status(dialect: Dialect, kind: ErrorKind) -> u16 {
    row(dialect, kind).status
}

/// The body of an HTTP error, and (unless the dialect has an event of its own) the data of an error event.
pub fn encode(dialect: Dialect, error: &WireError) -> Bytes {
    let row = &row(dialect, error.kind);
    match dialect {
        Dialect::Anthropic => to_bytes(&anthropic(row, error)),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => to_bytes(&openai(row, error)),
        Dialect::Gemini => escape_line_ends(&gemini(row, error).to_string()),
    }
}

/// The code of this error: its own, else the table's.
pub(super) fn code<'a>(row: &Row, error: &'a WireError) -> Option<&'a str> {
    error.code.as_deref().or(row.code)
}

fn anthropic(row: &Row, error: &WireError) -> Value {
    let mut inner = Map::new();
    inner.insert("type".into(), row.type_.into());
    inner.insert("message".into(), error.message.as_str().into());
    if let Some(code) = code(row, error) {
        inner.insert("details".into(), json!({ "error_code": code }));
    }
    json!({ "type": "error", "error": inner, "request_id": error.request_id })
}

fn openai(row: &Row, error: &WireError) -> Value {
    json!({ "error": {
        "message": error.message,
        "type": row.type_,
        "param": error.param,
        "code": code(row, error),
    } })
}

fn gemini(row: &Row, error: &WireError) -> Value {
    let mut details = Vec::new();
    if let Some(reason) = code(row, error) {
        details.push(json!({ "@type": ERROR_INFO, "reason": reason, "domain": ERROR_DOMAIN }));
    }
    if let Some(field) = &error.param {
        let violation = json!({ "field": field, "description": error.message });
        details.push(json!({ "@type": BAD_REQUEST, "fieldViolations": [violation] }));
    }
    if let Some(delay) = error.retry_after {
        details.push(json!({ "@type": RETRY_INFO, "retryDelay": seconds(delay) }));
    }
    let mut inner = Map::new();
    inner.insert("code".into(), row.status.into());
    inner.insert("message".into(), error.message.as_str().into());
    inner.insert("status".into(), row.type_.into());
    if !details.is_empty() {
        inner.insert("details".into(), details.into());
    }
    json!({ "error": inner })
}

/// The JSON form of a protobuf duration: whole seconds, or with milliseconds.
fn seconds(delay: Duration) -> String {
    match delay.subsec_millis() {
        0 => format!("{}s", delay.as_secs()),
        millis => format!("{}.{millis:03}s", delay.as_secs()),
    }
}

/// Google's SDK for Python cuts stream lines at these three, also inside JSON. Outside strings JSON has none of them.
fn escape_line_ends(json: &str) -> Bytes {
    Bytes::from(
        json.replace('\u{85}', "\\u0085")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029"),
    )
}

fn to_bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Who says the reason in an `ErrorInfo`. Google's own domain, since clients compare its reasons only together with it.
const ERROR_DOMAIN: &str = "googleapis.com";

/// The entries of `details`: a list (Gemini) or one object (Anthropic).
fn details(error: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    let details = error.get("details");
    let list = details
        .and_then(serde_json::Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    list.iter()
        .chain(details.filter(|details| details.is_object()))
}

#[cfg(test)]
mod tests;

//! The error envelopes of the four dialects, in both directions.
//!
//! [`encode`] writes Weir's own errors (an upstream's error to a client of the same dialect is passed unmodified
//! instead), [`parse`] reads whatever an upstream sends, [`mask`] removes credentials from a body before a client sees
//! it. The form of each kind in each dialect is one table, [`row`].
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
pub use kinds::Indication;
pub use mask::mask;
pub use parse::{ParsedError, parse, parse_event, plain_event};
pub use table::{Row, row};
pub use window::{input_and_output, output_alone, token_counts};

/// The kinds of errors: everything that the dialects together can distinguish.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The server failed; the cause is unknown.
    Api,
    /// The credential is missing or wrong.
    Authentication,
    /// An upstream sent something that is not an answer.
    BadGateway,
    /// A budget of the caller is spent.
    Billing,
    /// The client closed the connection. Never sent to anyone; logs show 499.
    ClientClosed,
    /// The request conflicts with the present state, or was sent twice.
    Conflict,
    /// The request does not fit the context window of the model.
    ContextLength,
    /// The request is malformed.
    InvalidRequest,
    /// The path exists, but not for this method.
    MethodNotAllowed,
    /// The model does not exist, or this caller may not use it.
    ModelNotFound,
    /// The model ended without an answer by chance; the server is healthy.
    NoAnswer,
    /// The path or object does not exist.
    NotFound,
    /// The server is overloaded for all callers.
    Overloaded,
    /// The credential does not permit this.
    Permission,
    /// A quota is spent that will not be refilled soon.
    Quota,
    /// Too many requests or tokens within a short time.
    RateLimit,
    /// The request itself did not arrive completely in time.
    RequestTimeout,
    /// An upstream did not answer in time.
    Timeout,
    /// The request costs more than what is left of a budget; a smaller request may be served.
    TooDear,
    /// The request body is too large.
    TooLarge,
    /// Nothing can serve this now, though nothing is overloaded.
    Unavailable,
    /// The request is well-formed, but not supported here.
    Unsupported,
}

/// An error to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WireError {
    /// Decides the status, the type and, without `code`, the code.
    pub kind: ErrorKind,
    /// What happened and what to do about it.
    pub message: String,
    /// The request field at fault.
    pub param: Option<String>,
    /// Replaces the code of the table.
    pub code: Option<String>,
    /// After how long to retry. The `retry-after` header is set by the code that writes the head.
    pub retry_after: Option<Duration>,
    /// The id that the client sees in `x-request-id`.
    pub request_id: Option<String>,
    /// How an upstream indicated the kind; `None` = the error is not an upstream's.
    pub indication: Option<Indication>,
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

    /// The kind that a status alone indicates.
    pub const fn of_status(status: u16) -> Self {
        kinds::by_status(status)
    }

    /// Whether SDKs, which retry 408, 409, 429 and 5xx by themselves, must be told not to: `x-should-retry: false`.
    pub const fn forbids_retry(self) -> bool {
        matches!(self, Self::Billing | Self::Quota | Self::TooDear)
    }
}

impl WireError {
    /// An error with this message only.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            request_id: None,
            indication: None,
        }
    }

    /// Sets the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets a code that replaces the code of the table.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets how the upstream indicated the kind.
    #[must_use]
    pub fn indication(mut self, indication: Indication) -> Self {
        self.indication = Some(indication);
        self
    }

    /// Sets after how long to retry.
    #[must_use]
    pub fn retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Sets the id of the request.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }
}

/// The HTTP status of this kind of error for a client of this dialect.
pub fn status(dialect: Dialect, kind: ErrorKind) -> u16 {
    row(dialect, kind).status
}

/// The body of an HTTP error. It is also the data of an error event, unless the dialect has an error event of its own.
pub fn encode(dialect: Dialect, error: &WireError) -> Bytes {
    let row = &row(dialect, error.kind);
    match dialect {
        Dialect::Anthropic => to_bytes(&anthropic(row, error)),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => to_bytes(&openai(row, error)),
        Dialect::Gemini => escape_line_ends(&gemini(row, error).to_string()),
    }
}

/// The code of this error: its own one, else the table's.
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

/// The JSON form of a protobuf duration, in whole seconds or with milliseconds.
fn seconds(delay: Duration) -> String {
    match delay.subsec_millis() {
        0 => format!("{}s", delay.as_secs()),
        millis => format!("{}.{millis:03}s", delay.as_secs()),
    }
}

/// Google's SDK for Python splits stream lines at these three characters, even inside JSON. JSON has them only in
/// strings.
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

/// The domain of an `ErrorInfo`. It is Google's own, because clients check the reason only together with this domain.
const ERROR_DOMAIN: &str = "googleapis.com";

/// The entries of `details`, which is a list (Gemini) or one object (Anthropic).
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

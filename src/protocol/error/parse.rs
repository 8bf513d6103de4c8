//! Parses an upstream's error, whatever its form.
//!
//! The status decides first; the type, the code and the wording refine it: compatible vendors copy the error format of
//! a dialect more faithfully than its codes. Nothing here fails: an unreadable body still has a kind.
use std::time::Duration;

use serde_json::Value;

use super::delay::{self, Stated};
use super::kinds::{self, Indication};
use super::{ErrorKind, WireError, details};
use crate::protocol::UpstreamDialect;

/// An upstream's error.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParsedError {
    /// The HTTP status of the answer, or the status that an error inside a 200 names; 200 if it names none.
    pub status: u16,
    /// The kind of error.
    pub kind: ErrorKind,
    /// How the upstream indicated the kind.
    pub indication: Indication,
    /// `error.type`; for Gemini `error.status`.
    pub type_: Option<String>,
    /// `error.code`, `error.details.error_code` or the reason of an `ErrorInfo`; numbers as text.
    pub code: Option<String>,
    /// The upstream's message, at most 4 KiB; empty if it has none. Credentials in it are not masked.
    pub message: String,
    /// The request field at fault.
    pub param: Option<String>,
    /// After how long to retry, if the body states it.
    pub retry_after: Option<Duration>,
    /// When the quota is refilled, in Unix seconds, if the body states it.
    pub resets_at: Option<u64>,
    /// The ids of the exhausted quotas (Gemini).
    pub quota_ids: Vec<String>,
    /// The request id in the body.
    pub request_id: Option<String>,
    /// Whether the body is JSON. The error page of a proxy in between is not.
    pub is_json: bool,
}

/// Parses the body of an answer with an error status.
pub fn parse(dialect: impl Into<UpstreamDialect>, status: u16, body: &[u8]) -> ParsedError {
    let dialect = dialect.into();
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => match Found::look(&value) {
            Some(found) => found.settle(dialect, status),
            None => Found::default().settle(dialect, status),
        },
        Err(_) => Found {
            message: page_text(body),
            ..Found::default()
        }
        .settle_as(dialect, status, false),
    }
}

/// Parses an event, or the body of a 200; `None` if it contains no error.
pub fn parse_event(dialect: impl Into<UpstreamDialect>, data: &[u8]) -> Option<ParsedError> {
    let value = serde_json::from_slice::<Value>(data).ok()?;
    Some(Found::look(&value)?.settle(dialect.into(), 200))
}

/// The error in an event of a stream that is called `error` and has plain text.
pub fn plain_event(name: Option<&[u8]>, data: &[u8]) -> Option<ParsedError> {
    if name != Some(b"error") {
        return None;
    }
    let said = data.trim_ascii();
    if matches!(said.first(), None | Some(b'{' | b'[' | b'"')) {
        return None;
    }
    let text = String::from_utf8_lossy(said);
    let text: String = text.chars().take(MOST_SAID).collect();
    Some(ParsedError {
        code: None,
        ..ParsedError::new(ErrorKind::Api, "", &text)
    })
}

/// Most characters of an error in plain text.
const MOST_SAID: usize = 1_000;

impl ParsedError {
    /// An error that Weir infers from an answer that does not state one.
    pub fn new(kind: ErrorKind, code: &str, message: &str) -> Self {
        Self {
            status: 200,
            kind,
            indication: Indication::Code,
            type_: None,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            param: None,
            retry_after: None,
            resets_at: None,
            quota_ids: Vec::new(),
            request_id: None,
            is_json: true,
        }
    }

    /// The error for a successful answer without content.
    pub fn empty_answer() -> Self {
        Self::new(
            ErrorKind::BadGateway,
            "empty_answer",
            "the upstream's answer has no content",
        )
    }
}

impl ParsedError {
    /// The same error, for a client.
    pub fn to_wire(&self) -> WireError {
        WireError {
            kind: self.kind,
            message: self.message.clone(),
            param: self.param.clone(),
            code: self.code.clone(),
            retry_after: self.retry_after,
            request_id: self.request_id.clone(),
            indication: Some(self.indication),
        }
    }
}

/// The parts of an error as they are in the body.
#[derive(Debug, Default)]
struct Found<'a> {
    error: Option<&'a Value>,
    type_: Option<&'a str>,
    code: Option<String>,
    message: String,
    param: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> Found<'a> {
    /// Finds the error in any of the known forms.
    fn look(value: &'a Value) -> Option<Self> {
        let body = match value {
            Value::Array(list) => list.first()?,
            other => other,
        };
        let mut found = Self::in_error(body)
            .or_else(|| Self::in_base_resp(body))
            .or_else(|| Self::in_detail(body))
            .or_else(|| Self::in_errors(body))
            .or_else(|| Self::flat(body))?;
        found.request_id = text(body, &["request_id", "requestId"]);
        Some(found)
    }

    /// `{"error": {..}}` of all dialects, `{"error": "..."}` of Ollama and others.
    fn in_error(body: &'a Value) -> Option<Self> {
        match body.get("error")? {
            Value::String(message) => Some(Self {
                type_: text(body, &["error_type"]),
                code: code(body, "code"),
                message: message.clone(),
                ..Self::default()
            }),
            error @ Value::Object(_) => Some(Self::of_object(error)),
            _ => None,
        }
    }

    fn of_object(error: &'a Value) -> Self {
        let own = code(error, "code");
        // Gemini's code only repeats the HTTP status; the reason is more precise.
        let reason = details(error).find_map(|detail| text(detail, &["reason", "error_code"]));
        Self {
            error: Some(error),
            type_: text(error, &["type", "status"]),
            code: match (own, reason) {
                (own, None) => own,
                (_, Some(reason)) => Some(reason.to_owned()),
            },
            message: words(error),
            param: text(error, &["param"]),
            request_id: None,
        }
    }

    /// `MiniMax`: `{"base_resp": {"status_code": 1002, "status_msg": ".."}}`; zero means success.
    fn in_base_resp(body: &'a Value) -> Option<Self> {
        let base = body.get("base_resp")?;
        let status = base.get("status_code")?.as_i64()?;
        (status != 0).then(|| Self {
            error: Some(base),
            type_: Some("base_resp"),
            code: Some(status.to_string()),
            message: words(base),
            ..Self::default()
        })
    }

    /// `FastAPI` and the backend of Codex: `{"detail": ".." | {..} | [{"msg": ".."}]}`.
    fn in_detail(body: &'a Value) -> Option<Self> {
        match body.get("detail")? {
            Value::String(message) => Some(Self {
                message: message.clone(),
                ..Self::default()
            }),
            Value::Array(list) => Some(Self {
                error: list.first(),
                message: list.first().map(words).unwrap_or_default(),
                ..Self::default()
            }),
            detail @ Value::Object(_) => Some(Self::of_object(detail)),
            _ => None,
        }
    }

    /// Cloudflare and others: `{"errors": [{"code": 1, "message": ".."}]}`.
    fn in_errors(body: &'a Value) -> Option<Self> {
        let first = body.get("errors")?.as_array()?.first()?;
        Some(Self::of_object(first))
    }

    /// An error that is the whole body: `{"type": "error", "code": .., "message": ..}` (the event of Responses),
    /// `{"code": 1302, "msg": ".."}` (GLM), `{"object": "error", "message": ..}` (vLLM), `{"message": ".."}`
    /// (gateways).
    fn flat(body: &'a Value) -> Option<Self> {
        let code = code(body, "code");
        let type_ = text(body, &["type"]);
        let message = words(body);
        let success = code
            .as_deref()
            .is_some_and(|code| matches!(code, "0" | "200"));
        let is_error = type_ == Some("error")
            || text(body, &["object"]) == Some("error")
            || (code.is_some() && !success && !message.is_empty())
            || (body.as_object().is_some_and(|body| body.len() <= 3) && !message.is_empty());
        is_error.then(|| Self {
            error: Some(body),
            type_: type_.filter(|&type_| type_ != "error"),
            code,
            message,
            param: text(body, &["param"]),
            request_id: None,
        })
    }

    fn settle(self, dialect: UpstreamDialect, status: u16) -> ParsedError {
        self.settle_as(dialect, status, true)
    }

    fn settle_as(self, dialect: UpstreamDialect, status: u16, is_json: bool) -> ParsedError {
        let stated = self.error.and_then(|error| error.get("code"));
        let status = match status {
            200..=299 => stated.and_then(http_status).unwrap_or(status),
            other => other,
        };
        let quota_ids: Vec<String> = self.error.map(quota_ids).unwrap_or_default();
        let facts = kinds::Facts {
            dialect,
            status,
            type_: self.type_.unwrap_or_default(),
            code: self.code.as_deref().unwrap_or_default(),
            message: &self.message,
            per_day: quota_ids.iter().any(|id| id.contains("PerDay")),
        };
        let (kind, indication) = (facts.kind(), facts.indication());
        let repeated = self.error.and_then(delay::in_headers);
        let (repeated_in, repeated_at) = match repeated {
            Some(Stated::In(wait)) => (Some(wait), None),
            Some(Stated::At(at)) => (None, Some(at)),
            None => (None, None),
        };
        let message = clip(self.message);
        let retry_after = self
            .error
            .and_then(delay::stated)
            .or(repeated_in)
            .or_else(|| Some(delay::wait_in_words(&message)?.0));
        ParsedError {
            status,
            kind,
            indication,
            type_: self.type_.map(str::to_owned),
            retry_after,
            resets_at: self
                .error
                .and_then(|error| error.get("resets_at")?.as_u64())
                .or(repeated_at),
            quota_ids,
            param: self.param.map(str::to_owned),
            request_id: self.request_id.map(str::to_owned),
            code: self.code,
            message,
            is_json,
        }
    }
}

/// The first of these members that is a non-empty string.
fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| value.get(*name)?.as_str())
        .filter(|text| !text.is_empty())
}

fn words(value: &Value) -> String {
    text(
        value,
        &["message", "msg", "status_msg", "error_msg", "detail"],
    )
    .unwrap_or_default()
    .to_owned()
}

/// A code may be a string or a number.
fn code(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    }
}

fn http_status(code: &Value) -> Option<u16> {
    let number = match code {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    u16::try_from(number)
        .ok()
        .filter(|status| (400..=599).contains(status))
}

fn quota_ids(error: &Value) -> Vec<String> {
    details(error)
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| text(violation, &["quotaId", "quota_id"]))
        .take(MAX_QUOTA_IDS)
        .map(str::to_owned)
        .collect()
}

/// The title of an error page, or the beginning of a plain text.
fn page_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..MAX_PAGE).unwrap_or(body));
    let title = text
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    match title {
        Some((title, _)) => title.trim().to_owned(),
        None if text.trim_start().starts_with('<') => String::new(),
        None => text.trim().to_owned(),
    }
}

fn clip(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    message
}

/// Longest message that is kept, in bytes.
pub const MAX_MESSAGE: usize = 4096;

/// The part of an error page that is read, in bytes: the title is at the beginning.
const MAX_PAGE: usize = 4096;

/// Most quotas that are read from one error. Gemini names up to four.
const MAX_QUOTA_IDS: usize = 16;

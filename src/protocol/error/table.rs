//! The status, type and code of each kind of error in each dialect, in one table.
use super::ErrorKind;
use crate::protocol::Dialect;

/// The form of one kind of error in one dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The HTTP status.
    pub status: u16,
    /// `error.type`; for Gemini `error.status`.
    pub type_: &'static str,
    /// `error.code` (`OpenAI`), `error.details.error_code` (Anthropic), the reason of an `ErrorInfo` (Gemini).
    pub code: Option<&'static str>,
}

/// The row of this kind in this dialect.
pub const fn row(dialect: Dialect, kind: ErrorKind) -> Row {
    let [anthropic, openai, gemini] = rows(kind);
    match dialect {
        Dialect::Anthropic => anthropic,
        Dialect::OpenaiChat | Dialect::OpenaiResponses => openai,
        Dialect::Gemini => gemini,
    }
}

/// Anthropic, `OpenAI`, Gemini.
#[rustfmt::skip]
const fn rows(kind: ErrorKind) -> [Row; 3] {
    match kind {
        ErrorKind::Api | ErrorKind::NoAnswer => [is(500, "api_error"), is(500, "server_error"), is(500, "INTERNAL")],
        ErrorKind::Authentication => [
            is(401, "authentication_error"), with(401, "invalid_request_error", "invalid_api_key"),
            with(401, "UNAUTHENTICATED", "API_KEY_INVALID"),
        ],
        ErrorKind::BadGateway => [
            is(502, "api_error"), with(502, "server_error", "upstream_error"),
            is(502, "UNAVAILABLE"),
        ],
        ErrorKind::Billing => [
            is(402, "billing_error"), with(429, "insufficient_quota", "insufficient_quota"),
            is(429, "RESOURCE_EXHAUSTED"),
        ],
        ErrorKind::ClientClosed => [is(499, "api_error"), is(499, "server_error"), is(499, "CANCELLED")],
        ErrorKind::Conflict => [is(409, "conflict_error"), is(409, "invalid_request_error"), is(409, "ABORTED")],
        ErrorKind::ContextLength => [
            is(400, "invalid_request_error"), with(400, "invalid_request_error", "context_length_exceeded"),
            is(400, "INVALID_ARGUMENT"),
        ],
        ErrorKind::InvalidRequest => [
            is(400, "invalid_request_error"), is(400, "invalid_request_error"),
            is(400, "INVALID_ARGUMENT"),
        ],
        ErrorKind::MethodNotAllowed => [
            is(405, "invalid_request_error"), with(405, "invalid_request_error", "method_not_supported"),
            is(405, "UNIMPLEMENTED"),
        ],
        ErrorKind::ModelNotFound => [
            is(404, "not_found_error"), with(404, "invalid_request_error", "model_not_found"),
            is(404, "NOT_FOUND"),
        ],
        ErrorKind::NotFound => [is(404, "not_found_error"), is(404, "invalid_request_error"), is(404, "NOT_FOUND")],
        ErrorKind::Overloaded => [
            is(529, "overloaded_error"), with(503, "service_unavailable_error", "server_is_overloaded"),
            is(503, "UNAVAILABLE"),
        ],
        ErrorKind::Permission => [
            is(403, "permission_error"), with(403, "invalid_request_error", "insufficient_permissions"),
            is(403, "PERMISSION_DENIED"),
        ],
        ErrorKind::Quota => [
            is(429, "rate_limit_error"), with(429, "insufficient_quota", "insufficient_quota"),
            is(429, "RESOURCE_EXHAUSTED"),
        ],
        ErrorKind::RateLimit => [
            is(429, "rate_limit_error"), with(429, "rate_limit_error", "rate_limit_exceeded"),
            is(429, "RESOURCE_EXHAUSTED"),
        ],
        ErrorKind::RequestTimeout => [
            is(408, "timeout_error"), with(408, "invalid_request_error", "request_timeout"),
            is(408, "DEADLINE_EXCEEDED"),
        ],
        ErrorKind::Timeout => [
            is(504, "timeout_error"), with(504, "server_error", "upstream_timeout"),
            is(504, "DEADLINE_EXCEEDED"),
        ],
        ErrorKind::TooDear => [
            is(402, "billing_error"), with(402, "invalid_request_error", "insufficient_credits"),
            is(402, "FAILED_PRECONDITION"),
        ],
        ErrorKind::TooLarge => [
            is(413, "request_too_large"), with(413, "invalid_request_error", "request_too_large"),
            is(413, "INVALID_ARGUMENT"),
        ],
        ErrorKind::Unavailable => [is(503, "api_error"), is(503, "server_error"), is(503, "UNAVAILABLE")],
        ErrorKind::Unsupported => [
            is(400, "invalid_request_error"), with(400, "invalid_request_error", "unsupported_parameter"),
            is(400, "INVALID_ARGUMENT"),
        ],
    }
}

const fn is(status: u16, type_: &'static str) -> Row {
    Row {
        status,
        type_,
        code: None,
    }
}

const fn with(status: u16, type_: &'static str, code: &'static str) -> Row {
    Row {
        status,
        type_,
        code: Some(code),
    }
}

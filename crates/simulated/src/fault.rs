//! How each vendor says that a request failed: statuses, types, codes and wordings.
//!
//! Written from the vendors' documentation and SDKs and not shared with the encoder of Weir's own errors, so that a
//! mistake in one of them shows in a test of the other.
use serde_json::{Value, json};

use crate::dialect::Dialect;

/// A kind of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    Auth,
    Billing,
    Conflict,
    ContextLength,
    Invalid,
    NotFound,
    Overloaded,
    Permission,
    Quota,
    RateLimit,
    Server,
    Timeout,
    TooLarge,
}

/// A failure with its words.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub fault: Fault,
    pub message: Option<String>,
    pub param: Option<&'static str>,
    /// For Gemini, which says it in the body.
    pub retry_seconds: Option<u64>,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::Auth,
        Self::Billing,
        Self::Conflict,
        Self::ContextLength,
        Self::Invalid,
        Self::NotFound,
        Self::Overloaded,
        Self::Permission,
        Self::Quota,
        Self::RateLimit,
        Self::Server,
        Self::Timeout,
        Self::TooLarge,
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// What it is called in settings.
    pub(super) fn name(self) -> &'static str {
        self.words().name
    }

    /// What a bare status most likely means.
    pub(super) fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Auth,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            500.. => Self::Server,
            _ => Self::Invalid,
        }
    }

    pub(super) fn status(self, dialect: Dialect) -> u16 {
        let words = self.words();
        match dialect {
            Dialect::Anthropic => words.anthropic.0,
            Dialect::Gemini => words.gemini.0,
            Dialect::OpenaiChat | Dialect::OpenaiResponses => words.openai.0,
        }
    }

    #[rustfmt::skip]
    fn words(self) -> Words {
        let (name, anthropic, openai, gemini, message) = match self {
            Self::Auth => ("auth", (401, "authentication_error"), (401, "invalid_request_error", Some("invalid_api_key")), (401, "UNAUTHENTICATED"), "Incorrect API key provided."),
            Self::Billing => ("billing", (402, "billing_error"), (402, "billing_error", Some("credit_balance_exhausted")), (402, "FAILED_PRECONDITION"), "Your credit balance is too low. Please go to Plans & Billing."),
            Self::Conflict => ("conflict", (409, "conflict_error"), (409, "invalid_request_error", Some("conflict")), (409, "ABORTED"), "The request conflicts with another one."),
            Self::ContextLength => ("context-length", (400, "invalid_request_error"), (400, "invalid_request_error", Some("context_length_exceeded")), (400, "INVALID_ARGUMENT"), ""),
            Self::Invalid => ("invalid", (400, "invalid_request_error"), (400, "invalid_request_error", None), (400, "INVALID_ARGUMENT"), "The request is not valid."),
            Self::NotFound => ("not-found", (404, "not_found_error"), (404, "invalid_request_error", Some("model_not_found")), (404, "NOT_FOUND"), "The model does not exist or you do not have access to it."),
            Self::Overloaded => ("overloaded", (529, "overloaded_error"), (503, "service_unavailable_error", Some("server_is_overloaded")), (503, "UNAVAILABLE"), "Overloaded"),
            Self::Permission => ("permission", (403, "permission_error"), (403, "permission_error", Some("insufficient_permissions")), (403, "PERMISSION_DENIED"), "Your API key does not have permission to use this model."),
            Self::Quota => ("quota", (429, "rate_limit_error"), (429, "insufficient_quota", Some("insufficient_quota")), (429, "RESOURCE_EXHAUSTED"), "You exceeded your current quota, please check your plan and billing details."),
            Self::RateLimit => ("rate-limit", (429, "rate_limit_error"), (429, "requests", Some("rate_limit_exceeded")), (429, "RESOURCE_EXHAUSTED"), "Rate limit reached."),
            Self::Server => ("server", (500, "api_error"), (500, "server_error", None), (500, "INTERNAL"), "Internal server error"),
            Self::Timeout => ("timeout", (504, "timeout_error"), (504, "server_error", Some("timeout")), (504, "DEADLINE_EXCEEDED"), "The request timed out."),
            Self::TooLarge => ("too-large", (413, "request_too_large"), (413, "invalid_request_error", Some("request_too_large")), (413, "INVALID_ARGUMENT"), "Request exceeds the maximum size"),
        };
        Words { name, anthropic, openai, gemini, message }
    }
}

impl Failure {
    pub(super) fn new(fault: Fault, message: Option<String>) -> Self {
        Self {
            fault,
            message,
            param: None,
            retry_seconds: None,
        }
    }

    /// The error body of a plain answer.
    pub(super) fn body(&self, dialect: Dialect, status: u16, request_id: &str) -> Value {
        let message = self.message(dialect);
        match dialect {
            Dialect::Anthropic => json!({
                "type": "error",
                "error": {"type": self.fault.words().anthropic.1, "message": message},
                "request_id": request_id,
            }),
            Dialect::Gemini => self.gemini(status, &message),
            Dialect::OpenaiChat | Dialect::OpenaiResponses => self.openai(&message),
        }
    }

    /// `code` and `message` of a `response.failed`.
    pub(super) fn response_error(&self) -> Value {
        let (_, kind, code) = self.fault.words().openai;
        json!({"code": code.unwrap_or(kind), "message": self.message(Dialect::OpenaiResponses)})
    }

    fn openai(&self, message: &str) -> Value {
        let (_, kind, code) = self.fault.words().openai;
        json!({"error": {"message": message, "type": kind, "param": self.param, "code": code}})
    }

    fn gemini(&self, status: u16, message: &str) -> Value {
        let mut details = Vec::new();
        match self.fault {
            Fault::Auth => details.push(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            })),
            Fault::Quota => details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": "generativelanguage.googleapis.com/generate_requests",
                                "quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
            })),
            _ => {}
        }
        if let Some(seconds) = self.retry_seconds {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{seconds}s"),
            }));
        }
        let mut error = json!({
            "code": status,
            "message": message,
            "status": self.fault.words().gemini.1,
        });
        if let (Some(error), false) = (error.as_object_mut(), details.is_empty()) {
            error.insert("details".to_owned(), Value::Array(details));
        }
        json!({"error": error})
    }

    fn message(&self, dialect: Dialect) -> String {
        if let Some(message) = &self.message {
            return message.clone();
        }
        // Claude Code and Codex match on these words.
        let message = match (self.fault, dialect) {
            (Fault::ContextLength, Dialect::Anthropic) => {
                "prompt is too long: 250000 tokens > 200000 maximum"
            }
            (Fault::ContextLength, Dialect::Gemini) => {
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
            }
            (Fault::ContextLength, Dialect::OpenaiChat) => {
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 \
                 tokens. Please reduce the length of the messages."
            }
            (Fault::ContextLength, Dialect::OpenaiResponses) => {
                "Your input exceeds the context window of this model. Please adjust your input and try again."
            }
            (fault, _) => fault.words().message,
        };
        message.to_owned()
    }
}

/// A failure as each vendor words it: status and type, and for OpenAI the code.
struct Words {
    name: &'static str,
    anthropic: (u16, &'static str),
    openai: (u16, &'static str, Option<&'static str>),
    gemini: (u16, &'static str),
    message: &'static str,
}

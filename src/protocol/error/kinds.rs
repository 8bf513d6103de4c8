//! From what an upstream says to the kind of error it is.
use super::ErrorKind;
use crate::protocol::Dialect;

/// What is known of an error; empty texts where nothing is.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub dialect: Dialect,
    pub status: u16,
    pub type_: &'a str,
    pub code: &'a str,
    pub message: &'a str,
    /// Whether a quota per day is among those exhausted.
    pub per_day: bool,
}

impl Facts<'_> {
    /// The wording and the code refine what the status says; without an error status they decide.
    pub(super) fn kind(&self) -> ErrorKind {
        let named = by_code(self.code)
            .or_else(|| by_code(self.type_))
            .or_else(|| self.by_vendor_number());
        let lower = self.message.to_ascii_lowercase();
        match self.status {
            400 | 413 | 422 => match named {
                Some(kind) if kind != ErrorKind::InvalidRequest => kind,
                _ => by_wording(&lower).unwrap_or(by_status(self.status)),
            },
            401 => ErrorKind::Authentication,
            403 => match named {
                Some(kind @ (ErrorKind::Quota | ErrorKind::Authentication)) => kind,
                _ if says_any(&lower, &BILLING) => ErrorKind::Billing,
                _ => ErrorKind::Permission,
            },
            404 => match named {
                Some(ErrorKind::ModelNotFound) => ErrorKind::ModelNotFound,
                _ if self.is_about_model(&lower) => ErrorKind::ModelNotFound,
                _ => ErrorKind::NotFound,
            },
            429 => self.throttled(named, &lower),
            500..=599 => match named {
                Some(kind @ (ErrorKind::Overloaded | ErrorKind::Timeout)) => kind,
                // Slow down: a rate limit that speaks for the whole endpoint.
                Some(ErrorKind::RateLimit) if self.code == "slow_down" => ErrorKind::Overloaded,
                _ if says_any(&lower, &OVERLOAD) => ErrorKind::Overloaded,
                _ => by_status(self.status),
            },
            400..=499 => by_status(self.status),
            _ => match named {
                None | Some(ErrorKind::Api | ErrorKind::Unavailable)
                    if says_any(&lower, &OVERLOAD) =>
                {
                    ErrorKind::Overloaded
                }
                None | Some(ErrorKind::InvalidRequest) => {
                    by_wording(&lower).or(named).unwrap_or(ErrorKind::Api)
                }
                Some(kind) => kind,
            },
        }
    }

    fn throttled(&self, named: Option<ErrorKind>, lower: &str) -> ErrorKind {
        match named {
            Some(kind @ (ErrorKind::Quota | ErrorKind::Billing | ErrorKind::Overloaded)) => kind,
            _ if self.per_day => ErrorKind::Quota,
            // Gemini words a limit per minute like a spent quota.
            _ if self.dialect != Dialect::Gemini && says_any(lower, &BILLING) => ErrorKind::Quota,
            _ => ErrorKind::RateLimit,
        }
    }

    fn is_about_model(&self, lower: &str) -> bool {
        match self.dialect {
            Dialect::Anthropic => lower.starts_with("model:"),
            Dialect::Gemini => lower.starts_with("models/"),
            Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                lower.contains("model") && lower.contains("not exist")
            }
        }
    }

    /// Numbers of vendors that count their errors themselves.
    fn by_vendor_number(&self) -> Option<ErrorKind> {
        Some(match (self.type_, self.code) {
            // MiniMax
            ("base_resp", "1002" | "1039" | "1041") => ErrorKind::RateLimit,
            ("base_resp", "1004" | "2049") => ErrorKind::Authentication,
            ("base_resp", "1008" | "2056") => ErrorKind::Quota,
            ("base_resp", "1026" | "1027" | "1042" | "2013") => ErrorKind::InvalidRequest,
            ("base_resp", _) => ErrorKind::Api,
            // GLM
            (_, "1000" | "1001" | "1002" | "1003" | "1004") => ErrorKind::Authentication,
            (_, "1113" | "1304" | "1308" | "1309" | "1310") => ErrorKind::Quota,
            (_, "1302" | "1303") => ErrorKind::RateLimit,
            (_, "1305" | "1312") => ErrorKind::Overloaded,
            (_, "1210" | "1211" | "1213" | "1214" | "1301") => ErrorKind::InvalidRequest,
            (_, "1261") => ErrorKind::ContextLength,
            _ => return None,
        })
    }
}

/// The types and codes that mean the same wherever they stand.
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "api_error" | "server_error" | "internal_error" | "INTERNAL" | "UNKNOWN" => ErrorKind::Api,
        "authentication_error"
        | "invalid_api_key"
        | "invalid_authentication_error"
        | "incorrect_api_key_error"
        | "API_KEY_INVALID"
        | "API_KEY_EXPIRED"
        | "UNAUTHENTICATED"
        | "ACCESS_TOKEN_EXPIRED"
        | "token_expired"
        | "account_deactivated" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "CANCELLED" => ErrorKind::ClientClosed,
        "conflict_error" | "ABORTED" | "ALREADY_EXISTS" => ErrorKind::Conflict,
        "context_length_exceeded" | "prompt_too_long" | "model_context_window_exceeded" => {
            ErrorKind::ContextLength
        }
        "invalid_request_error"
        | "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE"
        | "BadRequestError"
        | "invalid_prompt" => ErrorKind::InvalidRequest,
        "model_not_found" | "model_not_available" => ErrorKind::ModelNotFound,
        "not_found_error" | "NOT_FOUND" | "NotFoundError" => ErrorKind::NotFound,
        "overloaded_error"
        | "server_is_overloaded"
        | "service_unavailable_error"
        | "engine_overloaded"
        | "engine_overloaded_error" => ErrorKind::Overloaded,
        "permission_error" | "PERMISSION_DENIED" | "insufficient_permissions" => {
            ErrorKind::Permission
        }
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "organization_spend_limit_exceeded"
        | "project_spend_limit_exceeded"
        | "organization_usage_limit_exceeded"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "usage_limit_reached"
        | "usage_not_included"
        | "exceeded_current_quota_error" => ErrorKind::Quota,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "rate_limit_reached_error"
        | "slow_down"
        | "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "timeout_error" | "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "request_too_large" => ErrorKind::TooLarge,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "UNIMPLEMENTED" => ErrorKind::Unsupported,
        _ => return None,
    })
}

/// What only the words tell, in an error that calls itself a bad request.
fn by_wording(lower: &str) -> Option<ErrorKind> {
    if says_any(lower, &CONTEXT) {
        return Some(ErrorKind::ContextLength);
    }
    if says_any(lower, &BILLING) {
        return Some(ErrorKind::Billing);
    }
    if says_any(lower, &CREDENTIAL) {
        return Some(ErrorKind::Authentication);
    }
    lower
        .contains("location is not supported")
        .then_some(ErrorKind::Permission)
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::Billing,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        405 => ErrorKind::MethodNotAllowed,
        408 => ErrorKind::RequestTimeout,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        499 => ErrorKind::ClientClosed,
        400..=498 => ErrorKind::InvalidRequest,
        502 | 520..=523 => ErrorKind::BadGateway,
        503 => ErrorKind::Unavailable,
        504 | 524 => ErrorKind::Timeout,
        529 => ErrorKind::Overloaded,
        _ => ErrorKind::Api,
    }
}

fn says_any(lower: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| lower.contains(phrase))
}

/// A prompt that does not fit. Both agents' clients compact when they read the first two.
const CONTEXT: [&str; 9] = [
    "prompt is too long",
    "exceed context limit",
    "maximum context length",
    "exceeds the context window",
    "context window exceeds",
    "exceeds the maximum number of tokens",
    "input token count",
    "exceeds the available context size",
    "exceeded model token limit",
];

/// Money or a plan is missing. Anthropic says so in a 400.
const BILLING: [&str; 6] = [
    "credit balance is too low",
    "reached your specified api usage limits",
    "exceeded your current quota, please check your plan",
    "insufficient balance",
    "insufficient credits",
    "spend limit",
];

const CREDENTIAL: [&str; 3] = ["api key not valid", "api key expired", "invalid api key"];

const OVERLOAD: [&str; 3] = ["overloaded", "slow_down", "at capacity"];

//! What the words of an error say, over all vendors: a table of types and codes, and one of phrases.
use super::classify::ErrorFacts;

/// What the words of an error are about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Sense {
    Auth,
    Client,
    ContextLength,
    /// The key itself is wrong: also when it is said with a 400, as Gemini does.
    KeyInvalid,
    /// The credential is fine, but not for this model, or not for this operation.
    ModelDenied,
    Overloaded,
    Quota,
    Server,
    /// A wish for less traffic: overload with a 503, throttling with a 429.
    SlowDown,
    Throttled,
}

/// What type, code and message say together: the code first, for it is the most precise.
///
/// Vendors repeat what the client wrote in their messages, so a phrase counts only where no code contradicts it, and
/// never where the message quotes.
pub fn sense(status: u16, error: &ErrorFacts<'_>) -> Option<Sense> {
    let by_word = [error.code, error.type_]
        .into_iter()
        .flatten()
        .filter_map(known);
    // A general word (`invalid_request_error`) must not hide what the message says ("prompt is too long").
    by_word
        .clone()
        .find(|sense| !is_general(*sense))
        .or_else(|| by_phrase(status, error))
        .or_else(|| by_word.clone().next())
}

/// What the first known phrase of the message says, if it may speak here.
fn by_phrase(status: u16, error: &ErrorFacts<'_>) -> Option<Sense> {
    let head = unquoted(head_of(error.message?)).to_ascii_lowercase();
    let blames_account = !is_request_told(status, error);
    PHRASES
        .iter()
        .filter(|(_, sense)| blames_account || !is_blame(*sense))
        .find(|(phrase, _)| head.contains(phrase))
        .map(|(_, sense)| *sense)
}

/// Whether status or code say that the request is at fault: then no phrase may blame the account.
fn is_request_told(status: u16, error: &ErrorFacts<'_>) -> bool {
    if matches!(status, 404..=406 | 409..=415) {
        return true;
    }
    let precise = |word: &str| {
        let counted = word.parse::<u64>().is_ok();
        matches!(
            word,
            "model_not_found" | "invalid_prompt" | "content_policy_violation"
        ) || !counted && !word.is_empty() && known(word).is_none()
    };
    let kinds = [
        "not_found_error",
        "NOT_FOUND",
        "NotFoundError",
        "request_too_large",
    ];
    matches!(status, 400 | 422) && error.code.is_some_and(precise)
        || [error.code, error.type_]
            .into_iter()
            .flatten()
            .any(|word| kinds.contains(&word))
}

fn known(word: &str) -> Option<Sense> {
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map(|(_, sense)| *sense)
}

/// The message without what it quotes in backticks, double quotes or typographic ones: there stands the client's text.
/// After a quotation mark that nothing closes, the rest is taken for quoted.
fn unquoted(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut open = None;
    for letter in message.chars() {
        match open {
            Some(end) if letter == end => open = None,
            Some(_) => {}
            None => {
                open = match letter {
                    '`' | '"' => Some(letter),
                    '\u{201c}' => Some('\u{201d}'),
                    _ => None,
                };
                said.push(if open.is_some() { ' ' } else { letter });
            }
        }
    }
    said
}

/// Whether an error of this sense takes an account or endpoint out.
const fn is_blame(sense: Sense) -> bool {
    matches!(
        sense,
        Sense::Auth | Sense::KeyInvalid | Sense::Overloaded | Sense::Quota
    )
}

/// The status that an error would have had, had it not come with a 200.
pub fn implied_status(sense: Option<Sense>, error: &ErrorFacts<'_>) -> u16 {
    let by_number = error
        .code
        .and_then(|code| code.parse::<u16>().ok())
        .filter(|number| (400..=599).contains(number));
    let by_sense = sense.map(|sense| match sense {
        Sense::Auth | Sense::KeyInvalid => 401,
        Sense::ModelDenied => 403,
        Sense::Client | Sense::ContextLength => 400,
        Sense::Overloaded => 529,
        Sense::Quota => 402,
        Sense::Server => 500,
        Sense::SlowDown | Sense::Throttled => 429,
    });
    by_sense.or(by_number).unwrap_or(500)
}

/// Whether a rate limit's message names the model it is for, as Anthropic's and OpenAI's do for limits per model.
pub fn names_a_model(message: &str) -> bool {
    message.contains("Rate limit reached for ") || message.contains("model: ")
}

const fn is_general(sense: Sense) -> bool {
    matches!(
        sense,
        Sense::Auth | Sense::Client | Sense::Server | Sense::Throttled
    )
}

/// The part of a message that is searched. Vendors echo input in messages; what matters stands in front.
fn head_of(message: &str) -> &str {
    let mut end = message.len().min(LONGEST_SEARCHED);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default()
}

/// Bytes of a message that are searched.
const LONGEST_SEARCHED: usize = 1024;

/// `type`, `code` and `status` values.
const WORDS: &[(&str, Sense)] = &[
    // Anthropic
    ("authentication_error", Sense::Auth),
    ("billing_error", Sense::Quota),
    ("overloaded_error", Sense::Overloaded),
    ("rate_limit_error", Sense::Throttled),
    ("invalid_request_error", Sense::Client),
    ("not_found_error", Sense::Client),
    ("request_too_large", Sense::Client),
    ("permission_error", Sense::Client),
    ("api_error", Sense::Server),
    ("timeout_error", Sense::Server),
    // OpenAI
    ("invalid_api_key", Sense::KeyInvalid),
    ("account_deactivated", Sense::KeyInvalid),
    ("token_expired", Sense::KeyInvalid),
    ("token_invalidated", Sense::KeyInvalid),
    ("missing_scope", Sense::ModelDenied),
    ("insufficient_quota", Sense::Quota),
    ("credit_balance_exhausted", Sense::Quota),
    ("organization_spend_limit_exceeded", Sense::Quota),
    ("project_spend_limit_exceeded", Sense::Quota),
    ("organization_usage_limit_exceeded", Sense::Quota),
    ("billing_hard_limit_reached", Sense::Quota),
    ("billing_not_active", Sense::Quota),
    ("usage_limit_reached", Sense::Quota),
    ("usage_not_included", Sense::Quota),
    ("rate_limit_exceeded", Sense::Throttled),
    ("slow_down", Sense::SlowDown),
    ("server_is_overloaded", Sense::Overloaded),
    ("service_unavailable_error", Sense::Overloaded),
    ("server_error", Sense::Server),
    ("context_length_exceeded", Sense::ContextLength),
    ("model_not_found", Sense::Client),
    ("invalid_prompt", Sense::Client),
    ("content_policy_violation", Sense::Client),
    // Gemini
    ("UNAUTHENTICATED", Sense::Auth),
    ("API_KEY_INVALID", Sense::KeyInvalid),
    ("API_KEY_SERVICE_BLOCKED", Sense::KeyInvalid),
    ("CONSUMER_SUSPENDED", Sense::KeyInvalid),
    ("INVALID_ARGUMENT", Sense::Client),
    ("FAILED_PRECONDITION", Sense::Client),
    ("NOT_FOUND", Sense::Client),
    ("RESOURCE_EXHAUSTED", Sense::Throttled),
    ("UNAVAILABLE", Sense::Overloaded),
    ("INTERNAL", Sense::Server),
    ("DEADLINE_EXCEEDED", Sense::Server),
    // Compatible vendors: Moonshot, llama.cpp, GLM, MiniMax
    ("exceeded_current_quota_error", Sense::Quota),
    ("engine_overloaded_error", Sense::Overloaded),
    ("rate_limit_reached_error", Sense::Throttled),
    ("invalid_authentication_error", Sense::KeyInvalid),
    ("exceed_context_size_error", Sense::ContextLength),
    ("1113", Sense::Quota),
    ("1261", Sense::ContextLength),
    ("1302", Sense::Throttled),
    ("1303", Sense::Throttled),
    ("1304", Sense::Quota),
    ("1305", Sense::Throttled),
    ("1308", Sense::Quota),
    ("1310", Sense::Quota),
    ("1002", Sense::Throttled),
    ("1008", Sense::Quota),
];

/// Phrases of messages, in lower case; the first that occurs decides.
const PHRASES: &[(&str, Sense)] = &[
    ("prompt is too long", Sense::ContextLength),
    ("exceed context limit", Sense::ContextLength),
    ("maximum context length", Sense::ContextLength),
    ("context_length_exceeded", Sense::ContextLength),
    ("exceeds the context window", Sense::ContextLength),
    ("exceeds the available context size", Sense::ContextLength),
    ("exceeds the maximum number of tokens", Sense::ContextLength),
    ("exceeded model token limit", Sense::ContextLength),
    (
        "input is too long for requested model",
        Sense::ContextLength,
    ),
    ("range of input length should be", Sense::ContextLength),
    ("credit balance is too low", Sense::Quota),
    ("specified api usage limits", Sense::Quota),
    ("exceeded your current quota", Sense::Quota),
    ("insufficient balance", Sense::Quota),
    ("insufficient credits", Sense::Quota),
    ("spend limit", Sense::Quota),
    ("spending limit", Sense::Quota),
    ("api key not valid", Sense::KeyInvalid),
    ("api key expired", Sense::KeyInvalid),
    ("invalid api key", Sense::KeyInvalid),
    ("incorrect api key", Sense::KeyInvalid),
    ("invalid x-api-key", Sense::KeyInvalid),
    ("invalid bearer token", Sense::KeyInvalid),
    ("oauth token has expired", Sense::KeyInvalid),
    ("oauth token has been revoked", Sense::KeyInvalid),
    ("organization has been disabled", Sense::KeyInvalid),
    ("have access to model", Sense::ModelDenied),
    ("have access to the model", Sense::ModelDenied),
    ("not allowed to sample from this model", Sense::ModelDenied),
    ("permission to use this model", Sense::ModelDenied),
    ("missing scopes", Sense::ModelDenied),
    (
        "insufficient permissions for this operation",
        Sense::ModelDenied,
    ),
    ("unregistered callers", Sense::Auth),
    ("account has been", Sense::Auth),
    ("overloaded", Sense::Overloaded),
    ("at capacity", Sense::Overloaded),
    ("experiencing high demand", Sense::Overloaded),
];

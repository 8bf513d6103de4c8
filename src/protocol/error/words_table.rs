//! The meaning of types, codes and phrases of all vendors. The pool and the clients get the same kind.
use super::ErrorKind;

/// `type`, `status`, `code` and `reason` values that mean the same for every vendor.
pub(super) const WORDS: &[(&str, ErrorKind)] = &[
    // Anthropic: docs/en/api/errors
    ("api_error", ErrorKind::Api),
    ("authentication_error", ErrorKind::Authentication),
    ("billing_error", ErrorKind::Billing),
    ("conflict_error", ErrorKind::Conflict),
    ("invalid_request_error", ErrorKind::InvalidRequest),
    ("model_context_window_exceeded", ErrorKind::ContextLength),
    ("not_found_error", ErrorKind::NotFound),
    ("overloaded_error", ErrorKind::Overloaded),
    ("permission_error", ErrorKind::Permission),
    ("prompt_too_long", ErrorKind::ContextLength),
    ("rate_limit_error", ErrorKind::RateLimit),
    ("request_too_large", ErrorKind::TooLarge),
    ("timeout_error", ErrorKind::Timeout),
    // OpenAI, and the backend of Codex
    ("account_deactivated", ErrorKind::Authentication),
    ("billing_hard_limit_reached", ErrorKind::Quota),
    ("billing_not_active", ErrorKind::Quota),
    ("content_policy_violation", ErrorKind::InvalidRequest),
    ("context_length_exceeded", ErrorKind::ContextLength),
    ("credit_balance_exhausted", ErrorKind::Quota),
    ("insufficient_permissions", ErrorKind::Permission),
    ("insufficient_quota", ErrorKind::Quota),
    ("internal_error", ErrorKind::Api),
    ("invalid_api_key", ErrorKind::Authentication),
    ("invalid_prompt", ErrorKind::InvalidRequest),
    ("mismatched_organization", ErrorKind::Permission),
    ("mismatched_project", ErrorKind::Permission),
    ("missing_scope", ErrorKind::ModelNotFound),
    ("model_not_available", ErrorKind::ModelNotFound),
    ("model_not_found", ErrorKind::ModelNotFound),
    ("organization_spend_limit_exceeded", ErrorKind::Quota),
    ("organization_usage_limit_exceeded", ErrorKind::Quota),
    ("project_spend_limit_exceeded", ErrorKind::Quota),
    ("rate_limit_exceeded", ErrorKind::RateLimit),
    ("server_error", ErrorKind::Api),
    ("server_is_overloaded", ErrorKind::Overloaded),
    ("service_unavailable_error", ErrorKind::Overloaded),
    ("slow_down", ErrorKind::RateLimit),
    ("token_expired", ErrorKind::Authentication),
    ("token_invalidated", ErrorKind::Authentication),
    ("usage_limit_reached", ErrorKind::Quota),
    ("usage_not_included", ErrorKind::Quota),
    // Google: google.rpc.Code and the reasons of ErrorInfo
    ("ABORTED", ErrorKind::Conflict),
    ("ACCESS_TOKEN_EXPIRED", ErrorKind::Authentication),
    ("ALREADY_EXISTS", ErrorKind::Conflict),
    ("API_KEY_EXPIRED", ErrorKind::Authentication),
    ("API_KEY_INVALID", ErrorKind::Authentication),
    ("API_KEY_SERVICE_BLOCKED", ErrorKind::Authentication),
    ("CANCELLED", ErrorKind::ClientClosed),
    ("CONSUMER_SUSPENDED", ErrorKind::Authentication),
    ("DEADLINE_EXCEEDED", ErrorKind::Timeout),
    ("FAILED_PRECONDITION", ErrorKind::InvalidRequest),
    ("INTERNAL", ErrorKind::Api),
    ("INVALID_ARGUMENT", ErrorKind::InvalidRequest),
    ("NOT_FOUND", ErrorKind::NotFound),
    ("OUT_OF_RANGE", ErrorKind::InvalidRequest),
    ("PERMISSION_DENIED", ErrorKind::Permission),
    ("RESOURCE_EXHAUSTED", ErrorKind::RateLimit),
    ("UNAUTHENTICATED", ErrorKind::Authentication),
    ("UNAVAILABLE", ErrorKind::Unavailable),
    ("UNIMPLEMENTED", ErrorKind::Unsupported),
    ("UNKNOWN", ErrorKind::Api),
    // Moonshot
    ("engine_overloaded", ErrorKind::Overloaded),
    ("engine_overloaded_error", ErrorKind::Overloaded),
    ("exceeded_current_quota_error", ErrorKind::Quota),
    ("incorrect_api_key_error", ErrorKind::Authentication),
    ("invalid_authentication_error", ErrorKind::Authentication),
    ("rate_limit_reached_error", ErrorKind::RateLimit),
    // vLLM, SGLang, llama.cpp, LM Studio
    ("BadRequestError", ErrorKind::InvalidRequest),
    ("NotFoundError", ErrorKind::NotFound),
    ("exceed_context_size_error", ErrorKind::ContextLength),
    // Copilot
    ("model_max_prompt_tokens_exceeded", ErrorKind::ContextLength),
    // DashScope
    ("Arrearage", ErrorKind::Quota),
    ("InvalidApiKey", ErrorKind::Authentication),
    ("Throttling", ErrorKind::RateLimit),
    ("Throttling.RateQuota", ErrorKind::RateLimit),
];

/// The numeric codes of vendors: the vendor's `type` (empty = any), the number, the kind.
pub(super) const NUMBERS: &[(&str, &str, ErrorKind)] = &[
    // MiniMax
    ("base_resp", "1002", ErrorKind::RateLimit),
    ("base_resp", "1004", ErrorKind::Authentication),
    ("base_resp", "1008", ErrorKind::Quota),
    ("base_resp", "1026", ErrorKind::InvalidRequest),
    ("base_resp", "1027", ErrorKind::InvalidRequest),
    ("base_resp", "1039", ErrorKind::RateLimit),
    ("base_resp", "1041", ErrorKind::RateLimit),
    ("base_resp", "1042", ErrorKind::InvalidRequest),
    ("base_resp", "2013", ErrorKind::InvalidRequest),
    ("base_resp", "2049", ErrorKind::Authentication),
    ("base_resp", "2056", ErrorKind::Quota),
    // GLM
    ("", "1000", ErrorKind::Authentication),
    ("", "1001", ErrorKind::Authentication),
    ("", "1002", ErrorKind::Authentication),
    ("", "1003", ErrorKind::Authentication),
    ("", "1004", ErrorKind::Authentication),
    ("", "1113", ErrorKind::Quota),
    ("", "1210", ErrorKind::InvalidRequest),
    ("", "1211", ErrorKind::InvalidRequest),
    ("", "1213", ErrorKind::InvalidRequest),
    ("", "1214", ErrorKind::InvalidRequest),
    ("", "1261", ErrorKind::ContextLength),
    ("", "1301", ErrorKind::InvalidRequest),
    ("", "1302", ErrorKind::RateLimit),
    ("", "1303", ErrorKind::RateLimit),
    ("", "1304", ErrorKind::Quota),
    ("", "1305", ErrorKind::Overloaded),
    ("", "1308", ErrorKind::Quota),
    ("", "1309", ErrorKind::Quota),
    ("", "1310", ErrorKind::Quota),
    ("", "1312", ErrorKind::Overloaded),
];

/// Phrases of messages, in lower case; the first that counts decides. [`super::kinds`] decides when a phrase counts.
pub(super) const PHRASES: &[(&str, ErrorKind)] = &[
    // Anthropic; xAI, Together, Databricks and Copilot use some of these too.
    ("prompt is too long", ErrorKind::ContextLength),
    ("exceed context limit", ErrorKind::ContextLength),
    // OpenAI, vLLM, Groq, Mistral, DeepSeek, OpenRouter: "maximum context length is", and "… of"
    ("maximum context length", ErrorKind::ContextLength),
    ("exceeds the context window", ErrorKind::ContextLength),
    ("exceeds the model's context", ErrorKind::ContextLength),
    (
        "exceeds the model's maximum context",
        ErrorKind::ContextLength,
    ),
    ("exceeds model's maximum context", ErrorKind::ContextLength),
    ("exceeds the maximum context", ErrorKind::ContextLength),
    ("exceeds maximum context", ErrorKind::ContextLength),
    (
        "longer than the model's context length",
        ErrorKind::ContextLength,
    ),
    ("greater than the context length", ErrorKind::ContextLength),
    ("larger than the context", ErrorKind::ContextLength),
    ("context length exceeded", ErrorKind::ContextLength),
    ("context window exceeds", ErrorKind::ContextLength),
    ("context_length_exceeded", ErrorKind::ContextLength),
    ("context window limit", ErrorKind::ContextLength),
    // Gemini, Vertex
    (
        "exceeds the maximum number of tokens",
        ErrorKind::ContextLength,
    ),
    ("input token count (", ErrorKind::ContextLength),
    ("max number of tokens allowed", ErrorKind::ContextLength),
    // llama.cpp
    (
        "exceeds the available context size",
        ErrorKind::ContextLength,
    ),
    // Ollama
    ("input length exceeds", ErrorKind::ContextLength),
    ("exceeds context length", ErrorKind::ContextLength),
    // LM Studio
    (
        "tokens to keep from the initial prompt is greater",
        ErrorKind::ContextLength,
    ),
    ("context overflow", ErrorKind::ContextLength),
    // Moonshot
    ("exceeded model token limit", ErrorKind::ContextLength),
    // Bedrock
    (
        "input is too long for requested model",
        ErrorKind::ContextLength,
    ),
    ("too many input tokens", ErrorKind::ContextLength),
    // DashScope
    ("range of input length should be", ErrorKind::ContextLength),
    // xAI: "This model's maximum prompt length is 131072 but the request contains 537812 tokens."
    ("maximum prompt length", ErrorKind::ContextLength),
    // SGLang: "The input (N tokens) is longer than the model's context length (M tokens)."
    ("is longer than the model", ErrorKind::ContextLength),
    // SiliconFlow: "length of prompt_tokens (N) must be less than max_seq_len (M)."
    ("must be less than max_seq_len", ErrorKind::ContextLength),
    // Together: "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens and …" (also TGI)
    (
        "tokens + `max_new_tokens` must be",
        ErrorKind::ContextLength,
    ),
    (
        "inputs tokens + max_new_tokens must be",
        ErrorKind::ContextLength,
    ),
    // Copilot: "prompt token count of N exceeds the limit of M"
    ("prompt token count of", ErrorKind::ContextLength),
    // Cohere: "too many tokens: total number of tokens in the prompt exceeds the limit"
    ("too many tokens", ErrorKind::ContextLength),
    // Fireworks: "The prompt is too long: N, model maximum context length: M"; Cerebras: "Please reduce the length of the"
    (
        "please reduce the length of the messages",
        ErrorKind::ContextLength,
    ),
    (
        "please reduce the length of the input",
        ErrorKind::ContextLength,
    ),
    (
        "please reduce the length of your prompt",
        ErrorKind::ContextLength,
    ),
    // GLM, MiniMax
    ("prompt exceeds max length", ErrorKind::ContextLength),
    ("input tokens exceed", ErrorKind::ContextLength),
    ("prompt tokens exceed", ErrorKind::ContextLength),
    // Databricks: "Prompt length of N tokens exceeds maximum", "exceeds the limit of"
    ("prompt length of", ErrorKind::ContextLength),
    // Money or a plan is missing. Anthropic reports this with a 400.
    ("credit balance is too low", ErrorKind::Billing),
    ("specified api usage limits", ErrorKind::Billing),
    ("exceeded your current quota", ErrorKind::Billing),
    ("insufficient balance", ErrorKind::Billing),
    ("insufficient credits", ErrorKind::Billing),
    ("spend limit", ErrorKind::Billing),
    ("spending limit", ErrorKind::Billing),
    // OpenRouter, with a 403: the spending limit of a key
    ("key limit exceeded", ErrorKind::Billing),
    // The credential may not use this model, or lacks the scope for this operation: it is not dead.
    ("have access to model", ErrorKind::ModelNotFound),
    ("have access to the model", ErrorKind::ModelNotFound),
    (
        "not allowed to sample from this model",
        ErrorKind::ModelNotFound,
    ),
    ("permission to use this model", ErrorKind::ModelNotFound),
    ("missing scopes", ErrorKind::ModelNotFound),
    (
        "insufficient permissions for this operation",
        ErrorKind::ModelNotFound,
    ),
    // Anthropic: what the token of a subscription may not request
    (
        "oauth authentication is currently not",
        ErrorKind::ModelNotFound,
    ),
    // OpenRouter, with a 402: the request is too expensive, smaller ones may not be
    ("can only afford", ErrorKind::TooDear),
    ("location is not supported", ErrorKind::Permission),
    // The credential itself is refused.
    ("api key not valid", ErrorKind::Authentication),
    ("api key expired", ErrorKind::Authentication),
    ("invalid api key", ErrorKind::Authentication),
    ("incorrect api key", ErrorKind::Authentication),
    ("invalid x-api-key", ErrorKind::Authentication),
    ("invalid bearer token", ErrorKind::Authentication),
    ("oauth token has expired", ErrorKind::Authentication),
    ("oauth token has been revoked", ErrorKind::Authentication),
    ("organization has been disabled", ErrorKind::Authentication),
    ("unregistered callers", ErrorKind::Authentication),
    ("account has been disabled", ErrorKind::Authentication),
    ("account has been deactivated", ErrorKind::Authentication),
    ("account has been suspended", ErrorKind::Authentication),
    ("account has been banned", ErrorKind::Authentication),
    ("account has been blocked", ErrorKind::Authentication),
    ("account has been terminated", ErrorKind::Authentication),
    ("account has been closed", ErrorKind::Authentication),
    ("account has been locked", ErrorKind::Authentication),
    ("account has been deleted", ErrorKind::Authentication),
    // A restricted credential: other operations may still be permitted. OpenAI, Anthropic's OAuth tokens, Google,
    // Hugging Face and Azure use these words.
    ("required scope", ErrorKind::Permission),
    ("scope requirement", ErrorKind::Permission),
    ("authentication scopes", ErrorKind::Permission),
    ("sufficient permission", ErrorKind::Permission),
    ("not have permission", ErrorKind::Permission),
    ("missing permission", ErrorKind::Permission),
    ("lacks the required", ErrorKind::Permission),
    ("overloaded", ErrorKind::Overloaded),
    ("slow_down", ErrorKind::Overloaded),
    ("at capacity", ErrorKind::Overloaded),
    ("experiencing high demand", ErrorKind::Overloaded),
];

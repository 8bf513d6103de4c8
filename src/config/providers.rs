//! Provider presets: data, not code. A provider that speaks an existing dialect is one row here.
use crate::protocol::Dialect;

/// What a preset supplies; each part can be overridden in YAML.
#[derive(Debug)]
pub struct Provider {
    /// The word in YAML.
    pub name: &'static str,
    /// What it speaks, preferred first.
    pub dialects: &'static [Dialect],
    /// `None` = the account must say.
    pub base_url: Option<&'static str>,
    pub auth: Auth,
}

/// How the credential travels upstream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Auth {
    /// `api-key: …` (Azure).
    ApiKey,
    /// `authorization: Bearer …`.
    Bearer,
    None,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: …` (Gemini).
    XGoogApiKey,
}

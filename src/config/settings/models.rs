//! What the configuration says about models: prices and capabilities.
use super::Glob;
use crate::protocol::models::Overrides;

/// USD per million tokens.
#[derive(Clone, Debug)]
pub struct Price {
    pub model: Glob,
    pub input: f64,
    pub output: f64,
    /// `None` = as `input`.
    pub cache_read: Option<f64>,
    pub cache_write_5m: Option<f64>,
    pub cache_write_1h: Option<f64>,
    /// Whether these are dollars: `false` = nobody says what their currency is worth, and the models have no price.
    pub is_known: bool,
}

/// What some models accept, where the built-in table says otherwise.
#[derive(Clone, Debug)]
pub struct ModelCapabilities {
    /// Of the upstream's names.
    pub model: Glob,
    pub overrides: Overrides,
}

//! What the configuration says about models: prices and capabilities.
use super::Glob;
use crate::protocol::models::Overrides;

/// USD per million tokens.
#[derive(Clone, Debug)]
pub struct Price {
    /// The names that it is for, the upstream's or the client's.
    pub model: Glob,
    /// US dollars per million tokens of the prompt.
    pub input: f64,
    /// US dollars per million tokens of the answer, reasoning included.
    pub output: f64,
    /// `None` = as `input`.
    pub cache_read: Option<f64>,
    /// US dollars per million tokens that are cached for 5 minutes; `None` = as `input`.
    pub cache_write_5m: Option<f64>,
    /// US dollars per million tokens that are cached for an hour; `None` = as `input`.
    pub cache_write_1h: Option<f64>,
    /// Whether these are dollars: `false` = nobody says what their currency is worth, and the models have no price.
    pub is_known: bool,
}

/// What some models accept, where the built-in table says otherwise.
#[derive(Clone, Debug)]
pub struct ModelCapabilities {
    /// Of the upstream's names.
    pub model: Glob,
    /// What is said of them; what is not comes from the built-in table.
    pub overrides: Overrides,
}

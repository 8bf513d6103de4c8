//! What the configuration says about models: prices and capabilities.
use super::{Config, Glob};
use crate::protocol::models::{self, Capabilities, Overrides};

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
}

/// What some models accept, where the built-in table says otherwise.
#[derive(Clone, Debug)]
pub struct ModelCapabilities {
    /// Of the upstream's names.
    pub model: Glob,
    pub overrides: Overrides,
}

impl Config {
    /// What `model` accepts, the upstream's name. Of several entries that match, the first that gives a field decides it.
    pub fn capabilities_of(&self, model: &str) -> Capabilities {
        let mut capabilities = models::capabilities(model);
        let entries = self.capabilities.iter().rev();
        for entry in entries.filter(|entry| entry.model.is_match(model)) {
            entry.overrides.apply(&mut capabilities);
        }
        capabilities
    }
}

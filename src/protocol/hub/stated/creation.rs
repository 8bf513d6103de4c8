//! How long Anthropic keeps the tokens that were written to the cache.
use serde::Deserialize;

use super::super::figures::count;

/// `cache_creation`: the tokens that were written to the cache, by how long they are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub(super) struct CacheCreation {
    #[serde(default, deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

impl CacheCreation {
    /// Splits `written` tokens into those of five minutes and those of an hour.
    pub(super) fn split(self, written: u64) -> (u64, u64) {
        let hour = self.ephemeral_1h_input_tokens.unwrap_or(0);
        let five = self.ephemeral_5m_input_tokens.unwrap_or(0);
        // Tokens that the split does not cover were written for five minutes, the default.
        (five.max(written.saturating_sub(hour)), hour)
    }
}

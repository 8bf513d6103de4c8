//! What an answer cost.

/// Tokens of one answer, in buckets of which none contains another, but for `reasoning`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Usage {
    /// Prompt tokens that no cache had and none was asked to keep.
    pub input: u64,
    /// Prompt tokens read from the cache.
    pub cache_read: u64,
    /// Prompt tokens written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Every token that was generated, reasoning too.
    pub output: u64,
    /// The part of `output` that is reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// The whole prompt, however it was served.
    pub(super) const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// Prompt and output together.
    pub(super) const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

//! Token usage in exclusive buckets: a token is in exactly one of them.

/// What one exchange used. `input` excludes everything cached; `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache that lives five minutes (Anthropic) or thirty (OpenAI).
    pub cache_write_5m: u64,
    /// Prompt tokens written to a cache that lives one hour (Anthropic) or twelve (OpenAI).
    pub cache_write_1h: u64,
    /// Everything generated, reasoning included.
    pub output: u64,
    /// The share of `output` that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// The whole prompt, however it was served: what a context window and a price threshold count.
    pub const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// Prompt and output together.
    pub const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

//! Token usage in exclusive buckets: a token is in exactly one of them; and how each dialect states it.
//!
//! Vendors disagree about what includes what (`OpenAI` counts cached tokens inside the prompt, Anthropic beside it; Gemini
//! counts thoughts outside the answer, `OpenAI` inside). The readers here settle that once; they take any number that a
//! compatible server may write, and a missing one as not stated.
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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

    /// Both together, kind by kind.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            input: self.input.saturating_add(more.input),
            cache_read: self.cache_read.saturating_add(more.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(more.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(more.cache_write_1h),
            output: self.output.saturating_add(more.output),
            reasoning: self.reasoning.saturating_add(more.reasoning),
        }
    }

    /// Prompt and output together.
    pub const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

/// `usage` of Anthropic. Every field may be missing, since `message_delta` states only what has changed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct AnthropicUsage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct CacheCreation {
    #[serde(default, deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// Takes over what `later` states; the counts are cumulative.
    pub fn merge(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = later
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = later
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }
}

impl From<AnthropicUsage> for Usage {
    fn from(stated: AnthropicUsage) -> Self {
        let split = stated.cache_creation.unwrap_or_default();
        let hour = split.ephemeral_1h_input_tokens.unwrap_or(0);
        let five = split.ephemeral_5m_input_tokens.unwrap_or(0);
        // What no split explains was written for five minutes, the default.
        let written = stated.cache_creation_input_tokens.unwrap_or(0);
        let output = stated.output_tokens.unwrap_or(0);
        let details = stated.output_tokens_details.unwrap_or_default();
        Self {
            input: stated.input_tokens.unwrap_or(0),
            cache_read: stated.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: five.max(written.saturating_sub(hour)),
            cache_write_1h: hour,
            output,
            reasoning: details.thinking_tokens.unwrap_or(0).min(output),
        }
    }
}

/// `usage` of `OpenAI` Chat and what compatible vendors made of it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct ChatUsage {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    /// `DeepSeek`.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// `DeepSeek`.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_miss_tokens: Option<u64>,
    /// Moonshot.
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
}

impl From<ChatUsage> for Usage {
    fn from(stated: ChatUsage) -> Self {
        let details = stated.prompt_tokens_details.unwrap_or_default();
        let read = details
            .cached_tokens
            .or(stated.prompt_cache_hit_tokens)
            .or(stated.cached_tokens)
            .unwrap_or(0);
        let prompt = stated
            .prompt_tokens
            .unwrap_or_else(|| read.saturating_add(stated.prompt_cache_miss_tokens.unwrap_or(0)));
        let completion = stated.completion_tokens.unwrap_or(0);
        let reasoning = stated
            .completion_tokens_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        // xAI counts reasoning beside the completion; only the total gives it away.
        let beside = prompt.saturating_add(completion).saturating_add(reasoning);
        let output = match stated.total_tokens {
            Some(total) if total == beside => completion.saturating_add(reasoning),
            _ => completion,
        };
        Self::of_prompt(prompt, read, &details, output, reasoning)
    }
}

/// `usage` of `OpenAI` Responses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct ResponsesUsage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

impl From<ResponsesUsage> for Usage {
    fn from(stated: ResponsesUsage) -> Self {
        let details = stated.input_tokens_details.unwrap_or_default();
        let reasoning = stated
            .output_tokens_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        Self::of_prompt(
            stated.input_tokens.unwrap_or(0),
            details.cached_tokens.unwrap_or(0),
            &details,
            stated.output_tokens.unwrap_or(0),
            reasoning,
        )
    }
}

/// `usageMetadata` of Gemini.
#[expect(clippy::struct_field_names, reason = "the names are those of the wire")]
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GeminiUsage {
    #[serde(default, deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
}

impl From<GeminiUsage> for Usage {
    fn from(stated: GeminiUsage) -> Self {
        let prompt = stated.prompt_token_count.unwrap_or(0);
        let read = stated.cached_content_token_count.unwrap_or(0);
        let reasoning = stated.thoughts_token_count.unwrap_or(0);
        Self {
            input: prompt
                .saturating_sub(read)
                .saturating_add(stated.tool_use_prompt_token_count.unwrap_or(0)),
            cache_read: read,
            cache_write_5m: 0,
            cache_write_1h: 0,
            output: stated
                .candidates_token_count
                .unwrap_or(0)
                .saturating_add(reasoning),
            reasoning,
        }
    }
}

/// `prompt_tokens_details` (Chat) and `input_tokens_details` (Responses).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct InputDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    cache_write_tokens_details: Option<WriteDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct WriteDetails {
    #[serde(default, deserialize_with = "count")]
    ttl_12h_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    thinking_tokens: Option<u64>,
}

impl Usage {
    /// From a prompt that includes what was cached.
    fn of_prompt(
        prompt: u64,
        read: u64,
        details: &InputDetails,
        output: u64,
        reasoning: u64,
    ) -> Self {
        let written = details.cache_write_tokens.unwrap_or(0);
        let long = details
            .cache_write_tokens_details
            .and_then(|split| split.ttl_12h_tokens)
            .unwrap_or(0)
            .min(written);
        Self {
            input: prompt.saturating_sub(read).saturating_sub(written),
            cache_read: read,
            cache_write_5m: written - long,
            cache_write_1h: long,
            output,
            reasoning: reasoning.min(output),
        }
    }
}

/// A count however it is written: some servers send floats or strings. Anything else is a count that is not stated, so
/// that one odd field does not lose the others.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Count)
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Option<u64>, E> {
        Ok(Some(count))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Option<u64>, E> {
        Ok(Some(u64::try_from(count).unwrap_or(0)))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and a negative one is zero"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Option<u64>, E> {
        Ok(Some(count as u64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<u64>, E> {
        Ok(text.parse().ok())
    }

    fn visit_unit<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u64>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<u64>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

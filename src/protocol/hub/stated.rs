//! The usage in the form of each dialect.
//!
//! Vendors disagree about what includes what: `OpenAI` counts cached tokens inside the prompt, Anthropic beside it;
//! Gemini counts thoughts outside the answer, `OpenAI` inside. The readers here settle that in one place. They accept a
//! number in any form that a compatible server may write; a missing number counts as not stated. Impossible numbers are
//! rejected: see [`Stated`].
mod anthropic;
mod creation;
mod gemini;
mod iterations;

use serde::Deserialize;

use super::figures::{self, count, dollars, flag, seconds, ticks, tier};
pub(in crate::protocol) use super::figures::{detail, level};
use super::units::Units;
use super::usage::{Extras, MOST, Media, Stated, Usage};
pub use anthropic::AnthropicUsage;
pub use gemini::GeminiUsage;

/// A name from the price table.
type Known = &'static str;

/// `usage` of `OpenAI` Chat, with the variants of compatible vendors.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct ChatUsage {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "detail")]
    completion_tokens_details: Option<OutputDetails>,
    /// Used for images and transcriptions.
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    /// Used for images and transcriptions.
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    /// Used for images; transcriptions omit the `s`.
    #[serde(alias = "input_token_details")]
    #[serde(default, deserialize_with = "detail")]
    input_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "detail")]
    output_tokens_details: Option<OutputDetails>,
    /// `DeepSeek`.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// `DeepSeek`.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_miss_tokens: Option<u64>,
    /// Moonshot.
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    /// The length of the transcribed audio, in ms.
    #[serde(default, deserialize_with = "seconds")]
    seconds: Option<u64>,
    /// The same for Mistral.
    #[serde(default, deserialize_with = "seconds")]
    prompt_audio_seconds: Option<u64>,
    /// The charge in billionths of a dollar. OpenRouter writes dollars, Perplexity an object with the total.
    #[serde(default, deserialize_with = "dollars")]
    cost: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cost_details: Option<CostDetails>,
    /// xAI's charge in billionths of a dollar; xAI writes ten-billionths.
    #[serde(default, deserialize_with = "ticks")]
    cost_in_usd_ticks: Option<u64>,
    /// OpenRouter: whether the account's own key at the vendor paid for the model, so that `cost` is only OpenRouter's
    /// fee.
    #[serde(default, deserialize_with = "flag")]
    is_byok: bool,
    /// The service tier, for servers that state it within the usage.
    #[serde(default, deserialize_with = "tier")]
    service_tier: Option<Known>,
}

impl ChatUsage {
    /// Takes over what a later event states. A number that it leaves out, or that is 0, leaves the earlier one as it was.
    pub fn merge(&mut self, later: Self) {
        for (sum, stated) in [
            (&mut self.prompt_tokens, later.prompt_tokens),
            (&mut self.completion_tokens, later.completion_tokens),
            (&mut self.total_tokens, later.total_tokens),
            (&mut self.input_tokens, later.input_tokens),
            (&mut self.output_tokens, later.output_tokens),
            (
                &mut self.prompt_cache_hit_tokens,
                later.prompt_cache_hit_tokens,
            ),
            (
                &mut self.prompt_cache_miss_tokens,
                later.prompt_cache_miss_tokens,
            ),
            (&mut self.cached_tokens, later.cached_tokens),
            (&mut self.seconds, later.seconds),
            (&mut self.prompt_audio_seconds, later.prompt_audio_seconds),
            (&mut self.cost, later.cost),
            (&mut self.cost_in_usd_ticks, later.cost_in_usd_ticks),
        ] {
            figures::replace(sum, stated);
        }
        self.prompt_tokens_details = later.prompt_tokens_details.or(self.prompt_tokens_details);
        self.completion_tokens_details = later
            .completion_tokens_details
            .or(self.completion_tokens_details);
        self.input_tokens_details = later.input_tokens_details.or(self.input_tokens_details);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.cost_details = later.cost_details.or(self.cost_details);
        self.service_tier = later.service_tier.or(self.service_tier);
        self.is_byok |= later.is_byok;
    }

    /// The output tokens that only the total contains: xAI counts reasoning outside the completion, and Gemini's
    /// endpoint for Chat does not state its thoughts at all. `sums` is the prompt and the completion together.
    /// A difference above `MOST_HIDDEN` means that the total is wrong, unless the stated reasoning is equal to it.
    fn hidden(&self, sums: u64, read: u64, details: &InputDetails, reasoning: u64) -> u64 {
        let total = self.total_tokens.filter(|total| *total <= MOST);
        let more = total.unwrap_or(0).saturating_sub(sums);
        // Some servers count cached tokens, audio or images outside the prompt; then these explain the difference.
        let written = details.cache_write_tokens.unwrap_or(0);
        let of_prompt = [
            read,
            written,
            read.saturating_add(written),
            details.audio_tokens.unwrap_or(0),
            details.image_tokens.unwrap_or(0),
        ];
        let is_wrong = more > MOST_HIDDEN && more != reasoning;
        if is_wrong || of_prompt.contains(&more) || self.prompt_audio_seconds.is_some() {
            0
        } else {
            more
        }
    }
}

impl From<ChatUsage> for Stated {
    fn from(stated: ChatUsage) -> Self {
        let details = stated.prompt_tokens_details;
        let details = details.or(stated.input_tokens_details).unwrap_or_default();
        let output_details = stated.completion_tokens_details;
        let output_details = output_details.or(stated.output_tokens_details);
        let read = details
            .cached_tokens
            .or(stated.prompt_cache_hit_tokens)
            .or(stated.cached_tokens)
            .unwrap_or(0);
        let missed = stated.prompt_cache_miss_tokens;
        let completion = stated.completion_tokens.or(stated.output_tokens);
        let named = stated.prompt_tokens.or(stated.input_tokens);
        let prompt = named.unwrap_or_else(|| match (completion, missed) {
            // Jina and Voyage state only the sum, and their models write no output.
            (None, None) => stated.total_tokens.unwrap_or(0),
            _ => read.saturating_add(missed.unwrap_or(0)),
        });
        let reasoning = output_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        let hidden = named.zip(completion).map_or(0, |(prompt, completion)| {
            stated.hidden(prompt.saturating_add(completion), read, &details, reasoning)
        });
        let output = completion.unwrap_or(0).saturating_add(hidden);
        let reasoning = reasoning.max(hidden);
        let media = media(&details, output_details);
        let usage = Usage {
            units: Units {
                audio_ms: stated.seconds.or(stated.prompt_audio_seconds).unwrap_or(0),
                ..Units::NONE
            },
            ..of_prompt(prompt, read, &details, output, reasoning)
        };
        Self::checked(
            usage,
            Extras {
                nano_usd: charged(
                    stated.cost,
                    stated.cost_details,
                    stated.cost_in_usd_ticks,
                    stated.is_byok,
                ),
                media,
                tier: stated.service_tier,
                ..Extras::default()
            },
        )
    }
}

/// `usage` of `OpenAI` Responses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct ResponsesUsage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    input_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "detail")]
    output_tokens_details: Option<OutputDetails>,
    /// The charge in billionths of a dollar. OpenRouter writes dollars, Perplexity an object with the total.
    #[serde(default, deserialize_with = "dollars")]
    cost: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cost_details: Option<CostDetails>,
    /// xAI's charge in billionths of a dollar; xAI writes ten-billionths.
    #[serde(default, deserialize_with = "ticks")]
    cost_in_usd_ticks: Option<u64>,
    /// OpenRouter: whether the account's own key at the vendor paid for the model, so that `cost` is only OpenRouter's
    /// fee.
    #[serde(default, deserialize_with = "flag")]
    is_byok: bool,
    /// The service tier, for servers that state it within the usage.
    #[serde(default, deserialize_with = "tier")]
    service_tier: Option<Known>,
}

impl From<ResponsesUsage> for Stated {
    fn from(stated: ResponsesUsage) -> Self {
        let details = stated.input_tokens_details.unwrap_or_default();
        let reasoning = stated
            .output_tokens_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        let media = media(&details, stated.output_tokens_details);
        let usage = of_prompt(
            stated.input_tokens.unwrap_or(0),
            details.cached_tokens.unwrap_or(0),
            &details,
            stated.output_tokens.unwrap_or(0),
            reasoning,
        );
        Self::checked(
            usage,
            Extras {
                nano_usd: charged(
                    stated.cost,
                    stated.cost_details,
                    stated.cost_in_usd_ticks,
                    stated.is_byok,
                ),
                media,
                tier: stated.service_tier,
                ..Extras::default()
            },
        )
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct CostDetails {
    #[serde(default, deserialize_with = "dollars")]
    upstream_inference_cost: Option<u64>,
}

/// The charge that a provider states: exact ticks, otherwise `cost`, including the upstream's part if `byok` is set.
fn charged(
    cost: Option<u64>,
    details: Option<CostDetails>,
    ticks: Option<u64>,
    byok: bool,
) -> Option<u64> {
    let upstream = details
        .filter(|_| byok)
        .and_then(|details| details.upstream_inference_cost);
    let cost = cost.map(|cost| cost.saturating_add(upstream.unwrap_or(0)));
    ticks.or(cost)
}

fn media(input: &InputDetails, output: Option<OutputDetails>) -> Media {
    let output = output.unwrap_or_default();
    Media {
        audio_input: input.audio_tokens.unwrap_or(0),
        image_input: input.image_tokens.unwrap_or(0),
        audio_output: output.audio_tokens.unwrap_or(0),
        image_output: output.image_tokens.unwrap_or(0),
    }
}

/// The usage alone, without the extras; see [`Stated`].
macro_rules! counts {
    ($($dialect:ty),*) => {$(
        impl From<$dialect> for Usage {
            fn from(stated: $dialect) -> Self {
                Stated::from(stated).usage
            }
        }
    )*};
}
counts!(AnthropicUsage, ChatUsage, GeminiUsage, ResponsesUsage);

/// `prompt_tokens_details` (Chat) and `input_tokens_details` (Responses).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct InputDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cache_write_tokens_details: Option<WriteDetails>,
    #[serde(default, deserialize_with = "count")]
    audio_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    image_tokens: Option<u64>,
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
    #[serde(default, deserialize_with = "count")]
    audio_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    image_tokens: Option<u64>,
}

/// The usage for a prompt count that includes cached tokens.
fn of_prompt(prompt: u64, read: u64, details: &InputDetails, output: u64, reasoning: u64) -> Usage {
    let written = details.cache_write_tokens.unwrap_or(0);
    let long = details
        .cache_write_tokens_details
        .and_then(|split| split.ttl_12h_tokens)
        .unwrap_or(0)
        .min(written);
    Usage {
        input: prompt.saturating_sub(read).saturating_sub(written),
        cache_read: read,
        cache_write_5m: written - long,
        cache_write_1h: long,
        output,
        reasoning: reasoning.min(output),
        units: Units::NONE,
    }
}
/// The most tokens that are taken from a total alone: the longest answer of Gemini's models, thoughts included.
/// Source: ai.google.dev/gemini-api/docs/models, output token limit.
const MOST_HIDDEN: u64 = 65_536;

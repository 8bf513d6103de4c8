//! How each dialect states what an exchange used.
//!
//! Vendors disagree about what includes what (`OpenAI` counts cached tokens inside the prompt, Anthropic beside it; Gemini
//! counts thoughts outside the answer, `OpenAI` inside). The readers here settle that once; they take any number that a
//! compatible server may write, and a missing one as not stated. Figures that cannot be are refused: see [`Stated`].
use serde::Deserialize;

use super::figures::{Modalities, compactions, count, dollars, flag, region, seconds, ticks, tier};
pub(in crate::protocol) use super::figures::{detail, level};
use super::units::Units;
use super::usage::{Extras, Media, Stated, Tools, Usage};

/// A name of the price table.
type Known = &'static str;

/// `usage` of Anthropic. Every field may be missing, since `message_delta` states only what has changed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct AnthropicUsage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cache_creation: Option<CacheCreation>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(default, deserialize_with = "detail")]
    server_tool_use: Option<ServerToolUse>,
    #[serde(default, deserialize_with = "tier")]
    speed: Option<Known>,
    #[serde(default, deserialize_with = "region")]
    inference_geo: Option<Known>,
    /// What compactions took: they are outside the sums.
    #[serde(default, deserialize_with = "compactions")]
    iterations: Option<Usage>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct ServerToolUse {
    #[serde(default, deserialize_with = "count")]
    web_search_requests: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct CacheCreation {
    #[serde(default, deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// Takes over what `later` states; the counts are cumulative. Zeros for the whole prompt are no statement.
    pub fn merge(&mut self, later: Self) {
        if self.prompt() == 0 || later.prompt() > 0 {
            self.input_tokens = later.input_tokens.or(self.input_tokens);
            self.cache_read_input_tokens = later
                .cache_read_input_tokens
                .or(self.cache_read_input_tokens);
            self.cache_creation_input_tokens = later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens);
            self.cache_creation = later.cache_creation.or(self.cache_creation);
        }
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.server_tool_use = later.server_tool_use.or(self.server_tool_use);
        self.speed = later.speed.or(self.speed);
        self.inference_geo = later.inference_geo.or(self.inference_geo);
        self.iterations = later.iterations.or(self.iterations);
    }

    /// Whether it says what the answer took.
    pub const fn states_answer(&self) -> bool {
        self.output_tokens.is_some()
    }

    /// All tokens of the prompt.
    fn prompt(&self) -> u64 {
        self.sums().prompt()
    }

    /// One request to the model.
    fn sums(&self) -> Usage {
        let split = self.cache_creation.unwrap_or_default();
        let hour = split.ephemeral_1h_input_tokens.unwrap_or(0);
        let five = split.ephemeral_5m_input_tokens.unwrap_or(0);
        // What no split explains was written for five minutes, the default.
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let output = self.output_tokens.unwrap_or(0);
        let details = self.output_tokens_details.unwrap_or_default();
        Usage {
            input: self.input_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: five.max(written.saturating_sub(hour)),
            cache_write_1h: hour,
            output,
            reasoning: details.thinking_tokens.unwrap_or(0).min(output),
            units: Units::NONE,
        }
    }
}

impl From<AnthropicUsage> for Stated {
    fn from(stated: AnthropicUsage) -> Self {
        let used = stated.server_tool_use.unwrap_or_default();
        let extras = Extras {
            tier: stated.speed,
            region: stated.inference_geo,
            tools: Tools {
                web_searches: used.web_search_requests.unwrap_or(0),
                ..Tools::default()
            },
            ..Extras::default()
        };
        Self::checked(
            stated.sums().and(stated.iterations.unwrap_or_default()),
            extras,
        )
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
    #[serde(default, deserialize_with = "detail")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "detail")]
    completion_tokens_details: Option<OutputDetails>,
    /// Pictures and transcriptions.
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    /// Pictures and transcriptions.
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    /// Pictures; transcriptions leave out the `s`.
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
    /// What was transcribed, in thousandths.
    #[serde(default, deserialize_with = "seconds")]
    seconds: Option<u64>,
    /// The same of Mistral's.
    #[serde(default, deserialize_with = "seconds")]
    prompt_audio_seconds: Option<u64>,
    /// OpenRouter, in dollars; Perplexity: an object with the total. In billionths.
    #[serde(default, deserialize_with = "dollars")]
    cost: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cost_details: Option<CostDetails>,
    /// xAI: in ten-billionths of a dollar; read as billionths.
    #[serde(default, deserialize_with = "ticks")]
    cost_in_usd_ticks: Option<u64>,
    /// OpenRouter: whether the model was paid for with a key of the account's own, so that `cost` is only its fee.
    #[serde(default, deserialize_with = "flag")]
    is_byok: bool,
    /// Where it stands here, and not beside the usage.
    #[serde(default, deserialize_with = "tier")]
    service_tier: Option<Known>,
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
        let prompt = stated.prompt_tokens.or(stated.input_tokens);
        let prompt = prompt.unwrap_or_else(|| match (completion, missed) {
            // Jina and Voyage state the sum alone, and their models write nothing.
            (None, None) => stated.total_tokens.unwrap_or(0),
            _ => read.saturating_add(missed.unwrap_or(0)),
        });
        let completion = completion.unwrap_or(0);
        let reasoning = output_details
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0);
        // xAI counts reasoning beside the completion; only the total gives it away.
        let beside = prompt.saturating_add(completion).saturating_add(reasoning);
        let output = match stated.total_tokens {
            Some(total) if total == beside => completion.saturating_add(reasoning),
            _ => completion,
        };
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
    /// OpenRouter, in dollars; Perplexity: an object with the total. In billionths.
    #[serde(default, deserialize_with = "dollars")]
    cost: Option<u64>,
    #[serde(default, deserialize_with = "detail")]
    cost_details: Option<CostDetails>,
    /// xAI: in ten-billionths of a dollar; read as billionths.
    #[serde(default, deserialize_with = "ticks")]
    cost_in_usd_ticks: Option<u64>,
    /// OpenRouter: whether the model was paid for with a key of the account's own, so that `cost` is only its fee.
    #[serde(default, deserialize_with = "flag")]
    is_byok: bool,
    /// Where it stands here, and not beside the usage.
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

/// What a provider says that it charges: `cost` and what it passes on, or exact ticks.
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

/// `usageMetadata` of Gemini.
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
    #[serde(default)]
    prompt_tokens_details: Modalities,
    #[serde(default)]
    candidates_tokens_details: Modalities,
    #[serde(default, deserialize_with = "tier")]
    service_tier: Option<Known>,
    /// Vertex AI.
    #[serde(default, deserialize_with = "tier")]
    traffic_type: Option<Known>,
}

impl From<GeminiUsage> for Stated {
    fn from(stated: GeminiUsage) -> Self {
        let prompt = stated.prompt_token_count.unwrap_or(0);
        let read = stated.cached_content_token_count.unwrap_or(0);
        let reasoning = stated.thoughts_token_count.unwrap_or(0);
        let usage = Usage {
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
            units: Units::NONE,
        };
        let (prompt, answer) = (
            stated.prompt_tokens_details,
            stated.candidates_tokens_details,
        );
        let extras = Extras {
            tier: stated.service_tier.or(stated.traffic_type),
            media: Media {
                audio_input: prompt.audio,
                image_input: 0,
                audio_output: answer.audio,
                image_output: answer.image,
            },
            ..Extras::default()
        };
        Self::checked(usage, extras)
    }
}

/// Every figure that is believed; see [`Stated`].
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

/// From a prompt that includes what was cached.
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

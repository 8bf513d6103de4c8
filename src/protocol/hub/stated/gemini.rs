//! The usage in Gemini's form: thoughts are outside the answer, tool-use tokens outside the prompt.
use serde::Deserialize;

use super::super::figures::{Modalities, count, tier};
use super::super::units::Units;
use super::super::usage::{Extras, Media, Stated, Usage};
use super::Known;

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
    /// The tokens of the prompt that were read from a cache.
    #[serde(default)]
    cache_tokens_details: Modalities,
    #[serde(default)]
    tool_use_prompt_tokens_details: Modalities,
    #[serde(default)]
    candidates_tokens_details: Modalities,
    #[serde(default, deserialize_with = "tier")]
    service_tier: Option<Known>,
    /// The tier as Vertex AI states it.
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
        // The prompt includes what was read from a cache, which has one price for all modalities.
        let prompt = stated
            .prompt_tokens_details
            .without(stated.cache_tokens_details)
            .and(stated.tool_use_prompt_tokens_details);
        let answer = stated.candidates_tokens_details;
        let extras = Extras {
            tier: stated.service_tier.or(stated.traffic_type),
            media: Media {
                audio_input: prompt.audio,
                image_input: prompt.image,
                audio_output: answer.audio,
                image_output: answer.image,
            },
            ..Extras::default()
        };
        Self::checked(usage, extras)
    }
}

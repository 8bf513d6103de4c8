//! The usage in Gemini's form: thoughts are outside the answer, tool-use tokens outside the prompt.
use serde::Deserialize;

use super::super::figures::{Modalities, count, replace, tier};
use super::super::units::Units;
use super::super::usage::{Extras, Media, Stated, Usage};
use super::Known;

/// `usageMetadata` of Gemini; some servers write its names in snake case.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GeminiUsage {
    #[serde(default, deserialize_with = "count", alias = "prompt_token_count")]
    prompt_token_count: Option<u64>,
    #[serde(
        default,
        deserialize_with = "count",
        alias = "cached_content_token_count"
    )]
    cached_content_token_count: Option<u64>,
    #[serde(
        default,
        deserialize_with = "count",
        alias = "tool_use_prompt_token_count"
    )]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count", alias = "candidates_token_count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count", alias = "thoughts_token_count")]
    thoughts_token_count: Option<u64>,
    #[serde(default, alias = "prompt_tokens_details")]
    prompt_tokens_details: Modalities,
    /// The tokens of the prompt that were read from a cache.
    #[serde(default, alias = "cache_tokens_details")]
    cache_tokens_details: Modalities,
    #[serde(default, alias = "tool_use_prompt_tokens_details")]
    tool_use_prompt_tokens_details: Modalities,
    #[serde(default, alias = "candidates_tokens_details")]
    candidates_tokens_details: Modalities,
    #[serde(default, deserialize_with = "tier", alias = "service_tier")]
    service_tier: Option<Known>,
    /// The tier as Vertex AI states it.
    #[serde(default, deserialize_with = "tier", alias = "traffic_type")]
    traffic_type: Option<Known>,
}

impl GeminiUsage {
    /// Takes over what a later event states. A number that it leaves out, or that is 0, leaves the earlier one as it was.
    pub fn merge(&mut self, later: Self) {
        for (sum, stated) in [
            (&mut self.prompt_token_count, later.prompt_token_count),
            (
                &mut self.cached_content_token_count,
                later.cached_content_token_count,
            ),
            (
                &mut self.tool_use_prompt_token_count,
                later.tool_use_prompt_token_count,
            ),
            (
                &mut self.candidates_token_count,
                later.candidates_token_count,
            ),
            (&mut self.thoughts_token_count, later.thoughts_token_count),
        ] {
            replace(sum, stated);
        }
        for (sums, stated) in [
            (&mut self.prompt_tokens_details, later.prompt_tokens_details),
            (&mut self.cache_tokens_details, later.cache_tokens_details),
            (
                &mut self.tool_use_prompt_tokens_details,
                later.tool_use_prompt_tokens_details,
            ),
            (
                &mut self.candidates_tokens_details,
                later.candidates_tokens_details,
            ),
        ] {
            if stated != Modalities::default() {
                *sums = stated;
            }
        }
        self.service_tier = later.service_tier.or(self.service_tier);
        self.traffic_type = later.traffic_type.or(self.traffic_type);
    }
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

//! The usage in Anthropic's form: cached tokens are beside the prompt, compactions and advice outside the sums.
use serde::Deserialize;

use super::super::figures::{count, detail, region, tier};
use super::super::units::Units;
use super::super::usage::{Extras, Stated, Tools, Usage};
use super::creation::CacheCreation;
use super::iterations::{UnsummedUsage, unsummed};
use super::{Known, OutputDetails};

/// `usage` of Anthropic. Every field may be missing, because `message_delta` states only what has changed.
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
    /// The usage that the sums do not include.
    #[serde(default, deserialize_with = "unsummed")]
    iterations: Option<UnsummedUsage>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
struct ServerToolUse {
    #[serde(default, deserialize_with = "count")]
    web_search_requests: Option<u64>,
}

impl AnthropicUsage {
    /// Takes over the counts that `later` states; they are cumulative. Prompt counts that are all zero do not replace
    /// others.
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

    /// Whether it states the output tokens.
    pub const fn states_answer(&self) -> bool {
        self.output_tokens.is_some()
    }

    /// All tokens of the prompt.
    fn prompt(&self) -> u64 {
        self.sums().prompt()
    }

    /// The usage without compactions and advice.
    fn sums(&self) -> Usage {
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let (five, hour) = self.cache_creation.unwrap_or_default().split(written);
        let output = self.output_tokens.unwrap_or(0);
        let details = self.output_tokens_details.unwrap_or_default();
        Usage {
            input: self.input_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: five,
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
        let UnsummedUsage { compacted, advised } = stated.iterations.unwrap_or_default();
        let advice = advised.map(|advised| advised.usage).unwrap_or_default();
        let extras = Extras {
            advised,
            tier: stated.speed,
            region: stated.inference_geo,
            tools: Tools {
                web_searches: used.web_search_requests.unwrap_or(0),
                ..Tools::default()
            },
            ..Extras::default()
        };
        Self::checked(stated.sums().and(compacted).and(advice), extras)
    }
}

//! `usage.iterations` of Anthropic: the usage of each part of an answer. The sums do not include all parts.
use serde::Deserialize;
use serde::de::Deserializer;

use super::super::advisor::Advisor;
use super::super::figures::{count, detail, kind, model, sum};
use super::super::usage::{Advised, Usage};
use super::Known;
use super::creation::CacheCreation;

/// The usage that the sums do not include.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct UnsummedUsage {
    pub compacted: Usage,
    pub advised: Option<Advised>,
}

/// The usage of those entries that are compactions or advice.
pub(super) fn unsummed<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UnsummedUsage>, D::Error> {
    sum(deserializer, None, |found, iteration: Iteration| {
        let usage = iteration.usage();
        match iteration.kind {
            Some("compaction") => {
                let unsummed = found.get_or_insert_with(UnsummedUsage::default);
                unsummed.compacted = unsummed.compacted.and(usage);
            }
            Some("advisor_message") => {
                let unsummed = found.get_or_insert_with(UnsummedUsage::default);
                let model = iteration.model.unwrap_or_default();
                let advised = Advised { model, usage };
                let before = unsummed.advised;
                unsummed.advised = Some(before.map_or(advised, |before| before.and(advised)));
            }
            _ => {}
        }
    })
}

#[derive(Deserialize)]
struct Iteration {
    #[serde(default, rename = "type", deserialize_with = "kind")]
    kind: Option<Known>,
    #[serde(default, deserialize_with = "model")]
    model: Option<Advisor>,
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
}

impl Iteration {
    fn usage(&self) -> Usage {
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let (five, hour) = self.cache_creation.unwrap_or_default().split(written);
        Usage {
            input: self.input_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: five,
            cache_write_1h: hour,
            output: self.output_tokens.unwrap_or(0),
            ..Usage::default()
        }
    }
}

//! models.dev's `api.json`: vendors, their models, and dollars per million tokens.
use serde_json::Value;

use super::{Listed, rounded};
use crate::config::{LongPrice, UnitPrices};
use crate::pricing::{Long, MediaRates, Rates};

/// What an entry of a model says, if it has a price.
pub(super) fn read(entry: &Value) -> Option<Listed> {
    let cost = entry.get("cost")?;
    let price = |name| price(cost, name);
    let (input, output) = (price("input")?, price("output")?);
    let write = price("cache_write").unwrap_or(input);
    let rates = Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: write,
        cache_read: price("cache_read").unwrap_or(input),
        output,
    };
    let (long, is_more) = long(cost, &rates);
    // An entry has no price of its own for what the model thinks.
    let thinks = price("reasoning").is_some_and(|usd| usd > output);
    let listed = Listed {
        rates,
        long,
        tiers: Vec::new(),
        media: MediaRates {
            audio_input: price("input_audio"),
            audio_output: price("output_audio"),
            ..MediaRates::TEXT
        },
        units: UnitPrices::default(),
        is_more: is_more || thinks,
    };
    (input > 0.0 || output > 0.0).then_some(listed)
}

/// The rates of long prompts: by their threshold, or in the older member, whose threshold is its name. Whether there are more.
fn long(cost: &Value, rates: &Rates) -> (Option<Long>, bool) {
    let of = |above: u64, entry: &Value| {
        let long = LongPrice {
            above,
            input: price(entry, "input")?,
            output: price(entry, "output")?,
            cache_read: price(entry, "cache_read"),
            cache_write_5m: price(entry, "cache_write"),
            cache_write_1h: price(entry, "cache_write"),
        };
        Some(Long::of_entry(&long, rates))
    };
    let tiers = cost.get("tiers").and_then(Value::as_array);
    let tiers = tiers.into_iter().flatten().filter_map(|entry| {
        let tier = entry.get("tier")?;
        let by_context = tier.get("type").and_then(Value::as_str) == Some("context");
        let above = tier.get("size").and_then(Value::as_u64)?;
        of(above, entry).filter(|_| by_context && above > 0)
    });
    let mut tiers: Vec<Long> = tiers.collect();
    tiers.sort_by_key(|long| long.above);
    let older = || of(200_000, cost.get("context_over_200k")?);
    (tiers.first().copied().or_else(older), tiers.len() > 1)
}

fn price(cost: &Value, name: &str) -> Option<f64> {
    let usd = cost.get(name)?.as_f64()?;
    (0.0..1e6).contains(&usd).then(|| rounded(usd))
}

/// Vendors of models.dev that sell their own models; resellers list the same names at other prices.
pub(super) const VENDORS: [&str; 12] = [
    "alibaba",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "minimax",
    "mistral",
    "moonshotai",
    "openai",
    "xai",
    "zai",
    "zhipuai",
];

//! models.dev's `api.json`: vendors, their models, and dollars per million tokens.
use serde_json::Value;

use super::{Listed, rounded};
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::{LongPrice, MediaPrices, UnitPrices};
use crate::pricing::tiers;

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
    // An entry has no price of its own for what the model thinks.
    let thinks = price("reasoning").is_some_and(|usd| usd > output);
    let listed = Listed {
        rates,
        long: longs(cost, &rates),
        tiers: Vec::new(),
        media: MediaRates {
            audio_input: price("input_audio"),
            audio_output: price("output_audio"),
            ..MediaRates::TEXT
        },
        units: UnitPrices::default(),
        left: if thinks {
            vec!["reasoning".to_owned()]
        } else {
            Vec::new()
        },
    };
    (input > 0.0 || output > 0.0).then_some(listed)
}

/// The rates of long prompts: by their thresholds, or in the older member, whose threshold is its name.
fn longs(cost: &Value, rates: &Rates) -> Vec<Long> {
    let of = |above: u64, entry: &Value| {
        let media = MediaPrices {
            audio_input: price(entry, "input_audio"),
            audio_output: price(entry, "output_audio"),
            ..MediaPrices::default()
        };
        let long = LongPrice {
            above,
            input: price(entry, "input")?,
            output: price(entry, "output")?,
            cache_read: price(entry, "cache_read"),
            cache_write_5m: price(entry, "cache_write"),
            cache_write_1h: price(entry, "cache_write"),
            media,
        };
        Some(tiers::long(&long, rates))
    };
    let tiers = cost.get("tiers").and_then(Value::as_array);
    let tiers = tiers.into_iter().flatten().filter_map(|entry| {
        let tier = entry.get("tier")?;
        let by_context = tier.get("type").and_then(Value::as_str) == Some("context");
        let above = tier.get("size").and_then(Value::as_u64)?;
        of(above, entry).filter(|_| by_context && (1..=1_000_000_000).contains(&above))
    });
    let mut longs: Vec<Long> = tiers.collect();
    if longs.is_empty() {
        let older = cost.get("context_over_200k");
        longs.extend(older.and_then(|entry| of(200_000, entry)));
    }
    longs.sort_by_key(|long| long.above);
    longs.dedup_by_key(|long| long.above);
    longs
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

//! models.dev's `api.json`: vendors, their models, and prices in dollars per million tokens.
use serde_json::Value;

use super::unsaid::Unsaid;
use super::{Listed, rounded};
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::{LongPrice, MediaPrices, UnitPrices};
use crate::pricing::tiers;

/// The prices in the entry of a vendor's model; `None` = it has none.
pub(super) fn read(vendor: &str, entry: &Value) -> Option<Listed> {
    let cost = entry.get("cost")?;
    let price = |name| price(cost, name);
    let (input, output) = (price("input")?, price("output")?);
    let write = price("cache_write").unwrap_or(input);
    let rates = Rates {
        input,
        cache_write_5m: write,
        // The map has one price for cache writes; Anthropic charges twice the input price for writes that live an hour.
        cache_write_1h: if vendor == "anthropic" {
            write.max(2.0 * input)
        } else {
            write
        },
        cache_read: price("cache_read").unwrap_or(input),
        output,
    };
    let (long, is_named_threshold) = longs(cost, &rates);
    let mut unsaid = Unsaid::default();
    unsaid.is_named_threshold = is_named_threshold;
    unsaid.note("", 0, said(cost));
    for (long, entry) in &long {
        unsaid.note("", long.above, said(entry));
    }
    // An entry of the configuration has no separate price for reasoning tokens.
    let thinks = price("reasoning").is_some_and(|usd| usd > output);
    let listed = Listed {
        rates,
        long: long.into_iter().map(|(long, _)| long).collect(),
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
        unsaid,
    };
    (input > 0.0 || output > 0.0).then_some(listed)
}

/// The stated prices, in the order of [`Rates::kinds`].
fn said(cost: &Value) -> [Option<f64>; 5] {
    let price = |name| price(cost, name);
    let writes = price("cache_write");
    [
        price("input"),
        writes,
        None,
        price("cache_read"),
        price("output"),
    ]
}

/// The rates of long prompts, each with the part of the entry that states them: from the list `tiers`, or from the
/// older member `context_over_200k`, whose name is its threshold. Also whether they are from the older member.
fn longs<'a>(cost: &'a Value, rates: &Rates) -> (Vec<(Long, &'a Value)>, bool) {
    let of = |above: u64, entry: &'a Value| {
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
            cache_write_1h: price(entry, "cache_write")
                .filter(|_| rates.cache_write_5m > 0.0)
                .map(|usd| rounded(usd * rates.cache_write_1h / rates.cache_write_5m)),
            media,
        };
        Some((tiers::long(&long, rates), entry))
    };
    let tiers = cost.get("tiers").and_then(Value::as_array);
    let tiers = tiers.into_iter().flatten().filter_map(|entry| {
        let tier = entry.get("tier")?;
        let by_context = tier.get("type").and_then(Value::as_str) == Some("context");
        let above = tier.get("size").and_then(Value::as_u64)?;
        of(above, entry).filter(|_| by_context && (1..=1_000_000_000).contains(&above))
    });
    let mut longs: Vec<(Long, &Value)> = tiers.collect();
    let is_older = longs.is_empty();
    if is_older {
        let older = cost.get("context_over_200k");
        longs.extend(older.and_then(|entry| of(200_000, entry)));
    }
    longs.sort_by_key(|(long, _)| long.above);
    longs.dedup_by_key(|(long, _)| long.above);
    let is_named_threshold = is_older && !longs.is_empty();
    (longs, is_named_threshold)
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

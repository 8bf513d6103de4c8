//! LiteLLM's `model_prices_and_context_window.json`: a member for each price of a token or a piece, in dollars.
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Listed, rounded};
use crate::config::{LongPrice, UnitPrices};
use crate::pricing::{Long, MediaRates, Rates};

/// What an entry says, if it has a price.
pub(super) fn read(entry: &Value) -> Option<Listed> {
    let mode = entry.get("mode").and_then(Value::as_str);
    if !matches!(
        mode,
        Some(
            "chat"
                | "completion"
                | "responses"
                | "embedding"
                | "rerank"
                | "image_generation"
                | "image_edit"
                | "audio_transcription"
                | "audio_speech"
        )
    ) {
        return None;
    }
    let units = units(entry, mode.unwrap_or_default());
    let mut ranges = ranges(entry).into_iter();
    let (first, second) = (ranges.next(), ranges.next());
    let price = |name: &str| price(entry, name);
    let of = |range: Option<&Range<'_>>, name: &str| price(name).or_else(|| range?.price(name));
    let input = match of(first.as_ref(), "input_cost_per_token") {
        Some(input) => input,
        None if units.is_empty() => return None,
        None => 0.0,
    };
    let output = of(first.as_ref(), "output_cost_per_token")
        // Where nothing but pictures is written.
        .or_else(|| price("output_cost_per_image_token"))
        .unwrap_or(0.0);
    // Nothing is written for nothing: a zero stands where the vendor names no price.
    let write = price("cache_creation_input_token_cost").filter(|usd| *usd > 0.0);
    let write = write.unwrap_or(input);
    let rates = Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: hour(&price).unwrap_or(write),
        cache_read: of(first.as_ref(), "cache_read_input_token_cost").unwrap_or(input),
        output,
    };
    let thresholds = thresholds(entry);
    let long = thresholds.first().and_then(|above| long(entry, *above));
    let long = long.or_else(|| second.and_then(|range| range.long()));
    let (tiers, differ) = tiers(entry, &rates);
    let listed = Listed {
        rates,
        long: long.map(|long| Long::of_entry(&long, &rates)),
        tiers,
        media: MediaRates {
            audio_input: price("input_cost_per_audio_token"),
            image_input: price("input_cost_per_image_token"),
            audio_output: price("output_cost_per_audio_token"),
            image_output: price("output_cost_per_image_token"),
        },
        units,
        is_more: differ || thresholds.len() > 1 || ranges.next().is_some(),
    };
    (input > 0.0 || output > 0.0 || !listed.units.is_empty()).then_some(listed)
}

/// What is sold by the piece. What a prompt of text holds beside it is not: `input_cost_per_image` of a chat, say.
fn units(entry: &Value, mode: &str) -> UnitPrices {
    let each = |name: &str| {
        let usd = entry.get(name)?.as_f64()?;
        (usd > 0.0 && usd < 100.0).then_some(usd)
    };
    let mut units = UnitPrices::default();
    match mode {
        "image_generation" | "image_edit" => {
            units.image = each("output_cost_per_image").or_else(|| each("input_cost_per_image"));
            for (size, name) in [("1k", "1K"), ("2k", "2K"), ("4k", "4K")] {
                if let Some(usd) = each(&format!("output_cost_per_image_{name}")) {
                    units.add_picture(size.to_owned(), usd);
                }
            }
        }
        "audio_transcription" => {
            let second = each("input_cost_per_second").or_else(|| each("output_cost_per_second"));
            units.audio_minute = second.map(|usd| rounded(usd * 60.0));
        }
        "audio_speech" => {
            units.characters = each("input_cost_per_character").map(|usd| rounded(usd * 1e6));
        }
        "rerank" => units.searches = each("input_cost_per_query").map(|usd| rounded(usd * 1e3)),
        _ => {}
    }
    units
}

/// The model, the kind and the price of a picture, where an entry is of one kind: `hd/1024-x-1792/dall-e-3`.
pub(super) fn picture(name: &str, entry: &Value) -> Option<(String, String, f64)> {
    let (kind, model) = name.rsplit_once('/')?;
    let (quality, size) = match kind.split_once('/') {
        Some((quality, size)) => (Some(quality), size),
        None => (None, kind),
    };
    let (width, height) = size.split_once("-x-")?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    if quality.is_some_and(|quality| !QUALITIES.contains(&quality)) {
        return None;
    }
    let each = |name: &str| {
        entry
            .get(name)?
            .as_f64()
            .filter(|usd| (0.0..100.0).contains(usd))
    };
    let usd = each("input_cost_per_image")
        .or_else(|| each("output_cost_per_image"))
        .or_else(|| Some(each("input_cost_per_pixel")? * f64::from(width) * f64::from(height)))?;
    let size = format!("{width}x{height}");
    let kind = match quality {
        // What vendors call an ordinary picture needs no name.
        None | Some("standard") => size,
        Some(quality) => format!("{quality} {size}"),
    };
    Some((model.to_owned(), kind, rounded(usd)))
}

/// The thresholds in the names of the members, in tokens.
fn thresholds(entry: &Value) -> BTreeSet<u64> {
    let members = entry.as_object().into_iter().flatten();
    let above = members.filter_map(|(name, _)| {
        let rest = name.strip_prefix("input_cost_per_token_above_")?;
        let thousands: u64 = rest.strip_suffix("k_tokens")?.parse().ok()?;
        thousands.checked_mul(1_000)
    });
    above
        .filter(|above| (1..=1_000_000_000).contains(above))
        .collect()
}

fn long(entry: &Value, above: u64) -> Option<LongPrice> {
    let end = format!("_above_{}k_tokens", above / 1_000);
    let price = |name: &str| price(entry, &format!("{name}{end}"));
    Some(LongPrice {
        above,
        input: price("input_cost_per_token")?,
        output: price("output_cost_per_token")?,
        cache_read: price("cache_read_input_token_cost"),
        cache_write_5m: price("cache_creation_input_token_cost"),
        cache_write_1h: hour(&price),
    })
}

fn hour(price: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let names = [
        "cache_creation_input_token_cost_above_1hr",
        "cache_creation_input_token_cost_above_12hr",
    ];
    names.iter().find_map(|name| price(name))
}

/// What tiers cost of the ordinary price: one factor, by the input; the highest where the kinds of tokens differ, and whether
/// they do.
fn tiers(entry: &Value, rates: &Rates) -> (Vec<(&'static str, f64)>, bool) {
    let mut differ = false;
    let factors = TIERS.iter().filter_map(|(end, name)| {
        let of = |member: &str, ordinary: f64| {
            let usd = price(entry, &format!("{member}_{end}"))?;
            (ordinary > 0.0).then(|| usd / ordinary)
        };
        let input = of("input_cost_per_token", rates.input)?;
        let output = of("output_cost_per_token", rates.output).unwrap_or(input);
        differ |= (input - output).abs() > super::ROUNDED * input.max(output);
        let factor = (input.max(output) * 1e4).round() / 1e4;
        (0.0..=100.0).contains(&factor).then_some((*name, factor))
    });
    (factors.collect(), differ)
}

/// What prompts of a length cost, where the prices stand in a list.
struct Range<'a> {
    from: u64,
    entry: &'a Value,
}

/// A bound of tokens, which some entries write as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1e9"
)]
fn whole(tokens: f64) -> u64 {
    tokens as u64
}

fn ranges(entry: &Value) -> Vec<Range<'_>> {
    let list = entry.get("tiered_pricing").and_then(Value::as_array);
    let list = list.into_iter().flatten().filter_map(|entry| {
        let from = entry.pointer("/range/0")?.as_f64()?;
        (0.0..=1e9).contains(&from).then(|| Range {
            from: whole(from),
            entry,
        })
    });
    let mut ranges: Vec<Range<'_>> = list.collect();
    ranges.sort_by_key(|range| range.from);
    ranges
}

impl Range<'_> {
    fn price(&self, name: &str) -> Option<f64> {
        price(self.entry, name)
    }

    fn long(&self) -> Option<LongPrice> {
        Some(LongPrice {
            above: self.from,
            input: self.price("input_cost_per_token")?,
            output: self.price("output_cost_per_token")?,
            cache_read: self.price("cache_read_input_token_cost"),
            cache_write_5m: self.price("cache_creation_input_token_cost"),
            cache_write_1h: None,
        })
        .filter(|long| long.above > 0)
    }
}

/// USD per million tokens.
fn price(entry: &Value, name: &str) -> Option<f64> {
    let usd = entry.get(name)?.as_f64()?;
    (0.0..1.0).contains(&usd).then(|| rounded(usd * 1e6))
}

/// The map's ends of the members, and the names that answers state.
const TIERS: [(&str, &str); 5] = [
    ("batches", "batch"),
    ("flex", "flex"),
    ("priority", "priority"),
    ("ultrafast", "ultrafast"),
    ("balanced", "balanced"),
];

/// In front of the size of a picture.
const QUALITIES: [&str; 5] = ["standard", "hd", "low", "medium", "high"];

/// The vendor's own name: LiteLLM prefixes those of the vendors that are not its first.
pub(super) fn own_name(name: &str) -> &str {
    match name.split_once('/') {
        Some((vendor, rest)) if LITELLM_VENDORS.contains(&vendor) && !rest.contains('/') => rest,
        _ => name,
    }
}

/// Vendors whose entries stand under their own names of the models, with a prefix.
const LITELLM_VENDORS: [&str; 11] = [
    "anthropic",
    "dashscope",
    "deepseek",
    "gemini",
    "minimax",
    "mistral",
    "moonshot",
    "openai",
    "volcengine",
    "xai",
    "zai",
];

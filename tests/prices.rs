//! The built-in prices beside a public map of prices: every kind of token, on every tier, for short and for long prompts.
//!
//! `tests/prices/litellm.json` says where it comes from and when. Where the two differ on purpose, the difference stands in
//! [`OTHERWISE`] with its reason; one that is gone must leave that list.
use std::collections::BTreeMap;

use serde_json::Value;
use weir::pricing::PriceTable;
use weir::protocol::hub::usage::{Extras, Tools, Usage};

/// Model, member of the map, and why Weir says something else.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("o4-mini", "cache_read_input_token_cost_flex", ROUNDED),
    (
        "gemini-3.5-flash",
        "cache_read_input_token_cost_flex",
        ROUNDED,
    ),
    (
        "gemini-3.5-flash-lite",
        "cache_read_input_token_cost_flex",
        ROUNDED,
    ),
    (
        "gemini-3.5-flash-lite",
        "cache_read_input_token_cost_priority",
        ROUNDED,
    ),
    (
        "gemini-flash-lite-latest",
        "cache_read_input_token_cost_flex",
        ROUNDED,
    ),
    // The map rounds to the hundredth of a dollar.
    ("gpt-5.4", "cache_read_input_token_cost_batches", ROUNDED),
    ("gpt-5.4", "cache_read_input_token_cost_flex", ROUNDED),
    (
        "gemini-flash-lite-latest",
        "cache_read_input_token_cost_priority",
        ROUNDED,
    ),
    (
        "gpt-image-1",
        "cache_read_input_token_cost_batches",
        ROUNDED,
    ),
    (
        "gpt-image-1.5",
        "cache_read_input_token_cost_batches",
        ROUNDED,
    ),
    // Answers of pictures do not always say which tokens were a text's.
    ("gpt-image-1.5", "output_cost_per_token", PICTURES),
    ("gpt-image-1.5", "output_cost_per_token_batches", PICTURES),
    // The price of `web_search_preview`, which an answer does not tell from `web_search`.
    ("gpt-4.1", "web_search", PREVIEW),
    ("gpt-4.1-mini", "web_search", PREVIEW),
    ("gpt-4o-mini", "web_search", PREVIEW),
    ("glm-5.2", "cache_read_input_token_cost", RESOLD),
];

const ROUNDED: &str = "the map is rounded";
const PICTURES: &str = "every token at the price of a picture's";
const PREVIEW: &str = "the tool's former version";
const RESOLD: &str = "a reseller's price";

/// What one token costs in the map, and which token that is.
struct Listed<'a> {
    model: &'a str,
    member: &'a str,
    usd: f64,
}

impl Listed<'_> {
    /// The tier, the tokens that push the prompt over the threshold, and a million of the kind of token.
    fn used(&self) -> Option<(Option<&'static str>, u64, Usage)> {
        let (rest, tier) = [
            ("_batches", "batch"),
            ("_flex", "flex"),
            ("_priority", "priority"),
        ]
        .into_iter()
        .find_map(|(end, tier)| Some((self.member.strip_suffix(end)?, Some(tier))))
        .unwrap_or((self.member, None));
        let (rest, above) = match rest.strip_suffix("k_tokens") {
            Some(rest) => {
                let (rest, above) = rest.rsplit_once("_above_")?;
                (rest, above.parse::<u64>().ok()? * 1_000)
            }
            None => (rest, 0),
        };
        let none = Usage::default();
        let usage = match rest {
            "input_cost_per_token" => Usage {
                input: COUNT,
                ..none
            },
            "output_cost_per_token" => Usage {
                output: COUNT,
                ..none
            },
            "cache_read_input_token_cost" => Usage {
                cache_read: COUNT,
                ..none
            },
            "cache_creation_input_token_cost" => Usage {
                cache_write_5m: COUNT,
                ..none
            },
            "cache_creation_input_token_cost_above_1hr"
            | "cache_creation_input_token_cost_above_12hr" => Usage {
                cache_write_1h: COUNT,
                ..none
            },
            _ => return None,
        };
        Some((tier, above, usage))
    }

    /// What Weir says that it costs.
    fn ours(&self, prices: &PriceTable) -> Option<f64> {
        if self.member == "web_search" {
            let tools = Tools {
                web_searches: 1,
                ..Tools::default()
            };
            let extras = Extras {
                tools,
                ..Extras::default()
            };
            return prices.bill(self.model, &Usage::default(), None, &extras);
        }
        let (tier, above, usage) = self.used()?;
        // The prompt is long by other tokens, whose price is taken away again.
        let long = Usage {
            input: if above > 0 { above + 1 } else { 0 },
            ..Usage::default()
        };
        let both = prices.cost(self.model, &usage.and(long), tier)?;
        let without = prices.cost(self.model, &long, tier)?;
        Some((both - without) / COUNT as f64)
    }
}

const COUNT: u64 = 1_000;

#[test]
fn the_built_in_prices_are_those_of_the_public_map() {
    let text = include_str!("prices/litellm.json");
    let map: Value = serde_json::from_str(text).expect("JSON");
    let models: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(map["models"].clone()).expect("models");
    let prices = PriceTable::new(&[]);
    let (mut compared, mut faults) = (0, Vec::new());
    let mut unused: Vec<_> = OTHERWISE.to_vec();
    for (model, members) in &models {
        for (member, usd) in members
            .iter()
            .filter_map(|(member, usd)| Some((member, usd.as_f64()?)))
        {
            let listed = Listed { model, member, usd };
            let Some(ours) = listed.ours(&prices) else {
                faults.push(format!("{model} {member}: no price"));
                continue;
            };
            compared += 1;
            if (ours - listed.usd).abs() <= 1e-6 * listed.usd {
                continue;
            }
            let known = unused
                .iter()
                .position(|(of, what, _)| of == model && what == member);
            match known {
                Some(known) => {
                    unused.swap_remove(known);
                }
                None => faults.push(format!(
                    "{model} {member}: {:.6} instead of {:.6} per million",
                    ours * 1e6,
                    usd * 1e6
                )),
            }
        }
    }
    for (model, member, why) in unused {
        faults.push(format!("{model} {member} is no longer otherwise: {why}"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(
        models.len() > 120 && compared > 800,
        "{compared} of {}",
        models.len()
    );
}

/// What one named row costs: input, written for five minutes and for an hour, read from the cache, output.
fn costs(model: &str, prompt: u64) -> [f64; 5] {
    let prices = PriceTable::new(&[]);
    let quote = prices
        .quote(model)
        .unwrap_or_else(|| panic!("{model} has no price"));
    let rates = match quote.long {
        Some(long) if prompt > long.above => long.rates,
        _ => quote.rates,
    };
    [
        rates.input,
        rates.cache_write_5m,
        rates.cache_write_1h,
        rates.cache_read,
        rates.output,
    ]
}

/// Rows that were missing or old once, by the names that clients ask for.
#[test]
fn rows_that_were_missing_are_there_and_cost_what_is_known() {
    for model in [
        "gpt-5.6",
        "gpt-4.1-mini",
        "gpt-5.4-pro",
        "gpt-5-pro",
        "o3-pro",
        "gemini-flash-latest",
        "gemini-pro-latest",
        "gemini-flash-lite-latest",
        "grok-4.20",
        "grok-4.20-reasoning",
        "grok-4.20-multi-agent",
        "grok-4.20-non-reasoning",
        "glm-4.5",
        "glm-4.5-air",
        "deepseek-v3.2",
        "MiniMax-M2",
        "MiniMax-M2.1",
        "MiniMax-M2.5",
        "qwen-max",
        "qwen3.7-max",
        "mistral-large-latest",
        "mistral-small-latest",
        "codestral-latest",
        "claude-3-opus-20240229",
        "claude-3-5-sonnet-20241022",
        "claude-3-7-sonnet-latest",
        "claude-3-haiku-20240307",
        "claude-opus-4-1-20250805",
        "kimi-k2.5",
        "kimi-k2.6",
    ] {
        let [input, .., output] = costs(model, 0);
        assert!(input > 0.0 && output > 0.0, "{model}");
    }
    for (model, prompt, expected) in [
        ("claude-fable-5-2", 0, [8.0, 10.0, 16.0, 0.2, 40.0]),
        ("gpt-4o-2024-05-13", 0, [5.0, 5.0, 5.0, 5.0, 15.0]),
        ("grok-4.3", 200_000, [1.25, 1.25, 1.25, 0.2, 2.5]),
        ("grok-4.3", 200_001, [2.5, 2.5, 2.5, 0.4, 5.0]),
        ("grok-4.5", 200_001, [4.0, 4.0, 4.0, 0.6, 12.0]),
        ("grok-4.6", 200_001, [4.0, 4.0, 4.0, 1.0, 12.0]),
        ("grok-4.7", 200_000, [2.0, 2.0, 2.0, 0.5, 6.0]),
        ("grok-4.7", 200_001, [4.0, 4.0, 4.0, 1.0, 12.0]),
        ("MiniMax-M3", 512_000, [0.3, 0.3, 0.3, 0.06, 1.2]),
        ("MiniMax-M3", 512_001, [0.6, 0.6, 0.6, 0.12, 2.4]),
        ("kimi-k3", 0, [3.0, 3.0, 6.0, 0.3, 15.0]),
        ("kimi-k3.1-pro", 0, [2.0, 2.0, 4.0, 0.2, 10.0]),
        ("kimi-k3.1-pro-highspeed", 0, [4.0, 4.0, 8.0, 0.2, 20.0]),
    ] {
        let found = costs(model, prompt);
        assert_eq!(
            found.map(f64::to_bits),
            expected.map(f64::to_bits),
            "{model}: {found:?}"
        );
    }
    let prices = PriceTable::new(&[]);
    let source = prices.quote("claude-fable-5-2").expect("a price").source;
    assert!(source.starts_with("assumed"), "second-hand: {source}");
}

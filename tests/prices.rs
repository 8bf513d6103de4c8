//! The built-in prices beside a public map of prices: every kind of token, on every tier, for short and for long prompts.
//!
//! `tests/prices/litellm.json` says where it comes from and when. Where the two differ on purpose, the difference stands in
//! [`OTHERWISE`] with its reason; one that is gone must leave that list.
use std::collections::BTreeMap;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use weir::config;
use weir::limits::nano_usd;
use weir::pricing::PriceTable;
use weir::protocol::hub::usage::{Extras, Media, Tools, Usage};

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
    let rates = quote.long.at(prompt).map_or(quote.rates, |long| long.rates);
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

/// Tokens of a prompt and an answer: input, read from a cache, written to one for five minutes and for an hour, output.
fn used([input, cache_read, cache_write_5m, cache_write_1h, output]: [u64; 5]) -> Usage {
    Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        ..Usage::default()
    }
}

/// The service tier, the tokens, how many of input and output are sound, and billionths of a dollar.
type Paid = (&'static str, [u64; 5], [u64; 2], u64);

#[track_caller]
fn check(prices: &PriceTable, model: &str, rows: &[Paid]) {
    for (tier, tokens, [audio_input, audio_output], expected) in rows {
        let extras = Extras {
            media: Media {
                audio_input: *audio_input,
                audio_output: *audio_output,
                ..Media::default()
            },
            ..Extras::default()
        };
        let tier = Some(*tier).filter(|tier| !tier.is_empty());
        let usd = prices.bill(model, &used(*tokens), tier, &extras);
        let nano = usd.map(nano_usd);
        assert_eq!(nano, Some(*expected), "{model} {tier:?} {tokens:?}");
    }
}

/// What `weir prices …` prints, and what it says beside.
fn printed(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("prices")
        .args(arguments)
        .output()
        .expect("weir runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    assert!(output.status.success(), "{}", text(output.stderr));
    (text(output.stdout), text(output.stderr))
}

/// Some of every kind.
const EACH: [u64; 5] = [1_000, 2_000, 3_000, 4_000, 500];

/// Every threshold and every tier of a map, by kind: a request of each costs what the map says, to the billionth of a dollar. The
/// sums stand here as one does them by hand: tokens times dollars per million, in the order of the tokens.
#[test]
fn an_imported_map_keeps_every_threshold_and_every_tier_by_kind() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prices/thresholds.json");
    let map = map.to_str().expect("UTF-8");
    let (fragment, said) = printed(&["import", "litellm", map]);
    for told in [
        "output_cost_per_reasoning_token of qwen-deep (1)",
        "input_cost_per_request of qwen-deep (1)",
    ] {
        assert!(
            said.contains(told),
            "what an entry cannot hold is told: {said}"
        );
    }
    assert!(
        !said.contains("input_cost_per_image"),
        "a zero is no price: {said}"
    );
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("weir.yaml");
    std::fs::write(directory.path().join("prices.yaml"), &fragment).expect("a file");
    let text = "version: 1\nanonymous: true\naccounts: [{ name: a, provider: ollama }]\nprices: { file: prices.yaml }\n";
    std::fs::write(&file, text).expect("a file");
    let config = config::check_without_secrets(&file)
        .unwrap_or_else(|faults| panic!("{faults:?} in\n{fragment}"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let prices = PriceTable::new(&config.prices);
    check(
        &prices,
        "qwen-deep",
        &[
            // 1000 + 200 + 3750 + 8000 + 2000
            ("", EACH, [0, 0], 14_950_000),
            ("default", EACH, [0, 0], 14_950_000),
            ("", [126_000, 2_000, 0, 0, 0], [0, 0], 126_200_000),
            // 252002 + 600 + 60
            ("", [126_001, 2_000, 0, 0, 10], [0, 0], 252_662_000),
            // 768003 + 800
            ("", [256_001, 0, 0, 0, 100], [0, 0], 768_803_000),
            // 2500000 + 78000 + 9.5 + 11
            ("", [500_000, 0, 12_000, 1, 1], [0, 0], 2_578_020_500),
            // 600 + 200 + 2250 + 4800 + 1000: what the map does not say of writing costs 0.6 of its price, as the input does.
            ("flex", EACH, [0, 0], 8_850_000),
            // 128001 x 1.1 + 35
            ("flex", [128_001, 0, 0, 0, 10], [0, 0], 140_836_100),
            // 256001 x 1.8 + 1000 x 4.2 + 40: the ordinary price of this length, and the tier's share of it.
            ("flex", [256_001, 0, 0, 1_000, 10], [0, 0], 465_041_800),
            // 2500 + 600 + 10500 + 24000 + 3500
            ("priority", EACH, [0, 0], 41_100_000),
            // 640005 + 10 x 2.75 x 2.8 + 21
            ("priority", [128_001, 0, 10, 0, 2], [0, 0], 640_103_000),
            // 6144012 + 290 + 2 x 9.5 x 3 + 69
            ("priority", [512_001, 100, 0, 2, 3], [0, 0], 6_144_428_000),
            ("batch", EACH, [0, 0], 7_475_000),
            ("batch", [500_000, 0, 12_000, 1, 1], [0, 0], 1_289_010_250),
            // 600 + 400 x 3
            ("", [1_000, 0, 0, 0, 0], [400, 0], 1_800_000),
            // 127001 x 2 + 1000 x 5
            ("", [128_001, 0, 0, 0, 0], [1_000, 0], 259_002_000),
            // 127001 x 1.1 + 1000 x 5 x 0.6
            ("flex", [128_001, 0, 0, 0, 0], [1_000, 0], 142_701_100),
            // 600 x 2.5 + 400 x 8
            ("priority", [1_000, 0, 0, 0, 0], [400, 0], 4_700_000),
            // 1000 x 2.5 + 100 x 9 x 7 / 4
            ("priority", [1_000, 0, 0, 0, 100], [0, 100], 4_075_000),
            // (600 + 400 x 3) / 2
            ("batch", [1_000, 0, 0, 0, 0], [400, 0], 900_000),
        ],
    );
    check(
        &prices,
        "qwen-list",
        &[
            ("", [32_000, 0, 0, 0, 1], [0, 0], 32_005_000),
            // 31001 x 2 + 1000 x 0.3 + 7
            ("", [31_001, 1_000, 0, 0, 1], [0, 0], 62_309_000),
            ("", [128_001, 0, 0, 0, 1], [0, 0], 384_014_000),
        ],
    );
    let file = file.to_str().expect("UTF-8");
    let (again, said) = printed(&["diff", "litellm", map, "--config", file]);
    assert_eq!(again, "", "what was imported is known: {said}");
    let (differs, _) = printed(&["diff", "litellm", map, "--only", "qwen-deep"]);
    for shown in [
        " 1/1.25/2/0.1/4 ",
        " >128000:2/2.75/4.5/0.3/6 ",
        " >128000:audio_input:5 ",
        " >256000:3/4/7/0.7/8 ",
        " >512000:5/6.5/9.5/1.3/11 ",
        " batch:0.5 ",
        " flex:0.6/0.75/1.2/0.1/2 ",
        " flex>128000:1.1/1.65/2.7/0.3/3.5 ",
        " priority:2.5/3.5/6/0.3/7 ",
        " priority:audio_input:8 ",
    ] {
        assert!(differs.contains(shown), "{shown} in {differs}");
    }
    assert!(differs.ends_with(" priority>512000:12/18.2/28.5/2.9/23\n"));
}

/// The same by hand: what an entry may say, beside what it could say before.
#[test]
fn an_entry_holds_thresholds_and_the_prices_of_tiers() {
    let with = |entries: &str| {
        let text = format!(
            "version: 1\nanonymous: true\naccounts: [{{ name: a, provider: ollama }}]\nprices: {{ currency: {{ CNY: 0.5 }}, list: [{entries}] }}\n"
        );
        config::parse("test", &text, &|_| None)
    };
    let one = "long: { above: 1000, input: 4, output: 6 }, tiers: { flex: 0.5 }";
    let list =
        "long: [{ above: 1000, input: 4, output: 6 }], tiers: { flex: { input: 1, output: 1 } }";
    let own = "tiers: { flex: { output: 3, long: [{ above: 5000, input: 9, output: 9 }, { above: 2000, input: 8, output: 8, cache_read: 7 }] } }";
    for (model, terms, rows) in [
        (
            "mine",
            one,
            &[
                ("", [1_000, 0, 0, 0, 1], [0, 0], 2_002_000),
                ("", [1_001, 0, 0, 0, 1], [0, 0], 4_010_000),
                ("FLEX", [1_001, 0, 0, 0, 1], [0, 0], 2_005_000),
            ][..],
        ),
        (
            "mine",
            list,
            &[
                ("", [1_001, 0, 0, 0, 1], [0, 0], 4_010_000),
                ("Flex", [1_000, 0, 0, 0, 1], [0, 0], 1_001_000),
                // Twice and three times the ordinary price, so also of the tier's.
                ("flex", [1_001, 0, 0, 0, 1], [0, 0], 2_005_000),
            ],
        ),
        (
            "mine",
            own,
            &[
                ("flex", [2_000, 0, 0, 0, 1], [0, 0], 4_003_000),
                ("flex", [1_001, 1_000, 0, 0, 1], [0, 0], 15_016_000),
                ("flex", [5_001, 0, 0, 0, 1], [0, 0], 45_018_000),
                ("", [5_001, 0, 0, 0, 1], [0, 0], 10_004_000),
            ],
        ),
        // The built-in table has 272,000, twice and one and a half times as much, and a priority of two and a half.
        (
            "gpt-5.5",
            "tiers: { flex: { input: 1 } }",
            &[
                ("", [272_001, 0, 0, 0, 2], [0, 0], 1_088_010_000),
                ("priority", [2, 0, 0, 0, 2], [0, 0], 20_000),
                ("flex", [2, 0, 0, 0, 2], [0, 0], 4_000),
                ("flex", [272_001, 0, 0, 0, 2], [0, 0], 544_005_000),
            ],
        ),
        (
            "yuan",
            "currency: CNY, long: [{ above: 10, input: 6, output: 6 }], tiers: { flex: { input: 1, output: 4 } }",
            &[
                ("", [11, 0, 0, 0, 1], [0, 0], 36_000),
                ("flex", [1, 0, 0, 0, 1], [0, 0], 2_500),
                ("flex", [11, 0, 0, 0, 1], [0, 0], 22_500),
            ],
        ),
    ] {
        let entry = format!("{{ model: {model}, input: 2, output: 2, {terms} }}");
        let config = with(&entry).unwrap_or_else(|faults| panic!("{terms}: {faults:?}"));
        check(&PriceTable::new(&config.prices), model, rows);
    }
    for (terms, expected) in [
        ("long: []", "found an empty list"),
        ("tiers: { flex: { long: [] } }", "found an empty list"),
        (
            "long: [{ above: 9, input: 1, output: 1 }, { above: 9, input: 2, output: 2 }]",
            "found the threshold `9` twice",
        ),
        ("long: [{ above: 9, input: 1 }]", "output"),
        ("long: [9]", "expected what long prompts cost"),
        ("tiers: { flex: [1] }", "expected"),
        ("tiers: { flex: 101 }", "expected a factor from 0 to 100"),
        ("tiers: { flex: { inputs: 1 } }", "inputs"),
        ("tiers: { flex: { input: -1 } }", "-1"),
        ("tiers: { flex: { media: { audio_input: -1 } } }", "-1"),
        ("long: { above: 9, input: 1, output: 1, media: 3 }", "media"),
    ] {
        let faults = with(&format!("{{ model: a, input: 1, output: 1, {terms} }}"));
        let faults = faults.expect_err(terms);
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(said.join("\n").contains(expected), "{terms}: {said:?}");
    }
}

/// A configuration with what `weir prices import` prints for a map with this text, and what it prints.
fn imported(map: &str, text: &str) -> (PriceTable, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("map.json");
    std::fs::write(&at, text).expect("a file");
    let (fragment, _) = printed(&["import", map, at.to_str().expect("UTF-8")]);
    let text = format!(
        "version: 1\nanonymous: true\naccounts: [{{ name: a, provider: ollama }}]\n{fragment}"
    );
    let config = config::parse("test", &text, &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{faults:?} in\n{fragment}"));
    (PriceTable::new(&config.prices), fragment)
}

/// models.dev has one price of writing to a cache, and neither map says everything: what it does not say stays as it is known, in
/// its ratio to what the map says.
#[test]
fn an_imported_map_lowers_nothing_of_which_it_does_not_speak() {
    let models_dev = r#"{
        "alibaba": {"models": {"kimi-k3": {"cost": {"input": 1, "output": 1}}}},
        "anthropic": {"models": {
            "claude-opus-4-6": {"cost": {"input": 5, "output": 25, "cache_read": 0.5, "cache_write": 6.25}},
            "claude-sonnet-5": {"cost": {"input": 4, "output": 20, "cache_read": 0.4, "cache_write": 5}},
            "claude-haiku-5-5": {"cost": {"input": 0.2, "output": 1, "cache_write": 0.25,
                "tiers": [{"input": 1, "output": 5, "cache_write": 1.25, "tier": {"type": "context", "size": 100000}}]}},
            "claude-opus-9": {"cost": {"input": 3, "output": 9, "cache_read": 0.3, "cache_write": 3.75}}}},
        "openai": {"models": {
            "gpt-5.5": {"cost": {"input": 6, "output": 36, "context_over_200k": {"input": 12, "output": 54}}},
            "gpt-6-sol": {"cost": {"input": 2, "output": 10, "cache_read": 0.2}},
            "gpt-4o": {"cost": {"input": 5, "output": 20}}}},
        "zai": {"models": {"glm-5.3": {"cost": {"input": 2.8, "output": 8.8}}}}}"#;
    let (prices, fragment) = imported("models.dev", models_dev);
    for known in ["claude-opus-4-6", "gpt-6-sol", "kimi-k3"] {
        assert!(!fragment.contains(known), "as it is known: {fragment}");
    }
    let rates = |model: &str, prompt| {
        let quote = prices.quote(model).expect("a price");
        let long = quote.long.at(prompt);
        long.map_or(quote.rates, |long| long.rates).kinds()
    };
    for (model, prompt, expected) in [
        ("claude-opus-4-6", 0, [5.0, 6.25, 10.0, 0.5, 25.0]),
        ("claude-sonnet-5", 0, [4.0, 5.0, 8.0, 0.4, 20.0]),
        ("claude-haiku-5-5", 0, [0.2, 0.25, 0.4, 0.02, 1.0]),
        ("claude-haiku-5-5", 100_001, [1.0, 1.25, 2.0, 0.1, 5.0]),
        // Nobody knows it: Anthropic writes for an hour at twice the input.
        ("claude-opus-9", 0, [3.0, 3.75, 6.0, 0.3, 9.0]),
        ("gpt-5.5", 0, [6.0, 6.0, 6.0, 0.6, 36.0]),
        // The name of that member is no threshold of the vendor's.
        ("gpt-5.5", 272_000, [6.0, 6.0, 6.0, 0.6, 36.0]),
        ("gpt-5.5", 272_001, [12.0, 12.0, 12.0, 1.2, 54.0]),
        ("gpt-4o", 0, [5.0, 5.0, 5.0, 2.5, 20.0]),
        ("glm-5.3", 0, [2.8, 2.8, 2.8, 0.52, 8.8]),
        ("kimi-k3", 0, [3.0, 3.0, 6.0, 0.3, 15.0]),
    ] {
        let found = rates(model, prompt);
        let same = found.iter().zip(expected);
        let same = same
            .into_iter()
            .all(|(one, other)| (one - other).abs() < 1e-9);
        assert!(same, "{model} {prompt}: {found:?}");
    }
    let batch = prices.cost("claude-sonnet-5", &used([0, 0, 0, 1_000, 0]), Some("batch"));
    assert_eq!(batch.map(nano_usd), Some(4_000_000), "its tiers stay");

    // The same of the other map: an hour, a cache on a tier where the table has an ordinary price of it, pictures of a size.
    let litellm = r#"{
        "claude-opus-4-6": {"mode": "chat", "input_cost_per_token": 1e-05, "output_cost_per_token": 5e-05, "cache_creation_input_token_cost": 1.25e-05,
            "input_cost_per_token_batches": 5e-06, "output_cost_per_token_batches": 2.5e-05},
        "gemini-3-flash-preview": {"mode": "chat", "input_cost_per_token": 5e-07, "output_cost_per_token": 3e-06, "cache_read_input_token_cost": 5e-08,
            "input_cost_per_token_batches": 2.5e-07, "output_cost_per_token_batches": 1.5e-06},
        "dall-e-3": {"mode": "image_generation", "input_cost_per_image": 0.05},
        "whisper-1": {"mode": "audio_transcription", "input_cost_per_second": 0.0002},
        "dashscope/glm-5.3": {"mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}}"#;
    let (prices, fragment) = imported("litellm", litellm);
    assert!(!fragment.contains("gemini"), "{fragment}");
    let opus = prices.quote("claude-opus-4-6").expect("a price");
    assert_eq!(
        opus.rates.kinds().map(nano_usd),
        [10.0, 12.5, 20.0, 1.0, 50.0].map(nano_usd)
    );
    let batch = prices.cost("claude-opus-4-6", &used([0, 0, 0, 1_000, 0]), Some("batch"));
    assert_eq!(batch.map(nano_usd), Some(10_000_000));
    assert_eq!(prices.quote("glm-5.3").expect("a price").model, "glm-5.3");
    let known = PriceTable::new(&[]);
    let before = known.quote("dall-e-3").expect("a price").units.prices();
    let after = prices.quote("dall-e-3").expect("a price").units.prices();
    assert_eq!(after.image, Some(0.05));
    assert_eq!(
        after.images, before.images,
        "sizes of which it says nothing"
    );
    assert!(!before.images.is_empty());
}

/// Names as vendors, Bedrock and OpenRouter spell them, with the prices of LiteLLM's map (1.110.2), or of its last one that had them
/// (1.83.0): input, both cache writes, cache read, output, in USD per million tokens, of a prompt of that length.
#[test]
fn vendors_names_have_their_prices_and_hosts_names_none() {
    let prices = PriceTable::new(&[]);
    for (models, prompt, expected) in [
        (
            "grok-4.20 grok-4.20-0309 grok-4.20-latest grok-4.20-beta grok-4.20-beta-0309 grok-4.20-beta-latest grok-4.20-beta-latest-reasoning \
             grok-4.20-0309-reasoning grok-4.20-0309-non-reasoning grok-4.20-beta-0309-non-reasoning grok-4.20-experimental-beta-0304 \
             grok-4.20-experimental-beta-0304-reasoning grok-4.20-experimental-beta-non-reasoning-latest grok-4.20-multi-agent-0309 \
             grok-4.20-multi-agent-beta-latest grok-4.20-multi-agent-experimental-beta-0304 grok-4.20-reasoning-gv2 x-ai/grok-4.20-beta",
            200_000,
            [1.25, 1.25, 1.25, 0.2, 2.5],
        ),
        (
            "grok-4.20-0309-reasoning grok-4.20-beta",
            200_001,
            [2.5, 2.5, 2.5, 0.4, 5.0],
        ),
        (
            "qwen3-max qwen3-max-preview qwen3-max-2026-01-23",
            32_000,
            [1.2, 1.2, 1.2, 1.2, 6.0],
        ),
        ("qwen3-max", 128_000, [2.4, 2.4, 2.4, 2.4, 12.0]),
        ("qwen3-max", 128_001, [3.0, 3.0, 3.0, 3.0, 15.0]),
        (
            "qwen-plus qwen-plus-latest qwen-plus-2025-01-25",
            256_000,
            [0.4, 0.4, 0.4, 0.4, 1.2],
        ),
        (
            "qwen-plus-latest qwen-plus-2025-09-11",
            256_001,
            [1.2, 1.2, 1.2, 1.2, 3.6],
        ),
        ("qwen3-coder-plus", 0, [1.0, 1.0, 1.0, 0.1, 5.0]),
        ("qwen3-coder-plus", 32_001, [1.8, 1.8, 1.8, 0.18, 9.0]),
        ("qwen3-coder-plus", 128_001, [3.0, 3.0, 3.0, 0.3, 15.0]),
        (
            "qwen3-coder-plus-2025-07-22",
            256_001,
            [6.0, 6.0, 6.0, 0.6, 60.0],
        ),
        ("qwen3-coder-flash", 256_001, [1.6, 1.6, 1.6, 0.4, 9.6]),
        ("qwen-flash", 256_001, [0.25, 0.25, 0.25, 0.25, 2.0]),
        (
            "qwen-turbo qwen-turbo-latest",
            0,
            [0.05, 0.05, 0.05, 0.05, 0.2],
        ),
        ("qwq-plus", 0, [0.8, 0.8, 0.8, 0.8, 2.4]),
        (
            "mistral-large-2512 mistralai/mistral-large-2512 mistral-large-latest",
            0,
            [0.5, 0.5, 0.5, 0.05, 1.5],
        ),
        (
            "mistral-large-2411 pixtral-large-2411",
            0,
            [2.0, 2.0, 2.0, 2.0, 6.0],
        ),
        (
            "mistral-medium mistral-medium-2604",
            0,
            [1.5, 1.5, 1.5, 0.15, 7.5],
        ),
        (
            "mistral-medium-2508 mistral-medium-2505",
            0,
            [0.4, 0.4, 0.4, 0.4, 2.0],
        ),
        ("mistral-embed", 0, [0.1, 0.1, 0.1, 0.1, 0.0]),
        ("codestral-2508", 0, [0.3, 0.3, 0.3, 0.03, 0.9]),
        (
            "ministral-8b-2512 ministral-8b-latest",
            0,
            [0.15, 0.15, 0.15, 0.015, 0.15],
        ),
        ("pixtral-12b-2409", 0, [0.15, 0.15, 0.15, 0.15, 0.15]),
        (
            "kimi-k2-0905-preview kimi-k2-thinking",
            0,
            [0.6, 0.6, 0.6, 0.15, 2.5],
        ),
        ("kimi-k2-turbo-preview", 0, [1.15, 1.15, 1.15, 0.15, 8.0]),
        (
            "moonshot-v1-8k moonshot-v1-8k-vision-preview",
            0,
            [0.2, 0.2, 0.2, 0.2, 2.0],
        ),
        ("moonshot-v1-32k", 0, [1.0, 1.0, 1.0, 1.0, 3.0]),
        (
            "moonshot-v1-128k moonshot-v1-auto",
            0,
            [2.0, 2.0, 2.0, 2.0, 5.0],
        ),
        (
            "claude-2.0 claude-2.1 anthropic.claude-v2:1",
            0,
            [8.0, 8.0, 8.0, 8.0, 24.0],
        ),
        ("claude-instant-1.2", 0, [0.8, 0.8, 0.8, 0.8, 2.4]),
        (
            "gpt-3.5-turbo gpt-3.5-turbo-0125",
            0,
            [0.5, 0.5, 0.5, 0.5, 1.5],
        ),
        ("gpt-3.5-turbo-1106", 0, [1.0, 1.0, 1.0, 1.0, 2.0]),
        (
            "gpt-3.5-turbo-0613 gpt-3.5-turbo-instruct-0914",
            0,
            [1.5, 1.5, 1.5, 1.5, 2.0],
        ),
        ("gpt-3.5-turbo-16k-0613", 0, [3.0, 3.0, 3.0, 3.0, 4.0]),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0 global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            0,
            [3.0, 3.75, 6.0, 0.3, 15.0],
        ),
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0 eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            200_000,
            [3.3, 4.125, 6.6, 0.33, 16.5],
        ),
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            200_001,
            [6.6, 8.25, 13.2, 0.66, 24.75],
        ),
        (
            "us.anthropic.claude-3-7-sonnet-20250219-v1:0 us.anthropic.claude-sonnet-4-20250514-v1:0",
            0,
            [3.0, 3.75, 6.0, 0.3, 15.0],
        ),
        (
            "us.anthropic.claude-opus-4-6-v1",
            0,
            [5.5, 6.875, 11.0, 0.55, 27.5],
        ),
        ("DeepSeek/DeepSeek-V3.2", 0, [0.28, 0.28, 0.28, 0.028, 0.4]),
        ("Z-AI/GLM-4.5", 0, [0.6, 0.6, 0.6, 0.6, 2.2]),
    ] {
        for model in models.split(' ') {
            let quote = prices.quote(model);
            let quote = quote.unwrap_or_else(|| panic!("{model} has no price"));
            let long = quote.long.at(prompt);
            let found = long.map_or(quote.rates, |long| long.rates).kinds();
            let same = found.iter().zip(expected);
            let same = same
                .into_iter()
                .all(|(one, other)| (one - other).abs() < 1e-9);
            assert!(same, "{model} {prompt}: {found:?}");
        }
    }
    for model in [
        // Every host has a price of its own.
        "deepseek-ai/DeepSeek-V3.2",
        "zai-org/GLM-4.5",
        "meta-llama/Llama-3.3-70B-Instruct",
        "llama-3.3-70b-versatile",
        "Qwen/Qwen3-Coder-480B-A35B-Instruct",
        "qwen3-235b-a22b",
        "mistral-medium-2706",
        "us.anthropic.claude-of-tomorrow-v1:0",
        "kimi-latest",
    ] {
        assert!(prices.quote(model).is_none(), "{model}");
    }
}

/// Whatever is no map, and what `weir prices` says of it.
#[test]
fn what_is_no_map_is_told_with_the_file_and_where_to_get_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("page.html");
    let path = file.to_str().expect("UTF-8");
    for (text, found) in [
        (
            "<!doctype html>",
            "found no JSON (expected value at line 1 column 1)",
        ),
        ("", "found no JSON"),
        ("[1]", "found no JSON object"),
        ("{}", "found no price in it"),
    ] {
        std::fs::write(&file, text).expect("a file");
        for (map, from) in [
            (
                "litellm",
                "model_prices_and_context_window.json of LiteLLM: get https://",
            ),
            (
                "models.dev",
                "api.json of models.dev: get https://models.dev/api.json",
            ),
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_weir"))
                .args(["prices", "diff", map, path])
                .output()
                .expect("weir runs");
            let said = String::from_utf8(output.stderr).expect("UTF-8");
            assert!(!output.status.success());
            for part in [path, found, from] {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }
}

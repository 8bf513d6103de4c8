//! Reads the two public maps of prices: LiteLLM's `model_prices_and_context_window.json` and models.dev's `api.json`.
//!
//! Only what a request of text costs is taken: USD per million tokens. Formats: <https://github.com/BerriAI/litellm>,
//! <https://models.dev>.
use std::collections::BTreeMap;

use serde_json::Value;

use super::{PriceTable, Rates};

/// Which map a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    LiteLlm,
    ModelsDev,
}

/// How a price differs from the one that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The name in the map.
    pub model: String,
    /// `None` = no price was known.
    pub known: Option<Rates>,
    /// US dollars per million tokens, as the map says.
    pub listed: Rates,
}

impl Map {
    /// Every map.
    pub const ALL: [Self; 2] = [Self::LiteLlm, Self::ModelsDev];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LiteLlm => "litellm",
            Self::ModelsDev => "models.dev",
        }
    }

    /// The prices in the text of a map, by the vendors' own names of the models. What is no price per token of text is left out.
    pub fn read(self, text: &str) -> Result<BTreeMap<String, Rates>, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Value::Object(entries) = document else {
            return Err("found no JSON object, expected the map".to_owned());
        };
        let mut prices = BTreeMap::new();
        for (name, entry) in &entries {
            match self {
                Self::LiteLlm => {
                    if let Some(rates) = litellm(entry) {
                        prices.insert(own_name(name).to_owned(), rates);
                    }
                }
                Self::ModelsDev if VENDORS.contains(&name.as_str()) => {
                    let models = entry.get("models").and_then(Value::as_object);
                    for (model, entry) in models.into_iter().flatten() {
                        if let Some(rates) = models_dev(entry) {
                            prices.insert(model.clone(), rates);
                        }
                    }
                }
                Self::ModelsDev => {}
            }
        }
        if prices.is_empty() {
            let expected = match self {
                Self::LiteLlm => "model_prices_and_context_window.json",
                Self::ModelsDev => "api.json",
            };
            return Err(format!(
                "found no price in it, expected {expected} of {}",
                self.as_str()
            ));
        }
        Ok(prices)
    }
}

/// What a map says otherwise than the prices that are known, or beyond them.
pub fn changes(known: &PriceTable, listed: &BTreeMap<String, Rates>) -> Vec<Change> {
    let changed = listed.iter().filter_map(|(model, listed)| {
        let known = known.quote(model).map(|quote| quote.rates);
        let same = known.is_some_and(|known| known.is_near(listed));
        (!same).then(|| Change {
            model: model.clone(),
            known,
            listed: *listed,
        })
    });
    changed.collect()
}

/// A fragment of a configuration with these prices.
pub fn fragment<'a>(changes: impl Iterator<Item = &'a Change>) -> String {
    use std::fmt::Write as _;
    let mut text = "prices:\n".to_owned();
    for Change { model, listed, .. } in changes {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  - {{ model: {}, input: {}, output: {}, cache_read: {}, cache_write_5m: {}, cache_write_1h: {} }}",
            Value::from(literal(model)),
            listed.input,
            listed.output,
            listed.cache_read,
            listed.cache_write_5m,
            listed.cache_write_1h,
        );
    }
    text
}

/// A pattern that matches only this name.
fn literal(model: &str) -> String {
    let mut pattern = String::with_capacity(model.len());
    for char in model.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

fn litellm(entry: &Value) -> Option<Rates> {
    let mode = entry.get("mode").and_then(Value::as_str);
    if !matches!(
        mode,
        Some("chat" | "completion" | "responses" | "embedding" | "rerank")
    ) {
        return None;
    }
    let price = |name: &str| {
        let usd = entry.get(name)?.as_f64()?;
        (0.0..1.0).contains(&usd).then(|| rounded(usd * 1e6))
    };
    let input = price("input_cost_per_token")?;
    let output = price("output_cost_per_token").unwrap_or(0.0);
    let write = price("cache_creation_input_token_cost").unwrap_or(input);
    let hour = [
        "cache_creation_input_token_cost_above_1hr",
        "cache_creation_input_token_cost_above_12hr",
    ];
    let rates = Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: hour.into_iter().find_map(price).unwrap_or(write),
        cache_read: price("cache_read_input_token_cost").unwrap_or(input),
        output,
    };
    (input > 0.0 || output > 0.0).then_some(rates)
}

fn models_dev(entry: &Value) -> Option<Rates> {
    let cost = entry.get("cost")?;
    let price = |name: &str| {
        let usd = cost.get(name)?.as_f64()?;
        (0.0..1e6).contains(&usd).then(|| rounded(usd))
    };
    let (input, output) = (price("input")?, price("output")?);
    let write = price("cache_write").unwrap_or(input);
    let rates = Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: write,
        cache_read: price("cache_read").unwrap_or(input),
        output,
    };
    (input > 0.0 || output > 0.0).then_some(rates)
}

/// Without the noise of floats.
fn rounded(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

/// The vendor's own name: LiteLLM prefixes those of the vendors that are not its first.
fn own_name(name: &str) -> &str {
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

/// Vendors of models.dev that sell their own models; resellers list the same names at other prices.
const VENDORS: [&str; 12] = [
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const LITELLM: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0.0, "mode": "one of: chat"},
        "gpt-5": {"mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07},
        "moonshot/kimi-new": {"mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "cache_creation_input_token_cost_above_1hr": 4e-06},
        "bedrock/us/claude": {"mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 1},
        "dall-e": {"mode": "image_generation", "input_cost_per_pixel": 1}
    }"#;

    #[test]
    fn a_map_becomes_a_fragment_that_a_configuration_takes() {
        let prices = Map::LiteLlm.read(LITELLM).expect("a map");
        let names: Vec<&String> = prices.keys().collect();
        assert_eq!(names, ["gpt-5", "kimi-new"]);
        let known = PriceTable::new(&[]);
        let changes = changes(&known, &prices);
        assert_eq!(changes.len(), 1, "gpt-5 costs what the table says");
        let text = format!(
            "version: 1\nanonymous: true\naccounts: [{{ name: a, provider: ollama }}]\n{}",
            fragment(changes.iter())
        );
        let config = config::parse("test", &text, &|_| None).expect("a configuration");
        let table = PriceTable::new(&config.prices);
        let quote = table.quote("kimi-new").expect("a price");
        assert_eq!(
            quote.rates,
            Rates {
                input: 2.0,
                cache_write_5m: 2.0,
                cache_write_1h: 4.0,
                cache_read: 2.0,
                output: 8.0
            }
        );
        assert!(table.quote("kimi-new2").is_none());
    }

    #[test]
    fn the_other_map_lists_vendors_and_not_resellers() {
        let text = r#"{
            "anthropic": {"models": {"claude-new": {"cost": {"input": 2, "output": 10, "cache_read": 0.2, "cache_write": 2.5}}, "free": {"cost": {"input": 0, "output": 0}}}},
            "reseller": {"models": {"claude-new": {"cost": {"input": 9, "output": 9}}}}
        }"#;
        let prices = Map::ModelsDev.read(text).expect("a map");
        assert_eq!(prices.len(), 1);
        assert!((prices["claude-new"].cache_write_5m - 2.5).abs() < 1e-9);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"anthropic": 3}"#,
            r#"{"anthropic":{"models":{"a":{"cost":{"input":"1"}}}}}"#,
        ] {
            assert!(Map::ModelsDev.read(bad).is_err(), "{bad}");
            assert!(Map::LiteLlm.read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_no_pattern() {
        let glob = config::Glob::new(&literal("a*[b]{c}?")).expect("a pattern");
        assert!(glob.is_match("a*[b]{c}?"));
        assert!(!glob.is_match("ax[b]{c}?"));
    }
}

//! Reads the two public maps of prices: LiteLLM's `model_prices_and_context_window.json` and models.dev's `api.json`.
//!
//! What a request costs is taken: USD per million tokens, the rates of long prompts, service tiers, sound and pictures, and what is
//! sold by something else than tokens. Fees of tools are not: the maps do not tell one tool from its former version. Formats: <https://github.com/BerriAI/litellm>,
//! <https://models.dev>.
use std::collections::BTreeMap;

use serde_json::Value;

use super::tiers::{Length, Paid};
use super::{PriceTable, Quote};
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::UnitPrices;

mod brands;
mod litellm;
mod models_dev;
mod unsaid;
mod written;

use brands::is_own;
use unsaid::Unsaid;

/// Which map a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    LiteLlm,
    ModelsDev,
}

/// What is said of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// US dollars per million tokens.
    pub rates: Rates,
    /// What longer prompts cost, by rising thresholds.
    pub long: Vec<Long>,
    /// Service tiers.
    pub tiers: Vec<ListedTier>,
    /// What sound and pictures cost.
    pub media: MediaRates,
    /// What is sold by something else than tokens.
    pub units: UnitPrices,
    /// Members of the map with a price that an entry cannot say.
    pub left: Vec<String>,
    /// Of what nothing is said.
    pub unsaid: Unsaid,
}

/// What is said of one service tier of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedTier {
    /// As answers state it.
    pub name: String,
    /// US dollars per million tokens.
    pub rates: Rates,
    /// What longer prompts cost on this tier, by rising thresholds.
    pub long: Vec<Long>,
    /// What sound and pictures cost on this tier.
    pub media: MediaRates,
}

/// How a price differs from the one that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The name in the map.
    pub model: String,
    /// What is known of that of which the map speaks; `None` = no price was known.
    pub known: Option<Listed>,
    /// As the map says.
    pub listed: Listed,
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
    pub fn read(self, text: &str) -> Result<BTreeMap<String, Listed>, String> {
        let expected = self.expected();
        let document: Value = serde_json::from_str(text)
            .map_err(|error| format!("found no JSON ({error}), {expected}"))?;
        let Value::Object(entries) = document else {
            return Err(format!("found no JSON object, {expected}"));
        };
        let mut prices = BTreeMap::new();
        let mut pictures = Vec::new();
        for (name, entry) in &entries {
            match self {
                Self::LiteLlm => {
                    if let Some(picture) = litellm::picture(name, entry) {
                        pictures.push(picture);
                    } else if let Some(listed) = litellm::read(entry) {
                        prices.insert(litellm::own_name(name).to_owned(), listed);
                    }
                }
                Self::ModelsDev if models_dev::VENDORS.contains(&name.as_str()) => {
                    let models = entry.get("models").and_then(Value::as_object);
                    for (model, entry) in models.into_iter().flatten() {
                        let listed = models_dev::read(name, entry);
                        if let Some(listed) = listed.filter(|_| is_own(name, model)) {
                            prices.insert(model.clone(), listed);
                        }
                    }
                }
                Self::ModelsDev => {}
            }
        }
        for (model, kind, usd) in pictures {
            let listed = prices.entry(model).or_insert_with(Listed::nothing);
            listed.units.add_picture(kind, usd);
        }
        if prices.is_empty() {
            return Err(format!("found no price in it, {expected}"));
        }
        Ok(prices)
    }

    /// Which file it is, and where to get it.
    const fn expected(self) -> &'static str {
        match self {
            Self::LiteLlm => {
                "expected model_prices_and_context_window.json of LiteLLM: get https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
            }
            Self::ModelsDev => "expected api.json of models.dev: get https://models.dev/api.json",
        }
    }
}

impl Listed {
    /// No price of a token.
    fn nothing() -> Self {
        Self {
            rates: Rates::FREE,
            long: Vec::new(),
            tiers: Vec::new(),
            media: MediaRates::TEXT,
            units: UnitPrices::default(),
            left: Vec::new(),
            unsaid: Unsaid::default(),
        }
    }

    /// What is known of that of which `listed` speaks.
    fn known(quote: &Quote<'_>, listed: &Self) -> Self {
        let ordinary = Paid {
            rates: quote.rates,
            media: quote.media,
            factor: 1.0,
            cache_beyond: 0.0,
        };
        let tiers = listed
            .tiers
            .iter()
            .map(|tier| ListedTier::known(quote, tier));
        Self {
            rates: quote.rates,
            long: known_longs(quote, None, &listed.long),
            tiers: tiers.collect(),
            media: spoken_of(&ordinary, &listed.media),
            units: quote.units.spoken_of(&listed.units),
            left: listed.left.clone(),
            unsaid: Unsaid::default(),
        }
    }

    /// Whether both cost the same, but for the noise of floats; what is sold by the piece, but for what the maps round.
    fn is_near(&self, other: &Self) -> bool {
        let tiers = self.tiers.iter().zip(&other.tiers);
        self.rates.is_near(&other.rates)
            && longs_are_near(&self.long, &other.long)
            && media_are_near(&self.media, &other.media)
            && units_are_near(&self.units, &other.units)
            && self.tiers.len() == other.tiers.len()
            && tiers.into_iter().all(|(one, other)| one.is_near(other))
    }

    /// As the members of an entry of `prices`, over what is `known` of the model: where a tier is more than a factor there, as where caches
    /// keep their ordinary price, a factor in the entry would not take that back.
    fn members(&self, known: Option<&Self>) -> String {
        let mut members = written::prices(&self.rates, &self.media, &self.long);
        if !self.tiers.is_empty() {
            let tiers = self.tiers.iter().map(|tier| {
                let stays = known.is_none_or(|known| known.has_at_most_a_factor(&tier.name));
                let price = if let Some(factor) = self.factor(tier).filter(|_| stays) {
                    factor.to_string()
                } else {
                    let own = written::prices(&tier.rates, &tier.media, &tier.long);
                    format!("{{ {} }}", own.join(", "))
                };
                format!("{}: {price}", written::name(&tier.name))
            });
            let tiers: Vec<String> = tiers.collect();
            members.push(format!("tiers: {{ {} }}", tiers.join(", ")));
        }
        if !self.units.is_empty() {
            let units = written::units(&self.units);
            members.push(format!("units: {{ {} }}", units.join(", ")));
        }
        members.join(", ")
    }

    /// Whether nothing is said of that tier but what it costs of the ordinary price.
    fn has_at_most_a_factor(&self, name: &str) -> bool {
        let tier = self.tiers.iter().find(|tier| tier.name == name);
        tier.is_none_or(|tier| self.factor(tier).is_some())
    }

    /// What this tier costs of the ordinary price; `None` = it differs by the kind of token or the length of the prompt.
    pub fn factor(&self, tier: &ListedTier) -> Option<f64> {
        let ordinary = self.rates.input;
        let factor = rounded(if ordinary > 0.0 {
            tier.rates.input / ordinary
        } else {
            1.0
        });
        let same = |one: f64, other: f64| (one - other).abs() <= EXACT;
        let of = |one: &Rates, other: &Rates| {
            let pairs = one.kinds().into_iter().zip(other.times(factor).kinds());
            pairs.into_iter().all(|(one, other)| same(one, other))
        };
        let media = |one: &MediaRates, other: &MediaRates| {
            let pairs = one.all().into_iter().zip(other.times(factor).all());
            pairs.into_iter().all(|pair| match pair {
                ((_, Some(one)), (_, Some(other))) => same(one, other),
                // What is not said of a tier costs its share.
                ((_, one), _) => one.is_none(),
            })
        };
        let longs = tier.long.iter().zip(&self.long);
        let is_one = of(&tier.rates, &self.rates)
            && media(&tier.media, &self.media)
            && tier.long.len() == self.long.len()
            && longs.into_iter().all(|(one, other)| {
                one.above == other.above
                    && of(&one.rates, &other.rates)
                    && media(&one.media, &other.media)
            });
        (is_one && (0.0..=100.0).contains(&factor)).then_some(factor)
    }
}

impl ListedTier {
    /// What is known of that of which `listed` speaks.
    fn known(quote: &Quote<'_>, listed: &Self) -> Self {
        let name = Some(listed.name.as_str());
        let paid = quote.paid(Length::Tokens(0), name);
        Self {
            name: listed.name.clone(),
            rates: paid.rates(),
            long: known_longs(quote, name, &listed.long),
            media: spoken_of(&paid, &listed.media),
        }
    }

    fn is_near(&self, other: &Self) -> bool {
        self.rates.is_near(&other.rates)
            && longs_are_near(&self.long, &other.long)
            && media_are_near(&self.media, &other.media)
    }
}

/// What is known of longer prompts on a tier, where something is listed of them.
fn known_longs(quote: &Quote<'_>, tier: Option<&str>, listed: &[Long]) -> Vec<Long> {
    if listed.is_empty() {
        return Vec::new();
    }
    let longs = quote.thresholds(tier).all().map(|long| {
        let paid = quote.paid(Length::Tokens(long.above + 1), tier);
        let said = listed.iter().find(|listed| listed.above == long.above);
        Long {
            above: long.above,
            rates: paid.rates(),
            media: said.map_or(MediaRates::TEXT, |said| spoken_of(&paid, &said.media)),
        }
    });
    longs.collect()
}

/// What is known of the media of which `listed` speaks: as text where they have no price of their own.
fn spoken_of(paid: &Paid, listed: &MediaRates) -> MediaRates {
    let (media, rates) = (paid.media(), paid.rates());
    let of = |said: Option<f64>, known: Option<f64>, text: f64| said.map(|_| known.unwrap_or(text));
    MediaRates {
        audio_input: of(listed.audio_input, media.audio_input, rates.input),
        image_input: of(listed.image_input, media.image_input, rates.input),
        audio_output: of(listed.audio_output, media.audio_output, rates.output),
        image_output: of(listed.image_output, media.image_output, rates.output),
    }
}

fn longs_are_near(one: &[Long], other: &[Long]) -> bool {
    let mut pairs = one.iter().zip(other);
    one.len() == other.len()
        && pairs.all(|(one, other)| {
            one.above == other.above
                && one.rates.is_near(&other.rates)
                && media_are_near(&one.media, &other.media)
        })
}

fn media_are_near(one: &MediaRates, other: &MediaRates) -> bool {
    let mut pairs = one.all().into_iter().zip(other.all());
    pairs.all(|pair| match pair {
        ((_, Some(one)), (_, Some(other))) => near(one, other),
        ((_, one), (_, other)) => one == other,
    })
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= ROUNDED * one.max(other)
}

/// What a map says otherwise than the prices that are known, or beyond them. Of what it does not say, what is known stays.
pub fn changes(known: &PriceTable, listed: &BTreeMap<String, Listed>) -> Vec<Change> {
    let changed = listed.iter().filter_map(|(model, listed)| {
        let quote = known.quote(model);
        let listed = quote.map_or_else(
            || listed.clone(),
            |quote| listed.unsaid.filled(listed, &quote),
        );
        let known = quote.map(|quote| Listed::known(&quote, &listed));
        let same = known.as_ref().is_some_and(|known| known.is_near(&listed));
        (!same).then(|| Change {
            model: model.clone(),
            known,
            listed,
        })
    });
    changed.collect()
}

/// A fragment of a configuration with these prices.
pub fn fragment<'a>(changes: impl Iterator<Item = &'a Change>) -> String {
    use std::fmt::Write as _;
    let mut text = "prices:\n".to_owned();
    for change in changes {
        let Change {
            model,
            known,
            listed,
        } = change;
        let model = Value::from(literal(model));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  - {{ model: {model}, {} }}",
            listed.members(known.as_ref())
        );
    }
    text
}

fn units_are_near(one: &UnitPrices, other: &UnitPrices) -> bool {
    let named = one.named().into_iter().zip(other.named());
    let mut images = one.images.iter().zip(&other.images);
    named.into_iter().all(|pair| match pair {
        ((_, Some(one)), (_, Some(other))) => near(one, other),
        ((_, one), (_, other)) => one == other,
    }) && one.images.len() == other.images.len()
        && images.all(|(one, other)| near(one.1, other.1))
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

/// Without the noise of floats.
fn rounded(usd: f64) -> f64 {
    (usd * 1e9).round() / 1e9
}

/// Prices by the piece and of what is no text are figures that the maps round.
const ROUNDED: f64 = 0.01;

/// US dollars per million tokens: a million of them differ by less than a billionth of a dollar.
const EXACT: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::protocol::hub::usage::Usage;

    const LITELLM: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0.0, "mode": "one of: chat"},
        "gpt-5": {"mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07},
        "moonshot/kimi-new": {"mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "cache_creation_input_token_cost_above_1hr": 4e-06},
        "bedrock/us/claude": {"mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 1},
        "dall-e": {"mode": "image_generation", "input_cost_per_image": 0.04},
        "hd/1024-x-1792/dall-e": {"mode": "image_generation", "input_cost_per_pixel": 6.5e-08},
        "video": {"mode": "video_generation", "output_cost_per_second": 0.1}
    }"#;

    #[test]
    fn a_map_becomes_a_fragment_that_a_configuration_takes() {
        let prices = Map::LiteLlm.read(LITELLM).expect("a map");
        let names: Vec<&String> = prices.keys().collect();
        assert_eq!(names, ["dall-e", "gpt-5", "kimi-new"]);
        let known = PriceTable::new(&[]);
        let changes = changes(&known, &prices);
        assert_eq!(changes.len(), 2, "gpt-5 costs what the table says");
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
        let drawn = table.quote("dall-e").expect("a price").units.prices();
        assert_eq!(drawn.image, Some(0.04));
        assert_eq!(drawn.images, [("hd 1024x1792".to_owned(), 0.119_275_52)]);
    }

    #[test]
    fn the_other_map_lists_vendors_and_not_resellers() {
        let text = r#"{
            "anthropic": {"models": {"claude-new": {"cost": {"input": 2, "output": 10, "cache_read": 0.2, "cache_write": 2.5}}, "free": {"cost": {"input": 0, "output": 0}}}},
            "reseller": {"models": {"claude-new": {"cost": {"input": 9, "output": 9}}}}
        }"#;
        let prices = Map::ModelsDev.read(text).expect("a map");
        assert_eq!(prices.len(), 1);
        assert!((prices["claude-new"].rates.cache_write_5m - 2.5).abs() < 1e-9);
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

    /// What a configuration with the fragment of this map knows.
    fn imported(map: Map, text: &str) -> PriceTable {
        let listed = map.read(text).expect("a map");
        let changes = changes(&PriceTable::new(&[]), &listed);
        let text = format!(
            "version: 1\nanonymous: true\naccounts: [{{ name: a, provider: ollama }}]\n{}",
            fragment(changes.iter())
        );
        let config = config::parse("test", &text, &|_| None);
        let table = PriceTable::new(&config.unwrap_or_else(|faults| panic!("{faults:?}")).prices);
        let again = super::changes(&table, &listed);
        assert_eq!(again, [], "what was imported is known");
        table
    }

    /// In the table caches of these keep their ordinary price on cheap tiers.
    #[test]
    fn a_factor_over_a_tier_that_is_more_than_one_is_written_out() {
        let litellm = r#"{
            "gemini-3-flash-preview": {"mode": "chat", "input_cost_per_token": 5e-07, "output_cost_per_token": 3e-06, "cache_read_input_token_cost": 5e-08,
                "input_cost_per_token_flex": 2.5e-07, "output_cost_per_token_flex": 1.5e-06, "cache_read_input_token_cost_flex": 2.5e-08,
                "input_cost_per_token_batches": 2.5e-07, "output_cost_per_token_batches": 1.5e-06, "cache_read_input_token_cost_batches": 2.5e-08}
        }"#;
        let table = imported(Map::LiteLlm, litellm);
        let quote = table.quote("gemini-3-flash-preview").expect("a price");
        let flex = quote.paid(Length::Tokens(0), Some("flex")).rates();
        assert!((flex.cache_read - 0.025).abs() < 1e-9, "{flex:?}");
    }

    #[test]
    fn thresholds_tiers_and_media_are_imported_too() {
        let litellm = r#"{
            "gpt-5.5": {"mode": "chat", "input_cost_per_token": 6e-06, "output_cost_per_token": 3e-05, "cache_read_input_token_cost": 6e-07,
                "input_cost_per_token_above_272k_tokens": 1.2e-05, "output_cost_per_token_above_272k_tokens": 4.5e-05,
                "input_cost_per_token_flex": 3e-06, "output_cost_per_token_flex": 1.5e-05,
                "input_cost_per_token_priority": 1.5e-05, "output_cost_per_token_priority": 7.5e-05,
                "input_cost_per_token_batches": 3e-06, "output_cost_per_token_batches": 1.5e-05,
                "input_cost_per_audio_token": 4e-05},
            "dashscope/qwen-new": {"mode": "chat", "tiered_pricing": [
                {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
                {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 9e-06}]}
        }"#;
        let models_dev = r#"{"xai": {"models": {"grok-new": {"cost": {"input": 1, "output": 5, "cache_read": 0.1,
            "context_over_200k": {"input": 9, "output": 9}, "input_audio": 3,
            "tiers": [{"input": 7, "output": 11, "tier": {"type": "context", "size": 256000}},
                {"input": 2, "output": 9, "cache_read": 0.2, "input_audio": 5, "tier": {"type": "context", "size": 32000}}]}},
            "grok-older": {"cost": {"input": 1, "output": 5, "context_over_200k": {"input": 2, "output": 9}}}}}}"#;
        let used = |input| Usage {
            input,
            output: 1_000,
            ..Usage::default()
        };
        for (map, text, model, cases) in [
            (
                Map::LiteLlm,
                litellm,
                "gpt-5.5",
                &[
                    (1_000, None, 6_000.0 + 30_000.0),
                    (1_000, Some("flex"), 3_000.0 + 15_000.0),
                    (1_000, Some("priority"), 15_000.0 + 75_000.0),
                    (1_000, Some("batch"), 3_000.0 + 15_000.0),
                    (272_001, None, 272_001.0 * 12.0 + 45_000.0),
                ][..],
            ),
            (
                Map::LiteLlm,
                litellm,
                "qwen-new",
                &[
                    (32_000, None, 32_000.0 + 5_000.0),
                    (32_001, None, 64_002.0 + 9_000.0),
                ],
            ),
            (
                Map::ModelsDev,
                models_dev,
                "grok-new",
                &[
                    (32_000, None, 32_000.0 + 5_000.0),
                    (32_001, None, 64_002.0 + 9_000.0),
                    (256_000, None, 512_000.0 + 9_000.0),
                    (256_001, None, 1_792_007.0 + 11_000.0),
                ],
            ),
            (
                Map::ModelsDev,
                models_dev,
                "grok-older",
                &[(200_001, None, 400_002.0 + 9_000.0)],
            ),
        ] {
            let table = imported(map, text);
            for (input, tier, expected) in cases {
                let usd = table.cost(model, &used(*input), *tier).expect("a price");
                let differs = (usd * 1e6 - expected).abs();
                assert!(differs < 1e-3, "{model} {input} {tier:?}: {usd}");
            }
        }
        let table = imported(Map::LiteLlm, litellm);
        let quote = table.quote("gpt-5.5").expect("a price");
        assert_eq!(quote.media.audio_input, Some(40.0));
        let table = imported(Map::ModelsDev, models_dev);
        let quote = table.quote("grok-new").expect("a price");
        assert_eq!(quote.media.audio_input, Some(3.0));
    }

    #[test]
    fn what_is_sold_by_the_piece_is_imported() {
        let text = r#"{
            "whisper-new": {"mode": "audio_transcription", "input_cost_per_second": 0.0002, "output_cost_per_second": 0.0002},
            "elevenlabs/scribe": {"mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0},
            "tts-new": {"mode": "audio_speech", "input_cost_per_character": 2e-05},
            "rerank-new": {"mode": "rerank", "input_cost_per_query": 0.003, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
            "gemini/imagen-new": {"mode": "image_generation", "output_cost_per_image": 0.05, "output_cost_per_image_2K": 0.1},
            "low/1024-x-1024/draw-new": {"mode": "image_generation", "input_cost_per_image": 0.01},
            "high/1024-x-1024/draw-new": {"mode": "image_generation", "input_cost_per_image": 0.2},
            "1024-x-1024/draw-new": {"mode": "image_generation", "input_cost_per_image": 0.02},
            "both": {"mode": "audio_transcription", "input_cost_per_second": 0.0001, "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06},
            "seen": {"mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "input_cost_per_image": 0.1, "input_cost_per_character": 1e-06},
            "sora-new": {"mode": "video_generation", "output_cost_per_video_per_second": 0.2},
            "odd": {"mode": "audio_speech", "input_cost_per_character": -1, "input_cost_per_second": "1"}
        }"#;
        let table = imported(Map::LiteLlm, text);
        let prices = |model: &str| table.quote(model).expect("a price").units.prices();
        let near = |found: Option<f64>, usd: f64| {
            let found = found.expect("a price");
            assert!((found - usd).abs() < 1e-9, "{found} {usd}");
        };
        near(prices("whisper-new").audio_minute, 0.012);
        near(prices("elevenlabs/scribe").audio_minute, 0.006);
        near(prices("tts-new").characters, 20.0);
        near(prices("rerank-new").searches, 3.0);
        near(prices("sora-new").video_second, 0.2);
        near(prices("imagen-new").image, 0.05);
        assert_eq!(prices("imagen-new").images, [("2k".to_owned(), 0.1)]);
        near(prices("draw-new").image, 0.02);
        let names: Vec<String> = prices("draw-new")
            .images
            .into_iter()
            .map(|kind| kind.0)
            .collect();
        assert_eq!(names, ["1024x1024", "high 1024x1024", "low 1024x1024"]);
        near(prices("both").audio_minute, 0.006);
        assert!((table.quote("both").expect("a price").rates.output - 8.0).abs() < 1e-9);
        assert!(prices("seen").is_empty(), "what a prompt holds is no piece");
        assert!(table.quote("odd").is_none());
    }

    #[test]
    fn a_tier_or_a_threshold_that_differs_is_a_change() {
        let gpt = |more: &str| {
            format!(
                r#"{{"gpt-5.5": {{"mode": "chat", "input_cost_per_token": 5e-06, "output_cost_per_token": 3e-05, "cache_read_input_token_cost": 5e-07{more}}}}}"#
            )
        };
        for (more, changed, is_own) in [
            ("", false, false),
            (
                r#", "input_cost_per_token_flex": 2.5e-06, "output_cost_per_token_flex": 1.5e-05"#,
                false,
                false,
            ),
            (
                r#", "input_cost_per_token_flex": 4e-06, "output_cost_per_token_flex": 2.4e-05"#,
                true,
                false,
            ),
            (
                r#", "input_cost_per_token_flex": 2.5e-06, "output_cost_per_token_flex": 2.4e-05"#,
                true,
                true,
            ),
            (
                r#", "input_cost_per_token_above_272k_tokens": 1e-05, "output_cost_per_token_above_272k_tokens": 4.5e-05"#,
                false,
                false,
            ),
            (
                r#", "input_cost_per_token_above_200k_tokens": 1e-05, "output_cost_per_token_above_200k_tokens": 4.5e-05"#,
                true,
                false,
            ),
            (
                r#", "input_cost_per_token_above_272k_tokens": 1e-05, "output_cost_per_token_above_272k_tokens": 4.5e-05,
                    "input_cost_per_token_above_512k_tokens": 2e-05, "output_cost_per_token_above_512k_tokens": 9e-05"#,
                true,
                false,
            ),
            (
                r#", "output_cost_per_token_above_272k_tokens": -1, "input_cost_per_token_priority": "1""#,
                false,
                false,
            ),
        ] {
            let listed = Map::LiteLlm.read(&gpt(more)).expect("a map");
            let gpt = &listed["gpt-5.5"];
            let own = gpt.tiers.iter().any(|tier| gpt.factor(tier).is_none());
            assert_eq!(own, is_own, "{more}");
            let changes = changes(&PriceTable::new(&[]), &listed);
            assert_eq!(!changes.is_empty(), changed, "{more}: {changes:?}");
        }
    }
}

//! The cost of a request: the prices of the catalogue, those of the configuration that override them, and the
//! arithmetic.
//!
//! Prices are absolute, in USD per million tokens, and apply to exclusive buckets: a token is paid for once. A model
//! without a price costs `None`, never zero. An entry of `prices` in the configuration replaces the rates of the models
//! it matches; the service tiers, the regions and the thresholds for long prompts that the catalogue has for such a
//! model then apply to the new rates.
mod conditions;
pub mod maps;
mod tiers;
mod units;

use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use dashmap::DashMap;

use crate::catalog::{self, Long, MediaRates, Priced, Rates, Terms, UnitRates};
use crate::config::Price;
use crate::protocol::hub::usage::{Extras, Usage};
use tiers::{Length, Paid, Tier};

pub use conditions::Conditions;
pub use tiers::Thresholds;
pub use units::UnitQuote;

/// The prices of the catalogue, overridden by those of the configuration. Immutable except for a bounded memo of
/// lookups.
#[derive(Debug)]
pub struct PriceTable {
    /// In the order of the configuration file: the first match wins.
    overrides: Vec<Override>,
    memo: DashMap<Box<str>, Option<Found>, RandomState>,
    memoised: AtomicUsize,
}

/// The price of one model, or of all models that a pattern of the configuration matches.
#[derive(Clone, Copy, Debug)]
pub struct Quote<'a> {
    /// The id in the catalogue, or the pattern in the configuration.
    pub model: &'a str,
    /// US dollars per million tokens.
    pub rates: Rates,
    /// The rates of requests with longer prompts.
    pub long: Thresholds<'a>,
    /// The rates of audio and images.
    pub media: MediaRates,
    /// The prices of units other than tokens.
    pub units: UnitQuote<'a>,
    /// The other terms of the vendor: service tiers, regions, tools.
    pub terms: Conditions<'a>,
    /// The source of the price, for people.
    pub source: &'a str,
}

impl Quote<'_> {
    /// USD for `usage` on the stated service tier and in the stated region.
    ///
    /// The rates are chosen by the length of the whole prompt. A tier or region without a factor costs the standard
    /// price.
    pub fn cost(&self, usage: &Usage, tier: Option<&str>, region: Option<&str>) -> f64 {
        let paid = self.paid(Length::Tokens(usage.prompt()), tier);
        self.cost_at(&paid, usage, region)
    }

    /// USD for `usage` at these prices.
    fn cost_at(&self, paid: &Paid, usage: &Usage, region: Option<&str>) -> f64 {
        let cached = Usage {
            cache_read: usage.cache_read,
            ..Usage::default()
        };
        let usd =
            paid.rates.cost(usage) * paid.factor + paid.rates.cost(&cached) * paid.cache_beyond;
        usd * self.terms.region(region)
    }

    /// The prices for a prompt of this length on this service tier.
    fn paid(&self, length: Length, tier: Option<&str>) -> Paid {
        let Some(own) = self.terms.tier_rates(tier) else {
            let long = length.of(self.long);
            return Paid {
                rates: long.map_or(self.rates, |long| long.rates),
                media: long.map_or(self.media, |long| long.media.or(&self.media)),
                factor: self.terms.tier(tier),
                cache_beyond: self.terms.cache_beyond(tier),
            };
        };
        let long = if let Some(list) = &own.long {
            length.of(Thresholds::of(list))
        } else {
            let long = length.of(self.long);
            long.map(|long| long.scaled(&self.rates, &own.rates))
        };
        let ordinary = self.media.scaled(&self.rates, &own.rates);
        let media = MediaRates::from(&own.media).or(&ordinary);
        Paid {
            rates: long.map_or(own.rates, |long| long.rates),
            media: long.map_or(media, |long| long.media.or(&media)),
            factor: 1.0,
            cache_beyond: 0.0,
        }
    }

    /// The thresholds that apply on this tier.
    fn thresholds(&self, tier: Option<&str>) -> Thresholds<'_> {
        let own = self
            .terms
            .tier_rates(tier)
            .and_then(|own| own.long.as_deref());
        own.map_or(self.long, Thresholds::of)
    }

    /// USD for one answer, including tools and other extras. Tools cost the same on every tier. What is charged by the
    /// token is not also charged by the unit. `None` = it is charged by a unit that has no price.
    fn bill(&self, usage: &Usage, tier: Option<&str>, extras: &Extras) -> Option<f64> {
        let tier = extras.tier.or(tier);
        let paid = self.paid(Length::Tokens(usage.prompt()), tier);
        let by_token = self.bill_at(&paid, usage, extras);
        let is_by_token = usage.total() > 0 && !paid.rates.is_free();
        if is_by_token || usage.units.is_none() {
            return Some(by_token);
        }
        let Some(by_unit) = self.units.cost(&usage.units, &extras.picture) else {
            return (usage.total() > 0).then_some(by_token);
        };
        let factor = self.terms.tier(tier) * self.terms.region(extras.region);
        Some(by_token + by_unit * factor)
    }

    /// USD for many answers together, from the sum of their usage and whether their prompts were long.
    pub fn bill_many(
        &self,
        usage: &Usage,
        tier: Option<&str>,
        extras: &Extras,
        is_long: bool,
    ) -> f64 {
        let length = if is_long {
            Length::Long
        } else {
            Length::Tokens(0)
        };
        self.bill_at(&self.paid(length, extras.tier.or(tier)), usage, extras)
    }

    /// USD for `usage` and `extras` at these prices.
    fn bill_at(&self, paid: &Paid, usage: &Usage, extras: &Extras) -> f64 {
        let beyond = paid.media.beyond(&extras.media, &paid.rates)
            * paid.factor
            * self.terms.region(extras.region);
        self.cost_at(paid, usage, extras.region) + beyond + self.terms.fees().cost(&extras.tools)
    }
}

/// What a request asks for, before its actual usage is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestedUsage<'a> {
    /// The tokens and units that it may use at most.
    pub usage: Usage,
    /// The searches that it allows, and the images that it requests.
    pub extras: Extras,
    /// The service tier or speed, by the vendor's name.
    pub tier: Option<&'a str>,
    /// The region of inference, by the vendor's name.
    pub region: Option<&'a str>,
}

impl PriceTable {
    /// The catalogue's prices, overridden by the `prices` of the configuration.
    pub fn new(prices: &[Price]) -> Self {
        Self {
            overrides: prices.iter().map(Override::new).collect(),
            memo: DashMap::with_hasher(RandomState::new()),
            memoised: AtomicUsize::new(0),
        }
    }

    /// USD for `usage` of `model` (the upstream's name, not an alias), on the service tier or speed that the
    /// *response* stated. `None` = no price is known.
    pub fn cost(&self, model: &str, usage: &Usage, tier: Option<&str>) -> Option<f64> {
        self.cost_in(model, usage, tier, None)
    }

    /// USD for one answer: the charge that the provider states, otherwise the price of `usage` and `extras` for `model`
    /// on the service tier that the answer stated. `None` = no price is known.
    pub fn bill(
        &self,
        model: &str,
        usage: &Usage,
        tier: Option<&str>,
        extras: &Extras,
    ) -> Option<f64> {
        if let Some(nano) = extras.nano_usd {
            return Some(nano as f64 / 1e9);
        }
        self.quote(model)?.bill(usage, tier, extras)
    }

    /// The most that a request may cost, in USD: the price of its tokens or of its units, whichever is higher, and the
    /// fees for the tools that the vendor runs. It may be served on the tier that it requests or on the ordinary one,
    /// so the higher price counts. `None` = no price is known.
    pub fn most(&self, model: &str, requested: &RequestedUsage<'_>) -> Option<f64> {
        let quote = self.quote(model)?;
        let (usage, extras) = (&requested.usage, &requested.extras);
        let ordinary = quote.cost(usage, None, None);
        let by_token = ordinary.max(quote.cost(usage, requested.tier, requested.region));
        let by_unit = quote.units.cost(&usage.units, &extras.picture);
        let usd = by_unit.map_or(by_token, |usd| usd.max(by_token));
        Some(usd + quote.terms.fees().cost(&extras.tools))
    }

    /// Whether speech of `model` is charged by the token rather than by the character. `None` = no price is known.
    pub fn speaks_by_token(&self, model: &str) -> Option<bool> {
        let quote = self.quote(model)?;
        Some(quote.rates.output > 0.0 && quote.units.prices().characters.is_none())
    }

    /// As [`PriceTable::cost`], for a request that was bound to a region (`inference_geo`, a regional endpoint).
    pub fn cost_in(
        &self,
        model: &str,
        usage: &Usage,
        tier: Option<&str>,
        region: Option<&str>,
    ) -> Option<f64> {
        Some(self.quote(model)?.cost(usage, tier, region))
    }

    /// The price of `model`; `None` = none is known.
    pub fn quote(&self, model: &str) -> Option<Quote<'_>> {
        let found = match self.memo.get(model) {
            Some(found) => *found,
            None => self.look_up(model),
        };
        Some(match found? {
            Found::BuiltIn(priced) => quote(priced),
            Found::Override(position, known) => self.overrides.get(position)?.quote(known)?,
        })
    }

    /// Every price: first those of the configuration in the order of the file, then those of the catalogue.
    pub fn list(&self) -> impl Iterator<Item = Quote<'_>> {
        let built_in = catalog::priced().map(quote);
        let overrides = self.overrides.iter().filter_map(|entry| entry.quote(None));
        overrides.chain(built_in)
    }

    fn look_up(&self, model: &str) -> Option<Found> {
        let built_in = catalog::price(model);
        let found = self
            .over(model, built_in)
            .or_else(|| built_in.map(Found::BuiltIn));
        // Clients choose the names of models: without a limit, a client could fill the memory.
        if model.len() <= MAX_MEMO_NAME && self.memoised.fetch_add(1, Ordering::Relaxed) < MAX_MEMO
        {
            self.memo.insert(model.into(), found);
        }
        found
    }

    /// The first entry of the configuration that matches the requested name or its id in the catalogue.
    fn over(&self, model: &str, built_in: Option<Priced>) -> Option<Found> {
        let position = self.overrides.iter().position(|entry| {
            let glob = &entry.price.model;
            glob.is_match(model) || built_in.is_some_and(|priced| glob.is_match(priced.id))
        })?;
        Some(Found::Override(
            position,
            built_in.map(|priced| priced.price),
        ))
    }
}

#[derive(Debug)]
struct Override {
    price: Price,
    rates: Rates,
    long: Option<Vec<Long>>,
    tiers: Vec<Tier>,
}

impl Override {
    fn new(price: &Price) -> Self {
        let rates = Rates {
            input: price.input,
            cache_write_5m: price.cache_write_5m.unwrap_or(price.input),
            cache_write_1h: price.cache_write_1h.unwrap_or(price.input),
            cache_read: price.cache_read.unwrap_or(price.input),
            output: price.output,
        };
        let (long, own) = (price.terms.long.as_deref(), price.terms.tiers.iter());
        Self {
            long: long.map(|long| tiers::longs(long, &rates)),
            tiers: own.map(|tier| Tier::of_entry(tier, &rates)).collect(),
            price: price.clone(),
            rates,
        }
    }

    /// The price for models whose price in the catalogue is `known`, if they have one there.
    /// `None` = the exchange rate of the entry's currency is not known.
    fn quote(&self, known: Option<&'static catalog::Price>) -> Option<Quote<'_>> {
        self.price.is_known.then(|| Quote {
            model: self.price.model.pattern(),
            rates: self.rates,
            long: match (&self.long, known) {
                (Some(long), _) => Thresholds::of(long),
                (None, Some(known)) => {
                    Thresholds::scaled(known.long.as_slice(), &known.rates, &self.rates)
                }
                (None, None) => Thresholds::of(&[]),
            },
            media: {
                let table = known.map(|known| known.media.scaled(&known.rates, &self.rates));
                let own = MediaRates::from(&self.price.terms.media);
                own.or(&table.unwrap_or(MediaRates::TEXT))
            },
            units: UnitQuote::new(
                known.map_or(&UnitRates::NONE, |known| &known.units),
                Some(&self.price.terms.units),
            ),
            terms: Conditions::of_entry(
                known.map_or(&Terms::NONE, |known| known.terms),
                &self.price.terms,
                &self.tiers,
            ),
            source: self.price.terms.source.as_deref().unwrap_or(CONFIGURED),
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Found {
    BuiltIn(Priced),
    /// The entry of the configuration, and the price of the catalogue that it overrides.
    Override(usize, Option<&'static catalog::Price>),
}

fn quote<'a>(priced: Priced) -> Quote<'a> {
    let price = priced.price;
    Quote {
        model: priced.id,
        rates: price.rates,
        long: Thresholds::of(price.long.as_slice()),
        media: price.media,
        units: UnitQuote::new(&price.units, None),
        terms: Conditions::of_table(price.terms),
        source: priced.source.text,
    }
}

/// The source of an entry that states none.
const CONFIGURED: &str = "configuration";

/// The longest name that is remembered. Real names have fewer than 64 bytes.
const MAX_MEMO_NAME: usize = 128;

/// The number of names that are remembered. Real deployments serve tens of models.
const MAX_MEMO: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Glob, LongPrice, MediaPrices, PriceTerms, TierPrice, ToolPrices, UnitPrices,
    };
    use crate::protocol::hub::units::{Picture, Units, Word};

    fn usage(input: u64, cache_read: u64, write: u64, long_write: u64, output: u64) -> Usage {
        Usage {
            input,
            cache_read,
            cache_write_5m: write,
            cache_write_1h: long_write,
            output,
            reasoning: output / 2,
            units: Units::NONE,
        }
    }

    fn price(model: &str, input: f64, output: f64) -> Price {
        Price {
            model: Glob::new(model).expect("a pattern"),
            input,
            output,
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
            is_known: true,
            terms: PriceTerms::default(),
        }
    }

    #[track_caller]
    fn check(model: &str, usage: Usage, tier: Option<&str>, expected: f64) {
        let cost = PriceTable::new(&[])
            .cost(model, &usage, tier)
            .expect("a price");
        assert!(
            (cost - expected).abs() < 1e-12,
            "{model}: {cost} instead of {expected}"
        );
    }

    #[test]
    fn anthropic_buckets_are_paid_once_each() {
        // 1000×5 + 20000×0.50 + 3000×6.25 + 400×10 + 500×25 = 50250 millionths
        let used = usage(1000, 20_000, 3000, 400, 500);
        check("claude-opus-4-6", used, None, 0.050_25);
        check("claude-opus-4-6", used, Some("standard"), 0.050_25);
        check("claude-opus-4-6", used, Some("batch"), 0.025_125);
        check("claude-opus-4-6", used, Some("fast"), 0.100_5);
        check("claude-opus-4-6", used, Some("priority"), 0.050_25);
        // 65×2 + 11584×0.10 + 120×10 = 2488.4
        check(
            "claude-sonnet-5-5",
            usage(65, 11_584, 0, 0, 120),
            None,
            0.002_488_4,
        );
    }

    #[test]
    fn haiku_5_5_changes_above_100k_of_whole_prompt() {
        // 50000×0.10 + 40000×0.01 + 10000×0.125 + 1000×0.50
        check(
            "claude-haiku-5-5",
            usage(50_000, 40_000, 10_000, 0, 1000),
            None,
            0.007_15,
        );
        // With one more cached token, every token of the request costs five times as much.
        check(
            "claude-haiku-5-5",
            usage(50_000, 40_001, 10_000, 0, 1000),
            None,
            0.035_750_05,
        );
    }

    #[test]
    fn openai_tiers_and_long_prompts() {
        // The worked example of a cached prompt: 201×1.25 + 15104×0.125 + 5×10
        check("gpt-5", usage(201, 15_104, 0, 0, 5), None, 0.002_189_25);
        // 1000×4 + 6000×0.40 + 3000×5 + 100×20
        let used = usage(1000, 6000, 3000, 0, 100);
        check("gpt-5.6-sol", used, Some("default"), 0.023_4);
        check("gpt-5.6-sol", used, Some("flex"), 0.011_7);
        check("gpt-5.6-sol", used, Some("priority"), 0.046_8);
        check("gpt-5.6-sol", used, Some("ultrafast"), 0.140_4);
        check("gpt-5.5", usage(1000, 0, 0, 0, 100), Some("priority"), 0.02);
        check("gpt-5.5", usage(272_000, 0, 0, 0, 1000), None, 1.39);
        check("gpt-5.5", usage(272_001, 0, 0, 0, 1000), None, 2.765_01);
        check(
            "gpt-4o-mini",
            usage(1_000_000, 0, 0, 0, 1_000_000),
            None,
            0.75,
        );
    }

    #[test]
    fn gemini_doubles_above_200k() {
        // 1050×1.25 + 4000×0.125 + 1000×10
        check(
            "gemini-2.5-pro",
            usage(1050, 4000, 0, 0, 1000),
            None,
            0.011_812_5,
        );
        check(
            "gemini-2.5-pro",
            usage(100_000, 100_001, 0, 0, 1000),
            None,
            0.290_000_25,
        );
        check(
            "gemini-3.1-pro-preview",
            usage(200_000, 0, 0, 0, 1000),
            None,
            0.412,
        );
    }

    #[test]
    fn others() {
        check(
            "deepseek-chat",
            usage(1000, 9000, 0, 0, 500),
            None,
            0.000_742,
        );
        check("kimi-k2.6", usage(1000, 9000, 0, 0, 500), None, 0.004_39);
        check("glm-4.6", usage(1000, 9000, 0, 0, 500), None, 0.002_69);
        check("grok-4.7", usage(1000, 9000, 0, 0, 500), None, 0.009_5);
    }

    #[test]
    fn what_an_answer_says_beside_its_counts_is_paid() {
        use crate::protocol::hub::usage::{Media, Tools};
        let prices = PriceTable::new(&[]);
        let used = usage(1000, 0, 0, 0, 500);
        let bill = |model, usage: &Usage, tier, extras| prices.bill(model, usage, tier, &extras);
        let check = |found: Option<f64>, expected: f64| {
            let found = found.expect("a price");
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} instead of {expected}"
            );
        };
        let none = Extras::default();
        // 1000×5 + 500×25 millionths; twice that in fast mode, whatever the tier.
        check(
            bill("claude-opus-4-6", &used, Some("standard"), none),
            0.0175,
        );
        let fast = Extras {
            tier: Some("fast"),
            region: Some("us"),
            tools: Tools {
                web_searches: 3,
                ..Tools::default()
            },
            ..none
        };
        check(
            bill("claude-opus-4-6", &used, Some("standard"), fast),
            0.035 * 1.1 + 0.03,
        );
        let stated = Extras {
            nano_usd: Some(7),
            ..fast
        };
        check(bill("a model without a price", &used, None, stated), 7e-9);
        assert_eq!(bill("a model without a price", &used, None, fast), None);
        // Gemini's flex and priority tiers, and 400 tokens of audio at 1.00 instead of 0.30.
        let sound = Extras {
            media: Media {
                audio_input: 400,
                ..Media::default()
            },
            ..none
        };
        check(
            bill("gemini-2.5-flash", &used, None, sound),
            (600.0 * 0.3 + 400.0 + 500.0 * 2.5) / 1e6,
        );
        let flex = Extras {
            tier: Some("flex"),
            ..none
        };
        check(
            bill("gemini-2.5-flash", &used, None, flex),
            (1000.0 * 0.3 + 500.0 * 2.5) / 2e6,
        );
        check(
            bill("gemini-2.5-flash", &used, Some("priority"), none),
            (1000.0 * 0.3 + 500.0 * 2.5) * 1.8 / 1e6,
        );
        let drawn = Extras {
            media: Media {
                image_output: 500,
                ..Media::default()
            },
            ..none
        };
        check(
            bill("gemini-2.5-flash-image", &used, None, drawn),
            (300.0 + 500.0 * 30.0) / 1e6,
        );
        check(
            bill(
                "text-embedding-3-small",
                &usage(1_000_000, 0, 0, 0, 0),
                None,
                none,
            ),
            0.02,
        );
    }

    #[test]
    fn regions_cost_extra_where_the_vendor_says_so() {
        let prices = PriceTable::new(&[]);
        let used = usage(1_000_000, 0, 0, 0, 0);
        let cost = |model, region| prices.cost_in(model, &used, None, region).expect("a price");
        assert!((cost("claude-opus-4-6", Some("us")) - 5.5).abs() < 1e-9);
        assert!((cost("claude-opus-4-6", Some("global")) - 5.0).abs() < 1e-9);
        assert!((cost("claude-opus-4-5", Some("us")) - 5.0).abs() < 1e-9);
        assert!((cost("gpt-4o", Some("eu")) - 2.75).abs() < 1e-9);
    }

    #[test]
    fn spellings_of_one_model_have_one_price() {
        let prices = PriceTable::new(&[]);
        for (asked, id) in [
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
            ("openai/gpt-5.4-mini", "gpt-5.4-mini"),
            ("gpt-5-2025-08-07", "gpt-5"),
            ("models/gemini-2.5-pro", "gemini-2.5-pro"),
            (
                "gemini-2.5-flash-lite-preview-06-17",
                "gemini-2.5-flash-lite",
            ),
            ("doubao-seed-2-1-pro-260915", "doubao-seed-2.1-pro"),
            ("minimax/minimax-m3", "minimax-m3"),
            ("claude-opus-4-20250514", "claude-opus-4"),
            ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
            ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
            ("gpt-4-1106-preview", "gpt-4-1106-preview"),
            ("x-ai/grok-4.20-0309", "grok-4.20"),
            ("gemini-flash-latest", "gemini-flash-latest"),
        ] {
            for _ in 0..2 {
                assert_eq!(
                    prices.quote(asked).map(|quote| quote.model),
                    Some(id),
                    "{asked}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_has_no_price() {
        let prices = PriceTable::new(&[]);
        for model in [
            "",
            "gpt-4o-realtime-preview",
            "gpt-5-chat",
            "claude-2.2",
            "mistral-large-2406",
            "gemini-2.5-flash-live",
            "anthropic/claude-sonnet-4.5:free",
            "deepseek-ai/DeepSeek-V3",
            "llama3",
        ] {
            assert!(prices.quote(model).is_none(), "{model}");
            assert_eq!(prices.cost(model, &usage(1, 0, 0, 0, 1), None), None);
        }
    }

    #[test]
    fn the_first_entry_of_the_configuration_that_matches_wins() {
        let input = usage(1_000_000, 0, 0, 0, 0);
        let prices = PriceTable::new(&[
            price("claude-sonnet-4-6", 1.0, 2.0),
            price("claude-sonnet-4*", 3.0, 15.0),
            price("claude-*", 7.0, 7.0),
            price("*", 9.0, 9.0),
            price("gpt-5", 1.0, 1.0),
        ]);
        let cost = |model| prices.cost(model, &input, None);
        assert_eq!(cost("claude-sonnet-4-6"), Some(1.0));
        assert_eq!(cost("claude-sonnet-4-5-20250929"), Some(3.0));
        assert_eq!(cost("claude-opus-5"), Some(7.0));
        assert_eq!(cost("gpt-5"), Some(9.0), "its own entry comes too late");
        assert_eq!(
            cost("anthropic/claude-sonnet-4.6"),
            Some(1.0),
            "the entry for the model's id comes before `*`, which matches the name as asked"
        );
        let general_first = PriceTable::new(&[price("*", 9.0, 9.0), price("gpt-5", 1.0, 1.0)]);
        assert_eq!(general_first.cost("gpt-5", &input, None), Some(9.0));
    }

    #[test]
    fn an_override_keeps_the_tiers_regions_and_the_threshold_of_its_model() {
        let prices = PriceTable::new(&[
            price("gpt-5*", 10.0, 60.0),
            price("claude-*", 4.0, 8.0),
            price("gemini-2.5-pro", 2.5, 10.0),
            price("mine", 10.0, 20.0),
        ]);
        let million = usage(1_000_000, 0, 0, 0, 0);
        let cost = |model, tier, region| prices.cost_in(model, &million, tier, region);
        // gpt-5.5 costs twice as much above 272k, and its priority two and a half times as much.
        assert_eq!(cost("gpt-5.5", None, None), Some(20.0));
        assert_eq!(cost("gpt-5.5", Some("priority"), None), Some(50.0));
        assert_eq!(cost("gpt-5", Some("flex"), None), Some(5.0));
        let short = usage(100_000, 0, 0, 0, 0);
        assert_eq!(prices.cost("gpt-5.5", &short, None), Some(1.0));
        assert_eq!(cost("claude-opus-5", Some("batch"), None), Some(2.0));
        let in_us = cost("claude-opus-5", None, Some("us")).expect("a price");
        assert!((in_us - 4.4).abs() < 1e-9);
        let long_output = usage(200_001, 0, 0, 0, 1_000_000);
        let paid = prices.cost("gemini-2.5-pro", &long_output, None);
        // 200001×5 + 1000000×15: the ratios of the threshold, two and one and a half, are those of the table.
        assert!((paid.expect("a price") - 16.000_005).abs() < 1e-9);
        assert_eq!(cost("mine", Some("flex"), Some("us")), Some(10.0));
    }

    #[test]
    fn an_entry_may_say_what_the_table_says_and_the_rest_stays() {
        use crate::protocol::hub::usage::{Media, Tools};
        let terms = PriceTerms {
            long: Some(vec![LongPrice {
                above: 1_000,
                input: 20.0,
                output: 30.0,
                cache_read: None,
                cache_write_5m: None,
                cache_write_1h: Some(50.0),
                media: MediaPrices::default(),
            }]),
            tiers: vec![("flex".to_owned(), TierPrice::Factor(0.25))],
            regions: vec![("mars".to_owned(), 3.0)],
            tools: ToolPrices {
                web_search: Some(5.0),
                ..ToolPrices::default()
            },
            media: MediaPrices {
                audio_input: Some(100.0),
                ..MediaPrices::default()
            },
            units: UnitPrices::default(),
            source: Some("a contract".into()),
        };
        let entry = |model| Price {
            cache_read: Some(1.0),
            terms: terms.clone(),
            ..price(model, 10.0, 20.0)
        };
        let prices = PriceTable::new(&[entry("gpt-5"), entry("mine")]);
        let short = usage(1_000, 0, 0, 0, 0);
        let cost = |model, usage: &Usage, tier, region| {
            prices.cost_in(model, usage, tier, region).expect("a price")
        };
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        };
        for model in ["gpt-5", "mine"] {
            near(cost(model, &short, None, None), 0.01);
            near(cost(model, &short, Some("FLEX"), None), 0.0025);
            near(cost(model, &short, None, Some("mars")), 0.03);
            // The threshold doubles the input price, so it doubles the price of cache reads; that of one-hour writes is
            // stated.
            let long = usage(0, 1_000, 0, 1, 0);
            near(cost(model, &long, None, None), (2_000.0 + 50.0) / 1e6);
            assert_eq!(
                prices.quote(model).map(|quote| quote.source),
                Some("a contract")
            );
        }
        // Terms that the entry does not state are those of the catalogue.
        near(cost("gpt-5", &short, Some("priority"), Some("us")), 0.022);
        near(cost("mine", &short, Some("priority"), Some("us")), 0.01);
        let extras = Extras {
            tools: Tools {
                web_searches: 2,
                file_searches: 4,
                ..Tools::default()
            },
            media: Media {
                audio_input: 1_000,
                ..Media::default()
            },
            ..Extras::default()
        };
        let bill = |model| prices.bill(model, &short, None, &extras).expect("a price");
        near(bill("gpt-5"), 0.1 + 0.01 + 0.01);
        near(bill("mine"), 0.1 + 0.01);
    }

    #[test]
    fn an_override_keeps_what_sound_costs_beside_text() {
        use crate::protocol::hub::usage::Media;
        let prices = PriceTable::new(&[price("gemini-2.5-flash", 0.6, 5.0)]);
        let extras = Extras {
            media: Media {
                audio_input: 1_000_000,
                ..Media::default()
            },
            ..Extras::default()
        };
        let used = usage(1_000_000, 0, 0, 0, 0);
        let bill = prices.bill("gemini-2.5-flash", &used, None, &extras);
        assert!((bill.expect("a price") - 2.0).abs() < 1e-9, "twice 1.00");
    }

    #[test]
    fn searches_and_maps_cost_what_their_generation_and_kind_cost() {
        use crate::protocol::hub::usage::Tools;
        let prices = PriceTable::new(&[]);
        let bill = |model, tools| {
            let extras = Extras {
                tools,
                ..Extras::default()
            };
            let bill = prices.bill(model, &Usage::default(), None, &extras);
            (bill.expect("a price") * 1e6).round() / 1e6
        };
        let grounded = Tools {
            web_searches: 3,
            maps: 2,
            ..Tools::default()
        };
        // Gemini 2 charges per grounded prompt, later generations per query.
        assert!((bill("gemini-2.5-flash", grounded) - 0.06).abs() < 1e-9);
        assert!((bill("gemini-3.5-flash", grounded) - 0.07).abs() < 1e-9);
        let preview = Tools {
            web_search_previews: 2,
            ..Tools::default()
        };
        for (model, usd) in [
            ("gpt-4o", 0.05),
            ("gpt-4.1-nano", 0.05),
            ("o3", 0.02),
            ("gpt-5", 0.02),
            ("claude-opus-5", 0.0),
        ] {
            assert!((bill(model, preview) - usd).abs() < 1e-9, "{model}");
        }
    }

    #[test]
    fn what_is_sold_by_the_piece_costs_its_piece_where_no_token_does() {
        let prices = PriceTable::new(&[Price {
            terms: PriceTerms {
                units: UnitPrices {
                    searches: Some(4.0),
                    ..UnitPrices::default()
                },
                ..PriceTerms::default()
            },
            ..price("rerank-v3.5", 0.0, 0.0)
        }]);
        let of = |[images, audio, characters, searches]: [u64; 4], input: u64| Usage {
            input,
            units: Units::of_figures([images, audio, characters, searches, 0]),
            ..Usage::default()
        };
        let bill = |model: &str, usage: Usage, tier, quality: &str, size: &str| {
            let picture = Picture {
                quality: Word::of(quality),
                size: Word::of(size),
            };
            let extras = Extras {
                picture,
                ..Extras::default()
            };
            prices.bill(model, &usage, tier, &extras)
        };
        for (model, usage, tier, quality, size, usd) in [
            ("whisper-1", of([0, 90_000, 0, 0], 0), None, "", "", 0.009),
            ("tts-1", of([0, 0, 1_000, 0], 0), None, "", "", 0.015),
            ("tts-1-hd-1106", of([0, 0, 1_000, 0], 0), None, "", "", 0.03),
            ("dall-e-3", of([1, 0, 0, 0], 0), None, "", "", 0.04),
            (
                "dall-e-3",
                of([1, 0, 0, 0], 0),
                None,
                "hd",
                "1792x1024",
                0.12,
            ),
            ("dall-e-2", of([3, 0, 0, 0], 0), None, "", "256x256", 0.048),
            (
                "imagen-4.0-ultra-generate-001",
                of([4, 0, 0, 0], 0),
                None,
                "",
                "",
                0.24,
            ),
            ("rerank-v4.0-pro", of([0, 0, 0, 3], 0), None, "", "", 0.0075),
            (
                "grok-imagine-image-2.0",
                of([1, 0, 0, 0], 0),
                None,
                "",
                "1k",
                0.04,
            ),
            (
                "gpt-image-1",
                of([1, 0, 0, 0], 0),
                None,
                "high",
                "1024x1536",
                0.25,
            ),
            (
                "gpt-image-1",
                of([1, 0, 0, 0], 0),
                Some("batch"),
                "",
                "",
                0.021,
            ),
            // Usage that is charged by the token is not charged by the unit as well.
            (
                "gpt-image-1",
                of([1, 0, 0, 0], 1_000),
                None,
                "high",
                "",
                0.005,
            ),
            (
                "gpt-4o-transcribe",
                of([0, 60_000, 0, 0], 1_000),
                None,
                "",
                "",
                0.0025,
            ),
            (
                "gpt-4o-transcribe",
                of([0, 60_000, 0, 0], 0),
                None,
                "",
                "",
                0.006,
            ),
            // Tokens that are free do not suppress the charge by the unit.
            (
                "whisper-1",
                of([0, 60_000, 0, 0], 1_000),
                None,
                "",
                "",
                0.006,
            ),
            // An entry of the configuration overrides the price.
            ("rerank-v3.5", of([0, 0, 0, 500], 70), None, "", "", 2.0),
        ] {
            let paid = bill(model, usage, tier, quality, size).expect("a price");
            assert!((paid - usd).abs() < 1e-12, "{model} {usage:?}: {paid}");
        }
        // A unit without a price is not silently free, even if the model has other prices.
        let spoken = of([0, 0, 1_000, 0], 0);
        assert_eq!(bill("gpt-5", spoken, None, "", ""), None);
        assert_eq!(bill("whisper-1", spoken, None, "", ""), None);
        assert_eq!(bill("gpt-5", Usage::default(), None, "", ""), Some(0.0));
        // Before it is known which usage the answer will state, the higher price counts.
        let requested = RequestedUsage {
            usage: of([1, 0, 0, 0], 10),
            ..RequestedUsage::default()
        };
        assert_eq!(prices.most("gpt-image-1", &requested), Some(0.042));
        assert_eq!(prices.most("gpt-5", &requested), Some(12.5e-6));
        // The vendor may not grant the requested tier: the ordinary price counts if it is higher.
        let on = |tier| RequestedUsage {
            tier: Some(tier),
            ..requested
        };
        assert_eq!(prices.most("gpt-5", &on("flex")), Some(12.5e-6));
        assert_eq!(prices.most("gpt-5", &on("priority")), Some(25e-6));
        let mut searches = requested;
        searches.extras.tools.web_searches = 2;
        assert_eq!(prices.most("gpt-5", &searches), Some(0.02 + 12.5e-6));
    }

    #[test]
    fn override_without_cache_prices_charges_input() {
        let prices = PriceTable::new(&[price("mine", 2.0, 4.0)]);
        let cost = prices
            .cost("mine", &usage(1, 2, 3, 4, 5), None)
            .expect("a price");
        assert!((cost - 40e-6).abs() < 1e-15);
    }

    #[test]
    fn a_price_in_a_currency_without_a_rate_is_none() {
        let unknown = Price {
            is_known: false,
            ..price("gpt-5", 1.0, 2.0)
        };
        let prices = PriceTable::new(&[unknown, price("gpt-*", 3.0, 4.0)]);
        let one = usage(1_000_000, 0, 0, 0, 0);
        // Neither the next entry nor the built-in table is used instead: both would state another price.
        assert_eq!(prices.cost("gpt-5", &one, None), None);
        assert_eq!(prices.cost("gpt-5-mini", &one, None), Some(3.0));
        assert_eq!(
            prices
                .list()
                .filter(|quote| quote.source == "configuration")
                .count(),
            1
        );
    }

    #[test]
    fn override_by_id_covers_other_spellings() {
        let prices = PriceTable::new(&[price("claude-sonnet-4*", 1.0, 1.0)]);
        let quote = prices
            .quote("anthropic/claude-sonnet-4.6")
            .expect("a price");
        assert_eq!(
            (quote.model, quote.source),
            ("claude-sonnet-4*", "configuration")
        );
    }

    #[test]
    fn client_chosen_names_do_not_fill_the_memory() {
        let prices = PriceTable::new(&[]);
        for number in 0..MAX_MEMO + 100 {
            prices.quote(&format!("model-{number}"));
        }
        prices.quote(&"x".repeat(1 << 20));
        assert_eq!(prices.memo.len(), MAX_MEMO);
        assert!(prices.quote("gpt-5").is_some(), "slower, but right");
    }

    #[test]
    fn table_is_consistent() {
        let prices = PriceTable::new(&[]);
        let mut seen = std::collections::HashSet::new();
        for quote in prices.list() {
            assert!(seen.insert(quote.model), "{} twice", quote.model);
            let rates = quote.rates;
            assert!(
                rates.cache_read <= rates.input && rates.input <= rates.cache_write_5m,
                "{}",
                quote.model
            );
            assert!(
                rates.cache_write_5m <= rates.cache_write_1h
                    && (rates.input <= rates.output || rates.output == 0.0),
                "{}",
                quote.model
            );
            if let Some(Long {
                above: 272_000,
                rates: long,
                ..
            }) = quote.long.all().next()
            {
                for (long, short, factor) in [
                    (long.input, rates.input, 2.0),
                    (long.cache_read, rates.cache_read, 2.0),
                    (long.cache_write_5m, rates.cache_write_5m, 2.0),
                    (long.cache_write_1h, rates.cache_write_1h, 2.0),
                    (long.output, rates.output, 1.5),
                ] {
                    assert!((long / short - factor).abs() < 1e-9, "{}", quote.model);
                }
            }
        }
        assert!(seen.len() > 70);
    }
}

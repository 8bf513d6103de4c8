//! What a request cost: the built-in price table, the configuration's overrides, and the arithmetic.
//!
//! Prices are absolute, in USD per million tokens, and apply to exclusive buckets: a token is paid for once. A model
//! without a price costs `None`, never zero. An entry of `prices` in the configuration is the whole price of the
//! models it matches: no threshold, service tier or region is applied to it.
mod prices;
mod spelling;

use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::{HashMap, RandomState};
use dashmap::DashMap;

use crate::config::Price;
use crate::protocol::hub::usage::Usage;
use prices::Row;

pub use prices::{Long, Rates, Terms};
pub use spelling::spellings;

/// The built-in prices under those of the configuration. Immutable but for a bounded memo of lookups.
#[derive(Debug)]
pub struct PriceTable {
    /// Most specific first.
    overrides: Vec<Override>,
    /// Spelling (see [`spellings`]) → row and the id in it.
    built_in: HashMap<String, (&'static Row, &'static str)>,
    memo: DashMap<Box<str>, Option<Found>, RandomState>,
    memoised: AtomicUsize,
}

/// The price of one model, or of all models that a pattern of the configuration matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote<'a> {
    /// The id in the built-in table, or the pattern in the configuration.
    pub model: &'a str,
    pub rates: Rates,
    /// What a request with a longer prompt pays instead.
    pub long: Option<Long>,
    pub terms: &'static Terms,
    /// Where the price comes from, for people.
    pub source: &'static str,
}

impl Quote<'_> {
    /// USD for `usage` on the stated service tier and in the stated region.
    ///
    /// The row is chosen for the whole request. A tier or region without a factor of its own is the standard one.
    pub fn cost(&self, usage: &Usage, tier: Option<&str>, region: Option<&str>) -> f64 {
        let rates = match &self.long {
            Some(long) if usage.prompt() > long.above => &long.rates,
            _ => &self.rates,
        };
        rates.cost(usage) * self.terms.tier(tier) * self.terms.region(region)
    }
}

impl PriceTable {
    /// The built-in table under the `prices` of the configuration.
    pub fn new(prices: &[Price]) -> Self {
        let mut overrides: Vec<Override> = prices.iter().map(Override::new).collect();
        // Stable: equally specific patterns keep the order of the file.
        overrides.sort_by_key(|entry| std::cmp::Reverse(specificity(entry.price.model.pattern())));
        let mut built_in = HashMap::default();
        for (row, id) in rows() {
            spellings(id, |spelling| {
                built_in.insert(spelling.to_owned(), (row, id));
                Some(())
            });
        }
        Self {
            overrides,
            built_in,
            memo: DashMap::with_hasher(RandomState::new()),
            memoised: AtomicUsize::new(0),
        }
    }

    /// USD for `usage` of `model` (the upstream's name, not an alias), on the service tier or speed that the
    /// *response* stated. `None` = no price is known.
    pub fn cost(&self, model: &str, usage: &Usage, tier: Option<&str>) -> Option<f64> {
        self.cost_in(model, usage, tier, None)
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

    /// The price of `model`, if one is known.
    pub fn quote(&self, model: &str) -> Option<Quote<'_>> {
        let found = match self.memo.get(model) {
            Some(found) => *found,
            None => self.look_up(model),
        };
        Some(match found? {
            Found::BuiltIn(row, id) => quote(row, id),
            Found::Override(position) => self.overrides.get(position)?.quote(),
        })
    }

    /// Every price: the configuration's, most specific first, then the built-in table.
    pub fn list(&self) -> impl Iterator<Item = Quote<'_>> {
        let built_in = rows().map(|(row, id)| quote(row, id));
        self.overrides.iter().map(Override::quote).chain(built_in)
    }

    fn look_up(&self, model: &str) -> Option<Found> {
        let found = self.over(model).or_else(|| {
            spellings(model, |spelling| {
                let built_in = self.built_in.get(spelling);
                built_in.map(|(row, id)| self.over(id).unwrap_or(Found::BuiltIn(row, id)))
            })
        });
        // Clients name models: without bounds, one of them could fill the memory.
        if model.len() <= MAX_MEMO_NAME && self.memoised.fetch_add(1, Ordering::Relaxed) < MAX_MEMO
        {
            self.memo.insert(model.into(), found);
        }
        found
    }

    fn over(&self, model: &str) -> Option<Found> {
        let position = self
            .overrides
            .iter()
            .position(|entry| entry.price.model.is_match(model))?;
        Some(Found::Override(position))
    }
}

/// The ids of the built-in table.
pub fn ids() -> impl Iterator<Item = &'static str> {
    rows().map(|(_, id)| id)
}

#[derive(Debug)]
struct Override {
    price: Price,
    rates: Rates,
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
        Self {
            price: price.clone(),
            rates,
        }
    }

    fn quote(&self) -> Quote<'_> {
        Quote {
            model: self.price.model.pattern(),
            rates: self.rates,
            long: None,
            terms: &Terms::NONE,
            source: "configuration",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Found {
    BuiltIn(&'static Row, &'static str),
    Override(usize),
}

fn rows() -> impl Iterator<Item = (&'static Row, &'static str)> {
    prices::TABLE
        .iter()
        .flat_map(|row| row.ids.iter().map(move |id| (row, *id)))
}

fn quote(row: &'static Row, id: &'static str) -> Quote<'static> {
    Quote {
        model: id,
        rates: row.rates,
        long: row.long,
        terms: row.terms,
        source: row.source,
    }
}

/// How much of a pattern is literal: an exact name beats every glob, a longer glob a shorter one.
fn specificity(pattern: &str) -> (bool, usize) {
    let wild = |c: char| matches!(c, '*' | '?' | '[' | '{');
    (
        !pattern.contains(wild),
        pattern.chars().filter(|&c| !wild(c)).count(),
    )
}

/// The longest name remembered. Real ones stay under 64 bytes.
const MAX_MEMO_NAME: usize = 128;

/// How many names are remembered. Real deployments serve tens of models.
const MAX_MEMO: usize = 4096;

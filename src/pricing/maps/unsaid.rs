//! Fills in the prices that a map does not state: they keep their known ratio to the prices that the map does state.
//!
//! An entry of `prices` replaces every rate of the models that it matches, so it has to be complete. But models.dev has
//! one price for cache writes where Anthropic has two, and in both maps a tier may lack its cache prices, a threshold
//! its audio prices, or an image model its prices by size.
use std::collections::BTreeMap;

use super::{Listed, ListedTier, rounded};
use crate::catalog::{Long, Rates};
use crate::config::UnitPrices;
use crate::pricing::Quote;
use crate::pricing::tiers::Length;

/// The kinds of tokens for which a map states no price.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsaid {
    /// Whether each kind of token lacks a price, in the order of [`Rates::kinds`], by service tier (empty: the standard
    /// tier) and threshold (0: none).
    pages: BTreeMap<(String, u64), [bool; 5]>,
    /// Whether the threshold is only the name of a member, so that the vendor's real threshold may be another.
    pub is_named_threshold: bool,
}

impl Unsaid {
    /// Records which prices are stated for a tier above a threshold, in the order of [`Rates::kinds`].
    pub(super) fn note(&mut self, tier: &str, above: u64, said: [Option<f64>; 5]) {
        let page = said.map(|usd| usd.is_none());
        self.pages.insert((tier.to_owned(), above), page);
    }

    fn page(&self, tier: &str, above: u64) -> [bool; 5] {
        let page = self.pages.get(&(tier.to_owned(), above));
        page.copied().unwrap_or([true; 5])
    }

    /// `listed`, with the prices that it does not state derived from the known ones.
    pub(super) fn filled(&self, listed: &Listed, quote: &Quote<'_>) -> Listed {
        let mut listed = listed.clone();
        fill_pieces(&mut listed.units, &quote.units.prices());
        if quote.rates.is_free() {
            return listed;
        }
        listed.rates = rates(&listed.rates, &quote.rates, self.page("", 0));
        let ordinary = listed.rates;
        for long in &mut listed.long {
            self.fill_long(long, &ordinary, quote);
        }
        for tier in &mut listed.tiers {
            self.fill_tier(tier, (&ordinary, &listed.long), quote);
        }
        listed
    }

    fn fill_long(&self, long: &mut Long, ordinary: &Rates, quote: &Quote<'_>) {
        let page = self.page("", long.above);
        if self.is_named_threshold
            && let Some(known) = quote.long.all().next()
        {
            long.above = known.above;
        }
        let known = quote.long.all().find(|known| known.above == long.above);
        let like = known.map_or(*ordinary, |known| known.rates);
        long.rates = rates(&long.rates, &like, page);
        if let Some(known) = known {
            let media = known.media.scaled(&known.rates, &long.rates);
            long.media = long.media.or(&media);
        }
    }

    fn fill_tier(
        &self,
        tier: &mut ListedTier,
        (ordinary, longs): (&Rates, &[Long]),
        quote: &Quote<'_>,
    ) {
        let name = Some(tier.name.as_str());
        let is_known =
            quote.terms.tier_rates(name).is_some() || (quote.terms.tier(name) - 1.0).abs() > 1e-9;
        let like = if is_known {
            quote.paid(Length::Tokens(0), name).rates()
        } else {
            *ordinary
        };
        tier.rates = rates(&tier.rates, &like, self.page(&tier.name, 0));
        for long in &mut tier.long {
            let page = self.page(&tier.name, long.above);
            let mut known = quote.thresholds(name).all();
            let known = known.any(|known| known.above == long.above) && is_known && !page[0];
            let beside = longs.iter().find(|beside| beside.above == long.above);
            let like = match beside {
                _ if known => quote.paid(Length::Tokens(long.above + 1), name).rates(),
                Some(beside) => beside.scaled(ordinary, &tier.rates).rates,
                None => tier.rates,
            };
            long.rates = rates(&long.rates, &like, page);
        }
    }
}

/// The rates of `said`; rates that it does not state have the same ratio to the input rate as in `like`. The rate of
/// one-hour cache writes keeps its ratio to that of five-minute writes.
fn rates(said: &Rates, like: &Rates, [input, short, long, read, output]: [bool; 5]) -> Rates {
    let ratio = |new: f64, old: f64| if old > 0.0 { new / old } else { 1.0 };
    let of = |is_unsaid: bool, said: f64, known: f64| if is_unsaid { rounded(known) } else { said };
    let input = of(input, said.input, like.input);
    let factor = ratio(input, like.input);
    let written = of(short, said.cache_write_5m, like.cache_write_5m * factor);
    let by_written = ratio(written, like.cache_write_5m);
    Rates {
        input,
        cache_write_5m: written,
        cache_write_1h: of(long, said.cache_write_1h, like.cache_write_1h * by_written),
        cache_read: of(read, said.cache_read, like.cache_read * factor),
        output: of(output, said.output, like.output * factor),
    }
}

/// An entry's prices of images and of videos replace all known ones, so known prices that the map does not state are
/// added.
fn fill_pieces(listed: &mut UnitPrices, known: &UnitPrices) {
    let fill = |listed: &mut Vec<(String, f64)>, known: &[(String, f64)]| {
        for (kind, usd) in known {
            if listed.iter().all(|(named, _)| named != kind) {
                listed.push((kind.clone(), *usd));
            }
        }
    };
    if listed.sells_images() {
        fill(&mut listed.images, &known.images);
        listed.image = listed.image.or(known.image);
    }
    if listed.sells_videos() {
        fill(&mut listed.videos, &known.videos);
        listed.video_second = listed.video_second.or(known.video_second);
    }
}

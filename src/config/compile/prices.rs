//! `prices`.
use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::{Compiler, items};
use crate::config::diagnostic::quote;
use crate::config::raw::Raw;
use crate::config::raw::prices as raw;
use crate::config::raw::rewrite::OneOrMore;
use crate::config::raw::values::{Number, Text};
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Field, Map};
use crate::config::{
    LongPrice, MediaPrices, OwnPrices, Price, PriceTerms, TierPrice, ToolPrices, UnitPrices,
};

/// USD for one unit of each currency, by code.
type Rates = BTreeMap<String, f64>;

impl Compiler<'_, '_> {
    pub(super) fn prices(&mut self, root: &Raw) -> Option<Vec<Price>> {
        if root.prices.is_wrong() {
            return None;
        }
        let Some(raw) = root.prices.get() else {
            return Some(Vec::new());
        };
        let mut prices: Vec<Price> = Vec::new();
        let rates = self.rates(raw);
        let mut complete = rates.is_some();
        let mut rates = rates.unwrap_or_default();
        complete &= self.add_prices(raw, &rates, &mut prices);
        // The file's prices follow the list, because the first match wins.
        if let Some(filed) = &raw.filed {
            let own = self.rates(filed);
            complete &= own.is_some();
            rates.extend(own.unwrap_or_default());
            complete &= self.add_prices(filed, &rates, &mut prices);
        }
        (complete && !raw.file.is_wrong()).then_some(prices)
    }

    /// Adds the prices of one list. `false` = there is a fault.
    fn add_prices(&mut self, raw: &raw::Prices, rates: &Rates, prices: &mut Vec<Price>) -> bool {
        let mut complete = !raw.list.is_wrong();
        for item in items(&raw.list) {
            let price = item.get().and_then(|price| self.price(price, rates));
            complete &= price.is_some();
            if let Some(price) = &price
                && let Some(earlier) = prices
                    .iter()
                    .find(|earlier| earlier.model.hides(&price.model))
            {
                let message = format!(
                    "found a price that never counts: the entry for {} before it takes every model that it matches",
                    quote(earlier.model.pattern())
                );
                let hint = "the first match wins: put the more general one last".to_owned();
                self.faults.warn(item.at(), message, Some(hint));
            }
            prices.extend(price);
        }
        complete
    }

    /// The exchange rates of the currencies. `None` = there is a fault.
    fn rates(&mut self, raw: &raw::Prices) -> Option<Rates> {
        let mut rates = Rates::new();
        let mut complete = !raw.currency.is_wrong();
        for (at, code, rate) in raw.currency.get().map_or(&[][..], |map| map.0.as_slice()) {
            if !is_code(code) || code == "USD" {
                let message = format!(
                    "found {}, expected the code of another currency than USD, such as `CNY`",
                    quote(code)
                );
                let hint = "three capital letters, as ISO 4217 has them".to_owned();
                self.faults.add_with(at, message, Some(hint));
                complete = false;
            }
            let Some(Number(rate)) = rate.get() else {
                complete = false;
                continue;
            };
            if !(*rate > 0.0 && *rate <= MOST_RATE) {
                let message =
                    format!("found `{rate}`, expected a number above 0, at most {MOST_RATE}");
                let hint = "it is what one unit costs in USD: CNY: 0.14".to_owned();
                self.faults.add_with(at, message, Some(hint));
                complete = false;
            }
            rates.insert(code.clone(), *rate);
        }
        if raw.as_of.is_given() {
            self.as_of(&raw.as_of);
        }
        complete.then_some(rates)
    }

    fn day(&mut self, field: &Field<Text>) -> Option<Date> {
        let Text(text) = field.get()?;
        let day = text.parse().ok();
        if day.is_none() {
            let message = format!("found {}, expected a day such as `2026-11-01`", quote(text));
            let at = field.at();
            self.faults
                .add_with(at, message, Some("the day of these figures".to_owned()));
        }
        day
    }

    /// Warns of exchange rates that are too old.
    fn as_of(&mut self, field: &Field<Text>) {
        let Some(day) = self.day(field) else {
            return;
        };
        let age = today(self.now).and_then(|today| today.since((Unit::Day, day)).ok());
        if age.is_some_and(|age| age.get_days() > OLD_DAYS) {
            let message =
                format!("found rates of `{day}`, expected ones of the last {OLD_DAYS} days");
            let hint = "look up `currency` anew, and change the date".to_owned();
            self.faults.warn(field.at(), message, Some(hint));
        }
    }

    fn price(&mut self, raw: &raw::Price, rates: &Rates) -> Option<Price> {
        let rate = self.rate(&raw.currency, rates)?;
        let usd = |field: &Field<Number>| field.get().map(|price| price.0 * rate.unwrap_or(1.0));
        let terms = self.terms(raw, rate.unwrap_or(1.0))?;
        let [input, output] = [&raw.input, &raw.output].map(|field| {
            let is_left_out = !field.is_given() && raw.units.is_given();
            if !field.is_given() && !is_left_out {
                let hint = "only what is sold by `units` costs nothing by the token".to_owned();
                self.faults
                    .add_with(field.at(), "found nothing, expected a number", Some(hint));
            }
            if is_left_out { Some(0.0) } else { usd(field) }
        });
        Some(Price {
            model: raw.model.get()?.0.clone(),
            input: input?,
            output: output?,
            cache_read: usd(&raw.cache_read),
            cache_write_5m: usd(&raw.cache_write_5m),
            cache_write_1h: usd(&raw.cache_write_1h),
            is_known: rate.is_some(),
            terms,
        })
    }

    /// The terms of an entry besides its token prices, converted to dollars by `rate`.
    fn terms(&mut self, raw: &raw::Price, rate: f64) -> Option<PriceTerms> {
        let usd = |field: &Field<Number>| field.get().map(|price| price.0 * rate);
        let tools = raw.tools.get().map(|tools| ToolPrices {
            web_search: usd(&tools.web_search),
            web_search_preview: usd(&tools.web_search_preview),
            file_search: usd(&tools.file_search),
            code_session: usd(&tools.code_session),
            maps: usd(&tools.maps),
        });
        let units = match raw.units.get() {
            Some(units) => {
                let images = self.figures(&units.images, PICTURE)?.into_iter();
                let videos = self.figures(&units.videos, PICTURE)?.into_iter();
                Some(UnitPrices {
                    image: usd(&units.image),
                    images: images.map(|(name, price)| (name, price * rate)).collect(),
                    audio_minute: usd(&units.audio_minute),
                    characters: usd(&units.characters),
                    searches: usd(&units.searches),
                    video_second: usd(&units.video_second),
                    videos: videos.map(|(name, price)| (name, price * rate)).collect(),
                })
            }
            None => None,
        };
        let (long, tiers) = (self.longs(&raw.long, rate), self.tiers(&raw.tiers, rate));
        let regions = self.figures(&raw.regions, FACTOR);
        let is_day = !raw.as_of.is_given() || self.day(&raw.as_of).is_some();
        let source = raw.source.get().map(|Text(text)| text.as_str().into());
        let wrong = raw.tools.is_wrong()
            || raw.media.is_wrong()
            || raw.units.is_wrong()
            || raw.source.is_wrong()
            || !is_day;
        (!wrong).then_some(PriceTerms {
            long: given(long?),
            tiers: tiers?,
            regions: regions?,
            tools: tools.unwrap_or_default(),
            media: media(&raw.media, rate),
            units: units.unwrap_or_default(),
            source,
        })
    }

    /// The prices for longer prompts, by rising thresholds; empty if there are none. `None` = there is a fault.
    fn longs(&mut self, field: &Field<OneOrMore<raw::Long>>, rate: f64) -> Option<Vec<LongPrice>> {
        let mut longs: Vec<LongPrice> = Vec::new();
        let mut complete = !field.is_wrong();
        let items = field.get().map_or(&[][..], |list| list.0.as_slice());
        if field.get().is_some() && items.is_empty() {
            let hint = "leave it out to keep the thresholds of the built-in table".to_owned();
            let message = "found an empty list, expected what long prompts cost";
            self.faults.add_with(field.at(), message, Some(hint));
            complete = false;
        }
        for item in items {
            let Some(long) = item.get().and_then(|raw| long(raw, rate)) else {
                complete = false;
                continue;
            };
            if longs.iter().any(|other| other.above == long.above) {
                let message = format!("found the threshold `{}` twice", long.above);
                let hint = "each has one price".to_owned();
                self.faults.add_with(item.at(), message, Some(hint));
                complete = false;
            }
            longs.push(long);
        }
        longs.sort_by_key(|long| long.above);
        complete.then_some(longs)
    }

    /// The prices of service tiers. `None` = there is a fault.
    fn tiers(
        &mut self,
        field: &Field<Map<raw::Tier>>,
        rate: f64,
    ) -> Option<Vec<(String, TierPrice)>> {
        let mut tiers = Vec::new();
        let mut complete = !field.is_wrong();
        for (at, name, tier) in field.get().map_or(&[][..], |map| map.0.as_slice()) {
            let tier = match tier.get() {
                Some(raw::Tier::Factor(Number(factor))) => self
                    .figure(at, *factor, FACTOR)
                    .then_some(TierPrice::Factor(*factor)),
                Some(raw::Tier::Own(own)) => self.own(own, rate),
                None => None,
            };
            complete &= tier.is_some();
            tiers.extend(tier.map(|tier| (name.clone(), tier)));
        }
        complete.then_some(tiers)
    }

    /// The prices of one tier. `None` = there is a fault.
    fn own(&mut self, raw: &raw::OwnPrices, rate: f64) -> Option<TierPrice> {
        let long = self.longs(&raw.long, rate)?;
        let rates = [
            &raw.input,
            &raw.output,
            &raw.cache_read,
            &raw.cache_write_5m,
            &raw.cache_write_1h,
        ];
        if raw.media.is_wrong() || rates.iter().any(|field| field.is_wrong()) {
            return None;
        }
        let [input, output, cache_read, cache_write_5m, cache_write_1h] =
            rates.map(|field| field.get().map(|price| price.0 * rate));
        Some(TierPrice::Own(Box::new(OwnPrices {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            media: media(&raw.media, rate),
            long: given(long),
        })))
    }

    /// Whether a number is in its range; otherwise a fault is recorded.
    fn figure(&mut self, at: &At, figure: f64, (what, hint): (&str, &str)) -> bool {
        let fits = (0.0..=MOST_FIGURE).contains(&figure);
        if !fits {
            let message = format!("found `{figure}`, expected {what} from 0 to {MOST_FIGURE}");
            self.faults.add_with(at, message, Some(hint.to_owned()));
        }
        fits
    }

    /// Names with their numbers, such as factors. `None` = there is a fault.
    fn figures(
        &mut self,
        field: &Field<Map<Number>>,
        words: (&str, &str),
    ) -> Option<Vec<(String, f64)>> {
        let mut figures = Vec::new();
        let mut complete = !field.is_wrong();
        for (at, name, factor) in field.get().map_or(&[][..], |map| map.0.as_slice()) {
            match factor.get() {
                Some(Number(figure)) => {
                    complete &= self.figure(at, *figure, words);
                    figures.push((name.clone(), *figure));
                }
                None => complete = false,
            }
        }
        complete.then_some(figures)
    }

    /// USD for one unit of the currency; `Some(None)` = the exchange rate is unknown.
    #[expect(
        clippy::option_option,
        reason = "a fault is something else than a rate that is missing"
    )]
    fn rate(&mut self, field: &Field<Text>, rates: &Rates) -> Option<Option<f64>> {
        if !field.is_given() {
            return Some(Some(1.0));
        }
        let Text(code) = field.get()?;
        if code == "USD" {
            return Some(Some(1.0));
        }
        if !is_code(code) {
            let message = format!("found {}, expected a currency such as `CNY`", quote(code));
            let hint = "three capital letters, as ISO 4217 has them".to_owned();
            self.faults.add_with(field.at(), message, Some(hint));
            return None;
        }
        let rate = rates.get(code).copied();
        if rate.is_none() {
            let message = format!(
                "found {} without a rate: these models count as unpriced",
                quote(code)
            );
            let hint = format!("prices: {{ currency: {{ {code}: 0.14 }}, list: [ … ] }}");
            self.faults.warn(field.at(), message, Some(hint));
        }
        Some(rate)
    }
}

/// `None` = there is a fault.
fn long(raw: &raw::Long, rate: f64) -> Option<LongPrice> {
    let usd = |field: &Field<Number>| field.get().map(|price| price.0 * rate);
    (!raw.media.is_wrong()).then_some(LongPrice {
        above: raw.above.get()?.0,
        input: usd(&raw.input)?,
        output: usd(&raw.output)?,
        cache_read: usd(&raw.cache_read),
        cache_write_5m: usd(&raw.cache_write_5m),
        cache_write_1h: usd(&raw.cache_write_1h),
        media: media(&raw.media, rate),
    })
}

fn media(field: &Field<raw::Media>, rate: f64) -> MediaPrices {
    let usd = |field: &Field<Number>| field.get().map(|price| price.0 * rate);
    field
        .get()
        .map_or_else(MediaPrices::default, |media| MediaPrices {
            audio_input: usd(&media.audio_input),
            image_input: usd(&media.image_input),
            audio_output: usd(&media.audio_output),
            image_output: usd(&media.image_output),
        })
}

/// `None` = the list is empty.
fn given(longs: Vec<LongPrice>) -> Option<Vec<LongPrice>> {
    (!longs.is_empty()).then_some(longs)
}

fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn today(now: SystemTime) -> Option<Date> {
    Some(
        Timestamp::try_from(now)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .date(),
    )
}

/// The expected value and the hint for tiers and regions.
const FACTOR: (&str, &str) = ("a factor", "half the price is 0.5");
const PICTURE: (&str, &str) = ("a price", "USD for one picture, or units of `currency`");

/// The most expensive tier costs six times the ordinary price, the most expensive image less than a dollar.
const MOST_FIGURE: f64 = 100.0;

/// The most valuable currency is worth less than four dollars. A quarter of a year is old.
const MOST_RATE: f64 = 1_000.0;
const OLD_DAYS: i32 = 92;

#[cfg(test)]
mod tests {
    use crate::config::Glob;

    #[test]
    fn a_price_that_never_counts_is_found() {
        let glob = |text: &str| Glob::new(text).expect("a pattern");
        for (first, second, hidden) in [
            ("*", "gpt-5", true),
            ("gpt-*", "gpt-5*", true),
            ("gpt-5", "gpt-5", true),
            ("gpt-5*", "gpt-5*", true),
            ("{a,b}", "a", true),
            ("gpt-5", "gpt-*", false),
            ("gpt-5*", "gpt-*", false),
            ("gpt-?", "gpt-*", false),
            ("gpt-4*", "gpt-5", false),
        ] {
            assert_eq!(glob(first).hides(&glob(second)), hidden, "{first} {second}");
        }
    }
}

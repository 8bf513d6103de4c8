//! Spend by model: US dollars per day and per kind of token, what prompt caches saved, and which models have no price.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::Totals;
use crate::limits::ledger::Row;
use crate::pricing::PriceTable;
use crate::protocol::hub::units::{Picture, Units};

/// Sums by model (the second name of a row), the most expensive first.
pub(super) fn models(rows: &[Row]) -> Vec<(&str, Totals)> {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in rows {
        let name = row.names.get(1).map_or("", String::as_str);
        sums.entry(name).or_default().add(&row.totals);
    }
    let mut list: Vec<_> = sums.into_iter().collect();
    list.sort_by_key(|(_, totals)| std::cmp::Reverse((totals.nano_usd, totals.requests)));
    list
}

/// US dollars by day and model. The most expensive models are shown by name, all others together.
pub(super) fn series(rows: &[Row], models: &[(&str, Totals)]) -> Value {
    let told: Vec<&str> = models
        .iter()
        .take(MOST_SERIES - 1)
        .map(|(name, _)| *name)
        .collect();
    let others = models.len() > told.len();
    let width = told.len() + usize::from(others);
    let mut days: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let (Some(day), Some(model)) = (row.names.first(), row.names.get(1)) else {
            continue;
        };
        let at = told
            .iter()
            .position(|name| name == model)
            .unwrap_or(told.len());
        let values = days.entry(day).or_insert_with(|| vec![0.0; width]);
        if let Some(value) = values.get_mut(at) {
            *value += row.totals.usd();
        }
    }
    let mut names: Vec<&str> = told;
    names.extend(others.then_some("other"));
    let days: Vec<Value> = days
        .into_iter()
        .map(|(day, values)| json!({ "day": day, "usd": values }))
        .collect();
    json!({ "names": names, "days": days })
}

/// How the money divides among the kinds of tokens and units: by the prices in force, scaled to what was charged.
pub(super) fn kinds(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
    let mut sums: [(f64, u64); KINDS] = [(0.0, 0); KINDS];
    for (model, totals) in models {
        let (usage, units) = (&totals.usage, totals.usage.units.figures());
        let tokens = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
        ];
        for ((_, sum), count) in sums.iter_mut().zip(tokens.into_iter().chain(units)) {
            *sum += count;
        }
        let Some(quote) = prices.quote(model) else {
            continue;
        };
        let rates = &quote.rates;
        let rates = [
            rates.input,
            rates.cache_read,
            rates.cache_write_5m,
            rates.cache_write_1h,
            rates.output,
        ];
        let parts = tokens.iter().zip(rates);
        let mut parts: Vec<f64> = parts.map(|(count, rate)| *count as f64 * rate).collect();
        let mut whole: f64 = parts.iter().sum();
        // Where a model has a price for tokens, the units are not taken into account.
        if whole <= 0.0 {
            let sold = quote.units.prices();
            let image = sold.image.or(sold.images.first().map(|(_, usd)| *usd));
            let video = sold.video_second;
            let video = video.or(sold.videos.first().map(|(_, usd)| *usd));
            let each = [
                image,
                sold.audio_minute.map(|usd| usd / 60e3),
                sold.characters.map(|usd| usd / 1e6),
                sold.searches.map(|usd| usd / 1e3),
                video.map(|usd| usd / 1e3),
            ];
            let pieces = units.iter().zip(each);
            parts.extend(pieces.map(|(count, usd)| *count as f64 * usd.unwrap_or(0.0)));
            whole = parts.iter().sum();
        }
        if whole > 0.0 {
            for ((sum, _), part) in sums.iter_mut().zip(parts) {
                *sum += part / whole * totals.usd();
            }
        }
    }
    let tokens = [
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
    ];
    let names = tokens.into_iter().chain(Units::KINDS);
    let told = names
        .zip(sums)
        .enumerate()
        .filter(|(_, (_, sum))| sum.1 > 0);
    let list: Vec<Value> = told
        .map(|(at, (name, (usd, count)))| {
            let counted = if at < tokens.len() { "tokens" } else { "units" };
            json!({ "kind": name, "usd": usd, counted: count })
        })
        .collect();
    json!(list)
}

/// What the same tokens would have cost without a prompt cache, minus what they did cost. The result may be negative,
/// because writing to the cache first costs more than reading saves.
pub(super) fn saved(models: &[(&str, Totals)], prices: &PriceTable) -> f64 {
    models
        .iter()
        .filter_map(|(model, totals)| {
            let (rates, usage) = (prices.quote(model)?.rates, &totals.usage);
            let saved = usage.cache_read as f64 * (rates.input - rates.cache_read)
                + usage.cache_write_5m as f64 * (rates.input - rates.cache_write_5m)
                + usage.cache_write_1h as f64 * (rates.input - rates.cache_write_1h);
            Some(saved / 1e6)
        })
        .sum()
}

/// Models that were used and have no price.
pub(super) fn unpriced(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
    let list: Vec<Value> = models
        .iter()
        .filter(|(model, totals)| {
            let usage = &totals.usage;
            // A price for tokens is not a price for units.
            let is_known = prices.quote(model).is_some_and(|quote| {
                let pieces = quote.units.cost(&usage.units, &Picture::default());
                usage.total() > 0 || pieces.is_some()
            });
            totals.nano_usd == 0 && usage.is_something() && !model.is_empty() && !is_known
        })
        .take(MOST_UNPRICED)
        .map(|(model, totals)| {
            let mut told = json!({ "model": model, "requests": totals.requests, "tokens": totals.usage.total() });
            let units = totals.usage.units.named().filter(|(_, count)| *count > 0);
            for (name, count) in units {
                told[name] = count.into();
            }
            told
        })
        .collect();
    json!(list)
}

/// The kinds of tokens and the kinds of units.
const KINDS: usize = 5 + Units::KINDS.len();

/// The most series per day, including the one for all other models.
const MOST_SERIES: usize = 6;

const MOST_UNPRICED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub::usage::Usage;

    fn row(names: [&str; 3], usd: f64, usage: Usage) -> Row {
        Row {
            names: names.map(str::to_owned).to_vec(),
            totals: Totals {
                requests: 1,
                usage,
                nano_usd: (usd * 1e9) as u64,
            },
        }
    }

    #[test]
    fn the_dearest_models_are_told_apart_and_the_rest_is_one() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let rows: Vec<Row> = names
            .iter()
            .zip([7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
            .map(|(name, usd)| row(["2026-11-01", name, "k"], usd, Usage::default()))
            .collect();
        let value = series(&rows, &models(&rows));
        assert_eq!(value["names"], json!(["a", "b", "c", "d", "e", "other"]));
        assert_eq!(
            value["days"][0]["usd"],
            json!([7.0, 6.0, 5.0, 4.0, 3.0, 3.0])
        );
    }

    #[test]
    fn money_by_kind_adds_up_to_the_money() {
        let usage = Usage {
            input: 1000,
            cache_read: 100_000,
            output: 500,
            ..Usage::default()
        };
        let prices = PriceTable::new(&[]);
        let rows = [
            row(["2026-11-01", "claude-sonnet-4-5", "k"], 3.0, usage),
            row(["2026-11-01", "no-such-model", "k"], 0.0, usage),
        ];
        let models = models(&rows);
        let kinds = kinds(&models, &prices);
        let list = kinds.as_array().expect("a list");
        let usd: f64 = list.iter().filter_map(|kind| kind["usd"].as_f64()).sum();
        assert!((usd - 3.0).abs() < 1e-9 && list.len() == 3, "{list:?}");
        assert_eq!(list[1]["tokens"], 200_000);
        assert!(saved(&models, &prices) > 0.2);
        assert_eq!(
            unpriced(&models, &prices),
            json!([{ "model": "no-such-model", "requests": 1, "tokens": 101_500 }])
        );
    }

    #[test]
    fn what_is_sold_by_the_piece_is_a_kind_and_may_lack_a_price() {
        let units = |units: Units| Usage {
            units,
            ..Usage::default()
        };
        let heard = units(Units {
            audio_ms: 90_000,
            ..Units::NONE
        });
        let drawn = units(Units {
            images: 3,
            ..Units::NONE
        });
        // The tokens of such a picture are paid for, and the picture itself is only counted.
        let both = Usage {
            output: 500,
            ..drawn
        };
        let prices = PriceTable::new(&[]);
        let rows = [
            row(["2026-11-01", "gpt-image-1", "k"], 2.0, both),
            row(["2026-11-01", "whisper-1", "k"], 0.5, heard),
            row(["2026-11-01", "dall-e-3", "k"], 0.25, drawn),
            // Only the token price of this model is known.
            row(["2026-11-01", "gpt-5", "k"], 0.0, heard),
            row(["2026-11-01", "no-such-painter", "k"], 0.0, drawn),
        ];
        let models = models(&rows);
        let kinds = kinds(&models, &prices);
        let told: Vec<(&str, u64, u64)> = kinds
            .as_array()
            .expect("a list")
            .iter()
            .map(|kind| {
                let count = kind["tokens"].as_u64().or(kind["units"].as_u64());
                let cents = kind["usd"].as_f64().map(|usd| (usd * 100.0).round() as u64);
                let name = kind["kind"].as_str().expect("a name");
                (name, cents.expect("dollars"), count.expect("a count"))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("output", 200, 500),
                ("images", 25, 9),
                ("audio_ms", 50, 180_000)
            ]
        );
        let unpriced = unpriced(&models, &prices);
        let mut names: Vec<&str> = unpriced
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|told| told["model"].as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["gpt-5", "no-such-painter"], "{unpriced}");
    }
}

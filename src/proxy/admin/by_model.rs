//! What the models tell about spend: dollars by day, by kind of token, what caches saved, and what has no price.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::Totals;
use crate::limits::ledger::Row;
use crate::pricing::PriceTable;

/// Sums by the second of the three names, the dearest first.
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

/// Dollars by day and model: the dearest models, and the others together.
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

/// Where the money went, by kind of token: at the prices in force, scaled to what was charged.
pub(super) fn kinds(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
    let mut usd = [0.0; 5];
    let mut tokens = [0_u64; 5];
    for (model, totals) in models {
        let usage = &totals.usage;
        let counts = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
        ];
        for (sum, count) in tokens.iter_mut().zip(counts) {
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
        let parts: Vec<f64> = counts
            .iter()
            .zip(rates)
            .map(|(count, rate)| *count as f64 * rate)
            .collect();
        let whole: f64 = parts.iter().sum();
        if whole > 0.0 {
            for (sum, part) in usd.iter_mut().zip(parts) {
                *sum += part / whole * totals.usd();
            }
        }
    }
    let names = [
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
    ];
    let list: Vec<Value> = names
        .iter()
        .zip(usd)
        .zip(tokens)
        .filter(|(_, tokens)| *tokens > 0)
        .map(|((name, usd), tokens)| json!({ "kind": name, "usd": usd, "tokens": tokens }))
        .collect();
    json!(list)
}

/// What the same tokens would have cost without a cache, less what they did. Writing costs more than reading saves at
/// first: then it is negative.
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

/// Models that tokens were used of, and that have no price.
pub(super) fn unpriced(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
    let list: Vec<Value> = models
        .iter()
        .filter(|(model, totals)| {
            totals.nano_usd == 0
                && totals.usage.total() > 0
                && !model.is_empty()
                && prices.quote(model).is_none()
        })
        .take(MOST_UNPRICED)
        .map(|(model, totals)| {
            json!({ "model": model, "requests": totals.requests, "tokens": totals.usage.total() })
        })
        .collect();
    json!(list)
}

/// Models that are told apart by the day, the others together included.
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
}

//! `GET /admin/api/v1/usage`: who used what, by the day, from the history of the ledger; without one what this process
//! has counted today and this month.
mod ask;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value, json};

use self::ask::Ask;
use super::answer::Answer;
use super::requests::Query;
use super::times::timestamp_in;
use crate::limits::ledger::{self, Dimension, Row, figures};
use crate::limits::{Limit, Report, Scope, Totals};
use crate::pricing::PriceTable;
use crate::proxy::state::app::App;

/// Use and cost of the days that are asked for.
pub(super) fn usage(app: &App, query: &Query) -> Answer {
    let gateway = app.gateway();
    let zone = gateway.limits.zone();
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let ask = match Ask::read(query, today) {
        Ok(ask) => ask,
        Err(why) => return Answer::fault(400, &why),
    };
    let wall = SystemTime::now();
    let reports = gateway.limits.reports(Instant::now(), wall);
    let kept = gateway.config.ledger.as_ref();
    let (source, rows) = match kept.filter(|ledger| ledger::directory(&ledger.path).is_dir()) {
        Some(kept) => {
            let by = [Dimension::Day, Dimension::Model, ask.by];
            match ledger::report(&kept.path, (ask.from, ask.to), &by) {
                Ok(rows) => ("ledger", rows),
                Err(error) => {
                    let path = kept.path.display();
                    return Answer::fault(
                        500,
                        &format!("the history beside {path} cannot be read: {error}"),
                    );
                }
            }
        }
        None => ("memory", of_memory(&reports, &ask)),
    };
    let grouped = grouped(&rows, &ask);
    if ask.csv {
        let text = ledger::csv(&[ask.by], &grouped);
        let name = format!(
            "attachment; filename=\"weir-{}-{}-by-{}.csv\"",
            ask.from,
            ask.to,
            ask.by.as_str()
        );
        let answer = Answer::new(200, "text/csv; charset=utf-8", text.into_bytes());
        return match HeaderValue::from_str(&name) {
            Ok(name) => answer.with(CONTENT_DISPOSITION, name),
            Err(_) => answer,
        };
    }
    let total = sum(&rows);
    let limits = left(&reports, ask.by, wall);
    let shown: Vec<Value> = grouped
        .iter()
        .take(MOST_ROWS)
        .map(|row| {
            let name = row.names.first().map_or("", String::as_str);
            let mut value = described(&row.totals);
            value.insert("name".to_owned(), name.into());
            value.insert(
                "limit".to_owned(),
                limits.get(name).cloned().unwrap_or_default(),
            );
            Value::Object(value)
        })
        .collect();
    let models = models(&rows);
    Answer::json(
        200,
        &json!({
            "source": source,
            "instance": app.instance(),
            "since": kept.and_then(|kept| ledger::first_day(&kept.path)).map(|day| day.to_string()),
            "timezone": zone.iana_name(),
            "from": ask.from.to_string(),
            "to": ask.to.to_string(),
            "today": today.to_string(),
            "by": ask.by.as_str(),
            "matched": grouped.len(),
            "rows": shown,
            "total": described(&total),
            "series": series(&rows, &models),
            "kinds": kinds(&models, &gateway.prices),
            "saved_by_cache_usd": saved(&models, &gateway.prices),
            "unpriced": unpriced(&models, &gateway.prices),
            "projection_usd": projection(&rows, &ask, zone),
            "budget": left(&reports, Dimension::Day, wall).remove(""),
        }),
    )
}

/// What this process knows by itself: the running day or month by key, group or project. Days and models it does not tell
/// apart.
fn of_memory(reports: &[Report], ask: &Ask) -> Vec<Row> {
    let scope = match ask.by {
        Dimension::Group => Scope::Group,
        Dimension::Project => Scope::Project,
        _ => Scope::Key,
    };
    let month = ask.from < ask.today;
    reports
        .iter()
        .filter(|report| report.scope == scope)
        .map(|report| {
            let name = match ask.by {
                Dimension::Key | Dimension::Group | Dimension::Project => report.name.to_string(),
                _ => String::new(),
            };
            Row {
                names: vec![ask.today.to_string(), String::new(), name],
                totals: if month { report.month } else { report.day },
            }
        })
        .filter(|row| row.totals.requests > 0)
        .collect()
}

/// By the last of the three names, the dearest first.
fn grouped(rows: &[Row], ask: &Ask) -> Vec<Row> {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in rows {
        let name = row.names.get(2).map_or("", String::as_str);
        if ask.holds.is_empty() || name.to_lowercase().contains(&ask.holds) {
            sums.entry(name).or_default().add(&row.totals);
        }
    }
    let mut list: Vec<Row> = sums
        .into_iter()
        .map(|(name, totals)| Row {
            names: vec![name.to_owned()],
            totals,
        })
        .collect();
    list.sort_by_key(|row| std::cmp::Reverse((row.totals.nano_usd, row.totals.requests)));
    list
}

fn models(rows: &[Row]) -> Vec<(&str, Totals)> {
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
fn series(rows: &[Row], models: &[(&str, Totals)]) -> Value {
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
fn kinds(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
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
fn saved(models: &[(&str, Totals)], prices: &PriceTable) -> f64 {
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
fn unpriced(models: &[(&str, Totals)], prices: &PriceTable) -> Value {
    let list: Vec<Value> = models
        .iter()
        .filter(|(model, totals)| {
            totals.nano_usd == 0
                && totals.usage.input + totals.usage.output > 0
                && !model.is_empty()
                && prices.quote(model).is_none()
        })
        .take(MOST_UNPRICED)
        .map(|(model, totals)| json!({ "model": model, "requests": totals.requests }))
        .collect();
    json!(list)
}

/// What the running month will have cost at its pace; `null` for any other span.
fn projection(rows: &[Row], ask: &Ask, zone: &jiff::tz::TimeZone) -> Value {
    let first = ask.today.first_of_month();
    if ask.from != first || ask.to < ask.today {
        return Value::Null;
    }
    let begin = first
        .to_zoned(zone.clone())
        .map(|at| at.timestamp().as_second());
    let end = first
        .saturating_add(1.month())
        .to_zoned(zone.clone())
        .map(|at| at.timestamp().as_second());
    let (Ok(begin), Ok(end)) = (begin, end) else {
        return Value::Null;
    };
    let gone = Timestamp::now().as_second() - begin;
    // In its first hours a month says nothing about its end.
    if gone < A_DAY {
        return Value::Null;
    }
    json!(sum(rows).usd() * (end - begin) as f64 / gone as f64)
}

/// The month's limit of each key, group or project, or else the day's; for `Day` that of everyone, under the empty name.
fn left(reports: &[Report], by: Dimension, wall: SystemTime) -> BTreeMap<String, Value> {
    let scope = match by {
        Dimension::Key => Scope::Key,
        Dimension::Group => Scope::Group,
        Dimension::Project => Scope::Project,
        Dimension::Day => Scope::Global,
        Dimension::Model | Dimension::Account => return BTreeMap::new(),
    };
    reports
        .iter()
        .filter(|report| report.scope == scope)
        .filter_map(|report| {
            let of = |limit| {
                report
                    .standings
                    .iter()
                    .find(|standing| standing.limit == limit)
            };
            let standing = of(Limit::UsdPerMonth).or_else(|| of(Limit::UsdPerDay))?;
            let value = json!({
                "limit": standing.limit.as_str(),
                "cap_usd": standing.cap,
                "used_usd": standing.used,
                "resets_at": timestamp_in(wall, standing.resets_in),
            });
            let name = if by == Dimension::Day {
                String::new()
            } else {
                report.name.to_string()
            };
            Some((name, value))
        })
        .collect()
}

fn described(totals: &Totals) -> Map<String, Value> {
    let figures = figures(totals);
    let mut value: Map<String, Value> = figures
        .iter()
        .map(|(name, figure)| ((*name).to_owned(), (*figure).into()))
        .collect();
    value.insert("usd".to_owned(), totals.usd().into());
    value
}

fn sum(rows: &[Row]) -> Totals {
    rows.iter().fold(Totals::default(), |mut sum, row| {
        sum.add(&row.totals);
        sum
    })
}

/// Rows of one answer; the CSV has them all.
const MOST_ROWS: usize = 500;

/// Models that are told apart by the day, the others together included.
const MOST_SERIES: usize = 6;

const MOST_UNPRICED: usize = 20;

/// Seconds.
const A_DAY: i64 = 86_400;

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

    fn ask(query: &[(&str, &str)]) -> Result<Ask, String> {
        let query = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ask::read(&query, jiff::civil::date(2026, 11, 20))
    }

    #[test]
    fn the_running_month_by_key_is_what_is_meant_without_a_word() {
        let plain = ask(&[]).map(|ask| (ask.from.to_string(), ask.to.to_string(), ask.by.as_str()));
        assert_eq!(
            plain,
            Ok(("2026-11-01".to_owned(), "2026-11-20".to_owned(), "key"))
        );
        for wrong in [
            ("from", "yesterday"),
            ("to", "2026-02-30"),
            ("by", "kye"),
            ("to", "2026-10-01"),
        ] {
            assert!(ask(&[wrong]).is_err(), "{wrong:?}");
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
            json!([{ "model": "no-such-model", "requests": 1 }])
        );
    }

    #[test]
    fn rows_are_found_by_a_part_of_their_name() {
        let rows = [
            row(["2026-11-01", "m", "team-a"], 1.0, Usage::default()),
            row(["2026-11-02", "m", "team-b"], 2.0, Usage::default()),
            row(["2026-11-02", "m", "ops"], 4.0, Usage::default()),
        ];
        let found = grouped(&rows, &ask(&[("q", "TEAM")]).expect("a question"));
        let names: Vec<&str> = found.iter().map(|row| row.names[0].as_str()).collect();
        assert_eq!(names, ["team-b", "team-a"]);
    }
}

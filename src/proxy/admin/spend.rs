//! `GET /admin/api/v1/usage`: who used what, by day, from the history of the ledger. Without a ledger: what this
//! process has counted today and this month.
mod query;

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value, json};

use self::query::SpendQuery;
use super::answer::Answer;
use super::by_model::{kinds, models, saved, series, unpriced};
use super::requests::Query;
use super::times::timestamp_in;
use crate::limits::ledger::{self, Dimension, Row, figures};
use crate::limits::{Limit, Report, Scope, Totals};
use crate::proxy::clocks;
use crate::proxy::state::app::App;

/// Use and cost of the requested days.
pub(super) fn usage(app: &App, query: &Query) -> Answer {
    let gateway = app.gateway();
    let zone = gateway.limits.zone();
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let spend_query = match SpendQuery::read(query, today) {
        Ok(spend_query) => spend_query,
        Err(why) => return Answer::fault(400, &why),
    };
    let at = clocks::moment();
    let reports = gateway.limits.reports(at);
    let kept = gateway.config.ledger.as_ref();
    let (source, rows) = match kept.filter(|ledger| ledger::directory(&ledger.path).is_dir()) {
        Some(kept) => {
            let by = [Dimension::Day, Dimension::Model, spend_query.by];
            match ledger::report(&kept.path, (spend_query.from, spend_query.to), &by) {
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
        None => ("memory", of_memory(&reports, &spend_query)),
    };
    let grouped = grouped(&rows, &spend_query);
    if spend_query.csv {
        let text = ledger::csv(&[spend_query.by], &grouped);
        let name = format!(
            "attachment; filename=\"weir-{}-{}-by-{}.csv\"",
            spend_query.from,
            spend_query.to,
            spend_query.by.as_str()
        );
        let answer = Answer::new(200, "text/csv; charset=utf-8", text.into_bytes());
        return match HeaderValue::from_str(&name) {
            Ok(name) => answer.with(CONTENT_DISPOSITION, name),
            Err(_) => answer,
        };
    }
    let total = sum(&rows);
    let limits = left(&reports, spend_query.by, at.wall);
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
            "from": spend_query.from.to_string(),
            "to": spend_query.to.to_string(),
            "today": today.to_string(),
            "by": spend_query.by.as_str(),
            "matched": grouped.len(),
            "rows": shown,
            "total": described(&total),
            "series": series(&rows, &models),
            "kinds": kinds(&models, &gateway.prices),
            "saved_by_cache_usd": saved(&models, &gateway.prices),
            "unpriced": unpriced(&models, &gateway.prices),
            "projection_usd": projection(&rows, &spend_query, zone),
            "budget": left(&reports, Dimension::Day, at.wall).remove(""),
        }),
    )
}

/// What this process itself knows: the current day or month by key, group or project. It does not distinguish days or
/// models.
fn of_memory(reports: &[Report], spend_query: &SpendQuery) -> Vec<Row> {
    let scope = match spend_query.by {
        Dimension::Group => Scope::Group,
        Dimension::Project => Scope::Project,
        _ => Scope::Key,
    };
    let month = spend_query.from < spend_query.today;
    reports
        .iter()
        .filter(|report| report.scope == scope)
        .map(|report| {
            let name = match spend_query.by {
                Dimension::Key | Dimension::Group | Dimension::Project => report.name.to_string(),
                _ => String::new(),
            };
            Row {
                names: vec![spend_query.today.to_string(), String::new(), name],
                totals: if month { report.month } else { report.day },
            }
        })
        .filter(|row| row.totals.requests > 0)
        .collect()
}

/// Sums by the last of the three names, the most expensive first.
fn grouped(rows: &[Row], spend_query: &SpendQuery) -> Vec<Row> {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in rows {
        let name = row.names.get(2).map_or("", String::as_str);
        if spend_query.holds.is_empty() || name.to_lowercase().contains(&spend_query.holds) {
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

/// The projected cost of the current month at its present rate, in US dollars; `null` for any other span.
fn projection(rows: &[Row], spend_query: &SpendQuery, zone: &jiff::tz::TimeZone) -> Value {
    let first = spend_query.today.first_of_month();
    if spend_query.from != first || spend_query.to < spend_query.today {
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
    // In its first day a month says nothing about its end.
    if gone < A_DAY {
        return Value::Null;
    }
    json!(sum(rows).usd() * (end - begin) as f64 / gone as f64)
}

/// The budget of each key, group or project: per month, or else per day. For `Day` it is everyone's, under the empty
/// name.
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
    let units = totals.usage.units.named();
    let units: Map<String, Value> = units
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    value.insert("units".to_owned(), units.into());
    value
}

fn sum(rows: &[Row]) -> Totals {
    rows.iter().fold(Totals::default(), |mut sum, row| {
        sum.add(&row.totals);
        sum
    })
}

/// The most rows of one answer; the CSV contains all rows.
const MOST_ROWS: usize = 500;

/// A day in seconds.
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

    fn spend_query(query: &[(&str, &str)]) -> Result<SpendQuery, String> {
        let query = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        SpendQuery::read(&query, jiff::civil::date(2026, 11, 20))
    }

    #[test]
    fn the_running_month_by_key_is_what_is_meant_without_a_word() {
        let plain = spend_query(&[]).map(|spend_query| {
            (
                spend_query.from.to_string(),
                spend_query.to.to_string(),
                spend_query.by.as_str(),
            )
        });
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
            assert!(spend_query(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn rows_are_found_by_a_part_of_their_name() {
        let rows = [
            row(["2026-11-01", "m", "team-a"], 1.0, Usage::default()),
            row(["2026-11-02", "m", "team-b"], 2.0, Usage::default()),
            row(["2026-11-02", "m", "ops"], 4.0, Usage::default()),
        ];
        let found = grouped(&rows, &spend_query(&[("q", "TEAM")]).expect("a question"));
        let names: Vec<&str> = found.iter().map(|row| row.names[0].as_str()).collect();
        assert_eq!(names, ["team-b", "team-a"]);
    }
}

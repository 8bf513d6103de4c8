//! `weir usage --prometheus`: who used what, from the Prometheus that scrapes a fleet. Each process exports only its
//! own use of the current day, so the use of a day is the sum of the last values of all runs: no rates and no
//! extrapolation.
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::Prometheus;
use crate::fleet::{Family, Question, answer};
use crate::limits::Totals;
use crate::limits::ledger::{Dimension, Row};
use crate::limits::nano_usd;
use crate::proxy::fleet;

/// The use from `first` on, grouped; days are those of `zone`.
pub(super) fn report(
    server: &Prometheus,
    zone: &TimeZone,
    first: Date,
    by: &[Dimension],
) -> Result<Vec<Row>, String> {
    let series = Series::of(by)?;
    let now = SystemTime::now();
    let days = days(zone, first, now)?;
    let questions: Vec<Question> = days.iter().flat_map(|day| series.questions(day)).collect();
    let each = questions.len() / days.len().max(1);
    let answers = fleet::ask(server, &questions)?;
    let mut sums: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    for (at, body) in answers.iter().enumerate() {
        let Some(day) = days.get(at / each.max(1)) else {
            continue;
        };
        let samples = answer::parse(body).map_err(|fault| fault.to_string())?;
        for (labels, value) in samples {
            let metric = match &series {
                Series::Scope(scope) if labels.scope != *scope => continue,
                Series::Scope(_) => &*labels.metric,
                Series::Counters(_) => COUNTERS.get(at % each.max(1)).map_or("", |(_, is)| *is),
            };
            let named = by.iter().map(|dimension| match dimension {
                Dimension::Day => day.date.to_string(),
                Dimension::Model => labels.model.to_string(),
                Dimension::Account => labels.account.to_string(),
                Dimension::Key if matches!(series, Series::Counters(_)) => labels.key.to_string(),
                Dimension::Key | Dimension::Group | Dimension::Project => labels.name.to_string(),
            });
            let sum = sums.entry(named.collect()).or_default();
            add(sum, metric, &labels.kind, value);
        }
    }
    let rows = sums.into_iter();
    let rows = rows.map(|(names, totals)| Row { names, totals });
    Ok(rows.filter(|row| row.totals != Totals::default()).collect())
}

/// The series to query: the use per day that each process exports for keys, groups or projects; or its counters, which
/// have models and accounts, but no requests.
#[derive(Debug, Eq, PartialEq)]
enum Series {
    Scope(&'static str),
    /// Counters, grouped by these labels.
    Counters(Vec<&'static str>),
}

impl Series {
    fn of(by: &[Dimension]) -> Result<Self, String> {
        let named: Vec<Dimension> = by
            .iter()
            .copied()
            .filter(|dimension| *dimension != Dimension::Day)
            .collect();
        let is_counter = |dimension: &Dimension| {
            matches!(
                dimension,
                Dimension::Key | Dimension::Model | Dimension::Account
            )
        };
        match named.as_slice() {
            [] | [Dimension::Key] => Ok(Self::Scope("key")),
            [Dimension::Group] => Ok(Self::Scope("group")),
            [Dimension::Project] => Ok(Self::Scope("project")),
            several if several.iter().all(is_counter) => Ok(Self::Counters(
                several.iter().map(|dimension| dimension.as_str()).collect(),
            )),
            _ => Err(
                "Prometheus knows group and project each alone, and key, model and account together: `--by key,model,day`, say; the history of a ledger (`--ledger`) knows all of them together"
                    .to_owned(),
            ),
        }
    }

    fn questions(&self, day: &Day) -> Vec<Question> {
        match self {
            Self::Scope(_) => vec![Question::of_everyone(day.last, day.length)],
            Self::Counters(by) => COUNTERS
                .iter()
                .map(|(metric, _)| {
                    let mut by = by.clone();
                    if matches!(*metric, TOKENS | UNITS) {
                        by.push("kind");
                    }
                    Question::growth(metric, &by, day.last, day.length)
                })
                .collect(),
        }
    }
}

/// A day; for the current day, the part that has passed.
struct Day {
    date: Date,
    /// Its last millisecond, since the epoch.
    last: u64,
    length: Duration,
}

fn days(zone: &TimeZone, first: Date, now: SystemTime) -> Result<Vec<Day>, String> {
    let millis = |date: Date| {
        let begin = date.to_zoned(zone.clone()).ok()?.timestamp();
        u64::try_from(begin.as_millisecond()).ok()
    };
    let now_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now_ms.as_millis()).unwrap_or(u64::MAX);
    let today = Timestamp::try_from(now).map_err(|error| error.to_string())?;
    let today = today.to_zoned(zone.clone()).date();
    let mut days = Vec::new();
    let mut date = first;
    while date <= today && days.len() < MOST_DAYS {
        let next = date.tomorrow().map_err(|error| error.to_string())?;
        if let (Some(begin), Some(end)) = (millis(date), millis(next)) {
            let last = end.saturating_sub(1).min(now_ms);
            days.push(Day {
                date,
                last,
                length: Duration::from_millis(last.saturating_sub(begin).max(1)),
            });
        }
        date = next;
    }
    Ok(days)
}

fn add(sum: &mut Totals, metric: &str, kind: &str, value: f64) {
    let count = whole(value);
    if metric == Family::Requests.name() {
        sum.requests = sum.requests.saturating_add(count);
    } else if metric == Family::Cost.name() {
        sum.nano_usd = sum.nano_usd.saturating_add(nano_usd(value));
    } else if metric == Family::Reasoning.name() {
        sum.usage.reasoning = sum.usage.reasoning.saturating_add(count);
    } else if (metric == Family::Tokens.name() || metric == Family::Units.name())
        && let Some(tokens) = sum.usage.of_kind(kind)
    {
        *tokens = tokens.saturating_add(count);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and a negative count becomes 0"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

const TOKENS: &str = "weir_tokens_total";

const UNITS: &str = "weir_units_total";

/// The counters, with the families that have the same numbers.
const COUNTERS: [(&str, &str); 4] = [
    (TOKENS, Family::Tokens.name()),
    (UNITS, Family::Units.name()),
    ("weir_reasoning_tokens_total", Family::Reasoning.name()),
    ("weir_cost_usd_total", Family::Cost.name()),
];

/// Most days, because each day is one query: a leap year.
const MOST_DAYS: usize = 366;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_prometheus_knows_may_be_asked_for() {
        use Dimension::{Account, Day, Group, Key, Model, Project};
        assert_eq!(Series::of(&[Key, Day]), Ok(Series::Scope("key")));
        assert_eq!(Series::of(&[Day, Group]), Ok(Series::Scope("group")));
        assert_eq!(Series::of(&[Day]), Ok(Series::Scope("key")));
        let several = Series::of(&[Model, Day, Account]);
        assert_eq!(several, Ok(Series::Counters(vec!["model", "account"])));
        assert!(Series::of(&[Key, Group]).is_err() && Series::of(&[Project, Model]).is_err());
    }

    #[test]
    fn a_day_is_asked_for_to_its_last_millisecond() {
        // 2026-11-10T12:00:00Z.
        let now = UNIX_EPOCH + Duration::from_hours(498_420);
        let first = jiff::civil::date(2026, 11, 9);
        let days = days(&TimeZone::UTC, first, now).expect("days");
        let shown: Vec<(String, u64, u64)> = days
            .iter()
            .map(|day| {
                let hours = day.length.as_secs() / 3600;
                (day.date.to_string(), day.last % 1000, hours)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("2026-11-09".to_owned(), 999, 23),
                ("2026-11-10".to_owned(), 0, 12)
            ]
        );
    }
}

//! `weir usage --prometheus`: who used what, from the Prometheus that scrapes a fleet. Each process exports what it alone used on the
//! running day, so a day is the sum of the last values of all runs: nothing is a rate, and nothing is extrapolated.
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::Prometheus;
use crate::fleet::answer::Labels;
use crate::fleet::{Family, Question, answer};
use crate::limits::Totals;
use crate::limits::ledger::{Dimension, Row};
use crate::limits::nano_usd;
use crate::proxy::fleet;

/// What was used from `first` on, grouped; days are those of `zone`.
pub(super) fn report(
    server: &Prometheus,
    zone: &TimeZone,
    first: Date,
    by: &[Dimension],
) -> Result<Vec<Row>, String> {
    let scope = scope(by)?;
    let now = SystemTime::now();
    let days = days(zone, first, now)?;
    let questions: Vec<Question> = days
        .iter()
        .map(|day| Question::of_everyone(day.last, day.length))
        .collect();
    let answers = fleet::ask(server, &questions)?;
    let mut sums: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    for (day, body) in days.iter().zip(answers) {
        let samples = answer::parse(&body).map_err(|fault| fault.to_string())?;
        for (labels, value) in samples {
            if labels.scope != scope {
                continue;
            }
            let named = by.iter().map(|dimension| match dimension {
                Dimension::Day => day.date.to_string(),
                _ => labels.name.to_string(),
            });
            let sum = sums.entry(named.collect()).or_default();
            add(sum, &labels, value);
        }
    }
    let rows = sums.into_iter();
    let rows = rows.map(|(names, totals)| Row { names, totals });
    Ok(rows.filter(|row| row.totals != Totals::default()).collect())
}

/// Whose figures are asked for: those of keys, groups or projects.
fn scope(by: &[Dimension]) -> Result<&'static str, String> {
    let mut scopes = by.iter().filter(|dimension| **dimension != Dimension::Day);
    let scope = match scopes.next().unwrap_or(&Dimension::Key) {
        Dimension::Key => "key",
        Dimension::Group => "group",
        Dimension::Project => "project",
        Dimension::Model | Dimension::Account | Dimension::Day => {
            return Err(
                "Prometheus knows days and one of key, group and project: models and accounts stand in the history of a ledger (`--ledger`)"
                    .to_owned(),
            );
        }
    };
    match scopes.next() {
        None => Ok(scope),
        Some(_) => Err(
            "Prometheus knows only one of key, group and project at a time: `--by key,day`, say"
                .to_owned(),
        ),
    }
}

/// A day, or what has passed of it.
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

fn add(sum: &mut Totals, labels: &Labels<'_>, value: f64) {
    let count = whole(value);
    if labels.metric == Family::Requests.name() {
        sum.requests = sum.requests.saturating_add(count);
    } else if labels.metric == Family::Cost.name() {
        sum.nano_usd = sum.nano_usd.saturating_add(nano_usd(value));
    } else if labels.metric == Family::Reasoning.name() {
        sum.usage.reasoning = sum.usage.reasoning.saturating_add(count);
    } else if labels.metric == Family::Tokens.name()
        && let Some(tokens) = sum.usage.of_kind(&labels.kind)
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

/// A question each: a year and a leap day.
const MOST_DAYS: usize = 366;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_prometheus_knows_may_be_asked_for() {
        use Dimension::{Day, Group, Key, Model};
        assert_eq!(scope(&[Key, Day]), Ok("key"));
        assert_eq!(scope(&[Day, Group]), Ok("group"));
        assert_eq!(scope(&[Day]), Ok("key"));
        assert!(scope(&[Key, Model]).is_err() && scope(&[Key, Group]).is_err());
    }

    #[test]
    fn a_day_is_asked_for_to_its_last_millisecond() {
        // 2026-11-10T12:00:00Z.
        let now = UNIX_EPOCH + Duration::from_secs(1_794_312_000);
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

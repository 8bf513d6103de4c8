//! `GET /v1/usage`: what a key, its group and its project used today and this month, and what is left of each limit. It
//! never shows other keys, nor the sum of everyone.
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::Gateway;
use super::limits::{moment, whole_seconds};
use crate::limits::{Limit, Principal, Report, Scope, Standing, Totals};
use crate::moment::Moment;
use crate::outcome::{Span, Unit};
use crate::protocol::hub::units::Units;

/// The answer for a key and its project.
pub(super) fn answer(gateway: &Gateway, principal: Principal, at: Moment) -> Value {
    let ages = Ages::of(gateway, at.wall);
    let reports = gateway.limits.report(principal, at);
    let of = |scope: Scope| {
        let report = reports.iter().find(|report| report.scope == scope)?;
        Some(described(report, &ages, at.wall))
    };
    json!({
        "object": "usage",
        "time": moment(at.wall),
        "timezone": gateway.limits.zone().iana_name().unwrap_or("UTC"),
        "key": of(Scope::Key),
        "group": of(Scope::Group),
        "project": of(Scope::Project),
    })
}

/// The time since the current day and month began.
struct Ages {
    day: Duration,
    month: Duration,
}

impl Ages {
    fn of(gateway: &Gateway, wall: SystemTime) -> Self {
        let since = |begin: u64| {
            let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(begin);
            wall.duration_since(begin).unwrap_or_default()
        };
        let begins = crate::limits::spend::begins(wall, gateway.limits.zone());
        let (day, month) =
            begins.map_or_else(Default::default, |(day, month)| (since(day), since(month)));
        Self { day, month }
    }

    /// Seconds until a budget is spent at the average rate of its window; `None` while nothing is spent.
    fn to_empty(&self, standing: &Standing) -> Option<u64> {
        let age = match standing.limit.span() {
            Span::Now | Span::Minute => return None,
            Span::Day => self.day,
            Span::Month => self.month,
        };
        let seconds = standing.remaining * age.as_secs_f64() / standing.used;
        // More than a thousand years is not worth a figure.
        Duration::try_from_secs_f64(seconds)
            .ok()
            .map(|left| left.as_secs())
            .filter(|seconds| *seconds < 31_536_000_000)
    }
}

fn described(report: &Report, ages: &Ages, wall: SystemTime) -> Value {
    let limits: Map<String, Value> = report
        .standings
        .iter()
        .map(|standing| {
            (
                standing.limit.as_str().to_owned(),
                limit(standing, ages, wall),
            )
        })
        .collect();
    json!({
        "name": &*report.name,
        "today": totals(&report.day),
        "this_month": totals(&report.month),
        "limits": limits,
    })
}

fn totals(totals: &Totals) -> Value {
    let usage = &totals.usage;
    json!({
        "requests": totals.requests,
        "tokens": {
            "input": usage.input,
            "output": usage.output,
            "cache_read": usage.cache_read,
            "cache_write_5m": usage.cache_write_5m,
            "cache_write_1h": usage.cache_write_1h,
        },
        "total_tokens": usage.total(),
        "reasoning_tokens": usage.reasoning,
        "units": units(&usage.units),
        "usd": totals.usd(),
    })
}

/// What was sold by another unit than tokens.
fn units(units: &Units) -> Value {
    units
        .named()
        .map(|(kind, count)| (kind.to_owned(), count.into()))
        .collect::<Map<String, Value>>()
        .into()
}

fn limit(standing: &Standing, ages: &Ages, wall: SystemTime) -> Value {
    // Concurrency is free again as soon as a request ends, so there is no time to state.
    let resets_at = (standing.limit != Limit::Concurrency).then(|| {
        let resets_in = Duration::from_secs(whole_seconds(standing.resets_in));
        moment(wall + resets_in)
    });
    let mut said = json!({
        "limit": number(standing, standing.cap),
        "used": number(standing, standing.used),
        "remaining": number(standing, standing.remaining),
        "resets_at": resets_at,
    });
    if standing.limit.is_budget() {
        said["seconds_to_empty"] = ages.to_empty(standing).into();
    }
    said
}

/// Counts are whole numbers; money is not.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, made of a whole number that is not negative"
)]
fn number(standing: &Standing, value: f64) -> Value {
    if standing.limit.unit() == Unit::NanoUsd {
        value.into()
    } else {
        (value as u64).into()
    }
}

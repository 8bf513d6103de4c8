//! `GET /admin/api/v1/now`: the state of the process at a glance. It is computed only on request.
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::needs::PoolNames;
use super::times::{precise, timestamp, timestamp_in};
use super::{needs, status, words};
use crate::limits::{Report, Scope};
use crate::outcome::FailureClass;
use crate::pool::{AccountStatus, State};
use crate::proxy::clocks;
use crate::proxy::state::app::App;
use crate::proxy::state::reload::Source;
use crate::telemetry::recent::minutes::{Minutes, Sums};

/// Everything that the page "Now" shows.
pub(super) fn now(app: &App, source: &Source) -> Value {
    let at = clocks::moment();
    let snapshot = app.snapshot();
    let gateway = &snapshot.gateway;
    let minutes = app.telemetry.recent().minutes();
    let statuses = gateway.pool.snapshot(at.now);
    let usable = statuses
        .iter()
        .filter(|status| !matches!(status.state, State::Benched | State::Drained))
        .count();
    let config = status::config(app, source);
    let reports = gateway.limits.reports(at);
    let budgets = needs::budgets(&reports, at.wall);
    let names: Vec<PoolNames<'_>> = gateway
        .config
        .pools
        .iter()
        .map(|pool| PoolNames {
            name: &pool.name,
            accounts: pool
                .accounts
                .iter()
                .map(|place| &*gateway.config.accounts[*place].name)
                .collect(),
            fallback: pool
                .fallback
                .map(|place| &*gateway.config.pools[place].name),
        })
        .collect();
    let needs = needs::needs(&statuses, &config, (&budgets, &names), (&minutes, at.wall));
    let accounts: Vec<Value> = statuses
        .iter()
        .map(|status| account(app, status, &minutes, at.wall))
        .collect();
    let pools: Vec<Value> = gateway
        .config
        .pools
        .iter()
        .zip(&names)
        .map(|(pool, names)| {
            let requests = |count| {
                sum(&minutes, count, at.wall, |minute| {
                    minute.pools.get(&pool.name).copied().unwrap_or(0)
                })
            };
            json!({
                "name": &*pool.name,
                "select": pool.select.as_str(),
                "affinity": pool.affinity.as_str(),
                "fallback": names.fallback,
                "accounts": names.accounts,
                "requests_per_s": rate(requests(1), requests(2), at.wall),
            })
        })
        .collect();
    json!({
        "server_time": precise(at.wall),
        "version": env!("CARGO_PKG_VERSION"),
        "instance": app.instance(),
        "started_at": timestamp(app.started().0),
        "draining": app.is_draining(),
        "config": config,
        "serving": { "usable": usable, "total": statuses.len() },
        "needs": needs,
        "traffic": traffic(app, &minutes, at.wall, spent_today(&reports)),
        "pools": pools,
        "accounts": accounts,
        "budgets": budgets,
    })
}

/// US dollars spent by all keys together since midnight in the time zone of the budgets, as far as this process and its
/// ledger know.
fn spent_today(reports: &[Report]) -> f64 {
    let keys = reports.iter().filter(|report| report.scope == Scope::Key);
    keys.map(|report| report.day.usd()).sum()
}

fn traffic(app: &App, minutes: &Minutes, wall: SystemTime, spent_today: f64) -> Value {
    let of = |count, figure: fn(&Sums) -> f64| -> f64 {
        minutes
            .last(count, wall)
            .flatten()
            .map(|minute| figure(&minute.all))
            .sum()
    };
    let requests = |sums: &Sums| f64::from(sums.requests);
    let tokens = |sums: &Sums| sums.tokens as f64;
    let series =
        |figure: &dyn Fn(&crate::telemetry::recent::minutes::Minute) -> Value| -> Vec<Value> {
            minutes
                .last(60, wall)
                .map(|minute| minute.map_or(Value::Null, figure))
                .collect()
        };
    let (five, five_errors) = (of(5, requests), of(5, |sums| f64::from(sums.errors)));
    let five_upstream = of(5, |sums| f64::from(sums.upstream_errors));
    let ratio = |part: f64| {
        if five > 0.0 {
            json!(part / five)
        } else {
            Value::Null
        }
    };
    let recent = minutes.last(2, wall).flatten().last();
    let first_token = |share| {
        recent
            .and_then(|minute| minute.first_token(share))
            .map(milliseconds)
    };
    json!({
        "requests_per_s": rate(of(1, requests), of(2, requests), wall),
        "tokens_per_s": rate(of(1, tokens), of(2, tokens), wall),
        "error_ratio": ratio(five_errors),
        "upstream_error_ratio": ratio(five_upstream),
        "ttft_p50_ms": first_token(0.5),
        "ttft_p95_ms": first_token(0.95),
        "in_flight": app.in_flight(),
        "in_flight_cap": app.gateway().config.server.max_concurrent_requests,
        "spend_today_usd": spent_today,
        "minutes": {
            "from": timestamp(Minutes::from(60, wall)),
            "requests": series(&|minute| json!(minute.all.requests)),
            "tokens": series(&|minute| json!(minute.all.tokens)),
            "errors": series(&|minute| json!(minute.all.errors)),
            "ttft_p50_ms": series(&|minute| json!(minute.first_token(0.5).map(milliseconds))),
            "ttft_p95_ms": series(&|minute| json!(minute.first_token(0.95).map(milliseconds))),
            "spend_usd": series(&|minute| json!(minute.all.cost_usd)),
        },
    })
}

fn account(app: &App, status: &AccountStatus, minutes: &Minutes, wall: SystemTime) -> Value {
    let gateway = app.gateway();
    let configured = gateway
        .config
        .accounts
        .iter()
        .find(|account| account.name == status.name);
    let of = |count: usize| minutes.of_account(&status.name, count, wall);
    let (one, two, five, hour) = (of(1), of(2), of(5), of(60));
    let errors: serde_json::Map<String, Value> = FailureClass::ALL
        .iter()
        .zip(five.classes)
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| (class.as_str().to_owned(), json!(count)))
        .collect();
    let lines: Vec<u32> = minutes
        .last(60, wall)
        .map(|minute| {
            minute
                .and_then(|minute| minute.accounts.get(&status.name))
                .map_or(0, |own| own.requests)
        })
        .collect();
    let windows: Vec<Value> = status
        .windows
        .iter()
        .map(|window| {
            json!({
                "name": window.window,
                "kind": "timed",
                "used_ratio": window.utilization,
                "length_s": words::window_length(window.window).map(|length| length.as_secs()),
                "resets_at": timestamp_in(wall, window.resets_in),
                "burn_ratio_per_s": window.burn_per_second,
                "empty_at": window.empty_in().map(|left| timestamp_in(wall, left)),
            })
        })
        .collect();
    let parts = |parts: &[crate::pool::status::Part]| -> Vec<Value> {
        parts
            .iter()
            .map(|part| {
                json!({
                    "name": &*part.name,
                    "word": words::part(part),
                    "class": part.reason.map(FailureClass::as_str),
                    "until": part.until.map(|until| timestamp_in(wall, until)),
                })
            })
            .collect()
    };
    json!({
        "name": &*status.name,
        "provider": configured.map(|account| account.provider.name),
        "label": configured.and_then(|account| account.project.as_deref()),
        "word": words::word(status),
        "state": status.state.as_str(),
        "class": status.reason.map(FailureClass::as_str),
        "until": status.until.map(|until| timestamp_in(wall, until)),
        "windows": windows,
        "endpoints": if status.endpoints.len() > 1 { parts(&status.endpoints) } else { Vec::new() },
        "models": parts(&status.models),
        "in_flight": status.in_flight,
        "cap": configured.and_then(|account| account.limits.concurrency),
        "first_byte_ms": status.first_byte.map(milliseconds),
        "requests_per_s": rate(one.requests, two.requests, wall),
        "minutes": lines,
        "errors_5m": errors,
        "prompt_cache_hit_ratio": hour.cache_hits(),
        "cost_hour_usd": hour.cost_usd,
    })
}

fn sum<T: std::iter::Sum>(
    minutes: &Minutes,
    count: usize,
    wall: SystemTime,
    figure: impl Fn(&crate::telemetry::recent::minutes::Minute) -> T,
) -> T {
    minutes.last(count, wall).flatten().map(figure).sum()
}

/// The rate per second over the last 60 s, estimated from the sum of this minute and the sum of this and the previous
/// minute.
fn rate(this: impl Into<f64>, both: impl Into<f64>, wall: SystemTime) -> f64 {
    let (this, both): (f64, f64) = (this.into(), both.into());
    let gone = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() % 60.0);
    let before = (both - this) * (1.0 - gone / 60.0);
    ((this + before) / 60.0 * 100.0).round() / 100.0
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! The content of `/status` and its parts, and the live figures of a scrape.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::times::{timestamp, timestamp_ago, timestamp_in};
use crate::limits::{Budget, ProcessSpend};
use crate::outcome::{Cause, FailureClass};
use crate::pool::{AccountStatus, State};
use crate::proxy::clocks;
use crate::proxy::state::app::App;
use crate::proxy::state::reload::Source;
use crate::telemetry::metrics::{AccountSample, Live};
use crate::telemetry::unpriced::Unbilled;

/// The whole status at a glance.
pub(super) fn overview(app: &App) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "draining": app.is_draining(),
        "in_flight": app.in_flight(),
        "accounts": accounts(app),
        "unpriced": unpriced(app),
        "recording": app.recorder().map(|recorder| recorder.status()),
    })
}

/// What was used of models without a price since the process began, the most tokens first. The last entry has no name:
/// it is the sum of the models that are not counted separately.
fn unpriced(app: &App) -> Value {
    let (models, others) = app.telemetry.unpriced().list();
    let others = (others.requests > 0).then_some((None, others));
    let models = models.into_iter().map(|(model, sum)| (Some(model), sum));
    let described = |(model, sum): (Option<Box<str>>, Unbilled)| {
        let usage = &sum.usage;
        json!({
            "model": model,
            "requests": sum.requests,
            "tokens": {
                "input": usage.input,
                "output": usage.output,
                "cache_read": usage.cache_read,
                "cache_write_5m": usage.cache_write_5m,
                "cache_write_1h": usage.cache_write_1h,
            },
            "total_tokens": usage.total(),
        })
    };
    models.chain(others).map(described).collect()
}

/// The accounts, and what keeps them from serving.
pub(super) fn accounts(app: &App) -> Value {
    let now = Instant::now();
    let snapshot = app.snapshot();
    let statuses = snapshot.gateway.pool.snapshot(now);
    let list = statuses.iter().map(|status| {
        let mut value = account(status);
        // The state of an account's access token, where it has one; never the token itself.
        if let Some(token) = snapshot.tokens.status(&status.name, now) {
            value["access_token"] = json!({
                "expires_at": token.expires_in.map(|wait| timestamp_in(SystemTime::now(), wait)),
                "last_error": token.fault,
            });
        }
        value
    });
    json!(list.collect::<Vec<Value>>())
}

/// The configuration in force, and the one on disk.
pub(super) fn config(app: &App, source: &Source) -> Value {
    let status = app.telemetry.status();
    let disk_hash = match source {
        Source::Fixed => None,
        Source::File(path) => crate::config::hash_on_disk(path),
    };
    let last_error = status
        .last_error
        .map(|(message, at)| json!({"message": message, "at": timestamp(at)}));
    json!({
        "applied_hash": status.applied_hash,
        "applied_at": timestamp(status.applied_at),
        "disk_hash": disk_hash,
        "generation": status.generation,
        "last_error": last_error,
        "edit": app.gateway().config.console.edit,
    })
}

/// The text of the metrics, including the present state of the accounts.
pub(super) fn metrics(app: &App) -> String {
    let at = clocks::moment();
    let gateway = app.gateway();
    let statuses = gateway.pool.snapshot(at.now);
    let spared: Vec<(&str, u64)> = gateway.pool.spared().collect();
    let minutes = app.telemetry.recent().minutes();
    let windows: Vec<Vec<(&str, f64)>> = statuses
        .iter()
        .map(|status| {
            status
                .windows
                .iter()
                .map(|window| (window.window, window.utilization))
                .collect()
        })
        .collect();
    let accounts: Vec<AccountSample<'_>> = statuses
        .iter()
        .zip(&windows)
        .map(|(status, windows)| AccountSample {
            account: &status.name,
            state: status.state.as_str(),
            cooldown_until: status
                .until
                .filter(|_| status.state != State::Usable)
                .map(unix_in),
            in_flight: u64::from(status.in_flight),
            windows,
            cache_hits: minutes.of_account(&status.name, 60, at.wall).cache_hits(),
        })
        .collect();
    let gateway = app.gateway();
    let used: Vec<ProcessSpend> = gateway.limits.process_spend(at.wall).collect();
    let budgets: Vec<Budget> = gateway.limits.budgets(at.wall).collect();
    app.telemetry.render(&Live {
        in_flight: app.in_flight(),
        buffered: app.buffered.bytes(),
        client_connections: app.places.open(),
        certificates: &app.certificates().expiries(),
        accounts: &accounts,
        spared: &spared,
        run_id: &app.run_id,
        used: &used,
        budgets: &budgets,
    })
}

fn account(status: &AccountStatus) -> Value {
    let wall = SystemTime::now();
    let part = |part: &crate::pool::status::Part| {
        json!({
            "name": &*part.name,
            "state": part.state.as_str(),
            "reason": part.reason.map(FailureClass::as_str),
            "cause": part.cause.map(Cause::as_str),
            "since": part.since.map(|since| timestamp_ago(wall, since)),
            "until": part.until.map(|wait| timestamp_in(wall, wait)),
        })
    };
    let windows: serde_json::Map<String, Value> = status
        .windows
        .iter()
        .map(|window| {
            let value = json!({
                "utilization": window.utilization,
                "resets_at": timestamp_in(wall, window.resets_in),
                "length_s": window.length.as_secs(),
                "burn_per_s": window.burn_per_second,
                "seen_at": timestamp_ago(wall, window.seen),
            });
            (window.window.to_owned(), value)
        })
        .collect();
    let minutes: serde_json::Map<String, Value> = status
        .minutes
        .iter()
        .map(|minute| {
            let value = json!({"used": minute.used, "cap": minute.cap});
            (minute.name.to_owned(), value)
        })
        .collect();
    json!({
        "name": &*status.name,
        "state": status.state.as_str(),
        "reason": status.reason.map(FailureClass::as_str),
        "cause": status.cause.map(Cause::as_str),
        "since": status.since.map(|since| timestamp_ago(wall, since)),
        "until": status.until.map(|wait| timestamp_in(wall, wait)),
        "in_flight": status.in_flight,
        "last_failure": status.last_failure.map(|failure| json!({
            "class": failure.class.as_str(),
            "cause": failure.cause.map(Cause::as_str),
            "hint": failure.cause.map(Cause::hint),
            "at": timestamp_ago(wall, failure.ago),
        })),
        "cap": status.cap,
        "minutes": minutes,
        "first_byte_ms": status.first_byte.map(|time| time.as_millis()),
        "windows": windows,
        "models": status.models.iter().map(part).collect::<Vec<_>>(),
        "endpoints": status.endpoints.iter().map(part).collect::<Vec<_>>(),
    })
}

fn unix_in(wait: Duration) -> f64 {
    (SystemTime::now() + wait)
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

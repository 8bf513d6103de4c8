//! What needs somebody, and the budgets near their end.
use std::time::SystemTime;

use serde_json::{Value, json};

use super::times::timestamp_in;
use super::words;
use crate::limits::{Limit, Report, Scope};
use crate::pool::AccountStatus;
use crate::telemetry::recent::minutes::Minutes;

/// Red first, by the requests that it cost, then amber, in the order of the configuration.
pub(super) fn needs(
    statuses: &[AccountStatus],
    config: &Value,
    budgets: &[Value],
    (minutes, wall): (&Minutes, SystemTime),
) -> Vec<Value> {
    let mut bad = Vec::new();
    let mut warn = Vec::new();
    for status in statuses {
        let word = words::word(status);
        let failed: u32 = minutes
            .last(5, wall)
            .flatten()
            .filter_map(|minute| minute.accounts.get(&status.name))
            .map(|sums| sums.errors)
            .sum();
        let need = |level: &str| {
            json!({
                "level": level,
                "subject": { "kind": "account", "name": &*status.name },
                "code": word,
                "class": status.reason.map(crate::outcome::FailureClass::as_str),
                "until": status.until.map(|until| timestamp_in(wall, until)),
                "count": failed,
            })
        };
        match word {
            "unreachable" | "refused" => bad.push((failed, need("bad"))),
            "part" => warn.push(need("warn")),
            _ => {}
        }
        for window in &status.windows {
            if window.utilization >= NEAR && word == "usable" {
                warn.push(json!({
                    "level": "warn",
                    "subject": { "kind": "account", "name": &*status.name },
                    "code": "window",
                    "window": window.window,
                    "used_ratio": window.utilization,
                    "until": timestamp_in(wall, window.resets_in),
                }));
            }
        }
    }
    bad.sort_by_key(|(failed, _)| std::cmp::Reverse(*failed));
    let mut list: Vec<Value> = bad.into_iter().map(|(_, need)| need).collect();
    if !config["last_error"].is_null() {
        let first = config["last_error"]["message"].as_str().unwrap_or_default();
        list.push(json!({
            "level": "bad",
            "subject": { "kind": "config", "name": "" },
            "code": "config",
            "message": first.lines().next(),
            "until": null,
        }));
    }
    for budget in budgets {
        if budget["used_usd"].as_f64() >= budget["cap_usd"].as_f64() {
            warn.push(json!({
                "level": "warn",
                "subject": { "kind": budget["scope"], "name": budget["name"] },
                "code": "budget",
                "limit": budget["limit"],
                "until": budget["resets_at"],
            }));
        }
    }
    list.extend(warn);
    list
}

/// The budgets of which the largest share is used, at most [`SHOWN`] of them.
pub(super) fn budgets(reports: &[Report], wall: SystemTime) -> Vec<Value> {
    let mut list: Vec<(f64, Value)> = Vec::new();
    for report in reports {
        for standing in &report.standings {
            if !matches!(standing.limit, Limit::UsdPerDay | Limit::UsdPerMonth)
                || standing.cap <= 0.0
            {
                continue;
            }
            let value = json!({
                "scope": match report.scope {
                    Scope::Global => "everyone",
                    scope => scope.as_str(),
                },
                "name": &*report.name,
                "limit": standing.limit.as_str(),
                "used_usd": standing.used,
                "cap_usd": standing.cap,
                "resets_at": timestamp_in(wall, standing.resets_in),
            });
            list.push((standing.used / standing.cap, value));
        }
    }
    list.sort_by(|one, other| other.0.total_cmp(&one.0));
    list.truncate(SHOWN);
    list.into_iter().map(|(_, value)| value).collect()
}

/// A window of which this share is used deserves a look.
const NEAR: f64 = 0.9;

/// Budgets that are told.
const SHOWN: usize = 6;

//! What needs an operator's attention, and the budgets that are nearly spent.
use std::time::SystemTime;

use serde_json::{Value, json};

use super::times::timestamp_in;
use super::words;
use crate::limits::{Limit, Report, Scope};
use crate::pool::{AccountStatus, State};
use crate::telemetry::recent::minutes::Minutes;

/// Problems (`bad`) first, accounts by the number of failed requests; then warnings, the one that ends soonest first.
pub(super) fn needs(
    statuses: &[AccountStatus],
    config: &Value,
    (budgets, pools): (&[Value], &[PoolNames<'_>]),
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
            "part" | "throttled" | "quota" => warn.push(need("warn")),
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
    let mut list: Vec<Value> = pools_out(statuses, pools);
    list.extend(bad.into_iter().map(|(_, need)| need));
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
    // Warnings that end by themselves are sorted by their end, the soonest first.
    warn.sort_by(|one, other| one["until"].as_str().cmp(&other["until"].as_str()));
    list.extend(warn);
    let is_bad = |need: &Value| need["level"] == "bad";
    list.sort_by_key(|need| !is_bad(need));
    list
}

/// Pools without any account that takes requests: their requests go to the fallback, or are refused.
fn pools_out(statuses: &[AccountStatus], pools: &[PoolNames<'_>]) -> Vec<Value> {
    let takes = |name: &&str| {
        let mut found = statuses.iter().filter(|status| &*status.name == *name);
        found.any(|status| !matches!(status.state, State::Benched | State::Drained))
    };
    let is_out = |pool: &PoolNames<'_>| !pool.accounts.iter().any(&takes);
    pools
        .iter()
        .filter(|pool| is_out(pool))
        .map(|pool| {
            let fallback = pool.fallback.filter(|name| {
                let mut found = pools.iter().filter(|other| other.name == *name);
                found.any(|other| !is_out(other))
            });
            json!({
                "level": if fallback.is_some() { "warn" } else { "bad" },
                "subject": { "kind": "pool", "name": pool.name },
                "code": "pool_out",
                "fallback": fallback,
                "until": null,
            })
        })
        .collect()
}

/// A pool with the names of its accounts.
#[derive(Debug)]
pub(super) struct PoolNames<'a> {
    pub name: &'a str,
    pub accounts: Vec<&'a str>,
    pub fallback: Option<&'a str>,
}

/// The budgets with the largest used share, at most [`SHOWN`] of them.
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

/// From this used share on, a window is reported.
const NEAR: f64 = 0.9;

/// The most budgets that are shown.
const SHOWN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, state: State) -> AccountStatus {
        AccountStatus {
            name: name.into(),
            state,
            reason: None,
            cause: None,
            since: None,
            until: None,
            in_flight: 0,
            cap: None,
            minutes: Vec::new(),
            first_byte: None,
            windows: Vec::new(),
            last_failure: None,
            models: Vec::new(),
            endpoints: Vec::new(),
        }
    }

    #[test]
    fn a_pool_without_an_account_is_red_unless_another_takes_over() {
        let statuses = [
            status("a", State::Benched),
            status("b", State::Drained),
            status("c", State::Easing),
        ];
        let pool = |name, accounts: &[&'static str], fallback| PoolNames {
            name,
            accounts: accounts.to_vec(),
            fallback,
        };
        let pools = [
            pool("one", &["a", "b"], Some("two")),
            pool("two", &["b", "c"], None),
            pool("three", &["a"], Some("four")),
            pool("four", &["b"], None),
        ];
        let told = pools_out(&statuses, &pools);
        let short: Vec<(&str, &str)> = told
            .iter()
            .filter_map(|need| Some((need["subject"]["name"].as_str()?, need["level"].as_str()?)))
            .collect();
        assert_eq!(short, [("one", "warn"), ("three", "bad"), ("four", "bad")]);
    }
}

//! Keys and groups with their use and limits, in pages, because there may be a hundred thousand.
use std::collections::HashMap;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::answer::Answer;
use super::requests::Query;
use super::times::{timestamp, timestamp_in};
use crate::config::ClientKey;
use crate::limits::{Report, Scope};
use crate::pool::State;
use crate::proxy::clocks;
use crate::proxy::state::app::App;

/// Keys in the order of the configuration whose name or group contains `q`.
pub(super) fn keys(app: &App, query: &Query) -> Answer {
    let gateway = app.gateway();
    let at = clocks::moment();
    let wanted = query
        .get("q")
        .map(|text| text.to_lowercase())
        .unwrap_or_default();
    let holds = |text: &str| text.to_lowercase().contains(&wanted);
    let fitting: Vec<_> = gateway
        .config
        .keys
        .iter()
        .filter(|key| holds(&key.name) || key.group.as_deref().is_some_and(holds))
        .collect();
    let after: usize = query
        .get("after")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let rows: Vec<Value> = fitting
        .iter()
        .skip(after)
        .take(PAGE)
        .map(|key| {
            let reports = gateway.limits.report(
                gateway.limits.principal(key.index, key.project.as_deref()),
                at,
            );
            let own = reports.iter().find(|report| report.scope == Scope::Key);
            let pools = key.pools.as_ref().map(|pools| {
                let names = pools
                    .iter()
                    .map(|place| &*gateway.config.pools[*place].name);
                names.collect::<Vec<_>>()
            });
            let models = key.models.as_ref().map(|models| {
                models
                    .iter()
                    .map(crate::config::Glob::pattern)
                    .collect::<Vec<_>>()
            });
            json!({
                "name": &*key.name,
                "group": key.group.as_deref(),
                "project": key.project.as_deref(),
                "pools": pools,
                "models": models,
                "expires": key.expires.map(timestamp),
                "expired": key.expires.is_some_and(|expires| expires <= at.wall),
                "use": own.map(|report| usage(report, at.wall)),
            })
        })
        .collect();
    page(&rows, fitting.len(), after)
}

/// Groups in the order of the configuration.
pub(super) fn groups(app: &App) -> Answer {
    sets(app, Scope::Group, |key| key.group.as_deref())
}

/// Projects in the order of the configuration.
pub(super) fn projects(app: &App) -> Answer {
    sets(app, Scope::Project, |key| key.project.as_deref())
}

/// Pools in the order of the configuration, with the number of their accounts that take requests now.
pub(super) fn pools(app: &App) -> Answer {
    let gateway = app.gateway();
    let (config, statuses) = (&gateway.config, gateway.pool.snapshot(Instant::now()));
    let name = |at: &usize| config.accounts.get(*at).map(|account| &*account.name);
    let takes = |name: &&str| {
        let mut found = statuses.iter().filter(|status| &*status.name == *name);
        found.any(|status| !matches!(status.state, State::Benched | State::Drained))
    };
    let rows: Vec<Value> = config
        .pools
        .iter()
        .map(|pool| {
            let accounts: Vec<&str> = pool.accounts.iter().filter_map(name).collect();
            let fallback = pool.fallback.and_then(|at| config.pools.get(at));
            json!({
                "name": &*pool.name,
                "usable": accounts.iter().filter(|name| takes(name)).count(),
                "accounts": accounts,
                "select": pool.select.as_str(),
                "affinity": pool.affinity.as_str(),
                "fallback": fallback.map(|pool| &*pool.name),
            })
        })
        .collect();
    page(&rows, rows.len(), 0)
}

fn sets(app: &App, scope: Scope, of: impl Fn(&ClientKey) -> Option<&str>) -> Answer {
    let gateway = app.gateway();
    let at = clocks::moment();
    let mut keys: HashMap<&str, usize> = HashMap::new();
    for name in gateway.config.keys.iter().filter_map(|key| of(key)) {
        *keys.entry(name).or_default() += 1;
    }
    let reports = gateway.limits.reports(at);
    let rows: Vec<Value> = reports
        .iter()
        .filter(|report| report.scope == scope)
        .map(|report| {
            let keys = keys.get(&*report.name).copied().unwrap_or(0);
            json!({ "name": &*report.name, "keys": keys, "use": usage(report, at.wall) })
        })
        .collect();
    page(&rows, rows.len(), 0)
}

fn page(rows: &[Value], matched: usize, after: usize) -> Answer {
    let next = after + rows.len();
    Answer::json(
        200,
        &json!({
            "matched": matched,
            "rows": rows,
            "after": (next < matched).then_some(next),
        }),
    )
}

fn usage(report: &Report, wall: SystemTime) -> Value {
    let limits: Vec<Value> = report
        .standings
        .iter()
        .map(|standing| {
            json!({
                "limit": standing.limit.as_str(),
                "cap": standing.cap,
                "used": standing.used,
                "remaining": standing.remaining,
                "resets_at": timestamp_in(wall, standing.resets_in),
            })
        })
        .collect();
    let totals = |totals: &crate::limits::Totals| {
        let usage = &totals.usage;
        json!({
            "requests": totals.requests,
            "usd": totals.usd(),
            "input": usage.input,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write_5m + usage.cache_write_1h,
            "output": usage.output,
        })
    };
    json!({ "day": totals(&report.day), "month": totals(&report.month), "limits": limits })
}

/// The rows of one page.
const PAGE: usize = 200;

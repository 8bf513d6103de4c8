//! The accounts of a report, and in words why one is excluded.
use std::time::Duration;

use super::report::{AttemptPart, Candidate, Exclusion, PoolPart};
use crate::config::{AffinityBy, ClientKey, Config, Select};
use crate::exchange::Gateway;
use crate::outcome::FailureClass;
use crate::pool::{AccountLimit, Considered, Excluded};

/// A pool and its fallbacks.
pub(super) fn pool(config: &Config, key: &ClientKey, at: usize) -> Option<PoolPart> {
    let pool = config.pools.get(at)?;
    let mut part = PoolPart {
        name: pool.name.to_string(),
        select: select(pool.select),
        affinity: affinity(pool.affinity),
        fallbacks: Vec::new(),
        forbidden: None,
    };
    let mut next = pool.fallback;
    while let Some((at, pool)) = next.and_then(|at| Some((at, config.pools.get(at)?))) {
        let name = pool.name.to_string();
        if key.pools.as_ref().is_some_and(|pools| !pools.contains(&at)) {
            part.forbidden = Some(name);
            break;
        }
        part.fallbacks.push(name);
        next = pool.fallback;
    }
    Some(part)
}

/// The accounts in the order in which they would be tried (`order`), then the others.
pub(super) fn candidates(
    gateway: &Gateway,
    considered: &[Considered],
    order: &[AttemptPart],
) -> Vec<Candidate> {
    let config = &gateway.config;
    let mut all: Vec<(usize, Candidate)> = considered
        .iter()
        .map(|considered| {
            let pool = config.pools.get(considered.pool);
            let pool = pool.map(|pool| pool.name.to_string()).unwrap_or_default();
            let account = config
                .accounts
                .iter()
                .find(|account| account.name == considered.account);
            let asked = order.iter().position(|attempt| {
                attempt.pool == pool && *attempt.account == *considered.account
            });
            let candidate = Candidate {
                pool,
                account: considered.account.to_string(),
                dialects: account.map_or_else(Vec::new, |account| {
                    account.dialects.iter().map(|it| it.as_str()).collect()
                }),
                priority: considered.priority,
                weight: considered.weight,
                attempt: asked.map(|at| at + 1),
                excluded: considered.out.as_ref().map(exclusion),
            };
            (considered.pool, candidate)
        })
        .collect();
    // The sort is stable: accounts that are not tried keep their places behind. Pools stay together, in the order of
    // the chain.
    let mut chain: Vec<usize> = Vec::new();
    for (pool, _) in &all {
        if !chain.contains(pool) {
            chain.push(*pool);
        }
    }
    all.sort_by_key(|(pool, candidate)| {
        let place = chain.iter().position(|known| known == pool);
        (place, candidate.attempt.unwrap_or(usize::MAX))
    });
    all.into_iter().map(|(_, candidate)| candidate).collect()
}

fn exclusion(excluded: &Excluded) -> Exclusion {
    let (reason, class) = match excluded {
        Excluded::Benched { class, .. } => ("benched", Some(*class)),
        Excluded::Dialect => ("dialect", None),
        Excluded::Drained => ("drained", None),
        Excluded::Easing { .. } => ("easing", None),
        Excluded::Endpoint { class, .. } => ("endpoint", Some(*class)),
        Excluded::Limit { .. } => ("limit", None),
        Excluded::Model => ("model", None),
        Excluded::Probing { class, .. } => ("probing", Some(*class)),
        Excluded::Spent => ("spent", None),
        Excluded::Tried => ("tried", None),
        Excluded::Unasked => ("weight", None),
        Excluded::Unhealthy => ("unhealthy", None),
    };
    let wait = match excluded {
        // The wait that the pool states for a full account is a guess for clients, not a known time.
        Excluded::Limit { wait, .. } => *wait,
        other => other.wait(),
    };
    Exclusion {
        reason,
        class: class.map(FailureClass::as_str),
        limit: match excluded {
            Excluded::Limit { limit, .. } => Some(limit_name(*limit)),
            _ => None,
        },
        wait_seconds: wait.map(|wait| wait.as_secs_f64()),
        why: why(excluded, wait),
    }
}

fn why(excluded: &Excluded, wait: Option<Duration>) -> String {
    let left = wait.map_or_else(String::new, |wait| format!(", {} left", seconds(wait)));
    match excluded {
        Excluded::Benched { class, .. } => format!("benched: {}{left}", class.as_str()),
        Excluded::Dialect => "speaks no dialect in which the request can be said".into(),
        Excluded::Drained => "drained by the operator".into(),
        Excluded::Easing { .. } => format!("being eased in{left}"),
        Excluded::Endpoint { class, .. } => {
            format!("every endpoint is benched: {}{left}", class.as_str())
        }
        Excluded::Limit { limit, .. } => {
            format!("its own limit is reached: {}{left}", limit_name(*limit))
        }
        Excluded::Model => "does not serve the model".into(),
        Excluded::Probing { class, .. } => {
            format!("one request is trying it after {}{left}", class.as_str())
        }
        Excluded::Spent => "a window of it is as good as spent: only when no other can".into(),
        Excluded::Tried => "tried already".into(),
        Excluded::Unasked => "weight 0: only when asked by name".into(),
        Excluded::Unhealthy => "every endpoint is down, says the health check".into(),
    }
}

const fn limit_name(limit: AccountLimit) -> &'static str {
    match limit {
        AccountLimit::Concurrency => "concurrency",
        AccountLimit::Requests => "rpm",
        AccountLimit::Tokens => "tpm",
    }
}

/// A duration for people.
pub(super) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} s", time.as_secs())
    }
}

const fn select(select: Select) -> &'static str {
    match select {
        Select::Cheapest => "cheapest",
        Select::Failover => "failover",
        Select::LeastBusy => "least-busy",
        Select::Random => "random",
        Select::RoundRobin => "round-robin",
        Select::Weighted => "weighted",
    }
}

const fn affinity(affinity: AffinityBy) -> &'static str {
    match affinity {
        AffinityBy::Key => "key",
        AffinityBy::None => "none",
        AffinityBy::Session => "session",
        AffinityBy::Stated => "stated",
    }
}

//! The upstreams of one configuration: the endpoints of each account, resolved and checked in the background.
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::addresses::Checked;
use super::connect::Connections;
use super::health_check::{HealthChecks, HealthReporter, OnHealth, by_endpoint};
use super::way::{Target, Way, hash_of, tunnelled};
use crate::config::{Account, Config};

/// The upstreams of one configuration, by the names of their accounts.
#[derive(Default)]
pub(crate) struct Upstreams(HashMap<Arc<str>, Arc<Upstream>>);

/// The endpoints of one account.
struct Upstream {
    ways: Vec<Arc<Way>>,
    checks: Option<HealthChecks>,
    /// A hash of what it was built from. A reload keeps the upstream, and the addresses that it knows, as long as this
    /// is the same.
    identity: u64,
}

impl Upstreams {
    /// The upstreams of a configuration. What is unchanged since `before` keeps its addresses and its health; the rest
    /// is resolved before this returns, so that it is ready for the first request.
    pub(crate) async fn of(
        config: &Config,
        before: &Self,
        connections: &Arc<Connections>,
        on_health: &OnHealth,
    ) -> Self {
        let mut accounts = HashMap::with_capacity(config.accounts.len());
        let mut fresh = tokio::task::JoinSet::new();
        for account in &config.accounts {
            let identity = identity(account);
            let upstream = match before.0.get(&account.name) {
                Some(upstream) if upstream.identity == identity => upstream.clone(),
                _ => {
                    let upstream = Upstream::new(account, identity, on_health, connections);
                    let upstream = Arc::new(upstream);
                    fresh.spawn(first_look(upstream.clone()));
                    upstream
                }
            };
            accounts.insert(account.name.clone(), upstream);
        }
        fresh.join_all().await;
        Self(accounts)
    }

    /// Whether `account` is reached through the upstream with this identity.
    pub(crate) fn has(&self, account: &str, identity: u64) -> bool {
        let upstream = self.0.get(account);
        upstream.is_some_and(|upstream| upstream.identity == identity)
    }

    /// The way to one endpoint of `account`.
    pub(crate) fn target(&self, account: &Account, endpoint: usize) -> Option<Target> {
        let upstream = self.0.get(&account.name)?;
        upstream.ways.get(endpoint).cloned().map(Target::new)
    }
}

impl Upstream {
    fn new(
        account: &Account,
        identity: u64,
        on_health: &OnHealth,
        connections: &Arc<Connections>,
    ) -> Self {
        let registry = by_endpoint();
        let ways = account.endpoints.iter().enumerate();
        let ways = ways.map(|(index, endpoint)| {
            let checked = Checked {
                registry: registry.clone(),
                endpoint: index,
            };
            Arc::new(Way::new(account, endpoint, Some(checked)))
        });
        let ways: Vec<_> = ways.collect();
        let reporter = HealthReporter {
            identity,
            on_health: on_health.clone(),
        };
        Self {
            checks: HealthChecks::of(account, &ways, registry, reporter, connections),
            ways,
            identity,
        }
    }

    async fn resolve(&self) {
        for way in &self.ways {
            way.resolve().await;
        }
    }
}

/// Resolves and checks once, then starts tasks that continue as long as the upstream is in use.
async fn first_look(upstream: Arc<Upstream>) {
    upstream.resolve().await;
    if let Some(checks) = &upstream.checks {
        checks.run().await;
        tokio::spawn(keep_checking(Arc::downgrade(&upstream), checks.interval()));
    }
    tokio::spawn(keep_resolving(Arc::downgrade(&upstream)));
}

async fn keep_resolving(upstream: Weak<Upstream>) {
    loop {
        tokio::time::sleep(RESOLVE_EVERY).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        upstream.resolve().await;
    }
}

async fn keep_checking(upstream: Weak<Upstream>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        if let Some(checks) = &upstream.checks {
            checks.run().await;
        }
    }
}

/// The hash of what an `Upstream` is built from.
fn identity(account: &Account) -> u64 {
    let check = account.health_check.as_ref();
    let check = check.map(|check| (&check.path, check.interval));
    hash_of(&(
        &account.endpoints,
        account.egress.as_ref().map(tunnelled),
        check,
        account.timeouts.connect,
    ))
}

/// The interval at which names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

//! Active health checks of an account's endpoints, by the way that its traffic takes, and telling what they find.
//!
//! Pingora's registry keeps the health and counts; what a check is, and that one is enough for all addresses of an
//! endpoint, is decided here.
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use pingora::{Error, ErrorType, Result};
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::{Backend, HealthRegistry};

use super::addresses::endpoint_of;
use super::ask::Ask;
use super::connect::Connections;
use super::way::{Target, Way};
use crate::config::{Account, Endpoint};

/// What a check has found: told when it changes.
#[derive(Debug)]
pub(crate) struct Health<'a> {
    pub account: &'a str,
    /// Of the upstream that was checked.
    pub identity: u64,
    /// Position in `Account::endpoints`.
    pub endpoint: usize,
    pub healthy: bool,
}

/// Who is told.
pub(crate) type OnHealth = Arc<dyn Fn(Health<'_>) + Send + Sync>;

/// The checks of one account.
pub(super) struct HealthChecks {
    registry: Arc<HealthRegistry>,
    interval: Duration,
}

/// Whom the checks of an account tell, and as what.
pub(super) struct Told {
    pub identity: u64,
    pub on_health: OnHealth,
}

/// The check of an endpoint: a plain `GET`, never a generative call.
struct Check {
    account: Arc<str>,
    path: String,
    interval: Duration,
    connect: Duration,
    /// The registry that holds this is held by the ways.
    endpoints: Vec<(Endpoint, Weak<Way>)>,
    connections: Arc<Connections>,
    told: Told,
}

/// Keeps one health for each endpoint, whichever of its addresses traffic takes.
pub(super) fn by_endpoint() -> Arc<HealthRegistry> {
    let registry = HealthRegistry::with_equivalence(|backend| endpoint_of(backend) as u64);
    Arc::new(registry)
}

impl HealthChecks {
    /// Those that the account asks for, of the endpoints whose addresses are in `registry`.
    pub(super) fn of(
        account: &Account,
        ways: &[Arc<Way>],
        registry: Arc<HealthRegistry>,
        told: Told,
        connections: &Arc<Connections>,
    ) -> Option<Self> {
        let check = account.health_check.as_ref()?;
        let ways = ways.iter().map(Arc::downgrade);
        registry.set_health_check(Box::new(Check {
            account: account.name.clone(),
            path: check.path.clone(),
            interval: check.interval,
            connect: account.timeouts.connect,
            endpoints: account.endpoints.iter().cloned().zip(ways).collect(),
            connections: connections.clone(),
            told,
        }));
        Some(Self {
            registry,
            interval: check.interval,
        })
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Checks every endpoint once.
    pub(super) async fn run(&self) {
        self.registry.run_health_check(true).await;
    }
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, backend: &Backend) -> Result<()> {
        let endpoint = self.endpoints.get(endpoint_of(backend));
        let Some((endpoint, way)) =
            endpoint.and_then(|(endpoint, way)| Some((endpoint, way.upgrade()?)))
        else {
            // The configuration has changed under it: nobody asks any more.
            return Ok(());
        };
        let began = Instant::now();
        let passed = self.ask(endpoint, &way).await;
        // What traffic has just proved to work is not out because a probe failed.
        if passed || way.proved_since(began.checked_sub(self.interval).unwrap_or(began)) {
            return Ok(());
        }
        Error::e_explain(ErrorType::Custom("HealthCheck"), "no good answer")
    }

    async fn health_status_change(&self, backend: &Backend, healthy: bool) {
        let endpoint = endpoint_of(backend);
        tracing::info!(account = %self.account, endpoint, healthy, "health check");
        (self.told.on_health)(Health {
            account: &self.account,
            identity: self.told.identity,
            endpoint,
            healthy,
        });
    }

    fn backend_summary(&self, backend: &Backend) -> String {
        format!("{} endpoint {}", self.account, endpoint_of(backend))
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { 1 } else { FAILURES }
    }
}

impl Check {
    async fn ask(&self, endpoint: &Endpoint, way: &Arc<Way>) -> bool {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let ask = Ask {
            method: Method::GET,
            path: &self.path,
            endpoint,
            headers,
            body: None,
            longest: LONGEST_ANSWER,
        };
        let target = Target::new(way.clone());
        let asking = ask.send(&self.connections, &target, self.connect);
        let patience = self.interval.max(SHORTEST_PATIENCE);
        let answered = tokio::time::timeout(patience, asking).await;
        matches!(answered, Ok(Ok((status, _))) if (200..300).contains(&status))
    }
}

/// Failures in a row that put an endpoint out.
const FAILURES: usize = 2;

/// How long an answer is waited for at least.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of an answer that are read; a longer one is no sign of health.
const LONGEST_ANSWER: usize = 1 << 20;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

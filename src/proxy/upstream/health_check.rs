//! Active health checks of an account's endpoints, over the same path as its traffic, and reports of their results.
//!
//! Pingora's registry keeps the health and the counts. This file decides what a check is, and that one check covers all
//! addresses of an endpoint.
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use pingora::{Error, ErrorType, Result};
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::{Backend, HealthRegistry};

use super::addresses::endpoint_of;
use super::connect::Connections;
use super::own_request::OwnRequest;
use super::way::{Target, Way};
use crate::config::{Account, Endpoint};

/// The result of a check; reported when it changes.
#[derive(Debug)]
pub(crate) struct Health<'a> {
    pub account: &'a str,
    /// The identity of the upstream that was checked.
    pub identity: u64,
    /// Position in `Account::endpoints`.
    pub endpoint: usize,
    pub healthy: bool,
}

/// Receives the results.
pub(crate) type OnHealth = Arc<dyn Fn(Health<'_>) + Send + Sync>;

/// The checks of one account.
pub(super) struct HealthChecks {
    registry: Arc<HealthRegistry>,
    interval: Duration,
}

/// Where the checks of an account report, and under which identity.
pub(super) struct HealthReporter {
    pub identity: u64,
    pub on_health: OnHealth,
}

/// The check of an endpoint: a plain `GET`, never a generation.
struct Check {
    account: Arc<str>,
    path: String,
    interval: Duration,
    connect: Duration,
    /// Weak, because the endpoints' connections hold the registry that holds this.
    endpoints: Vec<(Endpoint, Weak<Way>)>,
    connections: Arc<Connections>,
    reporter: HealthReporter,
}

/// A registry that keeps one health per endpoint, whichever of its addresses the traffic uses.
pub(super) fn by_endpoint() -> Arc<HealthRegistry> {
    let registry = HealthRegistry::with_equivalence(|backend| endpoint_of(backend) as u64);
    Arc::new(registry)
}

impl HealthChecks {
    /// The checks that the account asks for, of the endpoints whose addresses are in `registry`.
    pub(super) fn of(
        account: &Account,
        ways: &[Arc<Way>],
        registry: Arc<HealthRegistry>,
        reporter: HealthReporter,
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
            reporter,
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
            // The configuration has changed meanwhile: this endpoint is not used any more.
            return Ok(());
        };
        let began = Instant::now();
        let passed = self.ask(endpoint, &way).await;
        // An endpoint that traffic has just proved to work is not put out because of a failed check.
        if passed || way.proved_since(began.checked_sub(self.interval).unwrap_or(began)) {
            return Ok(());
        }
        Error::e_explain(ErrorType::Custom("HealthCheck"), "no good answer")
    }

    async fn health_status_change(&self, backend: &Backend, healthy: bool) {
        let endpoint = endpoint_of(backend);
        tracing::info!(account = %self.account, endpoint, healthy, "health check");
        (self.reporter.on_health)(Health {
            account: &self.account,
            identity: self.reporter.identity,
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
        let own_request = OwnRequest {
            method: Method::GET,
            path: &self.path,
            endpoint,
            headers,
            body: None,
            longest: LONGEST_ANSWER,
        };
        let target = Target::new(way.clone());
        let asking = own_request.send(&self.connections, &target, self.connect);
        let patience = self.interval.max(SHORTEST_PATIENCE);
        let answered = tokio::time::timeout(patience, asking).await;
        matches!(answered, Ok(Ok((status, _))) if (200..300).contains(&status))
    }
}

/// The number of failures in a row that put an endpoint out.
const FAILURES: usize = 2;

/// The shortest time that a check waits for an answer.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// The most bytes of an answer; a longer answer counts as a failure.
const LONGEST_ANSWER: usize = 1 << 20;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

//! Active health checks of an account's endpoints, by the way that its traffic takes, and telling what they find.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use super::ask::Ask;
use super::connect::Connections;
use super::way::{Target, Way};
use crate::config::{Account, Endpoint};

/// What a check has found: told when it changes.
#[derive(Debug)]
pub(crate) struct Health<'a> {
    pub(crate) account: &'a str,
    /// Of the upstream that was checked.
    pub(crate) identity: u64,
    /// Position in `Account::endpoints`.
    pub(crate) endpoint: usize,
    pub(crate) healthy: bool,
}

/// Who is told.
pub(crate) type OnHealth = Arc<dyn Fn(Health<'_>) + Send + Sync>;

/// The checks of one account: a plain `GET` each, never a generative call.
pub(super) struct HealthChecks {
    account: Arc<str>,
    identity: u64,
    path: String,
    interval: Duration,
    connect: Duration,
    probes: Vec<Probe>,
    on_health: OnHealth,
}

struct Probe {
    endpoint: Endpoint,
    way: Arc<Way>,
    /// Failures in a row.
    failures: AtomicU32,
}

impl HealthChecks {
    /// Those that the account asks for.
    pub(super) fn of(
        account: &Account,
        ways: &[Arc<Way>],
        identity: u64,
        on_health: &OnHealth,
    ) -> Option<Self> {
        let check = account.health_check.as_ref()?;
        let probes = account.endpoints.iter().zip(ways);
        Some(Self {
            account: account.name.clone(),
            identity,
            path: check.path.clone(),
            interval: check.interval,
            connect: account.timeouts.connect,
            probes: probes
                .map(|(endpoint, way)| Probe {
                    endpoint: endpoint.clone(),
                    way: way.clone(),
                    failures: AtomicU32::new(0),
                })
                .collect(),
            on_health: on_health.clone(),
        })
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Checks every endpoint once.
    pub(super) async fn run(&self, connections: &Connections) {
        for probe in &self.probes {
            let began = Instant::now();
            let passed = self.passes(probe, connections).await;
            // What traffic has just proved to work is not out because a probe failed.
            if passed
                || probe
                    .way
                    .proved_since(began.checked_sub(self.interval).unwrap_or(began))
            {
                if probe.failures.swap(0, Ordering::Relaxed) >= FAILURES {
                    self.tell(probe, true);
                }
            } else if probe.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES {
                self.tell(probe, false);
            }
        }
    }

    async fn passes(&self, probe: &Probe, connections: &Connections) -> bool {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let ask = Ask {
            method: Method::GET,
            path: &self.path,
            endpoint: &probe.endpoint,
            headers,
            body: None,
            longest: LONGEST_ANSWER,
        };
        let target = Target::new(probe.way.clone());
        let asking = ask.send(connections, &target, self.connect);
        let patience = self.interval.max(SHORTEST_PATIENCE);
        let answered = tokio::time::timeout(patience, asking).await;
        matches!(answered, Ok(Ok((status, _))) if (200..300).contains(&status))
    }

    fn tell(&self, probe: &Probe, healthy: bool) {
        let endpoint = probe.way.endpoint();
        tracing::info!(account = %self.account, endpoint, healthy, "health check");
        (self.on_health)(Health {
            account: &self.account,
            identity: self.identity,
            endpoint,
            healthy,
        });
    }
}

/// Failures in a row that put an endpoint out.
const FAILURES: u32 = 2;

/// How long an answer is waited for at least.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of an answer that are read; a longer one is no sign of health.
const LONGEST_ANSWER: usize = 1 << 20;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

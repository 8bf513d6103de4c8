//! What every request of the process shares.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore};

use super::access_tokens::AccessTokens;
use super::connect::{Connections, Upstreams};
use super::counting;
use super::server::{OnReload, StartError};
use super::tls::Certificate;
use crate::config::Config;
use crate::exchange::Gateway;
use crate::limits::ledger::Ledger;
use crate::telemetry::Telemetry;

/// The process: the current configuration, the connections, the counters.
pub(super) struct App {
    current: ArcSwap<Snapshot>,
    pub(super) connections: Connections,
    /// Of the TLS listeners, in their order.
    pub(super) certificates: Vec<Arc<Certificate>>,
    pub(super) telemetry: Arc<Telemetry>,
    /// Where it is remembered what clients used.
    pub(super) ledger: Option<Arc<Ledger>>,
    /// Turns at counting prompts.
    pub(super) counting: Arc<Semaphore>,
    on_reload: OnReload,
    in_flight: AtomicUsize,
    draining: AtomicBool,
    /// Told when the last request in flight ends.
    idle: Notify,
    /// Told to every relay when the drain is over.
    cut: Notify,
    /// Told of every new configuration.
    pub(super) reloads: Notify,
    /// No other process has it, on whatever host.
    pub(super) run_id: String,
    random: AtomicU64,
}

/// A configuration in force and the way to its upstreams. A request keeps the one it began with, so that no reload
/// takes an account away under it, or sends the old credential of one to its new address.
pub(super) struct Snapshot {
    pub(super) gateway: Arc<Gateway>,
    pub(super) upstreams: Upstreams,
    pub(super) tokens: AccessTokens,
}

/// One request in flight; dropping it ends it.
#[derive(Debug)]
pub(super) struct InFlight(Arc<App>);

impl App {
    /// Around a first configuration.
    pub(super) fn new(config: Config, on_reload: OnReload) -> Result<Arc<Self>, StartError> {
        let telemetry = Telemetry::new(&config, SystemTime::now())
            .map_err(|(path, error)| StartError::AccessLog { path, error })?;
        let gateway = Gateway::build(config, None);
        let config = &gateway.config;
        let ledger = config.ledger.as_ref().map(|settings| {
            let (failures, wall) = (telemetry.ledger_failures(), SystemTime::now());
            Ledger::open(settings, &gateway.limits, failures, wall)
                .map(Arc::new)
                .map_err(|error| StartError::Ledger {
                    path: settings.path.clone(),
                    error,
                })
        });
        let mut certificates = Vec::new();
        for listener in &config.listen {
            if let Some(files) = &listener.tls {
                let certificate = Certificate::load(files);
                certificates.push(certificate.map_err(|why| StartError::Tls {
                    addr: listener.addr,
                    why,
                })?);
            }
        }
        Ok(Arc::new(Self {
            certificates,
            ledger: ledger.transpose()?,
            on_reload,
            current: ArcSwap::from_pointee(Snapshot {
                gateway: Arc::new(gateway),
                upstreams: Upstreams::default(),
                tokens: AccessTokens::default(),
            }),
            connections: Connections::new(KEEPALIVE),
            telemetry: Arc::new(telemetry),
            counting: counting::at_once(),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            cut: Notify::new(),
            reloads: Notify::new(),
            run_id: format!("{:016x}", seed()),
            random: AtomicU64::new(seed()),
        }))
    }

    /// The configuration in force.
    pub(super) fn gateway(&self) -> Arc<Gateway> {
        self.current.load().gateway.clone()
    }

    /// The same, with the way to its upstreams.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Finds the upstreams of the first configuration.
    pub(super) async fn begin(self: &Arc<Self>) {
        self.put(self.gateway()).await;
    }

    /// Takes over a new configuration; requests in flight keep theirs.
    pub(super) async fn swap(self: &Arc<Self>, config: Config) {
        self.telemetry.configure(&config);
        let next = Gateway::build(config, Some(&*self.gateway()));
        self.put(Arc::new(next)).await;
        self.reloads.notify_one();
    }

    async fn put(self: &Arc<Self>, gateway: Arc<Gateway>) {
        let before = self.snapshot();
        let upstreams = Upstreams::of(&gateway.config, &before.upstreams, self).await;
        let tokens = AccessTokens::of(&gateway.config, &before.tokens, self);
        self.current.store(Arc::new(Snapshot {
            gateway,
            upstreams,
            tokens,
        }));
    }

    /// Waits until the ledger is written, but not for ever: the process is about to end.
    pub(super) fn flush_ledger(&self) {
        if let Some(ledger) = &self.ledger
            && !ledger.flush(LAST_LINES)
        {
            tracing::warn!("the ledger cannot be written: what clients used last is lost");
        }
    }

    /// Tells what lives outside the data plane of the configuration now in force.
    pub(super) fn reloaded(&self) {
        (self.on_reload)(&self.gateway().config);
    }

    /// Reads the certificates of the TLS listeners again.
    pub(super) fn renew_certificates(&self) {
        for certificate in &self.certificates {
            certificate.reload();
        }
    }

    /// Counts a request in, unless there are `limit` already.
    pub(super) fn enter(self: &Arc<Self>, limit: usize) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= limit {
            self.leave();
            return None;
        }
        Some(InFlight(self.clone()))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// No new work is wanted: `/readyz` says so from now on.
    pub(super) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Waits until nothing is in flight.
    pub(super) async fn idle(&self) {
        loop {
            let told = self.idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            told.await;
        }
    }

    /// Ends every relay with its dialect's terminal error event.
    pub(super) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Resolves when the drain is over.
    pub(super) async fn until_cut(&self) {
        self.cut.notified().await;
    }

    /// A number that nobody can foresee well enough to matter: for weighted draws, jitter and request ids. No system
    /// call, no lock.
    pub(super) fn draw(&self) -> u64 {
        let state = self.random.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An id for a request that brought none.
    pub(super) fn request_id(&self) -> String {
        // Without the machinery of `format!`, which shows in profiles.
        let mut id = String::with_capacity(36);
        id.push_str("req_");
        for number in [self.draw(), self.draw()] {
            for shift in (0..64).step_by(4).rev() {
                let digit = u32::try_from(number >> shift & 15).unwrap_or_default();
                id.extend(char::from_digit(digit, 16));
            }
        }
        id
    }

    fn leave(&self) {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Keys of std's hash maps are random per process: the same source, without another crate.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Step of SplitMix64 (Steele, Lea, Flood 2014): consecutive states give independent outputs.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// How long the end of the process waits for the ledger.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Idle upstream connections kept in all.
const KEEPALIVE: usize = 4096;

//! What every request of the process shares.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connect::Upstreams;
use super::server::StartError;
use crate::config::{AccessLog, Config};
use crate::exchange::Gateway;
use crate::telemetry::{Telemetry, metrics};

/// The process: the current configuration, the connections, the counters.
#[derive(Debug)]
pub(super) struct App {
    gateway: ArcSwap<Gateway>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) reloads: Mutex<ReloadStatus>,
    in_flight: AtomicUsize,
    draining: AtomicBool,
    /// Told when the last request in flight ends.
    idle: Notify,
    /// Told to every relay when the drain is over.
    cut: Notify,
    random: AtomicU64,
}

/// How the reloads went so far.
#[derive(Clone, Debug)]
pub(super) struct ReloadStatus {
    /// Counts the configurations that were applied, from 1.
    pub(super) generation: u64,
    pub(super) applied_at: SystemTime,
    pub(super) last_error: Option<ReloadError>,
}

/// Why the last reload was refused.
#[derive(Clone, Debug)]
pub(super) struct ReloadError {
    pub(super) message: String,
    pub(super) at: SystemTime,
}

/// One request in flight; dropping it ends it.
#[derive(Debug)]
pub(super) struct InFlight {
    app: Arc<App>,
    _gauge: metrics::InFlight,
}

impl App {
    /// Around a first configuration.
    pub(super) fn new(config: Config) -> Result<Arc<Self>, StartError> {
        let now = SystemTime::now();
        let telemetry = Telemetry::start(VERSION, REVISION, &config.log.access).map_err(|error| {
            let path = match &config.log.access {
                AccessLog::File(path) => path.clone(),
                AccessLog::Off | AccessLog::Stdout => "standard output".into(),
            };
            StartError::AccessLog { path, error }
        })?;
        telemetry.metrics.config_applied(&config, FIRST_GENERATION, now);
        Ok(Arc::new(Self {
            gateway: ArcSwap::from_pointee(Gateway::build(config, None)),
            upstreams: Arc::new(Upstreams::new(KEEPALIVE)),
            telemetry: Arc::new(telemetry),
            reloads: Mutex::new(ReloadStatus {
                generation: FIRST_GENERATION,
                applied_at: now,
                last_error: None,
            }),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            cut: Notify::new(),
            random: AtomicU64::new(seed()),
        }))
    }

    /// The configuration in force.
    pub(super) fn gateway(&self) -> Guard<Arc<Gateway>> {
        self.gateway.load()
    }

    /// Takes over a new configuration; requests in flight keep theirs. Its number is returned.
    pub(super) async fn swap(self: &Arc<Self>, config: Config) -> u64 {
        let before = self.gateway.load_full();
        if before.config.log.access != config.log.access
            && let Err(error) = self.telemetry.access_log.open(&config.log.access)
        {
            tracing::error!(%error, "the access log stays where it was");
        }
        let next = Arc::new(Gateway::build(config, Some(&before)));
        self.upstreams.apply(&next.config, self).await;
        let now = SystemTime::now();
        let generation = {
            let mut status = self.reloads.lock();
            status.generation += 1;
            status.applied_at = now;
            status.last_error = None;
            status.generation
        };
        self.telemetry.metrics.config_applied(&next.config, generation, now);
        self.gateway.store(next);
        generation
    }

    /// A reload was refused; what is in force stays.
    pub(super) fn refuse_reload(&self, message: String) {
        self.telemetry.metrics.config_refused();
        self.reloads.lock().last_error = Some(ReloadError { message, at: SystemTime::now() });
    }

    /// What is on disk is what is in force.
    pub(super) fn confirm_reload(&self) {
        let mut status = self.reloads.lock();
        status.last_error = None;
        let (generation, applied_at) = (status.generation, status.applied_at);
        drop(status);
        self.telemetry.metrics.config_applied(&self.gateway().config, generation, applied_at);
    }

    /// Opens the access log anew: its file may have been rotated away.
    pub(super) fn reopen_access_log(&self) {
        if let Err(error) = self.telemetry.access_log.open(&self.gateway().config.log.access) {
            tracing::error!(%error, "the access log cannot be reopened");
        }
    }

    /// Counts a request in, unless there are `limit` already.
    pub(super) fn enter(self: &Arc<Self>, limit: usize) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= limit {
            self.leave();
            return None;
        }
        Some(InFlight {
            app: self.clone(),
            _gauge: self.telemetry.metrics.begin(),
        })
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
        format!("req_{:016x}{:016x}", self.draw(), self.draw())
    }

    fn leave(&self) {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.app.leave();
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

/// Idle upstream connections kept in all.
const KEEPALIVE: usize = 4096;

/// The number of the configuration that a process starts with.
const FIRST_GENERATION: u64 = 1;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was built, when the build said so.
const REVISION: &str = match option_env!("WEIR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

//! The state that all requests of the process share.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore};

use super::certificates::Certificates;
use super::history::History;
use super::latch::Latch;
use super::log_level::{LogLevel, SetLevel};
use super::predecessor::Predecessor;
use super::running::{Run, Running};
use super::sources::{host, random_text, turns_at_counting};
use super::start_error::StartError;
use crate::config::Config;
use crate::exchange::Gateway;
use crate::exchange::occasion::Occasion;
use crate::limits::ledger::Ledger;
use crate::proxy::client::buffered::{BufferShare, Buffered, quarter_of_memory};
use crate::proxy::client::places::{Places, descriptors};
use crate::proxy::clocks;
use crate::proxy::random::{Random, seed};
use crate::proxy::recording::recorder::Recorder;
use crate::proxy::upstream::accounts::Upstreams;
use crate::proxy::upstream::connect::{Connections, lanes};
use crate::proxy::upstream::health_check::OnHealth;
use crate::proxy::upstream::tokens::{AccessTokens, Means};
use crate::telemetry::Telemetry;

/// The process: the current configuration, the connections, the counters.
pub(crate) struct App {
    current: ArcSwap<Snapshot>,
    pub(crate) connections: Arc<Connections>,
    certificates: Certificates,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Records what clients used.
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// Permits for counting prompts.
    pub(crate) counting: Arc<Semaphore>,
    log_level: LogLevel,
    in_flight: AtomicUsize,
    running: Running,
    /// The connections of clients.
    pub(crate) places: Arc<Places>,
    /// The bytes of request bodies that are held.
    pub(crate) buffered: Arc<Buffered>,
    draining: AtomicBool,
    /// Notified when the last request in flight ends.
    idle: Notify,
    /// Set while connections are being closed, which begins after `server.drain_delay`.
    closing: Latch,
    /// Set when connections that wait for a request are closed: at once, or after a handover when clients have had time
    /// to find the new process.
    quiet: Latch,
    /// The process that this one follows.
    predecessor: Predecessor,
    /// Notifies every relay when the time for the drain is over.
    cut: Notify,
    /// Notified of every new configuration.
    pub(crate) reloads: Notify,
    /// An id that no other process has, on any host.
    pub(crate) run_id: String,
    /// The name of the host.
    host: String,
    pub(crate) history: History,
    started: (SystemTime, Arc<Config>),
    /// The code with which the person who started the process can sign in at the console, once.
    first_sign_in: OnceLock<String>,
    /// Records exchanges, if that was requested.
    recorder: OnceLock<Arc<Recorder>>,
    random: Arc<Random>,
}

/// A configuration in force and its upstreams. A request keeps the snapshot that it began with. So a reload cannot
/// remove an account from under it, or send an old credential to a new address.
pub(crate) struct Snapshot {
    pub gateway: Arc<Gateway>,
    pub upstreams: Upstreams,
    pub tokens: AccessTokens,
}

/// One request in flight; dropping it ends it.
#[derive(Debug)]
pub(crate) struct InFlight {
    app: Arc<App>,
    run: Arc<Run>,
}

impl App {
    /// The state with a first configuration.
    pub(crate) fn new(config: Config, set_level: SetLevel) -> Result<Arc<Self>, StartError> {
        let telemetry = Telemetry::new(&config, SystemTime::now())
            .map_err(|(path, error)| StartError::AccessLog { path, error })?;
        let telemetry = Arc::new(telemetry);
        let gateway = Gateway::build(config, None);
        let config = gateway.config.clone();
        let ledger = config.ledger.as_ref().map(|settings| {
            let (failures, wall) = (telemetry.ledger_failures(), SystemTime::now());
            Ledger::open(settings, &gateway.limits, failures, wall)
                .map(Arc::new)
                .map_err(|error| StartError::Ledger {
                    path: settings.path.clone(),
                    error,
                })
        });
        let history = History::default();
        history.keep(&config, telemetry.status().generation, SystemTime::now());
        let connections = Connections::new(KEEPALIVE, lanes(&config.server));
        Ok(Arc::new(Self {
            certificates: Certificates::load(&config)?,
            ledger: ledger.transpose()?,
            log_level: LogLevel::new(&config.log.level, set_level),
            current: ArcSwap::from_pointee(Snapshot {
                gateway: Arc::new(gateway),
                upstreams: Upstreams::default(),
                tokens: AccessTokens::default(),
            }),
            connections: Arc::new(connections),
            counting: turns_at_counting(),
            in_flight: AtomicUsize::new(0),
            running: Running::default(),
            places: Places::new(descriptors(), telemetry.clone()),
            telemetry,
            buffered: Arc::default(),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            closing: Latch::default(),
            quiet: Latch::default(),
            predecessor: Predecessor::default(),
            cut: Notify::new(),
            reloads: Notify::new(),
            host: host(),
            history,
            started: (SystemTime::now(), config),
            first_sign_in: OnceLock::new(),
            recorder: OnceLock::new(),
            run_id: format!("{:016x}", seed()),
            random: Arc::new(Random::new()),
        }))
    }

    /// The configuration in force.
    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        self.current.load().gateway.clone()
    }

    /// The name of this process: the configured label of its metrics, otherwise the name of its host.
    pub(crate) fn instance(&self) -> String {
        let gateway = self.gateway();
        let prometheus = gateway.config.prometheus.as_ref();
        let label = prometheus.and_then(|prometheus| prometheus.instance.as_deref());
        label.unwrap_or(&self.host).to_owned()
    }

    pub(crate) fn started(&self) -> &(SystemTime, Arc<Config>) {
        &self.started
    }

    /// The code for the first sign-in, if one was made.
    pub(crate) fn first_sign_in(&self) -> Option<&str> {
        self.first_sign_in.get().map(String::as_str)
    }

    /// Makes a code for the first sign-in. Call it before the admin plane serves.
    pub(crate) fn invite(&self) -> Option<&str> {
        let code = random_text()?;
        Some(self.first_sign_in.get_or_init(|| code))
    }

    /// The configuration in force, with its upstreams.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Prepares the upstreams of the first configuration.
    pub(crate) async fn begin(self: &Arc<Self>) {
        self.put(self.gateway()).await;
    }

    /// Puts a new configuration into force; requests in flight keep theirs.
    pub(crate) async fn swap(self: &Arc<Self>, config: Config) {
        let next = Gateway::build(config, Some(&*self.gateway()));
        self.put(Arc::new(next)).await;
        self.reloads.notify_one();
    }

    async fn put(self: &Arc<Self>, gateway: Arc<Gateway>) {
        let before = self.snapshot();
        let (connections, told) = (&self.connections, self.on_health());
        let upstreams = Upstreams::of(&gateway.config, &before.upstreams, connections, &told).await;
        let tokens = AccessTokens::of(&gateway.config, &before.tokens, &self.means());
        self.current.store(Arc::new(Snapshot {
            gateway,
            upstreams,
            tokens,
        }));
    }

    /// Passes the results of health checks to the pool in force.
    fn on_health(self: &Arc<Self>) -> OnHealth {
        let app = Arc::downgrade(self);
        Arc::new(move |check| {
            let Some(app) = app.upgrade() else { return };
            let snapshot = app.snapshot();
            if !snapshot.upstreams.has(check.account, check.identity) {
                // A reload has changed the account. Requests that began before it keep this upstream alive for a while.
                return;
            }
            let gateway = &snapshot.gateway;
            let mut accounts = gateway.config.accounts.iter();
            if let Some(account) = accounts.find(|account| &*account.name == check.account) {
                let pool = &gateway.pool;
                pool.set_endpoint_health(account.index, check.endpoint, check.healthy);
            }
        })
    }

    /// What is needed to fetch access tokens.
    fn means(&self) -> Arc<Means> {
        Arc::new(Means {
            connections: self.connections.clone(),
            telemetry: self.telemetry.clone(),
            random: self.random.clone(),
        })
    }

    /// Starts to record exchanges. Call it before anything is served.
    pub(crate) fn record(&self, recorder: Recorder) {
        self.recorder.get_or_init(|| Arc::new(recorder));
    }

    /// The recorder of exchanges, if there is one.
    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.get()
    }

    /// Applies the parts of the new configuration that live outside the data plane.
    pub(crate) fn reloaded(&self) {
        // If the level cannot be set, it was fixed from outside and remains.
        let _ = self.log_level.set(&self.gateway().config.log.level);
    }

    /// The certificates of the listeners that use TLS.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Counts a request that began at `began`, unless `limit` requests are in flight already.
    pub(crate) fn enter(self: &Arc<Self>, limit: usize, began: Instant) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= limit {
            self.leave();
            return None;
        }
        Some(InFlight {
            app: self.clone(),
            run: self.running.enter(began),
        })
    }

    /// A share of the buffer memory for the body of one request.
    pub(crate) fn hold(&self) -> BufferShare {
        let most = self.current.load().gateway.config.server.max_buffered;
        self.buffered.share(most.unwrap_or_else(quarter_of_memory))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The process wants no new work; from now on `/readyz` says so.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Set when connections end as soon as nothing is in flight on them.
    pub(crate) fn closing(&self) -> &Latch {
        &self.closing
    }

    /// Set when connections that wait for a request are closed.
    pub(crate) fn quiet(&self) -> &Latch {
        &self.quiet
    }

    /// The process that this one follows, if it still serves.
    pub(crate) fn predecessor(&self) -> &Predecessor {
        &self.predecessor
    }

    pub(crate) fn log_level(&self) -> &LogLevel {
        &self.log_level
    }

    /// The requests that are served now.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn idle(&self) {
        loop {
            let told = self.idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            told.await;
        }
    }

    /// Ends every relay with the terminal error event of its dialect.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Resolves when relays that had begun to answer have had the time to end their answers.
    pub(crate) async fn until_well_cut(&self) {
        self.until_cut().await;
        tokio::time::sleep(OWN_WORDS).await;
    }

    /// Resolves when the time for the drain is over.
    pub(crate) async fn until_cut(&self) {
        self.cut.notified().await;
    }

    /// A number that is random enough for weighted draws and jitter, but not for cryptography.
    pub(crate) fn draw(&self) -> u64 {
        self.random.draw()
    }

    /// The present time, with a random draw.
    pub(crate) fn occasion(&self) -> Occasion {
        Occasion {
            moment: clocks::moment(),
            draw: self.draw(),
        }
    }

    /// An id for a request that brought none.
    pub(crate) fn request_id(&self) -> String {
        self.random.request_id()
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

impl InFlight {
    /// The public state of the request while it runs.
    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.app.running.leave(&self.run);
        self.app.leave();
    }
}

/// How long a committed answer may take to end itself when the time for the drain is over; after that it is cut off.
const OWN_WORDS: Duration = Duration::from_millis(500);

/// The most idle upstream connections in total.
const KEEPALIVE: usize = 4096;

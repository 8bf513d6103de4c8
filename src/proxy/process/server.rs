//! The process around the data plane: listeners, TLS, runtime, drain.
//!
//! Sockets are bound before anything else starts, so that a taken port is one clear error and not a retry loop, and so
//! that a test that binds port 0 learns the port.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp as _;
use pingora::server::configuration::ServerConf;
use pingora_proxy::http_proxy;
use tokio::sync::{mpsc, oneshot, watch};

use super::admin_door;
use super::bind::{AdminListener, Bound, Heirlooms};
use super::data_plane::DataPlane;
pub use super::inherited::Inherited;
use super::signals;
pub use super::signals::Stop;
use super::successor::{Means, Successor};
use crate::config::{Config, Runtime};
use crate::proxy::admin;
use crate::proxy::edge::Edge;
use crate::proxy::recording::recorder::Recorder;
use crate::proxy::state::alerts;
use crate::proxy::state::app::App;
use crate::proxy::state::background;
use crate::proxy::state::fleet;
use crate::proxy::state::inside::{Conversation, Inside};
pub use crate::proxy::state::log_level::SetLevel;
use crate::proxy::state::notify;
use crate::proxy::state::reload::{self, Seen, Source};
pub use crate::proxy::state::start_error::StartError;
use crate::proxy::state::traces;

/// A process that is about to serve: everything is bound, nothing is accepted yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    source: Source,
    seen: Seen,
    bound: Bound,
    inherited: Option<Inherited>,
    runtime: tokio::runtime::Runtime,
}

/// What ends the service.
#[derive(Debug)]
pub enum Until {
    /// Signals: `SIGTERM` (after a delay) and `SIGINT` drain, a second one stops at once; `SIGHUP` reloads and reopens
    /// the access log; `SIGQUIT` hands over to a new process.
    Signalled,
    /// Messages from this process; a second message ends a drain at once.
    Told(tokio::sync::mpsc::Receiver<Stop>),
}

impl Server {
    /// Binds everything that `config` names.
    pub fn bind(config: Config, source: Source) -> Result<Self, StartError> {
        Self::bind_with(config, source, Box::new(|_| false), None)
    }

    /// The same as [`Server::bind`]. `set_level` changes the level of the process's log. Sockets that are `inherited`
    /// from the previous process are not bound again.
    pub fn bind_with(
        config: Config,
        source: Source,
        set_level: SetLevel,
        mut inherited: Option<Inherited>,
    ) -> Result<Self, StartError> {
        let threads = match config.server.runtime {
            Runtime::Shared => config.server.threads,
            // One thread for everything other than the data plane.
            Runtime::PerCore => 1,
        };
        let seen = Seen::now(&source, &config);
        let runtime = runtime(threads).map_err(StartError::Runtime)?;
        let bound = Bound::of(&config, &mut inherited)?;
        let app = {
            let _inside = runtime.enter();
            App::new(config, set_level)?
        };
        Ok(Self {
            app,
            source,
            seen,
            bound,
            inherited,
            runtime,
        })
    }

    /// The addresses of the data plane, with the ports that the system chose.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.bound
            .listeners
            .iter()
            .filter_map(|(socket, _)| socket.local_addr().ok())
            .collect()
    }

    /// The address of the admin plane, when it listens on TCP.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        match &self.bound.admin {
            Some(AdminListener::Tcp(socket, _)) => socket.local_addr().ok(),
            _ => None,
        }
    }

    /// A code with which one person can sign in at the console as an admin within ten minutes. `None` without an admin
    /// plane on TCP.
    pub fn invite(&self) -> Option<&str> {
        self.admin_addr()?;
        self.app.invite()
    }

    /// Records exchanges in this directory.
    pub fn record(&self, directory: &Path) -> Result<(), StartError> {
        let recorder = Recorder::start(directory, &self.app.run_id);
        let recorder = recorder.map_err(|error| StartError::Record {
            path: directory.to_owned(),
            error,
        })?;
        self.app.record(recorder);
        Ok(())
    }

    /// Serves until `until` ends the service.
    pub fn run(self, until: Until) -> Result<(), StartError> {
        let Self {
            app,
            source,
            seen,
            bound,
            inherited,
            runtime,
        } = self;
        let result = runtime.block_on(serve(app, (source, seen), bound, inherited, until));
        // The drain is over, so what is still running has had its time.
        runtime.shutdown_timeout(Duration::from_millis(500));
        result
    }
}

async fn serve(
    app: Arc<App>,
    (source, seen): (Source, Seen),
    bound: Bound,
    inherited: Option<Inherited>,
    until: Until,
) -> Result<(), StartError> {
    app.begin().await;
    fleet::begin(&app).await;
    alerts::begin(&app);
    background::begin(&app);
    traces::begin(&app);
    let (data_stop, data_watch) = watch::channel(false);
    let (admin_stop, admin_watch) = watch::channel(false);
    let (old_stop, old_watch) = watch::channel(false);
    let mut next = Next::of(&source, &bound);
    let reloads = reload::spawn(app.clone(), source.clone(), seen);
    let heir = match inherited {
        Some(inherited) => Some(inherited.succeed(&app).await?),
        None => None,
    };
    // Signals must be handled before the first answer is sent: a client that has an answer may end the process.
    let mut stop = match until {
        Until::Told(stop) => stop,
        Until::Signalled => {
            signals::listen(reloads.clone(), app.telemetry.clone()).map_err(StartError::Runtime)?
        }
    };
    let Bound { listeners, admin } = bound;
    let data = DataPlane::begin(&app, listeners, data_watch)?;
    let mut socket = admin.as_ref().and_then(AdminListener::socket_file);
    let door = |listener, shutdown| {
        let plane = admin::plane(app.clone(), reloads.clone(), source.clone(), inside(&app));
        let certificate = app.certificates().admin().cloned();
        admin_door::open(plane, listener, certificate, shutdown)
    };
    let control = admin.map(|listener| door(listener, admin_watch));
    if let Some(heir) = heir {
        heir.serve(&app).await;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    notify::ready("serving generation 1");
    notify::watchdog();

    let (mut last, successor) = next.until_stopped(&app, &mut stop).await;
    drop(next);
    app.begin_drain();
    let mut end = None;
    // After a handover, a service manager may still send `SIGTERM` to every process of the service; for this process
    // that changes nothing.
    let mut drains_already = false;
    if let Some(successor) = successor {
        // From now on the admin plane, and the file of its socket, belong to the other process.
        let _ = admin_stop.send(true);
        let own = AdminListener::of_an_old_process(&app.gateway().config);
        socket = own.as_ref().and_then(AdminListener::socket_file);
        drop(own.map(|listener| door(listener, old_watch)));
        let (over, told) = oneshot::channel();
        end = Some((over, tokio::spawn(successor.follow(app.clone(), told))));
        app.closing().set();
        let _ = data_stop.send(true);
        // A request that arrives now on an idle connection is answered, and its client is told to close the connection.
        let grace = app.gateway().config.server.drain_delay;
        tracing::info!(in_flight = app.in_flight(), "handed over");
        tokio::select! {
            () = tokio::time::sleep(grace) => drains_already = true,
            told = asked(&mut stop) => last = told,
        }
        if last == Stop::Retire {
            last = Stop::Drain;
        }
    } else {
        notify::stopping(app.in_flight());
    }
    if last == Stop::Retire {
        let delay = app.gateway().config.server.drain_delay;
        tracing::info!(
            delay_s = delay.as_secs(),
            "about to drain: not ready any more"
        );
        last = tokio::select! {
            () = tokio::time::sleep(delay) => Stop::Drain,
            _ = asked(&mut stop) => Stop::Now,
        };
    }
    app.closing().set();
    let _ = data_stop.send(true);
    app.quiet().set();
    if last == Stop::Drain {
        let limit = app.gateway().config.server.drain_timeout;
        tracing::info!(
            in_flight = app.in_flight(),
            limit_s = limit.as_secs(),
            "draining"
        );
        let over = tokio::time::sleep(limit);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = app.idle() => {}
                () = &mut over => {
                    tracing::warn!(in_flight = app.in_flight(), "the drain took too long: ending what is left");
                    app.cut();
                    let _ = tokio::time::timeout(LAST_WORDS, app.idle()).await;
                }
                told = asked(&mut stop) => {
                    if std::mem::take(&mut drains_already) && told == Stop::Retire {
                        continue;
                    }
                    last = Stop::Now;
                }
            }
            break;
        }
    }
    if last == Stop::Now {
        tracing::warn!(in_flight = app.in_flight(), "not waiting");
    } else {
        // A request ends before its last bytes have been sent, so each connection holds a receiver until it is closed.
        let closed = tokio::time::timeout(LAST_BYTES, data_stop.closed()).await;
        if closed.is_err() {
            tracing::warn!("some clients have not taken the last bytes of their answers");
        }
    }
    if last == Stop::Drain && app.predecessor().is_one() {
        // When this process has ended, the service manager ends whatever is left.
        tracing::info!("waiting for the process before this one to end what it began");
        let limit = app.gateway().config.server.drain_timeout;
        tokio::select! {
            () = app.predecessor().gone() => {}
            () = tokio::time::sleep(limit) => {}
            _ = asked(&mut stop) => {}
        }
    }
    data.end().await;
    let _ = (admin_stop.send(true), old_stop.send(true));
    if let Some(control) = control {
        control.abort();
    }
    if let Some(socket) = socket {
        socket.remove();
    }
    if let Some((over, told)) = end {
        let _ = over.send(());
        let _ = tokio::time::timeout(LAST_WORDS, told).await;
    }
    traces::flush(&app).await;
    app.telemetry.flush();
    if let Some(ledger) = &app.ledger
        && !ledger.flush(LAST_LINES)
    {
        tracing::warn!("the ledger cannot be written: what clients used last is lost");
    }
    if let Some(recorder) = app.recorder() {
        recorder.flush(LAST_LINES);
    }
    tracing::info!("stopped");
    Ok(())
}

/// How the process is to end. A process that is ending refuses to hand over.
async fn asked(stop: &mut mpsc::Receiver<Stop>) -> Stop {
    loop {
        match stop.recv().await {
            Some(Stop::HandOver) => tracing::warn!("one hand-over at a time, and none at the end"),
            Some(told) => return told,
            None => return Stop::Now,
        }
    }
}

/// What is needed to start a following process.
struct Next {
    means: Means,
    /// The sockets to hand over; `Err` = why no process can follow.
    heirlooms: Result<Heirlooms, String>,
}

impl Next {
    fn of(source: &Source, bound: &Bound) -> Self {
        let heirlooms = match source {
            Source::Fixed => {
                Err("only a process with a configuration file can be followed".to_owned())
            }
            Source::File(_) => bound.copies().map_err(|error| error.to_string()),
        };
        Self {
            means: Means::of_this_process(),
            heirlooms,
        }
    }

    /// Serves until told to stop. Also returns the successor, if one has taken over.
    async fn until_stopped(
        &mut self,
        app: &Arc<App>,
        stop: &mut mpsc::Receiver<Stop>,
    ) -> (Stop, Option<Successor>) {
        loop {
            let told = stop.recv().await.unwrap_or(Stop::Drain);
            if told != Stop::HandOver {
                return (told, None);
            }
            let started = match &self.heirlooms {
                Err(why) => Err(why.clone()),
                Ok(heirlooms) => tokio::select! {
                    started = Successor::start(app, &self.means, heirlooms) => started,
                    told = asked(stop) => return (told, None),
                },
            };
            match started {
                Ok(successor) => return (Stop::Drain, Some(successor)),
                Err(why) => {
                    tracing::error!(%why, "nobody took over: this process goes on serving");
                    notify::say(&format!("the upgrade failed: {why}"));
                }
            }
        }
    }
}

/// Uses a separate proxy for each request, which knows the key that it acts for; no header of a client could select it.
fn inside(app: &Arc<App>) -> Inside {
    let app = app.clone();
    Arc::new(move |key| {
        let (stream, served) = tokio::io::duplex(INSIDE_BUFFER);
        let edge = Edge::acting_as(app.clone(), key);
        let over = tokio::spawn(async move {
            let proxy = Arc::new(http_proxy(&Arc::new(ServerConf::default()), edge));
            let (_stop, shutdown) = watch::channel(false);
            proxy.process_new(Box::new(served), &shutdown).await;
        });
        Conversation { stream, over }
    })
}

fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.thread_name("weir").enable_all().build()
}

/// The bytes that are buffered between the console and the data plane.
const INSIDE_BUFFER: usize = 64 << 10;

/// How long the end of the process waits for the ledger and for recorded exchanges.
const LAST_LINES: Duration = Duration::from_secs(5);

/// How long the connections may take to close after the last request.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// How long requests that outlast a drain may take to send their terminal error event.
const LAST_WORDS: Duration = Duration::from_secs(2);

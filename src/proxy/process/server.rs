//! Listeners, TLS, runtime, drain: the process around the data plane.
//!
//! Sockets are bound before anything else starts, so that a taken port is one clear error and not a retry loop, and so
//! that a test that binds port 0 learns the port.
use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp as _, HttpServerOptions, ServerApp as _};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::listen::Door;
use super::signals;
pub use super::signals::Stop;
use super::socket_file::SocketFile;
use crate::config::{AdminAddr, Config, Listener};
use crate::proxy::admin;
use crate::proxy::edge::Edge;
use crate::proxy::state::app::App;
pub use crate::proxy::state::app::OnReload;
use crate::proxy::state::fleet;
use crate::proxy::state::inside::{Conversation, Inside};
use crate::proxy::state::notify;
use crate::proxy::state::reload::{self, Source};
pub use crate::proxy::state::start_error::StartError;
use crate::proxy::state::tls::Certificate;
use crate::proxy::websocket;

/// A process about to serve: everything is bound, nothing is accepted yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    source: Source,
    listeners: Vec<(TcpListener, Listener)>,
    admin: Option<AdminListener>,
    runtime: tokio::runtime::Runtime,
}

/// What a process serves until.
#[derive(Debug)]
pub enum Until {
    /// `SIGTERM` (after a delay) or `SIGINT` drains, a second one stops at once; `SIGHUP` reloads and reopens the access log.
    Signalled,
    /// Someone in this process says so; a second message ends a drain at once.
    Told(tokio::sync::mpsc::Receiver<Stop>),
}

#[derive(Debug)]
enum AdminListener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl AdminListener {
    fn socket_file(&self) -> Option<SocketFile> {
        match self {
            Self::Tcp(..) => None,
            Self::Unix(_, path) => SocketFile::of(path),
        }
    }
}

impl Server {
    /// Binds everything that `config` names.
    pub fn bind(config: Config, source: Source) -> Result<Self, StartError> {
        Self::bind_with(config, source, Box::new(|_| ()))
    }

    /// As [`Server::bind`]; `on_reload` is told of every configuration that comes into force later.
    pub fn bind_with(
        config: Config,
        source: Source,
        on_reload: OnReload,
    ) -> Result<Self, StartError> {
        let runtime = runtime(config.server.threads).map_err(StartError::Runtime)?;
        let mut listeners = Vec::with_capacity(config.listen.len());
        for listener in &config.listen {
            listeners.push((bind_tcp(listener.addr)?, listener.clone()));
        }
        let admin = match config.admin.as_ref().map(|admin| &admin.addr) {
            Some(AdminAddr::Tcp(addr)) => Some(AdminListener::Tcp(bind_tcp(*addr)?, *addr)),
            Some(AdminAddr::Unix(path)) => {
                Some(AdminListener::Unix(bind_unix(path)?, path.clone()))
            }
            None => None,
        };
        let app = {
            let _inside = runtime.enter();
            App::new(config, on_reload)?
        };
        Ok(Self {
            app,
            source,
            listeners,
            admin,
            runtime,
        })
    }

    /// Where the data plane listens, with the ports that the system chose.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|(socket, _)| socket.local_addr().ok())
            .collect()
    }

    /// Where the admin plane listens, when it does so on TCP.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        match &self.admin {
            Some(AdminListener::Tcp(socket, _)) => socket.local_addr().ok(),
            _ => None,
        }
    }

    /// A code with which one person can sign in at the console as an admin, for ten minutes; `None` without an admin
    /// plane on TCP.
    pub fn invite(&self) -> Option<&str> {
        self.admin_addr()?;
        self.app.invite()
    }

    /// Serves until `until` says otherwise.
    pub fn run(self, until: Until) -> Result<(), StartError> {
        let Self {
            app,
            source,
            listeners,
            admin,
            runtime,
        } = self;
        let result = runtime.block_on(serve(app, source, listeners, admin, until));
        // What still runs had its time: the drain is over.
        runtime.shutdown_timeout(Duration::from_millis(500));
        result
    }
}

async fn serve(
    app: Arc<App>,
    source: Source,
    listeners: Vec<(TcpListener, Listener)>,
    admin: Option<AdminListener>,
    until: Until,
) -> Result<(), StartError> {
    app.begin().await;
    fleet::begin(&app).await;
    let (data_stop, data_watch) = watch::channel(false);
    let (admin_stop, admin_watch) = watch::channel(false);
    let reloads = reload::spawn(app.clone(), source.clone());
    let data = data_plane(&app, listeners, data_watch)?;
    let socket = admin.as_ref().and_then(AdminListener::socket_file);
    let control =
        admin.map(|listener| admin_plane(&app, listener, (reloads.clone(), source), admin_watch));
    let mut stop = match until {
        Until::Told(stop) => stop,
        Until::Signalled => signals::listen(reloads).map_err(StartError::Runtime)?,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    notify::ready("serving generation 1");
    notify::watchdog();

    let mut last = stop.recv().await.unwrap_or(Stop::Drain);
    app.begin_drain();
    notify::stopping(app.in_flight());
    if last == Stop::Retire {
        let delay = app.gateway().config.server.drain_delay;
        tracing::info!(
            delay_s = delay.as_secs(),
            "about to drain: not ready any more"
        );
        last = tokio::select! {
            () = tokio::time::sleep(delay) => Stop::Drain,
            _ = stop.recv() => Stop::Now,
        };
    }
    app.begin_closing();
    let _ = data_stop.send(true);
    if last == Stop::Drain {
        let limit = app.gateway().config.server.drain_timeout;
        tracing::info!(
            in_flight = app.in_flight(),
            limit_s = limit.as_secs(),
            "draining"
        );
        tokio::select! {
            () = app.idle() => {}
            () = tokio::time::sleep(limit) => {
                tracing::warn!(in_flight = app.in_flight(), "the drain took too long: ending what is left");
                app.cut();
                let _ = tokio::time::timeout(LAST_WORDS, app.idle()).await;
            }
            _ = stop.recv() => last = Stop::Now,
        }
    }
    if last == Stop::Now {
        tracing::warn!(in_flight = app.in_flight(), "not waiting");
    } else {
        // A request is over before the last of its bytes has left: each connection holds a receiver until it is closed.
        let closed = tokio::time::timeout(LAST_BYTES, data_stop.closed()).await;
        if closed.is_err() {
            tracing::warn!("some clients have not taken the last bytes of their answers");
        }
    }
    data.abort();
    let _ = admin_stop.send(true);
    if let Some(control) = control {
        control.abort();
    }
    if let Some(socket) = socket {
        socket.remove();
    }
    app.telemetry.flush();
    app.flush_ledger();
    tracing::info!("stopped");
    Ok(())
}

fn data_plane(
    app: &Arc<App>,
    listeners: Vec<(TcpListener, Listener)>,
    shutdown: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<()>, StartError> {
    let edge = Edge::new(app.clone(), Some(sockets(app)));
    let mut proxy = http_proxy(&Arc::new(ServerConf::default()), edge);
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    proxy.server_options = Some(options);
    let limits = app.gateway().config.server.client_limits;
    let mut h2 = default_h2_options();
    h2.max_concurrent_streams(limits.streams_per_connection);
    proxy.h2_options = Some(h2);
    let proxy = Arc::new(proxy);
    let mut certificates = app.certificates.iter();
    let mut doors = JoinSet::new();
    for (socket, listener) in listeners {
        let certificate = listener.tls.as_ref().and_then(|_| certificates.next());
        let tls = certificate.map(Certificate::acceptor);
        let door = Door::new(app, socket, &listener, tls).map_err(|error| StartError::Bind {
            addr: listener.addr.to_string(),
            error,
        })?;
        doors.spawn(door.serve(proxy.clone(), shutdown.clone()));
    }
    // What the connections hold is told when the last of them is closed: this one must not be among them.
    drop(shutdown);
    Ok(tokio::spawn(async move {
        doors.join_all().await;
        // Connections that wait for a request end now.
        proxy.cleanup().await;
    }))
}

/// Serves connections that never leave this process: those of WebSockets.
fn sockets(app: &Arc<App>) -> websocket::Serve {
    let conf = Arc::new(ServerConf::default());
    let mut proxy = HttpProxy::new(Edge::new(app.clone(), None), conf);
    proxy.handle_init_modules();
    let proxy = Arc::new(proxy);
    // Each has one request, so nobody has to be told of a shutdown.
    let (never, shutdown) = watch::channel(false);
    Arc::new(move |stream| {
        let _open = &never;
        let (proxy, shutdown) = (proxy.clone(), shutdown.clone());
        Box::pin(async move {
            let session = ServerSession::new_http1(stream);
            proxy.process_new_http(session, &shutdown).await;
        })
    })
}

fn admin_plane(
    app: &Arc<App>,
    listener: AdminListener,
    (reloads, source): (reload::Handle, Source),
    shutdown: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let mut service = admin::service(app.clone(), reloads, source, inside(app));
    let mut fds = Fds::new();
    match listener {
        AdminListener::Tcp(socket, addr) => {
            let name = socket.local_addr().unwrap_or(addr).to_string();
            service.add_tcp(&name);
            fds.add(name, socket.into_raw_fd());
        }
        AdminListener::Unix(socket, path) => {
            let name = path.to_string_lossy();
            let private = Permissions::from_mode(0o660);
            service.add_uds(&name, Some(private));
            fds.add(name.into_owned(), socket.into_raw_fd());
        }
    }
    let fds: ListenFds = Arc::new(parking_lot::Mutex::new(fds));
    tokio::spawn(async move {
        service.start_service(Some(fds), shutdown, 1).await;
    })
}

/// A proxy of its own for each request: it knows whose key it acts for, and no header could say so on a socket.
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

fn bind_tcp(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    bind().map_err(|error| StartError::Bind {
        addr: addr.to_string(),
        error,
    })
}

/// A socket file that nobody listens on is a remnant and makes room; one in use is another process's.
fn bind_unix(path: &Path) -> Result<UnixListener, StartError> {
    let bind = || {
        let remnant =
            std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if remnant {
            match UnixStream::connect(path) {
                Ok(_) => return Err(std::io::ErrorKind::AddrInUse.into()),
                Err(_) => std::fs::remove_file(path)?,
            }
        }
        let socket = UnixListener::bind(path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let addr = format!("unix:{}", path.display());
    bind().map_err(|error| StartError::Bind { addr, error })
}

fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.thread_name("weir").enable_all().build()
}

/// Bytes that wait between the console and the data plane.
const INSIDE_BUFFER: usize = 64 << 10;

/// How long the connections have to close after the last request.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// What the survivors of a drain get to say their terminal error event.
const LAST_WORDS: Duration = Duration::from_secs(2);

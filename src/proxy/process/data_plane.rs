//! The data plane: its listeners, on the threads that the configuration provides.
use std::net::TcpListener;
use std::sync::Arc;

use pingora::apps::{HttpServerApp as _, HttpServerOptions, ServerApp as _};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::crew::Crew;
use super::listen::Door;
use crate::config::Listener;
use crate::proxy::edge::Edge;
use crate::proxy::state::app::App;
use crate::proxy::state::start_error::StartError;
use crate::proxy::upstream::connect;
use crate::proxy::websocket;

/// The running data plane.
pub(super) struct DataPlane {
    /// Closes connections that wait for a request, when the time has come.
    cleaner: tokio::task::JoinHandle<()>,
    crew: Crew,
}

impl DataPlane {
    /// Ends what is still running.
    pub(super) async fn end(self) {
        self.cleaner.abort();
        let crew = self.crew;
        // This waits for threads. An error means that it panicked and has reported it.
        let _ = tokio::task::spawn_blocking(move || crew.end()).await;
    }

    /// Opens the listeners. Call it inside the runtime.
    pub(super) fn begin(
        app: &Arc<App>,
        listeners: Vec<(TcpListener, Listener)>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
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
        let mut certificates = app.certificates().listeners();
        let doors: Vec<Door> = listeners
            .into_iter()
            .map(|(socket, listener)| {
                let certificate = listener.tls.as_ref().and_then(|_| certificates.next());
                let tls = certificate.cloned();
                Door::new(app, socket, &listener, tls)
            })
            .collect();
        let mut crew = Crew::new();
        let lanes = connect::lanes(&app.gateway().config.server);
        for _ in 0..lanes {
            let doors: std::io::Result<Vec<Door>> = doors.iter().map(Door::another).collect();
            let doors = doors.map_err(StartError::Runtime)?;
            let (proxy, shutdown) = (proxy.clone(), shutdown.clone());
            let joined = crew.join(move || serve_all(doors, proxy, shutdown));
            joined.map_err(StartError::Runtime)?;
        }
        if lanes == 0 {
            tokio::spawn(serve_all(doors, proxy.clone(), shutdown));
        }
        let app = app.clone();
        let cleaner = tokio::spawn(async move {
            app.quiet().wait().await;
            // Ends connections that wait for a request.
            proxy.cleanup().await;
        });
        Ok(Self { cleaner, crew })
    }
}

/// Serves until all listeners are closed. `shutdown.closed()` resolves when the last connection is closed, so nothing
/// else may hold a receiver by then.
async fn serve_all(doors: Vec<Door>, proxy: Arc<HttpProxy<Edge>>, shutdown: watch::Receiver<bool>) {
    let serving = doors
        .into_iter()
        .map(|door| door.serve(proxy.clone(), shutdown.clone()));
    let serving: JoinSet<()> = serving.collect();
    drop(shutdown);
    serving.join_all().await;
}

/// Serves connections that never leave this process: those of requests on WebSockets.
fn sockets(app: &Arc<App>) -> websocket::Serve {
    let conf = Arc::new(ServerConf::default());
    let mut proxy = HttpProxy::new(Edge::new(app.clone(), None), conf);
    proxy.handle_init_modules();
    let proxy = Arc::new(proxy);
    // Each connection has one request, so none needs to know of a shutdown.
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

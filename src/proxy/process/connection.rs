//! One connection of a client: how many requests it carries, and how long it may wait for the next one.
//!
//! Neither limit ever interrupts a request: in HTTP/1.1 the connection closes after an answer that announces it; in
//! HTTP/2 it sends GOAWAY and lets its streams end.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp as _};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use tokio::sync::{Notify, watch};

use crate::proxy::client::guard::AnsweringFlag;
use crate::proxy::client::places::Places;
use crate::proxy::edge::Edge;
use crate::telemetry::rejection::Rejection;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most requests; `None` = any number.
    pub requests: Option<u32>,
    /// The longest time from one answer to the next request.
    pub idle: Duration,
}

/// A connection. It wraps the proxy's application, so that it sees each request.
pub(super) struct Connection {
    proxy: Arc<HttpProxy<Edge>>,
    limits: Limits,
    answering: Arc<AnsweringFlag>,
    places: Arc<Places>,
    /// The number of requests so far.
    carried: AtomicU32,
    /// The number of requests in progress, and the signal that it changed.
    open: AtomicUsize,
    changed: Notify,
    /// Whether the connection takes no more requests.
    closing: watch::Sender<bool>,
}

impl Connection {
    pub(super) fn new(
        proxy: Arc<HttpProxy<Edge>>,
        limits: Limits,
        answering: Arc<AnsweringFlag>,
        places: Arc<Places>,
    ) -> Arc<Self> {
        Arc::new(Self {
            proxy,
            limits,
            answering,
            places,
            carried: AtomicU32::new(0),
            open: AtomicUsize::new(0),
            changed: Notify::new(),
            closing: watch::Sender::new(false),
        })
    }

    /// Serves requests until there are no more. `shutdown` is held until then.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: Stream,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let closing = self.closing.subscribe();
        let drained = async {
            // An error means that the sender is gone, so nothing more will be announced.
            let _ = shutdown.wait_for(|stops| *stops).await;
            let _ = self.closing.send(true);
            std::future::pending::<()>().await;
        };
        let idle = async {
            self.until_idle(self.limits.idle).await;
            let _ = self.closing.send(true);
            // A client that does not react to GOAWAY has no request that could be lost.
            self.until_idle(LAST_REQUEST).await;
        };
        tokio::select! {
            _ = self.process_new(stream, &closing) => {}
            () = drained => {}
            () = idle => {}
        }
    }

    /// Waits until the connection has been without a request for `patience`. In HTTP/1.1 the wait for a head is part of
    /// its request.
    async fn until_idle(&self, patience: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.open.load(Ordering::Relaxed) > 0 {
                changed.await;
            } else if tokio::time::timeout(patience, changed).await.is_err() {
                return;
            }
        }
    }

    /// Whether this request, which has begun, is the last one that is allowed.
    fn is_last(&self) -> bool {
        let carried = self.carried.fetch_add(1, Ordering::Relaxed) + 1;
        self.limits.requests == Some(carried)
    }
}

/// A request in progress.
struct Open<'a>(&'a Connection);

impl<'a> Open<'a> {
    fn new(connection: &'a Connection) -> Self {
        connection.open.fetch_add(1, Ordering::Relaxed);
        connection.changed.notify_one();
        Self(connection)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

#[async_trait]
impl HttpServerApp for Connection {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let _open = Open::new(self);
        let is_last = self.is_last();
        if is_last {
            self.places.rejected(Rejection::RequestsPerConnection);
        }
        if session.is_http2() {
            if is_last {
                let _ = self.closing.send(true);
            }
            return self.proxy.process_new_http(session, shutdown).await;
        }
        self.answering.next();
        if is_last {
            session.set_keepalive_reuses_remaining(Some(0));
        }
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.limits.idle.as_secs().max(1)));
        }
        self.proxy.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }
}

/// How long a client has to notice that no more requests are taken.
const LAST_REQUEST: Duration = Duration::from_secs(10);

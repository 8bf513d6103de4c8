//! One listener of the data plane: which clients are let in, and what happens before the first request.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pingora::protocols::Stream;
use pingora_proxy::HttpProxy;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::{Connection, Limits};
use super::proxy_protocol;
use crate::config::{ClientTimeouts, Listener, ProxyProtocol};
use crate::exchange::origin;
use crate::proxy::client::guard::{Guard, Patience};
use crate::proxy::client::places::Room;
use crate::proxy::client::socket::Socket;
use crate::proxy::edge::Edge;
use crate::proxy::state::app::App;
use crate::proxy::state::tls::Certificate;
use crate::telemetry::rejection::Rejection;

/// A listener, and the rules for its clients.
pub(super) struct Door {
    socket: std::net::TcpListener,
    hall: Arc<Hall>,
}

/// What a connection needs of its listener. It does not hold the socket, which closes when a drain begins, even while
/// connections remain.
struct Hall {
    app: Arc<App>,
    tls: Option<Arc<Certificate>>,
    proxy_protocol: Option<ProxyProtocol>,
    room: Arc<Room>,
    /// Whether the shortage has been logged; reset when a connection is accepted again.
    starved: AtomicBool,
}

impl Door {
    pub(super) fn new(
        app: &Arc<App>,
        socket: std::net::TcpListener,
        listener: &Listener,
        tls: Option<Arc<Certificate>>,
    ) -> Self {
        Self {
            socket,
            hall: Arc::new(Hall {
                app: app.clone(),
                tls,
                proxy_protocol: listener.proxy_protocol,
                room: app.places.room(listener.max_connections),
                starved: AtomicBool::new(false),
            }),
        }
    }

    /// The same listener for another thread.
    pub(super) fn another(&self) -> std::io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            hall: self.hall.clone(),
        })
    }

    /// Accepts connections until `shutdown` is set. Each connection runs in a task of its own and holds a receiver of
    /// `shutdown`.
    pub(super) async fn serve(
        self,
        service: Arc<HttpProxy<Edge>>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let Self { socket, hall } = self;
        let socket = match TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => {
                return tracing::error!(%error, "a listener cannot be served: is the limit of open files too low?");
            }
        };
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = shutdown.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    hall.starved.store(false, Ordering::Relaxed);
                    let (hall, service) = (hall.clone(), service.clone());
                    tokio::spawn(hall.welcome(stream, peer, service, shutdown.clone()));
                }
                Err(error) => hall.cannot_accept(&error).await,
            }
        }
    }
}

impl Hall {
    /// Some errors concern one connection that is gone already. The others last until descriptors or memory are freed.
    async fn cannot_accept(&self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return;
        }
        if !self.starved.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "no connection can be accepted: is the limit of open files too low?");
        }
        tokio::time::sleep(STARVED_FOR).await;
    }

    async fn welcome(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        service: Arc<HttpProxy<Edge>>,
        shutdown: watch::Receiver<bool>,
    ) {
        let server = self.app.gateway().config.server.clone();
        let trusted = origin::is_trusted(&server.trusted_proxies, peer.ip());
        let per_address = server.client_limits.connections_per_address;
        let per_address = per_address.filter(|_| !trusted);
        let address = per_address.map(|most| (peer.ip().to_canonical(), most));
        let Some(place) = self.room.enter(address) else {
            return;
        };
        configure(&stream);
        let timeouts = server.client_timeouts;
        let introduced = self.introduced(stream, (peer, trusted), timeouts);
        let socket = match introduced.await {
            Ok(socket) => socket,
            Err(why) => return self.app.places.rejected(why),
        };
        let ready = self.ready(socket, timeouts);
        let stream = match ready.await {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(why) => return self.app.places.rejected(why),
        };
        let per_connection = server.client_limits.requests_per_connection;
        let limits = Limits {
            requests: per_connection.filter(|_| !trusted),
            idle: timeouts.keepalive,
        };
        let patience = Patience {
            head: timeouts.head,
            first: timeouts.keepalive,
        };
        let guard = Guard::new(stream, patience, place);
        Connection::new(service, limits, guard.answering(), self.app.places.clone())
            .serve(Box::new(guard), shutdown)
            .await;
    }

    /// The client's address after the header of the PROXY protocol has been read, if the listener uses it.
    async fn introduced(
        &self,
        mut stream: TcpStream,
        (peer, trusted): (SocketAddr, bool),
        timeouts: ClientTimeouts,
    ) -> Result<Socket, Rejection> {
        let ahead = if self.tls.is_some() { TLS_AHEAD } else { 0 };
        let Some(version) = self.proxy_protocol else {
            return Ok(Socket::new(stream, peer, ahead));
        };
        if !trusted {
            tracing::debug!(%peer, "not of server.trusted_proxies, so it may not introduce clients");
            return Err(Rejection::ProxyProtocol);
        }
        match timeout(timeouts.tls, proxy_protocol::read(version, &mut stream)).await {
            Ok(Ok(client)) => Ok(Socket::new(stream, client.unwrap_or(peer), ahead)),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no PROXY protocol");
                Err(Rejection::ProxyProtocol)
            }
            Err(_) => Err(Rejection::ProxyProtocol),
        }
    }

    /// The stream after the TLS handshake, or with the first byte of a request. `None` when nothing more comes.
    async fn ready(
        &self,
        socket: Socket,
        timeouts: ClientTimeouts,
    ) -> Result<Option<Stream>, Rejection> {
        if let Some(certificate) = &self.tls {
            return match timeout(timeouts.tls, certificate.handshake(socket)).await {
                Ok(Ok(stream)) => Ok(Some(Box::new(stream))),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    Err(Rejection::TlsFailed)
                }
                Err(_) => Err(Rejection::TlsTimeout),
            };
        }
        let first = tokio::select! {
            first = timeout(timeouts.keepalive, socket.readable()) => matches!(first, Ok(Ok(()))),
            () = self.app.quiet().wait() => false,
        };
        Ok(first.then(|| -> Stream { Box::new(socket) }))
    }
}

/// With these settings, a client whose machine or network is gone holds its connection for a minute and a half at most.
fn configure(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_mins(1))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // On a connection that is gone already these calls fail; it ends by itself.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// How long a listener waits for descriptors to be freed.
const STARVED_FOR: Duration = Duration::from_millis(200);

/// Bytes that are read ahead under TLS, which itself asks for few at a time: one record.
const TLS_AHEAD: usize = 16 << 10;

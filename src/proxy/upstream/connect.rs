//! Sessions with upstreams, pooled or new. The pooled connections of the process belong to one `Connector`, or, with
//! `runtime: per-core`, to one per thread.
use std::cell::Cell;
use std::time::Duration;

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::{Error, ErrorType};

use super::dial::NO_ADDRESS;
use super::egress::PROXY_AUTH;
use super::gathered::gathered;
use super::way::{IDLE_FOR, Target};
use crate::config::{Runtime, Server};
use crate::pool::Fault;

/// The pooled connections of the process, separate for each lane.
pub(crate) struct Connections(Vec<Connector>);

thread_local! {
    /// The lane of this thread. Threads that took none share the first one.
    static LANE: Cell<usize> = const { Cell::new(0) };
}

/// How many threads have connections of their own.
pub(crate) fn lanes(server: &Server) -> usize {
    match (server.runtime, server.threads) {
        (Runtime::Shared, _) => 0,
        (Runtime::PerCore, 0) => std::thread::available_parallelism().map_or(1, usize::from),
        (Runtime::PerCore, threads) => threads,
    }
}

/// From now on this thread has connections of its own. A connection lives in the runtime that made it, so a lane
/// belongs to one runtime.
pub(crate) fn take_lane(number: usize) {
    LANE.set(number);
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectFault {
    /// The name has no address.
    Dns,
    /// The egress proxy demands other credentials.
    ProxyAuth,
    /// The egress proxy refused to connect to the host.
    ProxyRefused,
    /// Every address refused the connection.
    Refused,
    Timeout,
    /// The TLS handshake failed for another reason.
    Tls,
    /// The certificate has expired, or is not valid yet.
    TlsExpired,
    /// The certificate is for another name.
    TlsName,
    /// The certificate was issued by an authority that is not trusted.
    TlsUnknownCa,
    /// No address can be reached.
    Unreachable,
}

impl Connections {
    /// `keepalive` is the number of idle connections in total, divided among the shared threads and the `lanes`.
    pub(crate) fn new(keepalive: usize, lanes: usize) -> Self {
        let each = keepalive.div_ceil(lanes + 1);
        let connector = |_| Connector::new(Some(ConnectorOptions::new(each)));
        Self((0..=lanes).map(connector).collect())
    }

    fn here(&self) -> &Connector {
        self.0.get(LANE.get()).unwrap_or(&self.0[0])
    }

    /// A session with `target` within `timeout`; `true` = it came from the pool.
    pub(crate) async fn session(
        &self,
        target: &Target,
        timeout: Duration,
    ) -> Result<(HttpSession, bool), ConnectFault> {
        match tokio::time::timeout(timeout, self.here().get_http_session(target)).await {
            Ok(Ok((session, true))) => Ok((session, true)),
            Ok(Ok((session, false))) => Ok((gathered(session), false)),
            Ok(Err(error)) => Err(ConnectFault::of(&error)),
            Err(_) => Err(ConnectFault::Timeout),
        }
    }

    /// A connection for one WebSocket within `timeout`; it is never pooled.
    pub(super) async fn alone(
        &self,
        target: &Target,
        timeout: Duration,
    ) -> Result<Http1Session, ConnectFault> {
        let target = target.for_a_socket();
        match tokio::time::timeout(timeout, self.here().get_http_session(&target)).await {
            Ok(Ok((HttpSession::H1(session), _))) => Ok(session),
            // Only HTTP/1 was offered for it.
            Ok(Ok(_)) => Err(ConnectFault::Unreachable),
            Ok(Err(error)) => Err(ConnectFault::of(&error)),
            Err(_) => Err(ConnectFault::Timeout),
        }
    }

    /// Returns a session whose answer was read to its end to the pool.
    pub(crate) async fn release(&self, session: HttpSession, target: &Target) {
        self.here()
            .release_http_session(session, &target.shared(), Some(IDLE_FOR))
            .await;
    }
}

impl ConnectFault {
    /// The fault that an error stands for.
    pub(crate) fn of(error: &Error) -> Self {
        match error.etype() {
            ErrorType::ConnectRefused => Self::Refused,
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Self::Timeout,
            ErrorType::TLSHandshakeFailure
            | ErrorType::InvalidCert
            | ErrorType::HandshakeError
            | ErrorType::TLSWantX509Lookup => Self::of_tls(&error.to_string()),
            ErrorType::ConnectProxyFailure => Self::ProxyRefused,
            etype if *etype == NO_ADDRESS => Self::Dns,
            etype if *etype == PROXY_AUTH => Self::ProxyAuth,
            _ => Self::Unreachable,
        }
    }

    /// What is wrong with the certificate, if that is the reason. Pingora keeps the reason of rustls as text.
    fn of_tls(said: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if has(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
            Self::TlsUnknownCa
        } else if has(&["NotValidForName", "not valid for"]) {
            Self::TlsName
        } else if has(&["expired", "not valid yet", "Expired", "NotValidYet"]) {
            Self::TlsExpired
        } else {
            Self::Tls
        }
    }
}

impl From<ConnectFault> for Fault {
    fn from(fault: ConnectFault) -> Self {
        match fault {
            ConnectFault::Dns => Self::Dns,
            ConnectFault::ProxyAuth => Self::ProxyAuth,
            ConnectFault::ProxyRefused => Self::ProxyRefused,
            ConnectFault::Refused => Self::Refused,
            ConnectFault::Timeout => Self::Connect,
            ConnectFault::Tls => Self::Tls,
            ConnectFault::TlsExpired => Self::TlsExpired,
            ConnectFault::TlsName => Self::TlsName,
            ConnectFault::TlsUnknownCa => Self::TlsUnknownCa,
            ConnectFault::Unreachable => Self::Unreachable,
        }
    }
}

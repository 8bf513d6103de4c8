//! How to connect to one endpoint: the parameters of connections, and which connections may be shared.
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::{Peer, PeerOptions};

use super::addresses::Checked;
use super::dial::Dialer;
use crate::config::{Account, Egress, Endpoint};

/// The parameters of connections to one endpoint.
pub(crate) struct Way {
    /// Position in `Account::endpoints`.
    endpoint: usize,
    /// The pool key. Connections with the same key are interchangeable.
    key: u64,
    tls: bool,
    host: String,
    shared: PeerOptions,
    /// The same as `shared`, for a connection that nobody else may use at the same time.
    alone: PeerOptions,
    /// The same as `shared`, for a connection that switches protocols, which only HTTP/1 can do.
    socket: PeerOptions,
    dialer: Arc<Dialer>,
    since: Instant,
    /// Milliseconds from `since` to the last answer that proved the endpoint to work; 0 before the first.
    proved: AtomicU64,
}

/// One request's use of a way. Pingora's pools identify connections by it.
#[derive(Clone)]
pub(crate) struct Target {
    way: Arc<Way>,
    share: Share,
}

/// Who may use the connection of a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Share {
    Everybody,
    /// Nobody else until the request is over.
    Alone,
    /// Nobody else ever, because it switches protocols.
    Socket,
}

impl Way {
    /// The way to an endpoint of an account, through the account's egress.
    pub(super) fn new(account: &Account, endpoint: &Endpoint, checked: Option<Checked>) -> Self {
        let index = checked.as_ref().map_or(0, |checked| checked.endpoint);
        let dialer = Dialer::new(account, endpoint, checked);
        Self::by(
            dialer,
            (account.egress.as_ref(), endpoint),
            account.timeouts.connect,
            index,
        )
    }

    /// The way to a server that does not belong to an account.
    pub(super) fn direct(endpoint: &Endpoint, timeout: Duration) -> Self {
        Self::by(Dialer::direct(endpoint), (None, endpoint), timeout, 0)
    }

    fn by(
        dialer: Dialer,
        (egress, endpoint): (Option<&Egress>, &Endpoint),
        timeout: Duration,
        index: usize,
    ) -> Self {
        let dialer = Arc::new(dialer);
        let mut shared = PeerOptions::new();
        shared.connection_timeout = Some(timeout);
        shared.total_connection_timeout = Some(timeout);
        shared.idle_timeout = Some(IDLE_FOR);
        shared.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::from_mins(1),
        });
        if endpoint.tls {
            shared.alpn = ALPN::H2H1;
            shared.max_h2_streams = MAX_H2_STREAMS as usize;
            shared.h2_ping_interval = Some(Duration::from_secs(30));
            shared.h2_stream_window_size = Some(H2_STREAM_WINDOW);
            shared.h2_connection_window_size = Some(H2_STREAM_WINDOW * MAX_H2_STREAMS);
        }
        shared.custom_l4 = Some(dialer.clone());
        let mut alone = shared.clone();
        alone.max_h2_streams = 1;
        let mut socket = shared.clone();
        socket.alpn = ALPN::H1;
        Self {
            endpoint: index,
            // A connection through a proxy, another proxy, or another login there has another key. So no request uses a
            // login that is not its own, and a wrong password shows.
            key: hash_of(&(egress.map(tunnelled), endpoint.tls, &endpoint.authority)),
            tls: endpoint.tls,
            host: endpoint.host.clone(),
            shared,
            alone,
            socket,
            dialer,
            since: Instant::now(),
            proved: AtomicU64::new(0),
        }
    }

    /// Asks the resolver again.
    pub(super) async fn resolve(&self) {
        self.dialer.resolve().await;
    }

    /// Whether an answer proved the endpoint to work at or after `then`.
    pub(super) fn proved_since(&self, then: Instant) -> bool {
        let then = then.saturating_duration_since(self.since);
        let proved = self.proved.load(Ordering::Relaxed);
        proved > 0 && u128::from(proved) >= then.as_millis()
    }
}

impl Target {
    pub(super) fn new(way: Arc<Way>) -> Self {
        Self {
            way,
            share: Share::Everybody,
        }
    }

    /// The same way over a separate connection, which is shared only afterwards.
    pub(crate) fn alone(&self) -> Self {
        Self {
            way: self.way.clone(),
            share: Share::Alone,
        }
    }

    /// The same way over a connection that is to switch protocols.
    pub(super) fn for_a_socket(&self) -> Self {
        Self {
            way: self.way.clone(),
            share: Share::Socket,
        }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.share == Share::Alone
    }

    /// The same way over shared connections.
    pub(super) fn shared(&self) -> Self {
        Self::new(self.way.clone())
    }

    /// The endpoint has answered, and not with a failure of its own.
    pub(crate) fn proved(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.way.since).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX).max(1);
        self.way.proved.fetch_max(elapsed, Ordering::Relaxed);
    }
}

impl Peer for Target {
    /// Not used, because the dialer knows the addresses.
    fn address(&self) -> &SocketAddr {
        &NOWHERE
    }

    fn tls(&self) -> bool {
        self.way.tls
    }

    fn sni(&self) -> &str {
        &self.way.host
    }

    fn reuse_hash(&self) -> u64 {
        // Nothing is ever pooled under the other two keys: see `Connections::release`.
        self.way.key.wrapping_add(self.share as u64)
    }

    fn get_peer_options(&self) -> Option<&PeerOptions> {
        Some(match self.share {
            Share::Everybody => &self.way.shared,
            Share::Alone => &self.way.alone,
            Share::Socket => &self.way.socket,
        })
    }

    /// Equal keys are enough: which address of the host the connection has does not matter, and finding out costs a
    /// system call.
    fn matches_fd<V: AsRawFd>(&self, _: V) -> bool {
        true
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.way.host)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.way.host)
            .field("endpoint", &self.way.endpoint)
            .finish_non_exhaustive()
    }
}

/// What distinguishes connections through an egress proxy.
pub(super) fn tunnelled(egress: &Egress) -> impl Hash + '_ {
    let credentials = egress.credentials.as_ref();
    let credentials = credentials.map(|(user, password)| (user, password.expose()));
    (egress.kind, &egress.host, egress.port, credentials)
}

pub(super) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

static NOWHERE: SocketAddr = SocketAddr::Inet(std::net::SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    0,
));

/// How long an unused upstream connection is kept. Vendors' servers close theirs after 60 s or more.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(55);

/// The most streams on one HTTP/2 connection; vendors announce 100 and more.
const MAX_H2_STREAMS: u32 = 100;

/// The flow-control window of one HTTP/2 stream, in bytes; up to this much may wait in memory for one slow client. The
/// window of the connection is the sum of its streams' windows, so a client that does not read blocks only its own
/// answers.
const H2_STREAM_WINDOW: u32 = 256 << 10;

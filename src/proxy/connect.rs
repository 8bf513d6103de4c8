//! From an account to a connection: resolution, several endpoints, health checks, egress, pooled sessions.
//!
//! One `LoadBalancer` of pingora-load-balancing per account finds the addresses of its endpoints (again every
//! [`RESOLVE_EVERY`]), runs its health checks and spreads connections by weight. The pooled connections themselves
//! belong to one `Connector` for the whole process.
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, Extensions, LoadBalancer};

use super::app::App;
use super::egress::Tunnel;
use super::health_check::health_check;
use crate::config::{Account, Config, Egress, Endpoint};

/// The upstreams of one configuration, by the names of their accounts.
#[derive(Default)]
pub(super) struct Upstreams(HashMap<Arc<str>, Arc<Upstream>>);

/// The pooled connections of the process.
pub(super) struct Connections(Connector);

/// The endpoints of one account.
pub(super) struct Upstream {
    balancer: LoadBalancer<RoundRobin>,
    /// What it was built from: a reload keeps it (and the health it knows) as long as this is the same.
    identity: u64,
}

/// One address of one endpoint, ready to connect to.
#[derive(Debug)]
pub(super) struct Target {
    /// Position in `Account::endpoints`.
    pub(super) endpoint: usize,
    pub(super) peer: HttpPeer,
}

/// Why no connection came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ConnectFault {
    Other,
    Refused,
    Timeout,
    Tls,
}

impl Upstreams {
    /// Those of a configuration. What is unchanged since the one `before` keeps its addresses and its health; the rest
    /// is resolved before this returns, so that the first request finds it.
    pub(super) async fn of(config: &Config, before: &Self, app: &Arc<App>) -> Self {
        let mut accounts = HashMap::with_capacity(config.accounts.len());
        let mut fresh = tokio::task::JoinSet::new();
        for account in &config.accounts {
            let identity = identity(account);
            let upstream = match before.0.get(&account.name) {
                Some(upstream) if upstream.identity == identity => upstream.clone(),
                _ => {
                    let upstream = Arc::new(Upstream::new(account, identity, app));
                    fresh.spawn(first_look(upstream.clone()));
                    upstream
                }
            };
            accounts.insert(account.name.clone(), upstream);
        }
        fresh.join_all().await;
        Self(accounts)
    }

    /// Whether `account` is reached through the upstream that was built from this.
    pub(super) fn has(&self, account: &str, identity: u64) -> bool {
        let upstream = self.0.get(account);
        upstream.is_some_and(|upstream| upstream.identity == identity)
    }

    /// An address of one endpoint of `account`; addresses in `tried` are passed over.
    pub(super) fn target(
        &self,
        account: &Account,
        endpoint: usize,
        tried: &[SocketAddr],
    ) -> Option<Arc<Target>> {
        let upstream = self.0.get(&account.name)?;
        let fits = |backend: &Backend| {
            !tried.contains(&backend.addr)
                && target_of(backend).is_some_and(|target| target.endpoint == endpoint)
        };
        let pick = |accept: &dyn Fn(&Backend, bool) -> bool| {
            upstream.balancer.select_with(b"", MAX_BACKENDS, accept)
        };
        pick(&|backend, healthy| healthy && fits(backend))
            .or_else(|| pick(&|backend, _| fits(backend)))
            .as_ref()
            .and_then(target_of)
    }
}

impl Connections {
    /// `keepalive` idle ones are kept in all.
    pub(super) fn new(keepalive: usize) -> Self {
        Self(Connector::new(Some(ConnectorOptions::new(keepalive))))
    }

    /// A session with `target`: pooled (`true`) or fresh, within `timeout`.
    pub(super) async fn session(
        &self,
        target: &Target,
        timeout: Duration,
    ) -> Result<(HttpSession, bool), ConnectFault> {
        match tokio::time::timeout(timeout, self.0.get_http_session(&target.peer)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(connect_fault(&error)),
            Err(_) => Err(ConnectFault::Timeout),
        }
    }

    /// Puts a session back whose answer was read to its end.
    pub(super) async fn release(&self, session: HttpSession, target: &Target) {
        self.0
            .release_http_session(session, &target.peer, Some(IDLE_FOR))
            .await;
    }
}

impl Upstream {
    fn new(account: &Account, identity: u64, app: &Arc<App>) -> Self {
        let sites = account
            .endpoints
            .iter()
            .enumerate()
            .map(|(index, endpoint)| {
                let (host, port) = way(account, endpoint);
                Site {
                    host,
                    port,
                    weight: endpoint.weight as usize,
                    template: template(account, endpoint),
                    endpoint: index,
                }
            });
        let mut backends = Backends::new(Box::new(Resolve {
            sites: sites.collect(),
        }));
        if let Some(check) = health_check(account, identity, app) {
            backends.set_health_check(check);
        }
        let mut balancer = LoadBalancer::from_backends(backends);
        balancer.parallel_health_check = true;
        balancer.update_frequency = Some(RESOLVE_EVERY);
        balancer.health_check_frequency = account.health_check.as_ref().map(|check| check.interval);
        Self { balancer, identity }
    }
}

/// Resolves once, checks once, then leaves a task behind that goes on as long as the upstream is in use.
async fn first_look(upstream: Arc<Upstream>) {
    resolve(&upstream).await;
    upstream.balancer.backends().run_health_check(true).await;
    tokio::spawn(keep_looking(Arc::downgrade(&upstream)));
}

async fn keep_looking(upstream: Weak<Upstream>) {
    let (mut resolved, mut checked) = (tokio::time::Instant::now(), tokio::time::Instant::now());
    loop {
        let wait = match upstream.upgrade() {
            Some(upstream) => upstream
                .balancer
                .health_check_frequency
                .unwrap_or(RESOLVE_EVERY)
                .min(RESOLVE_EVERY),
            None => return,
        };
        tokio::time::sleep(wait).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let unresolved = upstream.balancer.backends().get_backend().is_empty();
        if unresolved || resolved.elapsed() >= RESOLVE_EVERY {
            resolve(&upstream).await;
            resolved = tokio::time::Instant::now();
        }
        if upstream
            .balancer
            .health_check_frequency
            .is_some_and(|every| checked.elapsed() >= every)
        {
            upstream.balancer.backends().run_health_check(true).await;
            checked = tokio::time::Instant::now();
        }
    }
}

async fn resolve(upstream: &Upstream) {
    // A name that cannot be resolved just now keeps the addresses that it had.
    if let Err(error) = upstream.balancer.update().await {
        tracing::warn!(%error, "an upstream name cannot be resolved");
    }
}

/// Finds the addresses of the endpoints of one account.
struct Resolve {
    sites: Vec<Site>,
}

struct Site {
    host: String,
    port: u16,
    weight: usize,
    template: HttpPeer,
    endpoint: usize,
}

#[async_trait]
impl ServiceDiscovery for Resolve {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut backends = BTreeSet::new();
        let mut failed = None;
        for site in &self.sites {
            match tokio::net::lookup_host((site.host.as_str(), site.port)).await {
                Ok(addresses) => backends.extend(addresses.map(|address| site.backend(address))),
                Err(error) => failed = Some((site, error)),
            }
        }
        match failed {
            Some((site, error)) if backends.is_empty() => Error::e_because(
                ErrorType::Custom("DnsFailure"),
                format!("{} has no address", site.host),
                error,
            ),
            _ => Ok((backends, HashMap::new())),
        }
    }
}

impl Site {
    fn backend(&self, address: std::net::SocketAddr) -> Backend {
        let mut peer = self.template.clone();
        peer._address = SocketAddr::Inet(address);
        let mut ext = Extensions::new();
        let endpoint = self.endpoint;
        ext.insert(Arc::new(Target { endpoint, peer }));
        Backend {
            addr: SocketAddr::Inet(address),
            weight: self.weight,
            ext,
        }
    }
}

pub(super) fn target_of(backend: &Backend) -> Option<Arc<Target>> {
    backend.ext.get::<Arc<Target>>().cloned()
}

/// The addresses of an endpoint that only Weir itself talks to, now and then: resolved for each time. It is reached as
/// the account's own endpoints are.
pub(super) async fn targets(
    account: &Account,
    endpoint: &Endpoint,
) -> std::io::Result<Vec<Target>> {
    let (host, port) = way(account, endpoint);
    let addresses = tokio::net::lookup_host((host.as_str(), port)).await?;
    let target = |address| {
        let mut peer = template(account, endpoint);
        peer._address = SocketAddr::Inet(address);
        Target { endpoint: 0, peer }
    };
    Ok(addresses.map(target).collect())
}

/// Where the first connection on the way to an endpoint goes.
fn way(account: &Account, endpoint: &Endpoint) -> (String, u16) {
    match &account.egress {
        Some(egress) => (egress.host.clone(), egress.port),
        None => (endpoint.host.clone(), endpoint.port),
    }
}

/// The peer of an endpoint, but for its address.
fn template(account: &Account, endpoint: &Endpoint) -> HttpPeer {
    let unspecified = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let mut peer = HttpPeer::new(unspecified, endpoint.tls, endpoint.host.clone());
    peer.options.connection_timeout = Some(account.timeouts.connect);
    peer.options.total_connection_timeout = Some(account.timeouts.connect);
    peer.options.idle_timeout = Some(IDLE_FOR);
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(10),
        count: 3,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::from_mins(1),
    });
    if endpoint.tls {
        peer.options.alpn = ALPN::H2H1;
        peer.options.max_h2_streams = MAX_H2_STREAMS;
        peer.options.h2_ping_interval = Some(Duration::from_secs(30));
        peer.options.h2_stream_window_size = Some(H2_WINDOW);
        peer.options.h2_connection_window_size = Some(H2_WINDOW);
    }
    if let Some(egress) = &account.egress {
        // The pool knows connections by this key: one through a proxy, through another or with another login there is
        // another connection. Nobody rides on a login that is not its own, and a wrong password shows.
        peer.group_key = hash_of(&(tunnelled(egress), &endpoint.origin));
        let tunnel = Tunnel::new(egress.clone(), endpoint.host.clone(), endpoint.port);
        peer.options.custom_l4 = Some(Arc::new(tunnel));
    }
    peer
}

/// What an `Upstream` is built from.
fn identity(account: &Account) -> u64 {
    let egress = account.egress.as_ref().map(tunnelled);
    let check = account
        .health_check
        .as_ref()
        .map(|check| (&check.path, check.interval));
    hash_of(&(&account.endpoints, egress, check, account.timeouts.connect))
}

/// What makes one way through an egress proxy another than the next.
fn tunnelled(egress: &Egress) -> impl Hash + '_ {
    let credentials = egress.credentials.as_ref();
    let credentials = credentials.map(|(user, password)| (user, password.expose()));
    (egress.kind, &egress.host, egress.port, credentials)
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn connect_fault(error: &Error) -> ConnectFault {
    match error.etype() {
        ErrorType::ConnectRefused => ConnectFault::Refused,
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => ConnectFault::Timeout,
        ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::TLSWantX509Lookup => ConnectFault::Tls,
        _ => ConnectFault::Other,
    }
}

/// How long an unused upstream connection is kept. Vendors' front ends close theirs after 60 s and more.
const IDLE_FOR: Duration = Duration::from_secs(55);

/// How often names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

/// How many addresses of an account are looked at in one pick.
const MAX_BACKENDS: usize = 64;

/// Streams on one HTTP/2 connection; vendors announce 100 and more.
const MAX_H2_STREAMS: usize = 100;

/// Flow-control window of HTTP/2, bytes: enough for a full answer without a round trip in between.
const H2_WINDOW: u32 = 1 << 20;

//! The addresses of one host: Pingora's backends, found by name, as the resolver ordered them, the ones that just failed last.
//!
//! A name that stops resolving keeps the addresses that it had: resolvers fail more often than hosts move.
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::{Error, Result};
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::{Backend, Backends, Extensions, HealthRegistry};

/// One host and where it is.
pub(super) struct Addresses {
    backends: Backends,
    marks: Mutex<Marks>,
    /// One look-up at a time.
    looking: tokio::sync::Mutex<()>,
}

/// What traffic has found out about them.
#[derive(Debug, Default)]
struct Marks {
    /// The ones that failed lately, or were too slow, and when.
    poor: Vec<(SocketAddr, Instant)>,
    /// When the resolver was asked last.
    asked: Option<Instant>,
}

/// Where the health of an endpoint is kept, whatever its addresses are.
#[derive(Clone)]
pub(super) struct Checked {
    pub registry: Arc<HealthRegistry>,
    /// Position in `Account::endpoints`.
    pub endpoint: usize,
}

impl Addresses {
    /// Those of `host`, which count for the health of `checked`, if it is checked.
    pub(super) fn new(host: String, port: u16, checked: Option<Checked>) -> Self {
        let name = Name {
            host,
            port,
            endpoint: checked.as_ref().map_or(0, |checked| checked.endpoint),
            known: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
        };
        Self::found_by(Box::new(name), checked)
    }

    fn found_by(
        discovery: Box<dyn ServiceDiscovery + Send + Sync>,
        checked: Option<Checked>,
    ) -> Self {
        Self {
            backends: match checked {
                Some(checked) => Backends::new_with_health_registry(discovery, checked.registry),
                None => Backends::new(discovery),
            },
            marks: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// Known already, for tests: no resolver is asked.
    #[cfg(test)]
    pub(super) async fn of(all: &[SocketAddr]) -> Self {
        let backends = ranked(all, 0).collect();
        let discovery = pingora_load_balancing::discovery::Static::new(backends);
        let addresses = Self::found_by(discovery, None);
        addresses.refresh().await;
        addresses
    }

    /// Where to connect to, the most hopeful first. Asks the resolver only while nothing is known.
    pub(super) async fn candidates(&self) -> Vec<SocketAddr> {
        let known = self.order(Instant::now());
        if !known.is_empty() {
            return known;
        }
        let _turn = self.looking.lock().await;
        let lately = self.marks.lock().asked;
        if lately.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            self.look().await;
        }
        self.order(Instant::now())
    }

    /// Asks the resolver.
    pub(super) async fn refresh(&self) {
        let _turn = self.looking.lock().await;
        self.look().await;
    }

    async fn look(&self) {
        // An error leaves what there is in use; whoever found it has said so.
        let _ = self.backends.update(|_| ()).await;
        self.marks.lock().asked = Some(Instant::now());
    }

    /// This address did not answer, or another was faster by more than the delay between attempts.
    pub(super) fn failed(&self, address: SocketAddr, now: Instant) {
        let mut marks = self.marks.lock();
        marks.poor.retain(|(poor, _)| *poor != address);
        marks.poor.push((address, now));
    }

    /// This address answered.
    pub(super) fn worked(&self, address: SocketAddr) {
        let mut marks = self.marks.lock();
        marks.poor.retain(|(poor, _)| *poor != address);
    }

    /// The ones that failed within [`POOR_FOR`] stand last, the longest ago first among them.
    fn order(&self, now: Instant) -> Vec<SocketAddr> {
        let backends = self.backends.get_backend();
        let mut all: Vec<_> = backends
            .iter()
            .filter_map(|backend| Some((backend.weight, *backend.addr.as_inet()?)))
            .filter(|(_, address)| *address != NOWHERE)
            .collect();
        all.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let all: Vec<_> = all.into_iter().map(|(_, address)| address).collect();
        let mut marks = self.marks.lock();
        let lately = |at: Instant| now.saturating_duration_since(at) < POOR_FOR;
        marks
            .poor
            .retain(|(address, at)| lately(*at) && all.contains(address));
        let poor = marks.poor.iter().map(|(address, _)| *address);
        let good = all
            .iter()
            .filter(|address| !marks.poor.iter().any(|(poor, _)| poor == *address));
        good.copied().chain(poor).collect()
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses")
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

/// A name, whose addresses the system's resolver knows.
struct Name {
    host: String,
    port: u16,
    /// Position in `Account::endpoints`.
    endpoint: usize,
    /// How many addresses there were at the last success.
    known: AtomicUsize,
    failing: AtomicBool,
}

impl Name {
    /// The resolver's answer; an empty one is an error.
    async fn look_up(&self) -> Result<Vec<SocketAddr>, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<_> = found.map_err(|error| error.to_string())?.collect();
        if found.is_empty() {
            return Err("the resolver knows no address".to_owned());
        }
        Ok(found)
    }
}

#[async_trait]
impl ServiceDiscovery for Name {
    /// An error keeps what was found before. While nothing ever was, one backend stands for the endpoint that leads
    /// nowhere, so that its health check runs, and fails.
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let found = match self.look_up().await {
            Ok(found) => found,
            Err(error) => {
                let kept = self.known.load(Ordering::Relaxed);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(host = %self.host, kept, %error, "an upstream name cannot be resolved: its last addresses stay in use");
                }
                if kept > 0 {
                    return Error::e_explain(pingora::ErrorType::ConnectError, error);
                }
                let nowhere = ranked(&[NOWHERE], self.endpoint).collect();
                return Ok((nowhere, HashMap::new()));
            }
        };
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(host = %self.host, "an upstream name resolves again");
        }
        let found = interleaved(found);
        self.known.store(found.len(), Ordering::Relaxed);
        Ok((ranked(&found, self.endpoint).collect(), HashMap::new()))
    }
}

/// Backends in an order: Pingora keeps them as a set, so the first has the largest weight.
fn ranked(addresses: &[SocketAddr], endpoint: usize) -> impl Iterator<Item = Backend> {
    let weights = (1..=addresses.len()).rev();
    addresses.iter().zip(weights).map(move |(address, weight)| {
        let mut ext = Extensions::new();
        ext.insert(OfEndpoint(endpoint));
        Backend {
            addr: PingoraAddr::Inet(*address),
            weight,
            ext,
        }
    })
}

/// Which endpoint of its account a backend is an address of.
pub(super) fn endpoint_of(backend: &Backend) -> usize {
    let of = backend.ext.get::<OfEndpoint>();
    of.map_or(0, |OfEndpoint(endpoint)| *endpoint)
}

#[derive(Clone, Copy, Debug)]
struct OfEndpoint(usize);

/// The two families by turns, the resolver's first choice first (RFC 8305, section 4): one that leads nowhere costs one
/// delay, not one for each of its addresses.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .take(MOST)
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::with_capacity(first.len() + second.len());
    loop {
        let (one, other) = (first.next(), second.next());
        if one.is_none() && other.is_none() {
            return all;
        }
        for address in one.into_iter().chain(other) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
}

/// Stands for a name without an address.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How long an address that failed is tried last.
const POOR_FOR: Duration = Duration::from_mins(1);

/// How soon a resolver that knew no address is asked again by the next connection.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Addresses of one name that are kept.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| address(text)).collect()
    }

    #[test]
    fn families_take_turns_and_the_resolver_says_which_is_first() {
        let given = all(&["[fd00::1]:1", "[fd00::2]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        let turns = all(&["[fd00::1]:1", "10.0.0.1:1", "[fd00::2]:1", "10.0.0.2:1"]);
        assert_eq!(interleaved(given), turns);
        let given = all(&["10.0.0.3:1", "10.0.0.1:1", "[fd00::1]:1", "10.0.0.1:1"]);
        let turns = all(&["10.0.0.3:1", "[fd00::1]:1", "10.0.0.1:1"]);
        assert_eq!(interleaved(given), turns);
    }

    #[tokio::test]
    async fn what_failed_lately_comes_last_and_has_its_chance_again() {
        let given = all(&["10.0.0.3:1", "10.0.0.1:1", "10.0.0.2:1"]);
        let (one, two, three) = (given[0], given[1], given[2]);
        let addresses = Addresses::of(&given).await;
        let now = Instant::now();
        assert_eq!(addresses.order(now), given);
        addresses.failed(one, now);
        addresses.failed(two, now + Duration::from_secs(1));
        let order = |later| addresses.order(now + later);
        assert_eq!(order(Duration::from_secs(2)), [three, one, two]);
        addresses.worked(one);
        assert_eq!(order(Duration::from_secs(2)), [one, three, two]);
        assert_eq!(order(POOR_FOR * 2), [one, two, three]);
    }

    fn unknown(known: usize) -> Name {
        Name {
            host: "no-such-name.invalid".into(),
            port: 1,
            endpoint: 7,
            known: AtomicUsize::new(known),
            failing: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn a_name_that_stops_resolving_keeps_its_addresses() {
        // Pingora's backends change only when discovery does not fail.
        assert!(unknown(1).discover().await.is_err());
        let addresses = Addresses::found_by(Box::new(unknown(0)), None);
        assert_eq!(addresses.candidates().await, []);
    }

    #[tokio::test]
    async fn a_name_that_never_resolved_is_checked_all_the_same() {
        let (backends, _) = unknown(0).discover().await.expect("a backend");
        let endpoints: Vec<_> = backends.iter().map(endpoint_of).collect();
        assert_eq!(endpoints, [7]);
    }
}

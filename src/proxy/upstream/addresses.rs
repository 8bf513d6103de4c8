//! The addresses of one host as Pingora's backends: found by name, in the order of the resolver, with recently failed
//! ones last.
//!
//! A name that stops resolving keeps the addresses that it had, because resolvers fail more often than hosts move.
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

/// One host and its addresses.
pub(super) struct Addresses {
    backends: Backends,
    marks: Mutex<Marks>,
    /// Only one look-up runs at a time.
    looking: tokio::sync::Mutex<()>,
}

/// What traffic has shown about the addresses.
#[derive(Debug, Default)]
struct Marks {
    /// Addresses that failed lately or were too slow, and when.
    poor: Vec<(SocketAddr, Instant)>,
    /// When the resolver was last asked.
    asked: Option<Instant>,
}

/// Where the health of an endpoint is kept, independent of its addresses.
#[derive(Clone)]
pub(super) struct Checked {
    pub registry: Arc<HealthRegistry>,
    /// Position in `Account::endpoints`.
    pub endpoint: usize,
}

impl Addresses {
    /// The addresses of `host`. They count for the health of `checked`, if it is checked.
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

    /// Fixed addresses for tests; no resolver is asked.
    #[cfg(test)]
    pub(super) async fn of(all: &[SocketAddr]) -> Self {
        let backends = ranked(all, 0).collect();
        let discovery = pingora_load_balancing::discovery::Static::new(backends);
        let addresses = Self::found_by(discovery, None);
        addresses.refresh().await;
        addresses
    }

    /// The addresses to connect to, the most promising first. Asks the resolver only while no address is known.
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
        // After an error the known addresses remain in use; the error has been reported already.
        let _ = self.backends.update(|_| ()).await;
        self.marks.lock().asked = Some(Instant::now());
    }

    /// This address did not answer, or another one was faster by more than the delay between attempts.
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

    /// The known addresses. Those that failed within [`POOR_FOR`] come last, the least recent failure first.
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

/// A name whose addresses are found by the system's resolver.
struct Name {
    host: String,
    port: u16,
    /// Position in `Account::endpoints`.
    endpoint: usize,
    /// The number of addresses at the last success.
    known: AtomicUsize,
    failing: AtomicBool,
}

impl Name {
    /// The resolver's answer; an empty answer is an error.
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
    /// Finds the backends of the name. After an error the earlier ones remain. As long as the name has never resolved,
    /// one backend with an unusable address stands for the endpoint, so that its health check runs and fails.
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

/// Backends in a fixed order. Pingora keeps them as a set, so the first gets the largest weight.
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

/// The endpoint that a backend is an address of: its position in the account.
pub(super) fn endpoint_of(backend: &Backend) -> usize {
    let of = backend.ext.get::<OfEndpoint>();
    of.map_or(0, |OfEndpoint(endpoint)| *endpoint)
}

#[derive(Clone, Copy, Debug)]
struct OfEndpoint(usize);

/// Alternates between the two address families, beginning with that of the resolver's first address (RFC 8305, section
/// 4). So a family that does not work costs one delay and not one for each of its addresses.
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

/// Stands for a name without any address.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How long an address that failed is tried last.
const POOR_FOR: Duration = Duration::from_mins(1);

/// How soon the next connection may ask again a resolver that knew no address.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The most addresses of one name that are kept.
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
        // Pingora's backends change only when discovery succeeds.
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

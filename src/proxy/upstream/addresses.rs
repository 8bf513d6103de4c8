//! The addresses of one host: as the resolver ordered them, the ones that just failed last.
//!
//! A name that stops resolving keeps the addresses that it had: resolvers fail more often than hosts move.
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// One host and where it is.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    port: u16,
    known: Mutex<Known>,
    /// One look-up at a time.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// In the order to try them in.
    all: Vec<SocketAddr>,
    /// The ones that failed lately, or were too slow, and when.
    poor: Vec<(SocketAddr, Instant)>,
    /// When the resolver was asked last.
    asked: Option<Instant>,
    failing: bool,
}

impl Addresses {
    pub(super) fn new(host: String, port: u16) -> Self {
        Self {
            host,
            port,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// Known already, for tests: the resolver is not asked.
    #[cfg(test)]
    pub(super) fn of(all: &[SocketAddr]) -> Self {
        let addresses = Self::new("a name for tests.invalid".into(), 1);
        addresses.known.lock().all = all.to_vec();
        addresses
    }

    /// Where to connect to, the most hopeful first. Asks the resolver only while nothing is known.
    pub(super) async fn candidates(&self) -> Vec<SocketAddr> {
        let known = self.known.lock().order(Instant::now());
        if !known.is_empty() {
            return known;
        }
        let _turn = self.looking.lock().await;
        let lately = self.known.lock().asked;
        if lately.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            self.look().await;
        }
        self.known.lock().order(Instant::now())
    }

    /// Asks the resolver.
    pub(super) async fn refresh(&self) {
        let _turn = self.looking.lock().await;
        self.look().await;
    }

    async fn look(&self) {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found = found.map(Iterator::collect::<Vec<_>>);
        let mut known = self.known.lock();
        known.asked = Some(Instant::now());
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                if std::mem::take(&mut known.failing) {
                    tracing::info!(host = %self.host, "an upstream name resolves again");
                }
                known.all = interleaved(addresses);
            }
            failed => {
                let error = failed.err().map_or_else(
                    || "the resolver knows no address".to_owned(),
                    |error| error.to_string(),
                );
                if !std::mem::replace(&mut known.failing, true) {
                    let kept = known.all.len();
                    tracing::warn!(host = %self.host, kept, %error, "an upstream name cannot be resolved: its last addresses stay in use");
                }
            }
        }
    }

    /// This address did not answer, or another was faster by more than the delay between attempts.
    pub(super) fn failed(&self, address: SocketAddr, now: Instant) {
        let mut known = self.known.lock();
        known.poor.retain(|(poor, _)| *poor != address);
        known.poor.push((address, now));
    }

    /// This address answered.
    pub(super) fn worked(&self, address: SocketAddr) {
        let mut known = self.known.lock();
        known.poor.retain(|(poor, _)| *poor != address);
    }
}

impl Known {
    /// The ones that failed within [`POOR_FOR`] stand last, the longest ago first among them.
    fn order(&mut self, now: Instant) -> Vec<SocketAddr> {
        let all = &self.all;
        let lately = |at: Instant| now.saturating_duration_since(at) < POOR_FOR;
        self.poor
            .retain(|(address, at)| lately(*at) && all.contains(address));
        let poor = self.poor.iter().map(|(address, _)| *address);
        let good = all
            .iter()
            .filter(|address| !self.poor.iter().any(|(poor, _)| poor == *address));
        good.copied().chain(poor).collect()
    }
}

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

    #[test]
    fn what_failed_lately_comes_last_and_has_its_chance_again() {
        let (one, two, three) = (
            address("10.0.0.1:1"),
            address("10.0.0.2:1"),
            address("10.0.0.3:1"),
        );
        let addresses = Addresses::new("x".into(), 1);
        addresses.known.lock().all = vec![one, two, three];
        let now = Instant::now();
        addresses.failed(one, now);
        addresses.failed(two, now + Duration::from_secs(1));
        let order = |later| addresses.known.lock().order(now + later);
        assert_eq!(order(Duration::from_secs(2)), [three, one, two]);
        addresses.worked(one);
        assert_eq!(order(Duration::from_secs(2)), [one, three, two]);
        assert_eq!(order(POOR_FOR * 2), [one, two, three]);
    }

    #[tokio::test]
    async fn a_name_that_stops_resolving_keeps_its_addresses() {
        let addresses = Addresses::new("no-such-name.invalid".into(), 1);
        assert_eq!(addresses.candidates().await, []);
        addresses.known.lock().all = all(&["10.0.0.1:1"]);
        addresses.refresh().await;
        assert_eq!(addresses.candidates().await, all(&["10.0.0.1:1"]));
    }
}

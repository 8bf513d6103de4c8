//! What affinity and the reading of windows are worth, in figures. `cargo test --test pool simulation -- --nocapture`
//! prints them. Simulated time, pinned randomness.
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;
use weir::config::{Account, Select};
use weir::outcome::{Affinity, FailureClass};
use weir::pool::affinity::{mix, unit};
use weir::pool::{Failure, Pool, Scope, Want};

use crate::support::*;

/// A source of randomness with a pinned seed.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// An exponential wait with this mean.
    fn wait(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-unit(self.next()).ln() * mean)
    }
}

/// Accounts that go out now and then, as the simulated upstream knows it.
struct Outages(Vec<Vec<(Duration, Duration, FailureClass)>>);

impl Outages {
    fn new(accounts: usize, draws: &mut Draws) -> Self {
        let outages = (0..accounts).map(|_| {
            let mut at = Duration::ZERO;
            let mut outages = Vec::new();
            loop {
                at += draws.wait(600.0);
                if at > LASTS {
                    return outages;
                }
                let (class, mean) = match draws.below(4) {
                    0 => (FailureClass::Throttled, 30.0),
                    1 => (FailureClass::Overloaded, 3.0),
                    2 => (FailureClass::ServerError, 10.0),
                    _ => (FailureClass::Quota, 900.0),
                };
                let end = at + draws.wait(mean);
                outages.push((at, end, class));
                at = end;
            }
        });
        Self(outages.collect())
    }

    fn at(&self, account: usize, time: Duration) -> Option<Failure> {
        let (_, end, class) = self.0[account]
            .iter()
            .find(|(start, end, _)| *start <= time && time < *end)?;
        let stated = matches!(class, FailureClass::Throttled | FailureClass::Quota);
        let scope = if stated {
            Scope::Account
        } else {
            Scope::Endpoint
        };
        Some(Failure {
            retry_after: stated.then(|| end.saturating_sub(time)),
            ..failure(*class, scope, None)
        })
    }
}

#[derive(Default)]
struct Score {
    requests: u32,
    warm: u32,
    /// What a single account that never fails would have had warm.
    ideal: u32,
    refused: u32,
    retries: u32,
    affinity: HashMap<Affinity, u32>,
}

impl Score {
    fn share(&self) -> f64 {
        f64::from(self.warm) / f64::from(self.requests)
    }

    fn ideal(&self) -> f64 {
        f64::from(self.ideal) / f64::from(self.requests)
    }
}

/// Sessions of agents against a fleet of hosts that share nothing.
fn play(select: Select, with_sessions: bool, failing: bool) -> Score {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut draws = Draws(7);
    let outages = if failing {
        Outages::new(names.len(), &mut draws)
    } else {
        Outages(vec![Vec::new(); names.len()])
    };
    let list = || {
        let weigh = |account: Account| Account {
            weight: 1 + u32::from(&*account.name < "c"),
            ..account
        };
        accounts(&names).into_iter().map(weigh).collect()
    };
    let (first, start) = build(list(), select);
    let hosts = [first, build(list(), select).0];
    // The next request of every session, by time.
    let mut agenda: BTreeSet<(Duration, u64)> = (0..SESSIONS)
        .map(|number| (draws.wait(300.0), number))
        .collect();
    let mut caches: HashMap<(u64, usize), Duration> = HashMap::new();
    let mut seen: HashMap<u64, Duration> = HashMap::new();
    let mut score = Score::default();
    while let Some((time, number)) = agenda.pop_first() {
        if time > LASTS {
            break;
        }
        // An agent works in bursts: mostly seconds between requests, now and then a pause.
        let gap = if draws.below(12) == 0 {
            draws.wait(600.0)
        } else {
            draws.wait(20.0)
        };
        agenda.insert((time + gap, number));
        let now = start + time;
        let host = &hosts[usize::try_from(draws.below(2)).unwrap()];
        score.requests += 1;
        let is_warm =
            |at: Option<&Duration>| at.is_some_and(|at| time.saturating_sub(*at) < CACHE_LIFE);
        score.ideal += u32::from(is_warm(seen.get(&number)));
        seen.insert(number, time);
        let mut tried = Vec::new();
        loop {
            let want = Want {
                session: with_sessions.then(|| session(number)),
                tried: &tried,
                draw: draws.next(),
                insist: true,
                ..want()
            };
            let Ok(mut pick) = host.pick(&want, now) else {
                score.refused += 1;
                break;
            };
            if let Some(failure) = outages.at(pick.account.index, time) {
                pick.lease.failed(&failure, now, draws.next());
                tried.push(pick.tried(&failure));
                score.retries += 1;
                continue;
            }
            pick.lease.completed(now);
            if let Some(affinity) = pick.affinity {
                *score.affinity.entry(affinity).or_default() += 1;
            }
            let cache = (number, pick.account.index);
            score.warm += u32::from(is_warm(caches.get(&cache)));
            caches.insert(cache, time);
            break;
        }
    }
    score
}

#[test]
fn affinity_keeps_nearly_every_cache_that_can_be_kept() {
    println!("{SESSIONS} sessions, 2 hosts, 6 accounts, 1 h, 5-minute cache:");
    let mut shares = Vec::new();
    for (what, select, with_sessions, failing) in [
        ("round robin, healthy", Select::RoundRobin, false, false),
        ("affinity, healthy", Select::Weighted, true, false),
        ("round robin, failing", Select::RoundRobin, false, true),
        ("affinity, failing", Select::Weighted, true, true),
    ] {
        let score = play(select, with_sessions, failing);
        println!(
            "  {what:22} {} requests, {} retries, {} refused: {:.1} % warm = {:.1} % of the ideal {:.1} %  {:?}",
            score.requests,
            score.retries,
            score.refused,
            100.0 * score.share(),
            100.0 * score.share() / score.ideal(),
            100.0 * score.ideal(),
            score.affinity,
        );
        assert_eq!(score.refused, 0, "{what}");
        shares.push(score.share() / score.ideal());
    }
    assert!(shares[1] > 0.999_999, "{shares:?}");
    assert!(shares[3] > 0.95, "{shares:?}");
    assert!(shares[3] > 1.2 * shares[2], "{shares:?}");
}

/// A token bucket per account, as the simulated upstream keeps it.
struct Bucket {
    capacity: f64,
    left: f64,
    at: Duration,
}

impl Bucket {
    /// Serves a request or refuses it; the headers that come with the answer.
    fn ask(&mut self, tokens: f64, time: Duration) -> (bool, HeaderMap) {
        let gained = time.saturating_sub(self.at).as_secs_f64() * self.capacity / 60.0;
        self.left = (self.left + gained).min(self.capacity);
        self.at = time;
        let serves = self.left >= tokens;
        if serves {
            self.left -= tokens;
        }
        let mut headers = HeaderMap::new();
        let full = (self.capacity - self.left) / self.capacity * 60.0;
        for (name, value) in [
            ("x-ratelimit-limit-tokens", format!("{:.0}", self.capacity)),
            ("x-ratelimit-remaining-tokens", format!("{:.0}", self.left)),
            ("x-ratelimit-reset-tokens", format!("{full:.3}s")),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        if !serves {
            let wait = (tokens - self.left) / self.capacity * 60.0;
            headers.insert(
                "retry-after-ms",
                format!("{:.0}", wait * 1e3 + 1.0).parse().unwrap(),
            );
        }
        (serves, headers)
    }
}

/// How many 429s the pool meets, of how many requests.
fn refusals(reads_windows: bool) -> (u32, u32) {
    let capacities = [400e3, 200e3, 200e3, 100e3];
    let mut buckets = capacities.map(|capacity| Bucket {
        capacity,
        left: capacity,
        at: Duration::ZERO,
    });
    let (pool, start): (Pool, Instant) = build(accounts(&["a", "b", "c", "d"]), Select::Weighted);
    let mut draws = Draws(11);
    let mut time = Duration::ZERO;
    let (mut refused, mut requests) = (0, 0);
    while time < Duration::from_hours(1) {
        // 6,500 tokens every half second: 87 % of what all buckets together gain.
        time += draws.wait(0.5);
        let tokens = 1000 + draws.below(11_000);
        let now = start + time;
        let mut tried = Vec::new();
        requests += 1;
        loop {
            let want = Want {
                tokens,
                draw: draws.next(),
                tried: &tried,
                insist: true,
                ..want()
            };
            let Ok(mut pick) = pool.pick(&want, now) else {
                break;
            };
            let (serves, headers) = buckets[pick.account.index].ask(tokens as f64, time);
            if reads_windows {
                pick.lease
                    .observe(&headers, at(now, SystemTime::UNIX_EPOCH));
            }
            if serves {
                pick.lease.completed(now);
                break;
            }
            let stated = headers["retry-after-ms"].to_str().unwrap().parse().unwrap();
            let failure = Failure {
                retry_after: Some(Duration::from_millis(stated)),
                ..throttled(0)
            };
            pick.lease.failed(&failure, now, draws.next());
            tried.push(pick.tried(&failure));
            refused += 1;
        }
    }
    (refused, requests)
}

#[test]
fn reading_windows_avoids_most_refusals() {
    let (blind, requests) = refusals(false);
    let (reading, _) = refusals(true);
    println!(
        "{requests} requests at 87 % of the token windows: {blind} 429s by weight alone, {reading} with windows read"
    );
    assert!(reading * 5 < blind, "{reading} of {blind}");
}

const SESSIONS: u64 = 1000;
const LASTS: Duration = Duration::from_hours(1);
const CACHE_LIFE: Duration = Duration::from_mins(5);

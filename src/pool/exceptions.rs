//! Sessions that are served by another account than their favourite (the account that rendezvous picks), and for how
//! long.
//!
//! While the favourite is out, another account serves the session: a detour. When the favourite is back, the session
//! returns to it, unless the detour lasted longer than a prompt cache lives. Then the detour's cache is the warm one,
//! and the session stays there (it is rebound) as long as it keeps that cache warm. Only these exceptions are
//! remembered; their number and their age are bounded.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::affinity::{self, Session};
use super::memo::AwayMemo;
use super::memory::Memory;
use super::strategy::Candidate;
use crate::outcome::Affinity;

/// The exceptions, and which sessions this process has seen.
#[derive(Debug)]
pub struct Exceptions {
    away: Memory<Exception>,
    /// The session seen last in each hash slot. A session that shares its slot with another one counts as new again;
    /// only a metric depends on it.
    seen: Box<[AtomicU64]>,
}

#[derive(Clone, Copy, Debug)]
struct Exception {
    /// The hash of the account that serves instead of the favourite.
    account: u64,
    /// When the session left its favourite.
    since: Instant,
    /// When the session was last served there; the life of its prompt cache counts from here.
    last: Instant,
    /// Whether the session stays there although its favourite is back.
    rebound: bool,
}

/// In which order a request tries its candidates, and what to remember afterwards.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Positions among the candidates, in the order in which they are tried.
    order: SmallVec<[usize; 8]>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The request goes to the account that holds the state it refers to.
    Bound,
    /// The request goes to the first candidate; the order of the candidates is not changed.
    Fixed { session: u64 },
    /// The request goes to the session's favourite, which is the first candidate, unless there is an exception.
    Ranked {
        session: u64,
        /// The key of the exception. It depends on session and favourite: a session may use models with different
        /// favourites.
        key: u64,
        exception: Option<(Exception, usize)>,
    },
}

/// What a request requires of the order of its candidates.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The hash of the pool.
    pub pool: u64,
    pub session: Option<Session>,
    /// The candidate that holds the state which the request refers to.
    pub bound: Option<usize>,
    /// Whether the session has a favourite. If not, the candidates stay in their order.
    pub ranked: bool,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self {
            away: Memory::new(CAPACITY),
            seen: (0..SEEN).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Clone for Exceptions {
    fn clone(&self) -> Self {
        let mark = |slot: &AtomicU64| AtomicU64::new(slot.load(Ordering::Relaxed));
        Self {
            away: self.away.clone(),
            seen: self.seen.iter().map(mark).collect(),
        }
    }
}

impl Exceptions {
    /// The exceptions, for the next process.
    pub(super) fn memo(&self, now: Instant) -> Vec<AwayMemo> {
        let away = self.away.entries().into_iter();
        away.map(|(key, exception)| AwayMemo {
            key,
            account: exception.account,
            since: now.saturating_duration_since(exception.since),
            last: now.saturating_duration_since(exception.last),
            rebound: exception.rebound,
        })
        .collect()
    }

    /// Takes over the exceptions of another process.
    pub(super) fn recall(&self, memos: &[AwayMemo], now: Instant) {
        for memo in memos.iter().take(CAPACITY) {
            let at = |ago| now.checked_sub(ago).unwrap_or(now);
            let exception = Exception {
                account: memo.account,
                since: at(memo.since),
                last: at(memo.last),
                rebound: memo.rebound,
            };
            self.away.insert(memo.key, exception);
        }
    }

    /// Plans a request. The candidates are already sorted by preference.
    pub(super) fn plan(&self, wish: Wish, candidates: &[Candidate], now: Instant) -> Plan {
        let Wish {
            pool,
            session,
            bound,
            ranked,
        } = wish;
        if let Some(bound) = bound {
            return Plan::new(&[bound], candidates.len(), Kind::Bound);
        }
        // In another pool the same session has another preference.
        let session = affinity::mix(session.map_or(0, |session| session.0) ^ pool);
        if !ranked {
            return Plan::new(&[], candidates.len(), Kind::Fixed { session });
        }
        let favourite = candidates.first().map_or(0, Candidate::hash);
        let key = affinity::mix(session ^ favourite);
        let exception = self
            .away
            .get(key)
            .filter(|exception| now.saturating_duration_since(exception.last) < CACHE_LIFE);
        let exception = exception.and_then(|exception| {
            let at = candidates
                .iter()
                .position(|candidate| candidate.hash() == exception.account)?;
            Some((exception, at))
        });
        let first: &[usize] = match &exception {
            Some((exception, at)) if exception.rebound || exception.is_over(now) => &[*at],
            Some((_, at)) => &[0, *at],
            None => &[],
        };
        Plan::new(
            first,
            candidates.len(),
            Kind::Ranked {
                session,
                key,
                exception,
            },
        )
    }

    /// A candidate took the request: remembers or forgets the exception, and returns what affinity did.
    pub(super) fn settle(
        &self,
        plan: &Plan,
        chosen: usize,
        account: u64,
        now: Instant,
    ) -> Affinity {
        let first = plan.order.first() == Some(&chosen);
        match plan.kind {
            Kind::Bound if first => Affinity::Hit,
            Kind::Fixed { session } if first => self.hit(session),
            Kind::Bound | Kind::Fixed { .. } => Affinity::Detour,
            Kind::Ranked {
                session,
                exception: None,
                ..
            } if chosen == 0 => self.hit(session),
            Kind::Ranked {
                session,
                key,
                exception: Some(_),
            } if chosen == 0 => {
                self.away.remove(key);
                self.hit(session)
            }
            Kind::Ranked {
                session,
                key,
                exception,
            } => {
                let stays = exception.is_some_and(|(exception, at)| {
                    at == chosen && (exception.rebound || exception.is_over(now))
                });
                // A move from one detour to another keeps `since`: the favourite's cache only grows colder. A move away
                // from a new home starts anew.
                let since = exception
                    .filter(|(exception, _)| stays || !exception.rebound)
                    .map_or(now, |(exception, _)| exception.since);
                self.away.insert(
                    key,
                    Exception {
                        account,
                        since,
                        last: now,
                        rebound: stays,
                    },
                );
                match exception {
                    Some((exception, _)) if stays && exception.rebound => self.hit(session),
                    Some(_) if stays => Affinity::Rebind,
                    _ => Affinity::Detour,
                }
            }
        }
    }

    fn hit(&self, session: u64) -> Affinity {
        // The mark of a session is never 0, because 0 means an empty slot.
        let mark = session | 1;
        let slots = self.seen.len() as u64;
        let place = usize::try_from((session >> 8) % slots.max(1)).unwrap_or(0);
        match self
            .seen
            .get(place)
            .map(|slot| slot.swap(mark, Ordering::Relaxed))
        {
            Some(before) if before == mark => Affinity::Hit,
            _ => Affinity::New,
        }
    }
}

impl Exception {
    /// Whether the favourite's prompt cache has expired.
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= CACHE_LIFE
    }
}

impl Plan {
    /// The positions of the candidates, the preferred one first.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        self.order.iter().copied()
    }

    fn new(first: &[usize], candidates: usize, kind: Kind) -> Self {
        let rest = (0..candidates).filter(|at| !first.contains(at));
        let order = first.iter().copied().chain(rest).collect();
        Self { order, kind }
    }
}

/// How long an unused prompt cache lives.
const CACHE_LIFE: Duration = Duration::from_mins(5);
/// The most exceptions that are remembered: a few MiB. Beyond that the least used are forgotten, and their sessions
/// follow plain rendezvous again.
const CAPACITY: usize = 1 << 16;
/// Slots for sessions that have been seen: 512 KiB, fixed.
const SEEN: usize = 1 << 16;

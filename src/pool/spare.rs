//! The last resort. When only soft evidence (failures, overload, blind throttling) keeps out every account that could
//! serve a request, the account that would be back soonest is spared: it is tried although it is out.
//!
//! One request at a time goes to it, at most one a second; the others are refused at once. Hard evidence (a stated
//! reset, a refused credential) always keeps an account out. A spared account does not count as usable.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Pool;
use super::exhausted::Exclusions;
use super::level::Level;
use super::memory::lock;
use super::want::{Pick, Want};

/// How often accounts of each pool were spared.
#[derive(Debug, Default)]
pub struct Spared {
    /// The counts by the name of the pool.
    pools: Mutex<HashMap<Arc<str>, Count>>,
    /// Whether this belongs to a shadow, where nothing is logged.
    quiet: bool,
}

#[derive(Debug, Default)]
struct Count {
    total: u64,
    said: Option<Instant>,
}

impl Spared {
    pub(super) fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::default()
        }
    }

    pub(super) fn total(&self, pool: &str) -> u64 {
        lock(&self.pools).get(pool).map_or(0, |count| count.total)
    }

    fn note(&self, pool: &Arc<str>, account: &str, now: Instant) {
        let mut pools = lock(&self.pools);
        let count = pools.entry(Arc::clone(pool)).or_default();
        count.total = count.total.saturating_add(1);
        let due = |said| now.saturating_duration_since(said) >= SAY_EVERY;
        if !self.quiet && count.said.is_none_or(due) {
            count.said = Some(now);
            tracing::warn!(%pool, account, "every account of the pool is out for failing: one request a second goes to the one that would be back soonest");
        }
    }
}

/// Picks, among the accounts that only soft evidence keeps out, the one that would be back soonest.
pub(super) fn pick(pool: &Pool, want: &Want<'_>, spared: &Spared, now: Instant) -> Option<Pick> {
    let mut soonest: Option<(Duration, usize, usize)> = None;
    for place in pool.chain(want) {
        for mut candidate in pool.candidates(place, want, &mut Exclusions::new()) {
            let Err(why) = pool.check(&mut candidate, want, Level::Insist, now) else {
                continue;
            };
            let Some(wait) = why.wait() else { continue };
            let sooner = soonest.is_none_or(|(least, ..)| wait < least);
            if sooner && pool.check(&mut candidate, want, Level::Spare, now).is_ok() {
                soonest = Some((wait, place, candidate.account()));
            }
        }
    }
    let (_, place, account) = soonest?;
    let picked = pool.admit(account, want, Level::Spare, false, now).ok()?;
    spared.note(pool.name(place)?, &picked.account.name, now);
    Some(Pick {
        pool: place,
        ..picked
    })
}

/// The shortest time between two log lines about one pool.
const SAY_EVERY: Duration = Duration::from_mins(1);

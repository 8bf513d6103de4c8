//! The last one to ask: when only soft evidence (failures, overload, blind throttling) stands in the way of everybody who
//! could serve a request, the account that would be back soonest is spared.
//!
//! One request at a time goes to it, at most one a second; the others are refused at once. Hard evidence, which is a
//! stated reset or a refused credential, takes out whatever happens. A spared account does not count as usable.
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
    /// By the name of the pool.
    pools: Mutex<HashMap<Arc<str>, Count>>,
    /// Of a shadow: nobody is told.
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

/// A choice among those whom soft evidence alone keeps out, the soonest back first.
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

/// Between two lines about one pool.
const SAY_EVERY: Duration = Duration::from_mins(1);

//! A configuration prepared for the choice of accounts: accounts joined with their live state, pools sorted by
//! priority.
use std::sync::{Arc, Mutex};
use std::time::Instant;

use smallvec::SmallVec;

use super::affinity;
use super::exhausted::Excluded;
use super::level::Level;
use super::live::{AccountLive, EndpointLive};
use super::want::Want;
use crate::config::{Account, Glob, Models, Pool as PoolConfig};

/// An account of this configuration with its live state.
#[derive(Debug)]
pub(super) struct Slot {
    pub account: Arc<Account>,
    pub live: Arc<AccountLive>,
    pub models: ModelMap,
    /// In the order of [`Account::endpoints`].
    pub endpoints: SmallVec<[Arc<EndpointLive>; 2]>,
}

impl Slot {
    pub fn in_flight(&self) -> u32 {
        self.live.in_flight()
    }

    /// The endpoint to use. With a session it is the session's favourite among the usable ones, so that a fleet keeps
    /// its prefix caches; without a session it is the least busy one. If no endpoint is usable, the error is that of
    /// the endpoint that will be back soonest, whether or not it was tried.
    pub fn endpoint(&self, want: &Want<'_>, level: Level, now: Instant) -> Result<usize, Excluded> {
        let tried = || {
            want.tried
                .iter()
                .filter(|tried| tried.account == self.account.index)
        };
        if tried().any(|tried| tried.endpoint.is_none()) {
            return Err(Excluded::Tried);
        }
        let mut best: Option<(f64, usize)> = None;
        let mut out: Option<Excluded> = None;
        for (at, (endpoint, live)) in self
            .account
            .endpoints
            .iter()
            .zip(&self.endpoints)
            .enumerate()
        {
            let usable = live.check(level, now).and_then(|()| {
                let is_tried = tried().any(|tried| tried.endpoint == Some(at));
                if is_tried {
                    Err(Excluded::Tried)
                } else {
                    Ok(())
                }
            });
            if let Err(why) = usable {
                let sooner = match (why.wait(), out.and_then(|out| out.wait())) {
                    (Some(this), Some(known)) => this < known,
                    (Some(_), None) => true,
                    (None, _) => out.is_none(),
                };
                out = if sooner { Some(why) } else { out };
                continue;
            }
            let weight = f64::from(endpoint.weight.max(1));
            let rank = if let Some(session) = want.session {
                affinity::distance(session, live.hash(), weight)
            } else {
                // The draw spreads requests over equally busy endpoints.
                let busy = f64::from(live.in_flight());
                let spread = affinity::unit(affinity::mix(want.draw ^ at as u64));
                (busy + spread) / weight
            };
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, at));
            }
        }
        best.map(|(_, at)| at)
            .ok_or(out.unwrap_or(Excluded::Unhealthy))
    }
}

/// A pool of this configuration.
#[derive(Debug)]
pub(super) struct Roster {
    /// The hash of the name.
    pub hash: u64,
    /// Positions of accounts, sorted by priority, then in declared order.
    pub members: Vec<usize>,
    /// Credits of the smooth weighted round robin, in the order of `members`.
    pub credits: Mutex<Vec<i64>>,
}

impl Roster {
    pub fn new(pool: &PoolConfig, accounts: &[Arc<Account>]) -> Self {
        let mut members: Vec<usize> = pool
            .accounts
            .iter()
            .copied()
            .filter(|at| *at < accounts.len())
            .collect();
        members.sort_by_key(|at| accounts.get(*at).map(|account| account.priority));
        Self {
            hash: affinity::hash(pool.name.as_bytes()),
            credits: Mutex::new(vec![0; members.len()]),
            members,
        }
    }
}

/// Which models an account serves: like [`Models`], but the usual patterns are compared without a regular expression.
#[derive(Debug)]
pub(super) struct ModelMap {
    entries: Vec<(Pattern, Option<Arc<str>>)>,
}

#[derive(Debug)]
enum Pattern {
    Any,
    Contains(String),
    Exact(String),
    Glob(Glob),
    Prefix(String),
    Suffix(String),
}

impl ModelMap {
    pub fn new(models: &Models) -> Self {
        let entries = models.entries.iter();
        Self {
            entries: entries
                .map(|entry| (Pattern::new(&entry.glob), entry.upstream.clone()))
                .collect(),
        }
    }

    pub fn serves(&self, model: &str) -> bool {
        self.entries.is_empty()
            || self
                .entries
                .iter()
                .any(|(pattern, _)| pattern.is_match(model))
    }

    /// The upstream's name for a model.
    pub fn upstream(&self, model: &str) -> Arc<str> {
        self.renamed(model)
            .map_or_else(|| Arc::from(model), Arc::clone)
    }

    pub fn upstream_str<'a>(&'a self, model: &'a str) -> &'a str {
        self.renamed(model).map_or(model, |name| name)
    }

    fn renamed(&self, model: &str) -> Option<&Arc<str>> {
        let entry = self
            .entries
            .iter()
            .find(|(pattern, _)| pattern.is_match(model))?;
        entry.1.as_ref()
    }
}

impl Pattern {
    fn new(glob: &Glob) -> Self {
        let pattern = glob.pattern();
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
        let from = pattern.strip_prefix('*');
        let to = pattern.strip_suffix('*');
        let both = from.and_then(|text| text.strip_suffix('*'));
        match (from, to, both) {
            (Some(""), ..) => Self::Any,
            (.., Some(text)) if is_plain(text) => Self::Contains(text.to_owned()),
            (Some(text), ..) if is_plain(text) => Self::Suffix(text.to_owned()),
            (_, Some(text), _) if is_plain(text) => Self::Prefix(text.to_owned()),
            _ if is_plain(pattern) => Self::Exact(pattern.to_owned()),
            _ => Self::Glob(glob.clone()),
        }
    }

    fn is_match(&self, model: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Contains(text) => model.contains(text.as_str()),
            Self::Exact(text) => model == text,
            Self::Glob(glob) => glob.is_match(model),
            Self::Prefix(text) => model.starts_with(text.as_str()),
            Self::Suffix(text) => model.ends_with(text.as_str()),
        }
    }
}

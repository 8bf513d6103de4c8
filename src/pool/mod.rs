//! The accounts: which one serves next, what a failure puts out, and for how long.
//!
//! ```text
//! Want ── Pool::pick ──► Pick { lease, account, endpoint, model }      or Exhausted { verdict, soonest, excluded }
//!              ▲                  │ observe(headers)  on every head
//!              │                  │ committed()       a good answer begins
//!         tried(failure)          │ completed()       it ended properly
//!              └── failed(failure) ◄── classify(kind, hints, headers) / classify_transport / classify_event
//! ```
//!
//! Pure: the time, the wall clock and every random draw are arguments. A [`Pool`] belongs to one configuration and is
//! never changed. What lives longer (health, windows, counters, affinity) is shared with the pool of the next one.
pub mod affinity;
mod backoff;
mod passage;
pub mod quota;

mod classify;
mod evidence;
mod exceptions;
mod exhausted;
mod explain;
mod failure;
mod fault;
mod health;
mod hints;
mod lease;
mod level;
mod live;
mod memo;
mod memory;
mod responses;
mod retry;
mod rise;
mod roster;
mod select;
mod shadow;
mod spare;
mod spare_slot;
mod state;
pub mod status;
mod strategy;
mod unbooked;
mod want;
mod windows_table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

pub use crate::outcome::Next;
pub use classify::{Hints, classify, classify_event, classify_transport};
pub use exhausted::{AccountLimit, Excluded, Exhausted, Verdict};
pub use explain::{Considered, Used};
pub use failure::{Failure, Scope};
pub use fault::Fault;
pub use lease::Lease;
pub use memo::PoolMemo;
pub use retry::RetryBudget;
pub use status::{AccountStatus, LastFailure, MinuteStatus, Part, State};
pub use want::{Inexpressible, Pick, Tried, Want};

use crate::config::{self, Account, Config, Endpoint};
use exceptions::Exceptions;
use level::Level;
use live::{AccountLive, EndpointLive};
use responses::Responses;
use roster::{ModelMap, Roster, Slot};
use spare::Spared;

/// The accounts and pools of one configuration, with their live state.
#[derive(Debug)]
pub struct Pool {
    /// In the order of [`Config::pools`].
    pools: Vec<config::Pool>,
    /// Counts configurations, so that a late refusal of an old credential does not bench the new one.
    generation: u64,
    /// In the order of [`Config::accounts`].
    slots: Vec<Slot>,
    /// In the order of [`Config::pools`].
    rosters: Vec<Roster>,
    exceptions: Arc<Exceptions>,
    responses: Arc<Responses>,
    budget: Arc<RetryBudget>,
    spared: Arc<Spared>,
}

impl Pool {
    /// The pool of a configuration. Takes over the live state of the pool `before` by name. The state of names that the
    /// new configuration does not have is forgotten, and refused credentials are tried again.
    pub fn new(config: &Config, before: Option<&Self>) -> Self {
        Self::of(&config.accounts, &config.pools, before)
    }

    /// The same as [`Pool::new`], with only the two parts of a configuration that matter here.
    pub fn of(accounts: &[Arc<Account>], pools: &[config::Pool], before: Option<&Self>) -> Self {
        let generation = before.map_or(0, |before| before.generation + 1);
        let mut endpoints: HashMap<Arc<str>, Arc<EndpointLive>> = before
            .into_iter()
            .flat_map(|before| &before.slots)
            .flat_map(|slot| &slot.endpoints)
            .map(|live| (Arc::clone(live.name()), Arc::clone(live)))
            .collect();
        let slots = accounts.iter().map(|account| {
            let known = before.and_then(|before| {
                before
                    .slots
                    .iter()
                    .find(|slot| slot.account.name == account.name)
            });
            let live = known.map_or_else(
                || {
                    Arc::new(AccountLive::new(
                        Arc::clone(&account.name),
                        affinity::hash(account.name.as_bytes()),
                    ))
                },
                |slot| Arc::clone(&slot.live),
            );
            live.renew(generation);
            let ways = account.endpoints.iter().map(|endpoint| {
                let name = way(account, endpoint);
                let live = endpoints.entry(Arc::clone(&name)).or_insert_with(|| {
                    Arc::new(EndpointLive::new(
                        Arc::clone(&name),
                        affinity::hash(name.as_bytes()),
                    ))
                });
                Arc::clone(live)
            });
            Slot {
                endpoints: ways.collect(),
                models: ModelMap::new(&account.models),
                account: Arc::clone(account),
                live,
            }
        });
        let slots = slots.collect();
        let rosters = pools
            .iter()
            .map(|pool| Roster::new(pool, accounts))
            .collect();
        Self {
            generation,
            slots,
            rosters,
            exceptions: before
                .map(|before| Arc::clone(&before.exceptions))
                .unwrap_or_default(),
            responses: before
                .map(|before| Arc::clone(&before.responses))
                .unwrap_or_default(),
            budget: before
                .map(|before| Arc::clone(&before.budget))
                .unwrap_or_default(),
            spared: before
                .map(|before| Arc::clone(&before.spared))
                .unwrap_or_default(),
            pools: pools.to_vec(),
        }
    }

    /// The retry budget: [`RetryBudget::request`] for every request, [`RetryBudget::retry`] before every retry.
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// Remembers that the account of `lease` made the response, for a later `previous_response_id`.
    pub fn bind_response(&self, id: &str, lease: &Lease, now: Instant) {
        self.responses.bind(id, lease.hash(), now);
    }

    /// The live state, for the next process on this host.
    pub fn memo(&self, now: Instant) -> PoolMemo {
        let endpoints = self.slots.iter().flat_map(|slot| &slot.endpoints);
        PoolMemo {
            accounts: self.slots.iter().map(|slot| slot.live.memo(now)).collect(),
            endpoints: endpoints.filter_map(|live| live.memo(now)).collect(),
            away: self.exceptions.memo(now),
            responses: self.responses.memo(now),
        }
    }

    /// Takes over the live state of the previous process, by name. Call it before the first request.
    pub fn recall(&self, memo: &PoolMemo, now: Instant) {
        for slot in &self.slots {
            let name = &**slot.live.name();
            if let Some(known) = memo.accounts.iter().find(|known| known.name == name) {
                slot.live.recall(known, now);
            }
            for live in &slot.endpoints {
                let mut known = memo.endpoints.iter();
                if let Some((_, gate)) = known.find(|(name, _)| **name == **live.name()) {
                    live.recall(gate, now);
                }
            }
        }
        self.exceptions.recall(&memo.away, now);
        self.responses.recall(&memo.responses, now);
    }

    /// Remembers that the object of this name (a file, a batch, a container) lives at the account of `lease`.
    pub fn bind_object(&self, name: &str, lease: &Lease, now: Instant) {
        self.responses.bind_object(name, lease.hash(), now);
    }

    /// Remembers the same by the name of the account, from a record that was written earlier.
    pub fn recall_object(&self, name: &str, account: &str, now: Instant) {
        self.responses
            .bind_object(name, affinity::hash(account.as_bytes()), now);
    }

    /// The first of these names that is known to live at an account.
    pub fn held(&self, names: impl Iterator<Item = String>, now: Instant) -> Option<String> {
        let mut names = names;
        let holds = |name: &String| self.responses.account(name, now).is_some();
        self.responses.has_objects().then(|| names.find(holds))?
    }

    /// Records what an active health check found. The positions are those in the configuration.
    pub fn set_endpoint_health(&self, account: usize, endpoint: usize, healthy: bool) {
        if let Some(live) = self.endpoint(account, endpoint) {
            live.note_check(healthy);
        }
    }

    /// Whether an endpoint takes requests now. The positions are those in the configuration.
    pub fn endpoint_usable(&self, account: usize, endpoint: usize, now: Instant) -> bool {
        self.endpoint(account, endpoint)
            .is_some_and(|live| live.check(Level::Usable, now).is_ok())
    }

    /// For every pool: how often an account was tried although it was out, because no other account was left.
    pub fn spared(&self) -> impl Iterator<Item = (&str, u64)> {
        let names = self.pools.iter().map(|pool| &*pool.name);
        names.map(|name| (name, self.spared.total(name)))
    }

    fn name(&self, pool: usize) -> Option<&Arc<str>> {
        Some(&self.pools.get(pool)?.name)
    }

    fn endpoint(&self, account: usize, endpoint: usize) -> Option<&Arc<EndpointLive>> {
        self.slots.get(account)?.endpoints.get(endpoint)
    }
}

/// The name under which an endpoint's health is kept: the origin, and the egress proxy, because a failure of the proxy
/// is not one of the origin.
fn way(account: &Account, endpoint: &Endpoint) -> Arc<str> {
    match &account.egress {
        Some(egress) => format!("{} via {}:{}", endpoint.origin, egress.host, egress.port).into(),
        None => Arc::clone(&endpoint.origin),
    }
}

//! A copy of the pool as it is now. Whatever is tried on the copy (picks, failures, retries) happens as it would in the
//! pool itself and does not change the pool.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::Pool;
use super::live::EndpointLive;
use super::memory::lock;
use super::roster::{ModelMap, Roster, Slot};
use super::spare::Spared;

impl Pool {
    /// Makes the copy. It takes a few MiB when many sessions are away from their favourites. Every lock is held only
    /// while its own part is copied.
    #[must_use]
    pub fn shadow(&self) -> Self {
        // Accounts with the same origin share its health.
        let mut endpoints: HashMap<*const EndpointLive, Arc<EndpointLive>> = HashMap::new();
        let mut endpoint = |live: &Arc<EndpointLive>| {
            let copy = endpoints.entry(Arc::as_ptr(live));
            Arc::clone(copy.or_insert_with(|| Arc::new(live.shadow())))
        };
        let slots = self.slots.iter().map(|slot| Slot {
            account: Arc::clone(&slot.account),
            live: Arc::new(slot.live.shadow()),
            models: ModelMap::new(&slot.account.models),
            endpoints: slot.endpoints.iter().map(&mut endpoint).collect(),
        });
        let slots = slots.collect();
        let rosters = self.rosters.iter().map(|roster| Roster {
            hash: roster.hash,
            members: roster.members.clone(),
            credits: Mutex::new(lock(&roster.credits).clone()),
        });
        Self {
            pools: self.pools.clone(),
            generation: self.generation,
            slots,
            rosters: rosters.collect(),
            exceptions: Arc::new((*self.exceptions).clone()),
            responses: Arc::new((*self.responses).clone()),
            budget: Arc::new((*self.budget).clone()),
            spared: Arc::new(Spared::quiet()),
        }
    }
}

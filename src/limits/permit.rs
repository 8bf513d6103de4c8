//! What an admitted request holds.
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use jiff::tz::TimeZone;
use smallvec::SmallVec;

use super::caps::Used;
use super::counter::{Counter, Reserved};
use super::subjects::lock;

/// The right to be served, until it is dropped: after the last byte, on whatever path.
#[derive(Debug)]
pub struct Permit {
    counters: SmallVec<[Arc<Mutex<Counter>>; 4]>,
    reserved: Reserved,
    zone: TimeZone,
}

impl Permit {
    /// Of a request that was charged to these counters.
    pub(super) fn new(
        counters: SmallVec<[Arc<Mutex<Counter>>; 4]>,
        reserved: Reserved,
        zone: TimeZone,
    ) -> Self {
        Self {
            counters,
            reserved,
            zone,
        }
    }

    /// What the request really used; what was reserved is replaced. To be called once; later calls add.
    pub fn settle(&mut self, used: &Used, now: Instant, wall: SystemTime) {
        let reserved = std::mem::take(&mut self.reserved);
        for counter in &self.counters {
            lock(counter).settle(&reserved, used, now, wall, &self.zone);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for counter in &self.counters {
            let mut counter = lock(counter);
            counter.release(&self.reserved);
            counter.leave();
        }
    }
}

/// Money that is reserved for what goes on after its request is over.
#[derive(Debug, Default)]
pub struct Held {
    counters: SmallVec<[Arc<Mutex<Counter>>; 4]>,
    nano_usd: u64,
}

impl Held {
    /// Of these counters.
    pub(super) fn new(counters: SmallVec<[Arc<Mutex<Counter>>; 4]>, nano_usd: u64) -> Self {
        for counter in &counters {
            lock(counter).hold(nano_usd);
        }
        Self { counters, nano_usd }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for counter in &self.counters {
            lock(counter).let_go(self.nano_usd);
        }
    }
}

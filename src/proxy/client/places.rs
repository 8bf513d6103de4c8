//! How many connections clients hold, and how many they may.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::telemetry::Telemetry;
use crate::telemetry::rejection::Rejection;

/// The connections of all listeners.
#[derive(Debug)]
pub(crate) struct Places {
    /// Most of them at once, so that descriptors are left for the admin plane and for upstreams.
    most: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// Said once until there is room again.
    full: AtomicBool,
    telemetry: Arc<Telemetry>,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Room {
    all: Arc<Places>,
    most: usize,
    open: AtomicUsize,
}

/// One connection; dropping it gives its place back.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    /// Counted under this address.
    address: Option<IpAddr>,
}

impl Places {
    /// For a process that may have `descriptors` files open.
    pub(crate) fn new(descriptors: usize, telemetry: Arc<Telemetry>) -> Arc<Self> {
        // Each may need one of an upstream's beside its own.
        let most = (descriptors.saturating_sub(RESERVED) / 2).max(FEWEST);
        Arc::new(Self {
            most,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            full: AtomicBool::new(false),
            telemetry,
        })
    }

    /// Those of one listener, at most `most` of them.
    pub(crate) fn room(self: &Arc<Self>, most: Option<usize>) -> Arc<Room> {
        Arc::new(Room {
            all: self.clone(),
            most: most.unwrap_or(usize::MAX),
            open: AtomicUsize::new(0),
        })
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A connection is closed before it was served.
    pub(crate) fn rejected(&self, why: Rejection) {
        self.telemetry.client_rejected(why);
    }

    fn say_full(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::error!(
                most = self.most,
                "clients hold as many connections as the descriptors of this process allow: further ones are closed"
            );
        }
    }
}

impl Room {
    /// A place for a connection. With `per_address` at most so many are from one address, which is given then.
    pub(crate) fn enter(self: &Arc<Self>, per_address: Option<(IpAddr, usize)>) -> Option<Place> {
        let here = self.open.fetch_add(1, Ordering::Relaxed);
        let all = self.all.open.fetch_add(1, Ordering::Relaxed);
        let mut place = Place {
            room: self.clone(),
            address: None,
        };
        if all >= self.all.most {
            self.all.say_full();
        }
        if here >= self.most || all >= self.all.most {
            self.all.rejected(Rejection::Connections);
            return None;
        }
        if let Some((address, most)) = per_address {
            let mut by_address = self.all.by_address.lock();
            let count = by_address.entry(address).or_default();
            if *count >= most {
                drop(by_address);
                self.all.rejected(Rejection::ConnectionsPerAddress);
                return None;
            }
            *count += 1;
            place.address = Some(address);
        }
        Some(place)
    }
}

impl Place {
    /// A body is framed in a way that not every parser reads alike.
    pub(crate) fn malformed(&self) {
        self.room.all.rejected(Rejection::Framing);
    }

    /// A stream was one too many for its connection.
    pub(crate) fn refused_stream(&self) {
        self.room.all.rejected(Rejection::Streams);
    }

    /// The head of a request took too long.
    pub(crate) fn slow_head(&self) {
        self.room.all.rejected(Rejection::HeadTimeout);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let all = &self.room.all;
        self.room.open.fetch_sub(1, Ordering::Relaxed);
        let open = all.open.fetch_sub(1, Ordering::Relaxed) - 1;
        // Not at the first place that is free: else there is a line for each connection of a full process.
        if open < all.most / 2 {
            all.full.store(false, Ordering::Relaxed);
        }
        if let Some(address) = self.address {
            let mut by_address = all.by_address.lock();
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
    }
}

/// How many files this process may have open: the soft limit, as Linux tells it.
pub(crate) fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    soft_limit(&limits).unwrap_or(usize::MAX)
}

/// `None` = unlimited, or not told.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Descriptors that clients and upstreams leave alone: listeners, logs, the ledger, the admin plane.
const RESERVED: usize = 128;

/// Connections that are taken even where descriptors are very few.
const FEWEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_descriptors_is_read() {
        let limits = "Limit  Soft Limit Hard Limit Units\nMax open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(
            soft_limit("Max open files unlimited unlimited files\n"),
            None
        );
        assert!(descriptors() > 0);
    }
}

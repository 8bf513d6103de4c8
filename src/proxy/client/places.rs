//! Counts the connections that clients hold, and limits their number.
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
    /// The most connections at once, so that descriptors are left for the admin plane and for upstreams.
    most: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// Whether the limit has been logged; reset when there is room again.
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

/// One connection; when it is dropped, its place is free again.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    /// The address that the connection is counted under; `None` = it is not counted per address.
    address: Option<IpAddr>,
}

impl Places {
    /// Places for a process that may have `descriptors` files open.
    pub(crate) fn new(descriptors: usize, telemetry: Arc<Telemetry>) -> Arc<Self> {
        // Each client connection may need one to an upstream as well.
        let most = (descriptors.saturating_sub(RESERVED) / 2).max(FEWEST);
        Arc::new(Self {
            most,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            full: AtomicBool::new(false),
            telemetry,
        })
    }

    /// The places of one listener, at most `most`.
    pub(crate) fn room(self: &Arc<Self>, most: Option<usize>) -> Arc<Room> {
        Arc::new(Room {
            all: self.clone(),
            most: most.unwrap_or(usize::MAX),
            open: AtomicUsize::new(0),
        })
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection that was closed before it was served.
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
    /// A place for one connection, if one is free. `per_address` is its address and the most connections from that
    /// address.
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
    /// Counts a request whose framing parsers may read differently.
    pub(crate) fn malformed(&self) {
        self.room.all.rejected(Rejection::Framing);
    }

    /// Counts a stream that exceeded the limit of its connection.
    pub(crate) fn refused_stream(&self) {
        self.room.all.rejected(Rejection::Streams);
    }

    /// Counts a request whose head took too long.
    pub(crate) fn slow_head(&self) {
        self.room.all.rejected(Rejection::HeadTimeout);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let all = &self.room.all;
        self.room.open.fetch_sub(1, Ordering::Relaxed);
        let open = all.open.fetch_sub(1, Ordering::Relaxed) - 1;
        // Not at the first free place: otherwise a full process would log a line for every connection.
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

/// How many files this process may have open: the soft limit that Linux reports.
pub(crate) fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    soft_limit(&limits).unwrap_or(usize::MAX)
}

/// The soft limit; `None` = unlimited or not stated.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Descriptors that are kept for other uses: listeners, logs, the ledger, the admin plane.
const RESERVED: usize = 128;

/// Connections that are accepted even when there are very few descriptors.
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

//! What an admitted request occupies.
use std::sync::Arc;

use smallvec::SmallVec;

use super::book::{Book, Share};
use super::counter::Reserved;
use super::subject::Used;
use crate::moment::Moment;

/// The permission to be served. It lasts until it is dropped: after the last byte, in every case.
#[derive(Debug)]
pub struct Permit {
    parts: SmallVec<[Part; 4]>,
    reserved: Reserved,
}

/// Where one subject of a request is counted.
#[derive(Debug)]
pub(super) enum Part {
    /// The subject has limits.
    Limited(Arc<Book>),
    /// The subject has no limits.
    Tallied(Arc<Share>),
}

impl Permit {
    /// The permit of a request that was charged to `parts`.
    pub(super) fn new(parts: SmallVec<[Part; 4]>, reserved: Reserved) -> Self {
        Self { parts, reserved }
    }

    /// Replaces the reservation by the real use. Call it once; later calls add.
    pub fn settle(&mut self, used: &Used, at: Moment) {
        let reserved = std::mem::take(&mut self.reserved);
        for part in &self.parts {
            match part {
                Part::Limited(book) => book.lock().settle(&reserved, used, at),
                Part::Tallied(share) => share.settle(&reserved, used, at.wall),
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for part in &self.parts {
            match part {
                Part::Limited(book) => {
                    let mut counter = book.lock();
                    counter.release(&self.reserved);
                    counter.leave();
                }
                Part::Tallied(share) => {
                    share.release(&self.reserved);
                    share.leave();
                }
            }
        }
    }
}

/// Money that is reserved for something that continues after its request has ended.
#[derive(Debug, Default)]
pub struct BudgetHold {
    books: SmallVec<[Arc<Book>; 4]>,
    nano_usd: u64,
}

impl BudgetHold {
    /// Reserves `nano_usd` in each of these counters.
    pub(super) fn new(books: SmallVec<[Arc<Book>; 4]>, nano_usd: u64) -> Self {
        for book in &books {
            book.lock().hold(nano_usd);
        }
        Self { books, nano_usd }
    }
}

impl Drop for BudgetHold {
    fn drop(&mut self) {
        for book in &self.books {
            book.lock().let_go(self.nano_usd);
        }
    }
}

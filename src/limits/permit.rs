//! What an admitted request holds.
use std::sync::Arc;

use smallvec::SmallVec;

use super::book::{Book, Share};
use super::counter::Reserved;
use super::whom::Used;
use crate::moment::Moment;

/// The right to be served, until it is dropped: after the last byte, on whatever path.
#[derive(Debug)]
pub struct Permit {
    parts: SmallVec<[Part; 4]>,
    reserved: Reserved,
}

/// Where one subject of a request is counted.
#[derive(Debug)]
pub(super) enum Part {
    /// It has limits.
    Limited(Arc<Book>),
    /// It has none.
    Tallied(Arc<Share>),
}

impl Permit {
    /// Of a request that was charged to these.
    pub(super) fn new(parts: SmallVec<[Part; 4]>, reserved: Reserved) -> Self {
        Self { parts, reserved }
    }

    /// What the request really used; what was reserved is replaced. To be called once; later calls add.
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

/// Money that is reserved for what goes on after its request is over.
#[derive(Debug, Default)]
pub struct Held {
    books: SmallVec<[Arc<Book>; 4]>,
    nano_usd: u64,
}

impl Held {
    /// Of these counters.
    pub(super) fn new(books: SmallVec<[Arc<Book>; 4]>, nano_usd: u64) -> Self {
        for book in &books {
            book.lock().hold(nano_usd);
        }
        Self { books, nano_usd }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for book in &self.books {
            book.lock().let_go(self.nano_usd);
        }
    }
}

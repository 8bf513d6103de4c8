//! What an admitted request holds of the limits of its key, until it is over.
use std::time::{Instant, SystemTime};

use crate::limits::{Permit, Used};

/// The permit of one request. Settled once; dropped unsettled, it gives back what was reserved.
#[derive(Debug)]
pub(super) struct Charge {
    permit: Permit,
}

impl Charge {
    pub(super) fn new(permit: Permit) -> Self {
        Self { permit }
    }

    /// The request is over, and this is what it used.
    pub(super) fn settle(mut self, used: &Used) {
        self.permit.settle(used, Instant::now(), SystemTime::now());
    }
}

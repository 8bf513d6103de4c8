//! What an admitted request holds of the limits of its key, until it is over.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::ClientKey;
use crate::limits::ledger::Ledger;
use crate::limits::{Permit, Used};

/// The permit of one request. Settled once; dropped unsettled, it gives back what was reserved.
#[derive(Debug)]
pub(super) struct Charge {
    permit: Permit,
    key: Arc<ClientKey>,
    ledger: Option<Arc<Ledger>>,
}

impl Charge {
    pub(super) fn new(permit: Permit, key: Arc<ClientKey>, ledger: Option<Arc<Ledger>>) -> Self {
        Self {
            permit,
            key,
            ledger,
        }
    }

    /// The request is over, and this is what it used.
    pub(super) fn settle(mut self, used: &Used) {
        let wall = SystemTime::now();
        self.permit.settle(used, Instant::now(), wall);
        if let Some(ledger) = &self.ledger {
            ledger.record(&self.key.name, self.key.group.as_ref(), used, wall);
        }
    }
}

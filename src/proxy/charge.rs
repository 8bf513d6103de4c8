//! What an admitted request holds of the limits of its key, until it is over.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::relay::Relay;
use crate::config::ClientKey;
use crate::exchange::relaying::Relaying;
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

impl Relay<'_> {
    /// Gives the permit back before the client can know that its answer is complete: its next request may come at once.
    pub(super) fn settle_charge(&mut self) {
        if let Some(charge) = self.charge.take() {
            charge.settle(&self.dispatch.used());
        }
    }

    /// As [`Relay::settle_charge`], for an answer that goes out in one piece.
    pub(super) fn settle_early(&mut self, relaying: &mut Relaying) {
        self.dispatch.note_usage(relaying);
        self.settle_charge();
    }
}

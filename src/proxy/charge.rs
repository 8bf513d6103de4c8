//! What an admitted request occupies of the limits of its key, until it is over.
use std::sync::Arc;

use super::clocks;
use crate::config::ClientKey;
use crate::limits::ledger::{Attribution, Ledger};
use crate::limits::{Permit, Used};

/// The permit of one request. It is settled once; dropped unsettled, it gives back the reservation.
#[derive(Debug)]
pub(super) struct Charge {
    permit: Permit,
    key: Arc<ClientKey>,
    /// The project whose limits the request is under.
    project: Option<Arc<str>>,
    ledger: Option<Arc<Ledger>>,
}

impl Charge {
    pub(super) fn new(
        permit: Permit,
        key: Arc<ClientKey>,
        project: Option<Arc<str>>,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        Self {
            permit,
            key,
            project,
            ledger,
        }
    }

    /// The attribution of a request of which only the sender is known.
    pub(super) fn of_key(&self) -> Attribution {
        Attribution {
            key: Arc::clone(&self.key.name),
            group: self.key.group.clone(),
            project: self.project.clone(),
            model: None,
            account: None,
        }
    }

    /// The request is over: books what it used, and to whom that is attributed.
    pub(super) fn settle(mut self, used: &Used, who: Attribution) {
        let at = clocks::moment();
        self.permit.settle(used, at);
        if let Some(ledger) = &self.ledger {
            ledger.record(who, self.project.as_ref(), used, at.wall);
        }
    }
}

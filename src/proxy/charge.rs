//! What an admitted request holds of the limits of its key, until it is over.
use std::sync::Arc;

use super::clocks;
use crate::config::ClientKey;
use crate::limits::ledger::{Attribution, Ledger};
use crate::limits::{Permit, Used};

/// The permit of one request. Settled once; dropped unsettled, it gives back what was reserved.
#[derive(Debug)]
pub(super) struct Charge {
    permit: Permit,
    key: Arc<ClientKey>,
    /// The one whose limits it is under.
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

    /// The use of a request of which nobody knows more than who asked.
    pub(super) fn of_key(&self) -> Attribution {
        Attribution {
            key: Arc::clone(&self.key.name),
            group: self.key.group.clone(),
            project: self.project.clone(),
            model: None,
            account: None,
        }
    }

    /// The request is over, and this is what it used, for whom and by whom.
    pub(super) fn settle(mut self, used: &Used, who: Attribution) {
        let at = clocks::moment();
        self.permit.settle(used, at);
        if let Some(ledger) = &self.ledger {
            ledger.record(who, self.project.as_ref(), used, at.wall);
        }
    }
}

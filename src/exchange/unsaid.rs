//! In which dialects a request cannot be said, found out while accounts are asked.
use std::sync::Arc;

use smallvec::SmallVec;

use crate::pool::{Mute, Pick};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::{Dialect, UpstreamDialect};

/// In what the request cannot be said, and why not in the first of it.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    mutes: SmallVec<[Mute; 4]>,
    fault: Option<RequestFault>,
}

impl Unsaid {
    /// In what, and to which models.
    pub(super) fn mutes(&self) -> &[Mute] {
        &self.mutes
    }

    /// Why not in the first of it.
    pub(super) fn fault(&self) -> Option<&RequestFault> {
        self.fault.as_ref()
    }

    /// See [`Unsaid::fault`].
    pub(super) fn take_fault(&mut self) -> Option<RequestFault> {
        self.fault.take()
    }

    /// This dialect cannot say it, at least not to this model.
    pub(super) fn to(&mut self, dialect: UpstreamDialect, model: &Arc<str>, fault: RequestFault) {
        let model = fault.of_model.then(|| Arc::clone(model));
        self.mutes.push(Mute { dialect, model });
        self.fault.get_or_insert(fault);
    }

    /// What this account may still be asked in: the client's own dialect first, then what it speaks best.
    pub(super) fn left(&self, pick: &Pick, client: Dialect) -> SmallVec<[UpstreamDialect; 4]> {
        let spoken = pick.account.dialects.iter().copied();
        let own = spoken.clone().filter(|spoken| *spoken == client);
        let others = spoken.filter(|spoken| *spoken != client);
        let muted = |dialect: &UpstreamDialect| {
            let mut mutes = self.mutes.iter();
            mutes.any(|mute| mute.covers(*dialect, &pick.model))
        };
        own.chain(others)
            .filter(|dialect| !muted(dialect))
            .collect()
    }

    /// It cannot be read, so that nobody can translate it: who is left gets it as it came, in `own`.
    pub(super) fn in_all_but(&mut self, own: Option<Dialect>, fault: RequestFault) {
        let unable = UpstreamDialect::ALL.into_iter();
        self.mutes = unable
            .filter(|dialect| own.is_none_or(|own| *dialect != own))
            .map(|dialect| Mute {
                dialect,
                model: None,
            })
            .collect();
        self.fault.get_or_insert(fault);
    }
}

//! The dialects that cannot express a request, as found out while accounts are tried.
use std::sync::Arc;

use smallvec::SmallVec;

use crate::pool::{Inexpressible, Pick};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::{Dialect, UpstreamDialect};

/// The dialects that cannot express the request, and the reason of the first one.
#[derive(Debug, Default)]
pub(super) struct InexpressibleDialects {
    list: SmallVec<[Inexpressible; 4]>,
    fault: Option<RequestFault>,
}

impl InexpressibleDialects {
    /// The dialects, and the models for which this holds.
    pub(super) fn list(&self) -> &[Inexpressible] {
        &self.list
    }

    /// Why the first of them cannot express the request.
    pub(super) fn fault(&self) -> Option<&RequestFault> {
        self.fault.as_ref()
    }

    /// See [`InexpressibleDialects::fault`].
    pub(super) fn take_fault(&mut self) -> Option<RequestFault> {
        self.fault.take()
    }

    /// Records that this dialect cannot express the request, at least not for this model.
    pub(super) fn add(&mut self, dialect: UpstreamDialect, model: &Arc<str>, fault: RequestFault) {
        let model = fault.of_model.then(|| Arc::clone(model));
        self.list.push(Inexpressible { dialect, model });
        self.fault.get_or_insert(fault);
    }

    /// The dialects that remain for this account: the client's own first, then in the account's order of preference.
    pub(super) fn remaining(&self, pick: &Pick, client: Dialect) -> SmallVec<[UpstreamDialect; 4]> {
        let spoken = pick.account.dialects.iter().copied();
        let own = spoken.clone().filter(|spoken| *spoken == client);
        let others = spoken.filter(|spoken| *spoken != client);
        let is_known = |dialect: &UpstreamDialect| {
            let mut list = self.list.iter();
            list.any(|known| known.covers(*dialect, &pick.model))
        };
        own.chain(others)
            .filter(|dialect| !is_known(dialect))
            .collect()
    }

    /// The request cannot be parsed, so it cannot be translated: only accounts of the dialect `own` remain, which get
    /// it unchanged.
    pub(super) fn all_but(&mut self, own: Option<Dialect>, fault: RequestFault) {
        let unable = UpstreamDialect::ALL.into_iter();
        self.list = unable
            .filter(|dialect| own.is_none_or(|own| *dialect != own))
            .map(|dialect| Inexpressible {
                dialect,
                model: None,
            })
            .collect();
        self.fault.get_or_insert(fault);
    }
}

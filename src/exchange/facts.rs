//! What an upstream says of its answer beside the answer: what it took, at which tier, under which id.
use crate::outcome::UsageSource;
use crate::protocol::hub::usage::Usage;
use crate::protocol::passthrough::Tap;

/// What the upstream said about its answer.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) usage: Option<(Usage, UsageSource)>,
    pub(super) service_tier: Option<String>,
    pub(super) response_id: Option<String>,
}

impl Facts {
    pub(super) fn learn(&mut self, tap: &Tap) {
        let source = if tap.usage_final() {
            UsageSource::Reported
        } else {
            UsageSource::Partial
        };
        self.usage = tap.usage().map(|usage| (usage, source));
        self.service_tier = tap.service_tier().map(str::to_owned);
        self.response_id = tap.response_id().map(str::to_owned);
    }
}

pub(super) fn reported(usage: Usage) -> (Usage, UsageSource) {
    (usage, UsageSource::Reported)
}

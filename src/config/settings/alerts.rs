//! `alerts`: who is told of budgets that come near their end.
use super::endpoint::Endpoint;
use crate::config::secret::Secret;

/// Where alerts of budgets go, and when there are any.
#[derive(Clone, Eq, PartialEq)]
pub struct Webhook {
    /// Its path may be a secret.
    pub endpoint: Endpoint,
    /// What signatures are made with.
    pub secret: Option<Secret>,
}

/// The `alerts` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// `alerts.webhook`: where they are posted.
    pub webhook: Webhook,
    /// Shares of a budget, ascending, each once; default 0.8 and 1.
    pub at: Vec<f64>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("origin", &self.endpoint.origin)
            .finish_non_exhaustive()
    }
}

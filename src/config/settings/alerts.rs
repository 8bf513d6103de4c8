//! `alerts`: where to report budgets that are nearly spent.
use super::endpoint::Endpoint;
use crate::config::secret::Secret;

/// The server to which alerts are posted.
#[derive(Clone, Eq, PartialEq)]
pub struct Webhook {
    /// The URL; its path may be a secret.
    pub endpoint: Endpoint,
    /// The secret for signatures; `None` = alerts are not signed.
    pub secret: Option<Secret>,
}

/// The `alerts` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// `alerts.webhook`: where alerts are posted to.
    pub webhook: Webhook,
    /// The shares of a budget at which an alert is sent, above 0 to 1, ascending, each once; default 0.8 and 1.
    pub at: Vec<f64>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("origin", &self.endpoint.origin)
            .finish_non_exhaustive()
    }
}

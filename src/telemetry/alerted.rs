//! The result of an alert about a budget.

/// The `outcome` of `weir_alerts_total`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Alerted {
    /// Too many alerts were waiting.
    Dropped,
    /// The webhook refused it, or accepted nothing for a day.
    Failed,
    /// The webhook accepted it.
    Sent,
}

impl Alerted {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Dropped, Self::Failed, Self::Sent];

    /// The name in metrics and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::Sent => "sent",
        }
    }
}

//! `pools`: sets of accounts and how to choose among them.
use std::sync::Arc;

/// A set of accounts and how to choose among them.
#[derive(Clone, Debug)]
pub struct Pool {
    /// `pools[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// Positions in [`Config::accounts`](super::Config::accounts), in declared order.
    pub accounts: Vec<usize>,
    /// `pools[].select`: how one of its accounts is chosen; default by weight.
    pub select: Select,
    /// `pools[].affinity`: what keeps a conversation at one account; default its session.
    pub affinity: AffinityBy,
    /// Position in [`Config::pools`](super::Config::pools); `compile` refuses cycles.
    pub fallback: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Select {
    /// By the price of what the request will probably use.
    Cheapest,
    Failover,
    LeastBusy,
    Random,
    RoundRobin,
    #[default]
    Weighted,
}

impl Select {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cheapest => "cheapest",
            Self::Failover => "failover",
            Self::LeastBusy => "least-busy",
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::Weighted => "weighted",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AffinityBy {
    Key,
    None,
    /// What requests say of their session, else what a conversation begins with.
    #[default]
    Session,
    /// Only what requests say of their session.
    Stated,
}

impl AffinityBy {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::None => "none",
            Self::Session => "session",
            Self::Stated => "stated",
        }
    }
}

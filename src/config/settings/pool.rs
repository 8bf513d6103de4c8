//! `pools`: sets of accounts and how to choose among them.
use std::sync::Arc;

/// A set of accounts and how to choose among them.
#[derive(Clone, Debug)]
pub struct Pool {
    /// `pools[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// The accounts, as positions in [`Config::accounts`](super::Config::accounts), in declared order.
    pub accounts: Vec<usize>,
    /// `pools[].select`: how one of its accounts is chosen; default by weight.
    pub select: Select,
    /// `pools[].affinity`: what keeps requests at one account; default: their session.
    pub affinity: AffinityBy,
    /// The pool to try next, as a position in [`Config::pools`](super::Config::pools); `compile` refuses cycles.
    pub fallback: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Select {
    /// The account with the lowest price for the probable use of the request.
    Cheapest,
    Failover,
    LeastBusy,
    Random,
    RoundRobin,
    #[default]
    Weighted,
}

impl Select {
    /// The word in the configuration.
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
    /// The session that a request states, else the beginning of its conversation.
    #[default]
    Session,
    /// Only the session that a request states.
    Stated,
}

impl AffinityBy {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::None => "none",
            Self::Session => "session",
            Self::Stated => "stated",
        }
    }
}

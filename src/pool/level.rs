//! How selective a search for an account is.
use std::time::Instant;

use super::health::Gate;
use super::passage::{Closed, Pass};

/// How selective a search is. When no account is left on one level, the next level is tried.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    /// Excludes accounts with a window that is almost spent.
    Fresh,
    /// Any account that may serve.
    Usable,
    /// Also accounts whose ramp is full.
    Insist,
    /// Also an account that only soft evidence keeps out, when no other account is left.
    Spare,
}

impl Level {
    /// Whether a gate would let a request of this level through.
    pub(super) fn look(self, gate: &Gate, now: Instant) -> Result<(), Closed> {
        match gate.check(now) {
            Err(Closed::Easing { .. }) if self >= Self::Insist => Ok(()),
            Err(Closed::Benched { .. }) if self == Self::Spare && gate.spares(now) => Ok(()),
            checked => checked,
        }
    }

    /// Lets a request of this level through a gate.
    pub(super) fn pass(self, gate: &mut Gate, now: Instant) -> Result<Pass, Closed> {
        match self {
            Self::Fresh | Self::Usable => gate.admit(now),
            Self::Insist => gate.insist(now),
            Self::Spare => gate.spare(now),
        }
    }
}

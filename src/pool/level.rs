//! How choosy a search for an account is.
use std::time::Instant;

use super::health::Gate;
use super::passage::{Closed, Pass};

/// How choosy to be: the next level is tried when nothing is left on this one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    /// No account whose window is as good as spent.
    Fresh,
    /// Any that may serve.
    Usable,
    /// Even past a full ramp.
    Insist,
    /// Even one that soft evidence keeps out, when nobody else is left.
    Spare,
}

impl Level {
    /// Whether a gate lets a request of this level through.
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

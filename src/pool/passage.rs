//! What a gate says of itself: how a request came through, why none does, and what it looks like from outside.
use std::time::Instant;

use crate::outcome::FailureClass;

/// How a request came through a gate; to be given back when it is dropped before a verdict.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pass {
    /// Admitted on the ramp that began then.
    Eased(Instant),
    #[default]
    Free,
    /// The one probe, sent then.
    Probe(Instant),
}

/// Why a gate lets nothing through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// Benched until then.
    Benched {
        class: FailureClass,
        until: Instant,
        since: Instant,
    },
    /// The ramp is full until then, or until a head comes back.
    Easing { until: Instant },
    /// A probe is on its way; after that time it no longer keeps others out.
    Probing { class: FailureClass, until: Instant },
}

impl Closed {
    /// When it is worth asking again.
    pub fn until(&self) -> Instant {
        match *self {
            Self::Benched { until, .. } | Self::Easing { until } | Self::Probing { until, .. } => {
                until
            }
        }
    }
}

/// What a gate looks like from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    Benched { class: FailureClass, until: Instant },
    Easing,
    HalfOpen { class: FailureClass },
    Open,
}

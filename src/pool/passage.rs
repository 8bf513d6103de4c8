//! What a gate reports: how a request came through, why none can, and its state as operators see it.
use std::time::Instant;

use crate::outcome::FailureClass;

/// How a request came through a gate. It is given back when a verdict comes, or when the request is dropped before one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pass {
    /// Admitted on the ramp that began at this time.
    Eased(Instant),
    #[default]
    Free,
    /// The one probe, sent at this time.
    Probe(Instant),
}

/// Why a gate lets nothing through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// Benched until `until`.
    Benched {
        class: FailureClass,
        until: Instant,
        since: Instant,
    },
    /// The ramp is full until `until`, or until a head comes back.
    Easing { until: Instant },
    /// A probe is in flight; after `until` it no longer keeps others out.
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

/// The state of a gate as operators see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    Benched { class: FailureClass, until: Instant },
    Easing,
    HalfOpen { class: FailureClass },
    Open,
}

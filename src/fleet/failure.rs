//! Why a query was not answered.
use std::fmt;

use super::answer::Fault;

/// The kind of a failure, for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The answer cannot be used.
    Malformed,
    /// The server refused the query.
    Refused,
    Timeout,
    Unreachable,
}

impl Failure {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::Malformed,
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
    ];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A failure with its description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unanswered {
    pub failure: Failure,
    pub why: String,
}

impl Unanswered {
    pub fn new(failure: Failure, why: impl Into<String>) -> Self {
        Self {
            failure,
            why: why.into(),
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        let failure = match fault {
            Fault::Malformed | Fault::TooMany => Failure::Malformed,
            Fault::Refused(_) => Failure::Refused,
        };
        Self::new(failure, fault.to_string())
    }
}

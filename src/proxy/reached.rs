//! The results of reaching an upstream, of an attempt, and of a whole request.
use crate::exchange::attempt::Attempt;
use crate::exchange::relaying::{Answer, Ended, Failed, Relaying};
use crate::pool::{Fault, classify_transport};

/// What happens to the client's connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// The answer is complete.
    Intact,
    /// The answer is complete, but the connection must not be used again.
    Close,
    /// The answer broke off, or the client is gone.
    Abort,
}

/// The result of one attempt.
pub(super) enum AttemptEnd {
    Done(Left),
    Failed(Box<Attempt>, Box<Failed>),
}

/// The result of reaching an upstream.
pub(super) enum Reached {
    /// The answer went to the client, as far as it came; `None` = the client left before its end.
    Answered(Box<(Relaying, Option<Ended>)>),
    Failed(Box<Failed>),
    /// The upstream paused its answer.
    Paused,
    /// The upstream is to be called again at once, with a smaller request.
    Again,
    /// The upstream refused the credential.
    Unauthorized(Box<Failed>),
}

impl Reached {
    /// The client sent its request in a wrong way, and gets this answer.
    pub(super) fn of_client(answer: Answer) -> Self {
        Self::Failed(Failed::of_client(answer))
    }

    /// The attempt failed before the head of an answer came.
    pub(super) fn failed(fault: Fault) -> Self {
        Self::Failed(Failed::bare(classify_transport(fault, false)))
    }
}

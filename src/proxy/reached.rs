//! What comes of reaching an upstream, of an attempt, and of a whole request.
use crate::exchange::attempt::Attempt;
use crate::exchange::relaying::{Answer, Ended, Failed, Relaying};
use crate::pool::{Fault, classify_transport};

/// How the client's connection is to be left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// The answer is complete.
    Intact,
    /// The answer is complete in itself, but the connection shall not be used again.
    Close,
    /// The answer broke off, or the client is gone.
    Abort,
}

/// What came of one attempt.
pub(super) enum AttemptEnd {
    Done(Left),
    Failed(Box<Attempt>, Box<Failed>),
}

/// What came of reaching an upstream.
pub(super) enum Reached {
    /// The answer went to the client, as far as it came; without an `Ended` the client left before its end.
    Answered(Box<(Relaying, Option<Ended>)>),
    Failed(Box<Failed>),
    /// The upstream paused its answer.
    Paused,
    /// The upstream is to be asked again at once, for less.
    Again,
    /// The upstream refused the credential.
    Unauthorized(Box<Failed>),
}

impl Reached {
    /// The client did not send its request as it must, and gets to read this.
    pub(super) fn of_client(answer: Answer) -> Self {
        Self::Failed(Failed::of_client(answer))
    }

    /// It failed before there was the head of an answer.
    pub(super) fn failed(fault: Fault) -> Self {
        Self::Failed(Failed::bare(classify_transport(fault, false)))
    }
}

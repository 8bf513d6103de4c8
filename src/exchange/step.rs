//! What to do next for a request: before an attempt, and after one that failed.
use std::time::Duration;

use super::attempt::Attempt;
use super::estimate::Estimate;
use super::refusal::Refusal;
use super::verdict::Answer;

/// What to do next for a request.
#[derive(Debug)]
pub enum Step {
    /// No account is needed, or none will do better than the last one's own error.
    Answer(Answer),
    /// Nobody else counts: run it, away from the event loop if it is heavy, and answer with what it says.
    Estimate(Box<Estimate>),
    /// Make this attempt.
    Go(Box<Attempt>),
    /// Nobody can serve.
    Refuse(Refusal),
    /// Ask again after this short time: an account is being eased in, or an overloaded provider gets one more try.
    Wait(Duration),
}

/// What a failed attempt leads to.
#[derive(Debug)]
pub enum Sequel {
    Again,
    /// The upstream's own error is the client's business.
    Answer(Answer),
    Refuse(Refusal),
}

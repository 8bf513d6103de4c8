//! The next step of a request: before an attempt, and after one that failed.
use std::time::Duration;

use super::attempt::Attempt;
use super::estimate::Estimate;
use super::refusal::Refusal;
use super::verdict::Answer;

/// The next step of a request.
#[derive(Debug)]
pub enum Step {
    /// No account is needed, or none can do better than the last one's own error.
    Answer(Answer),
    /// No provider counts: run the estimate, outside the event loop if it is heavy, and answer with its result.
    Estimate(Box<Estimate>),
    /// Make this attempt.
    Go(Box<Attempt>),
    /// No account can serve the request.
    Refuse(Refusal),
    /// Ask again after this short time: an account is on a ramp, or an overloaded provider gets one more try.
    Wait(Duration),
}

/// The next step after a failed attempt.
#[derive(Debug)]
pub enum AfterFailure {
    Again,
    /// Answer with the upstream's own error, because it concerns the client.
    Answer(Answer),
    Refuse(Refusal),
}

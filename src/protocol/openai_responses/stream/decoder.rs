//! Decodes the events of this dialect into the hub's events.
use std::borrow::Cow;

use memchr::memchr;

use super::super::wire::KindIn;
use super::answer::Answer;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::read::json;

/// Decodes the stream of an upstream.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The tools whose arguments may be plain text instead of an object.
    wrapped: Vec<String>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Before,
    Ended,
    Open(Answer),
}

impl Decoder {
    /// `wrapped` are the tools whose arguments may be plain text instead of an object.
    pub const fn new(wrapped: Vec<String>) -> Self {
        Self {
            state: State::Before,
            wrapped,
        }
    }

    /// Reads the data of one frame and emits its events.
    pub fn push(
        &mut self,
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if matches!(data.trim_ascii(), b"[DONE]" | b"null") || matches!(self.state, State::Ended) {
            return Ok(());
        }
        let kind = kind(data)?;
        if matches!(self.state, State::Before) {
            self.state = State::Open(Answer::new(std::mem::take(&mut self.wrapped)));
        }
        if let State::Open(answer) = &mut self.state
            && answer.on(&kind, data, on)?
        {
            self.state = State::Ended;
        }
        Ok(())
    }

    /// The upstream closed the stream. Returns whether its terminal event had come; without one, the answer is
    /// incomplete, whatever it looks like.
    pub fn finish(
        &mut self,
        _: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(true),
            State::Before | State::Open(_) => Ok(false),
        }
    }
}

/// The type of the event. It is the first member in all events whose speed matters.
fn kind(data: &[u8]) -> Result<Cow<'_, [u8]>, Violation> {
    let front = data
        .strip_prefix(b"{\"type\":\"")
        .and_then(|rest| rest.get(..memchr(b'"', rest)?));
    if let Some(kind) = front {
        return Ok(Cow::Borrowed(kind));
    }
    Ok(match json::<KindIn<'_>>(data)?.kind {
        Some(kind) => Cow::Owned(kind.as_bytes().to_vec()),
        // Only errors have no type.
        None => Cow::Borrowed(b"error"),
    })
}

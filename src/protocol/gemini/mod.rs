//! Gemini, `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! Content is parts, and whatever one says is whole: a tool call comes in one piece, and a stream is a row of small answers that
//! add up. The model and the wish for a stream stand in the path, not in the body. What this dialect cannot say: that a result is
//! an error apart from its words, calls one at a time, the id of a call in older versions. The mapping, field by field:
//! `docs/dialects/gemini.md`.
pub mod request;
pub mod response;
mod said;
pub mod stream;

pub mod error;
mod schema;
mod wire;

/// How a client wants its answer: what the verb and the query of its request say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// `:streamGenerateContent` without `alt=sse`: one JSON array, element by element.
    Array,
    /// `:streamGenerateContent?alt=sse`.
    Events,
    /// `:generateContent`.
    Whole,
}

impl Delivery {
    /// Of a `stream`, or not, which comes as an `array` where the client says nothing else.
    pub const fn of(stream: bool, array: bool) -> Self {
        match (stream, array) {
            (false, _) => Self::Whole,
            (true, false) => Self::Events,
            (true, true) => Self::Array,
        }
    }
}

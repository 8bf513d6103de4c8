//! Gemini, `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! Content consists of parts, and each part is complete: a tool call comes in one piece, and a stream is a sequence of
//! small answers that add up. The model and whether to stream are in the path, not in the body. This dialect cannot
//! mark a result as an error except in its text, cannot restrict calls to one at a time, and its older versions have no
//! ids of calls. The mapping, field by field: `docs/dialects/gemini.md`.
pub mod request;
pub mod response;
mod said;
pub mod stream;

pub mod error;
mod schema;
mod wire;

/// How a client wants its answer delivered, by the verb and the query of its request.
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
    /// The delivery for these properties: `array` only matters for a stream.
    pub const fn of(stream: bool, array: bool) -> Self {
        match (stream, array) {
            (false, _) => Self::Whole,
            (true, false) => Self::Events,
            (true, true) => Self::Array,
        }
    }
}

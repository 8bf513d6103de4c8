//! OpenAI Responses, `POST /v1/responses`.
//!
//! A conversation is a list of items, and so is an answer: messages, calls, results and reasoning are separate items,
//! each with an id of its own. A stream describes every item from `added` to `done`, and at the end repeats the whole
//! answer. Agents act on `output_item.done`, so that event has the complete item. This dialect cannot express stop
//! strings, several answers, seeds or penalties. The mapping, field by field: `docs/dialects/openai-responses.md`.
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod client_tools;
mod wire;

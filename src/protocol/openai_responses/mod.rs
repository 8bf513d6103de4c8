//! OpenAI Responses, `POST /v1/responses`.
//!
//! A conversation is a list of items, and so is an answer: messages, calls, results and reasoning stand side by side, each with
//! an id of its own. A stream tells the life of every item, from `added` to `done`, and closes with the whole answer once more;
//! agents act on `output_item.done`, so it is complete. What this dialect cannot say: stop strings, several answers, seeds,
//! penalties. The mapping, field by field: `docs/dialects/openai-responses.md`.
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod client_tools;
mod wire;

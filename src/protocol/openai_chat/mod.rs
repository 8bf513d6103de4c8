//! OpenAI Chat Completions, `POST /v1/chat/completions`, with its ancestors: `functions` instead of tools, and
//! `POST /v1/completions` as a client.
//!
//! A turn is one message: its text is one string, its calls come after it, results are messages of their own. A stream is a row
//! of deltas that accumulators concatenate: what must not double is said once. What this dialect cannot say: where text stands
//! between calls, signatures, documents by URL, results with images.
//! The mapping, field by field: `docs/dialects/openai-chat.md`.
mod details;
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod wire;

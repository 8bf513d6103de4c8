//! OpenAI Chat Completions, `POST /v1/chat/completions`, with its predecessors: `functions` instead of tools, and, for
//! clients only, `POST /v1/completions`.
//!
//! A turn is one message: its text is one string, its calls come after the text, and results are messages of their own.
//! A stream is a sequence of deltas that clients concatenate, so a value that must not be doubled is written only once.
//! This dialect cannot express text between calls, signatures, documents by URL, or results with images. The mapping,
//! field by field: `docs/dialects/openai-chat.md`.
mod details;
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod wire;

//! Anthropic Messages, `POST /v1/messages`.
//!
//! Content is typed blocks; a stream is a strict grammar of them: one block open at a time, indices counted from zero, one
//! `message_start`, one `message_stop`. What this dialect cannot say: several answers, penalties, log probabilities, a seed.
//! The mapping, field by field: `docs/dialects/anthropic.md`.
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod search;
mod wire;

/// How Claude Code's attribution block begins. Anthropic takes it out, but only where it is the first.
pub(super) const ATTRIBUTION: &str = "x-anthropic-billing-header:";

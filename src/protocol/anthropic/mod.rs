//! Anthropic Messages, `POST /v1/messages`.
//!
//! Content consists of typed blocks. A stream is a strict sequence of them: one `message_start`, one open block at a
//! time, indices that count from zero, one `message_stop`. This dialect cannot express several answers, penalties, log
//! probabilities or a seed. The mapping, field by field: `docs/dialects/anthropic.md`.
pub mod error;
pub mod request;
pub mod response;
pub mod stream;

mod search;
mod wire;

/// The beginning of Claude Code's attribution block. Anthropic removes that block, but only where it is the first.
pub(super) const ATTRIBUTION: &str = "x-anthropic-billing-header:";

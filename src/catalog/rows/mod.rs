//! The rows, a file a vendor.
//!
//! Prices change: an entry of `prices` in the configuration overrides a row without a new release. What has none here has no price,
//! and its requests are counted as unpriced; prices that vendors state in CNY only (SiliconFlow, BigModel's own platform) must be
//! entered by the operator. What models accept has its sources in `docs/dialects/models.md`.
use super::row::Row;
use crate::protocol::models::effort::Effort::{High, Low, Medium};
use crate::protocol::models::effort::Efforts;

mod anthropic;
mod bedrock;
mod beside_chat;
mod gemini;
mod mistral;
mod openai;
mod others;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    let vendors = [
        anthropic::ROWS,
        bedrock::ROWS,
        openai::ROWS,
        gemini::ROWS,
        beside_chat::ROWS,
        mistral::ROWS,
        others::ROWS,
    ];
    vendors.into_iter().flatten()
}

const LOW_TO_HIGH: Efforts = Efforts::of(&[Low, Medium, High]);

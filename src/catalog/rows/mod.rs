//! The rows, in one file per vendor.
//!
//! Prices change: an entry of `prices` in the configuration overrides a row without a new release. A model without a
//! price here has none, and its requests are counted as unpriced. Prices that vendors state only in CNY (SiliconFlow,
//! BigModel's own platform) must be entered by the operator. The sources of what models accept are in
//! `docs/dialects/models.md`.
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

/// All rows.
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

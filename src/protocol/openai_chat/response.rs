//! Whole answers in this dialect: decodes an upstream's answer, encodes an answer for a client.
mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;

pub(super) use decode::{
    arguments, citation, lost_part, part_text, pieces, reasoning_text, signature, spent, stop,
};
pub(super) use encode::{
    Annotation, TOOL_IDS, annotation, details, explanation, finish_reason, tier, usage,
};

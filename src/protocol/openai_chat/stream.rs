//! Streams: what an upstream streams in this dialect, and what a client is streamed in it.
mod decode;
mod encode;
mod think;

pub use decode::Decoder;
pub use encode::Encoder;

pub(super) use think::{Piece, ThinkTags};

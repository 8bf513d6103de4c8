//! Streams: what an upstream streams in this dialect, and what a client is streamed in it.
mod chunks;
mod decode;
mod encode;
mod said;
mod slot;
mod slots;
mod tally;
mod think;

pub use decode::Decoder;
pub use encode::Encoder;

pub(super) use think::{Piece, ThinkTags};

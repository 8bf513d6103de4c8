//! Streams of this dialect: decodes an upstream's stream, encodes a stream for a client.
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

//! Streams: what an upstream streams in this dialect, and what a client is streamed in it.
mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

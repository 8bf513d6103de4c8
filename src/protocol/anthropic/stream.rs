//! Streams: what an upstream streams in this dialect, and what a client is streamed in it.
mod decode;
mod encode;
mod open;
mod record;
mod writer;

pub use decode::Decoder;
pub use encode::Encoder;
pub use record::Recorder;

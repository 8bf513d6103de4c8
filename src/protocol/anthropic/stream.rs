//! Streams of this dialect: decodes an upstream's stream, encodes a stream for a client.
mod decode;
mod encode;
mod open;
mod record;
mod writer;

pub use decode::Decoder;
pub use encode::Encoder;
pub use record::Recorder;

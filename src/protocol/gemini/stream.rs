//! Streams of this dialect, read from an upstream and written to a client.
//!
//! ```text
//! Decoder   Before ── any chunk ──► Open ── finishReason, blockReason ──► Stopped ── end of the stream ──► Ended (End)
//!                                    │                                       └── usage ──► Stopped
//!                                    └── error, a finishReason that tells a failure, end of the stream ──► Ended (Error)
//!           within Open:  Silent, Speaking ◄── text, thought ──► Thinking;  a call ends both and is whole
//!
//! Encoder   Open ── text, thoughts ──► Open            one chunk each
//!           Open ── ToolStart ──► Calling ── ToolEnd ──► Open      one chunk, at the end
//!           Calling ── ToolEnd of arguments that are cut ──► Cut ── Stop ──► Open,   Cut ── content ──► a breach
//!           any  ── End ──► Ended (finishReason, usage),   any ── Error ──► Ended
//! ```
mod decoder;
mod encoder;
mod grounding;
mod writer;

pub use decoder::Decoder;
pub use encoder::Encoder;

//! `weir run --record`: exchanges become cases on disk, without delaying the traffic.
//!
//! ```text
//! relay ─ tape of the attempt ─► request.rs ─ bounded queue ─► recorder.rs, a thread: mask, run, write, rename
//! ```
pub(crate) mod recorder;
pub(super) mod request;
mod store;

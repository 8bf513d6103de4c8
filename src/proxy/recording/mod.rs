//! `weir run --record`: exchanges become cases on a disk, beside the traffic and never in its way.
//!
//! ```text
//! relay ─ tape of the attempt ─► request.rs ─ bounded queue ─► recorder.rs, a thread: mask, run, write, rename
//! ```
pub(crate) mod recorder;
pub(super) mod request;
mod store;

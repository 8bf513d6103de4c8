//! Requests: what a client asks in this dialect, and what is asked of an upstream in it.
mod contents;
mod decode;
mod encode;
mod files;
mod history;
mod tools;

pub use decode::{decode, read};
pub use encode::encode;

pub(super) use contents::object;

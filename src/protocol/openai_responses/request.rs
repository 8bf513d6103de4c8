//! Requests: what a client asks in this dialect, and what is asked of an upstream in it.
mod content;
mod decode;
mod encode;
mod parts;
mod tools;
mod write;

pub(super) mod items;

pub use decode::{decode, read};
pub use encode::encode;

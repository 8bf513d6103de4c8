//! Requests: what a client asks in this dialect, and what is asked of an upstream in it.
mod blocks;
mod caching;
mod changes;
mod decode;
mod decode_tools;
mod encode;
mod media;
mod messages;
mod reasoning;
mod tools;

pub use decode::{decode, read};
pub use encode::encode;

pub(super) use blocks::{Reader, citation};

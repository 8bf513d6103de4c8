//! Requests of this dialect: decodes a client's request, encodes the request to an upstream.
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

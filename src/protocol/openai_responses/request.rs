//! Requests of this dialect: decodes a client's request, encodes the request to an upstream.
mod content;
mod decode;
mod encode;
mod parts;
mod tools;
mod write;

pub(super) mod items;

pub use decode::{decode, read};
pub use encode::encode;

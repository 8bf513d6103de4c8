//! Requests of this dialect: decodes a client's request, encodes the request to an upstream.
mod calls;
mod completions;
mod declared;
mod decode;
mod encode;
mod input;
mod messages;
mod parts;
mod thoughts;
mod tools;

pub use decode::{decode, read};
pub use encode::encode;

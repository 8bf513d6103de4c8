//! Requests of this dialect: decodes a client's request, encodes the request to an upstream.
mod contents;
mod decode;
mod encode;
mod files;
mod history;
mod tools;

pub use decode::{decode, read};
pub use encode::encode;

pub(super) use contents::object;

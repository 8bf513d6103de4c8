//! Requests: what a client asks in this dialect, and what is asked of an upstream in it.
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

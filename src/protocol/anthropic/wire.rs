//! The wire format of Anthropic Messages, field for field.
mod input;
mod output;

pub use input::*;
pub use output::*;

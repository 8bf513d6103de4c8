//! The wire format of OpenAI Chat, field for field.
mod input;
mod output;

pub use input::*;
pub use output::*;

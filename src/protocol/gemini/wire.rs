//! The wire format of Gemini, field for field.
mod input;
mod output;

pub use input::*;
pub use output::*;

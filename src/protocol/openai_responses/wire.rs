//! The wire format of OpenAI Responses, field for field.
mod answer;
mod input;
mod output;

pub use answer::*;
pub use input::*;
pub use output::*;

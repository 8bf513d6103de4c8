//! The vendor of an upstream's models, as far as opaque state is concerned.

/// Who creates opaque state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vendor {
    Anthropic,
    Gemini,
    Openai,
    /// Any vendor whose reasoning has no opaque state.
    Other,
}

//! Whose models an upstream serves, as far as their opaque state goes.

/// Who mints opaque state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vendor {
    Anthropic,
    Gemini,
    Openai,
    /// Somebody whose reasoning has no opaque part.
    Other,
}

//! Which vendor's API a request speaks.

/// A dialect. Weir has its own word for it: what is tested shares no code with what tests it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// Messages.
    Anthropic,
    /// `generateContent`.
    Gemini,
    /// Chat Completions.
    OpenaiChat,
    /// Responses.
    OpenaiResponses,
}

//! A value that is never printed.

/// A credential. `Debug` prints `***`; the only way to the text is [`Secret::expose`].
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(std::sync::Arc<str>);

impl Secret {
    pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

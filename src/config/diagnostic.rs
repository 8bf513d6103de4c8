//! One fault of a configuration, said so that its reader can mend it.

/// `file:line:column: path: what was found, what was expected`, and a hint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// `accounts[0].weight`.
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

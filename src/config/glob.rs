//! Shell-style patterns.
use std::fmt::{self, Debug, Formatter};

/// A shell-style pattern: `*` and `?` match any characters, `/` included; `[…]` and `{a,b}` as in globs.
/// Compared case-sensitively, except for user agents and header values.
#[derive(Clone)]
pub struct Glob {
    pattern: String,
    matcher: globset::GlobMatcher,
}

impl Glob {
    /// Compiles `pattern`.
    pub fn new(pattern: &str) -> Result<Self, globset::Error> {
        Self::build(pattern, false)
    }

    /// Compiles `pattern`, to match whatever the case.
    pub fn new_ignoring_case(pattern: &str) -> Result<Self, globset::Error> {
        Self::build(pattern, true)
    }

    fn build(pattern: &str, ignore_case: bool) -> Result<Self, globset::Error> {
        let glob = globset::GlobBuilder::new(pattern)
            .case_insensitive(ignore_case)
            .literal_separator(false)
            .backslash_escape(true)
            .build()?;
        Ok(Self {
            pattern: pattern.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.matcher.is_match(text)
    }

    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl Debug for Glob {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.pattern.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, good: &[&str], bad: &[&str]) {
        let glob = Glob::new(pattern).expect("a pattern");
        for text in good {
            assert!(glob.is_match(text), "{pattern} {text}");
        }
        for text in bad {
            assert!(!glob.is_match(text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_match_the_whole_text_and_slashes_too() {
        check(
            "claude-*",
            &["claude-", "claude-x", "claude-a/b"],
            &["xclaude-a", "claude"],
        );
        check(
            "claude-*haiku*",
            &["claude-haiku-4-5", "claude-3-5-haiku"],
            &["claude-opus"],
        );
        check("*", &["", "anything/at all"], &[]);
        check("gpt-{4o,5}", &["gpt-4o", "gpt-5"], &["gpt-4"]);
        check("o[134]*", &["o1", "o3-mini"], &["o2"]);
        check("Qwen/Qwen3", &["Qwen/Qwen3"], &["qwen/qwen3"]);
    }

    #[test]
    fn case_can_be_ignored() {
        let glob = Glob::new_ignoring_case("cherrystudio*").expect("a pattern");
        assert!(glob.is_match("CherryStudio/1.0"));
        assert_eq!(format!("{glob:?}"), "\"cherrystudio*\"");
    }
}

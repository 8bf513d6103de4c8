//! Shell-style patterns for names of models, keys and user agents.
//!
//! They differ from the patterns of file systems: `/` is a character like any other. They are matched for every
//! request, and there may be thousands of them, so they are not regular expressions and take at most length × length
//! steps.
use std::fmt::{self, Debug, Display, Formatter};

/// A shell-style pattern: `*` matches any characters, including `/`; `?` matches one character; `[…]` matches one of a
/// set; `{a,b}` are alternatives; `\` makes the next character literal. Comparison is case-sensitive, except for user
/// agents and header values.
#[derive(Clone)]
pub struct Glob {
    pattern: String,
    /// One sequence of tokens per alternative.
    alternatives: Vec<Vec<Token>>,
    ignore_case: bool,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GlobError {
    EmptySet,
    NestedAlternatives,
    TooManyAlternatives,
    TrailingBackslash,
    UnclosedAlternatives,
    UnclosedSet,
    UnopenedAlternatives,
}

#[derive(Clone)]
enum Token {
    /// `*`
    Any,
    Char(char),
    /// `?`
    One,
    Set {
        negated: bool,
        /// Inclusive bounds.
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Compiles `pattern`.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        Self::build(pattern, false)
    }

    /// Compiles `pattern`, ignoring the case of ASCII letters.
    pub fn new_ignoring_case(pattern: &str) -> Result<Self, GlobError> {
        Self::build(pattern, true)
    }

    /// Whether this pattern certainly matches everything that `other` matches. Patterns are compared only in simple
    /// cases.
    pub fn hides(&self, other: &Self) -> bool {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', '{', '\\']);
        let (one, other_text) = (self.pattern(), other.pattern());
        if one == other_text || is_plain(other_text) {
            return one == other_text || self.is_match(other_text);
        }
        match one.strip_suffix('*') {
            Some(prefix) => is_plain(prefix) && other_text.starts_with(prefix),
            None => false,
        }
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.alternatives
            .iter()
            .any(|tokens| self.is_match_of(tokens, text))
    }

    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    fn build(pattern: &str, ignore_case: bool) -> Result<Self, GlobError> {
        Ok(Self {
            pattern: pattern.to_owned(),
            alternatives: parse(pattern)?,
            ignore_case,
        })
    }

    fn is_match_of(&self, tokens: &[Token], text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        // Where to continue after a mismatch: behind the last `*`, which then matches one more character. Earlier `*`
        // need no second try, because the last one could have matched the same.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if let Some(Token::Any) = tokens.get(at) {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            let mut ahead = rest.clone();
            let fits = match (tokens.get(at), ahead.next()) {
                (None, None) => return true,
                (Some(token), Some(char)) => self.fits(token, char),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if fits {
                at += 1;
                rest = ahead;
                continue;
            }
            let Some((behind, eaten)) = &mut retry else {
                return false;
            };
            if eaten.next().is_none() {
                return false;
            }
            at = *behind;
            rest = eaten.clone();
        }
    }

    fn fits(&self, token: &Token, char: char) -> bool {
        match token {
            Token::Any | Token::One => true,
            Token::Char(wanted) => {
                *wanted == char || self.ignore_case && wanted.eq_ignore_ascii_case(&char)
            }
            Token::Set { negated, ranges } => {
                let within = |char: char| {
                    ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&char))
                };
                let other_case =
                    || within(char.to_ascii_lowercase()) || within(char.to_ascii_uppercase());
                (within(char) || self.ignore_case && other_case()) != *negated
            }
        }
    }
}

impl Debug for Glob {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.pattern, f)
    }
}

impl Display for GlobError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptySet => "there is nothing between `[` and `]`",
            Self::NestedAlternatives => "a `{` inside `{…}` is not supported",
            Self::TooManyAlternatives => "there are more than 32 combinations of alternatives",
            Self::TrailingBackslash => "there is nothing after the `\\`",
            Self::UnclosedAlternatives => "a `{` is not closed by a `}`",
            Self::UnclosedSet => "a `[` is not closed by a `]`",
            Self::UnopenedAlternatives => "a `}` has no `{` before it; `\\}` is the character",
        })
    }
}

impl std::error::Error for GlobError {}

/// The alternatives, multiplied out.
fn parse(pattern: &str) -> Result<Vec<Vec<Token>>, GlobError> {
    let mut done: Vec<Vec<Token>> = vec![Vec::new()];
    // Inside `{…}`: the branches so far; the last one is incomplete.
    let mut branches: Option<Vec<Vec<Token>>> = None;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let token = match char {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => set(&mut chars)?,
            '\\' => Token::Char(chars.next().ok_or(GlobError::TrailingBackslash)?),
            '{' if branches.is_some() => return Err(GlobError::NestedAlternatives),
            '{' => {
                branches = Some(vec![Vec::new()]);
                continue;
            }
            ',' if branches.is_some() => {
                branches.get_or_insert_default().push(Vec::new());
                continue;
            }
            '}' => {
                let branches = branches.take().ok_or(GlobError::UnopenedAlternatives)?;
                if done.len() * branches.len() > MOST_ALTERNATIVES {
                    return Err(GlobError::TooManyAlternatives);
                }
                let join = |start: &Vec<Token>| {
                    let start = start.clone();
                    branches
                        .iter()
                        .map(move |branch| [start.as_slice(), branch].concat())
                        .collect::<Vec<_>>()
                };
                done = done.iter().flat_map(join).collect();
                continue;
            }
            char => Token::Char(char),
        };
        match branches.as_mut().map(|branches| branches.last_mut()) {
            Some(Some(branch)) => branch.push(token),
            Some(None) => {}
            None => done
                .iter_mut()
                .for_each(|tokens| tokens.push(token.clone())),
        }
    }
    if branches.is_some() {
        return Err(GlobError::UnclosedAlternatives);
    }
    Ok(done)
}

/// Parses a set, after its `[`.
fn set(chars: &mut std::str::Chars<'_>) -> Result<Token, GlobError> {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut next = chars.next();
    let negated = matches!(next, Some('!' | '^'));
    if negated {
        next = chars.next();
    }
    loop {
        let low = match next.ok_or(GlobError::UnclosedSet)? {
            ']' if ranges.is_empty() => return Err(GlobError::EmptySet),
            ']' => return Ok(Token::Set { negated, ranges }),
            '\\' => chars.next().ok_or(GlobError::UnclosedSet)?,
            char => char,
        };
        next = chars.next();
        let mut high = low;
        if next == Some('-') {
            let end = chars.next().ok_or(GlobError::UnclosedSet)?;
            if end == ']' {
                // A dash at the end is literal.
                ranges.push(('-', '-'));
                next = Some(end);
            } else {
                high = end;
                next = chars.next();
            }
        }
        ranges.push((low.min(high), low.max(high)));
    }
}

/// Most alternatives of a pattern; `{a,b}{c,d}` has four.
const MOST_ALTERNATIVES: usize = 32;

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
            &["xclaude-a", "claude", ""],
        );
        check(
            "claude-*haiku*",
            &["claude-haiku-4-5", "claude-3-5-haiku"],
            &["claude-opus"],
        );
        check("*", &["", "anything/at all"], &[]);
        check(
            "*-mini",
            &["gpt-5-mini", "-mini", "-mini-mini"],
            &["gpt-mini-5"],
        );
        check("a?c", &["abc", "aéc"], &["ac", "abbc"]);
        check(
            "Qwen/Qwen3",
            &["Qwen/Qwen3"],
            &["qwen/qwen3", "Qwen/Qwen3 "],
        );
        check("", &[""], &["a"]);
        check("a**b", &["ab", "axb"], &["a"]);
        check("\\*", &["*"], &["a"]);
    }

    #[test]
    fn alternatives_and_sets() {
        check("gpt-{4o,5}", &["gpt-4o", "gpt-5"], &["gpt-4", "gpt-"]);
        check("{a,b*}-{c,}", &["a-c", "a-", "bx-c"], &["c-c", "a"]);
        check("o[134]*", &["o1", "o3-mini"], &["o2", "o"]);
        check("[a-c][!0-9]", &["ax", "c-"], &["a1", "dx"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[\\]]", &["]"], &["\\"]);
        check("a,b", &["a,b"], &["a"]);
    }

    #[test]
    fn what_is_no_pattern() {
        for (pattern, expected) in [
            ("a[", GlobError::UnclosedSet),
            ("a[]", GlobError::EmptySet),
            ("[a-", GlobError::UnclosedSet),
            ("{a,b", GlobError::UnclosedAlternatives),
            ("a}", GlobError::UnopenedAlternatives),
            ("{a,{b}}", GlobError::NestedAlternatives),
            ("a\\", GlobError::TrailingBackslash),
            (
                "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
                GlobError::TooManyAlternatives,
            ),
        ] {
            assert_eq!(Glob::new(pattern).err(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn case_can_be_ignored() {
        let glob = Glob::new_ignoring_case("cherrystudio[a-c]*").expect("a pattern");
        assert!(glob.is_match("CherryStudioB/1.0"));
        assert_eq!(format!("{glob:?}"), "\"cherrystudio[a-c]*\"");
    }

    #[test]
    fn no_pattern_takes_exponential_time() {
        let glob = Glob::new(&"*a".repeat(200)).expect("a pattern");
        assert!(!glob.is_match(&("a".repeat(5000) + "b")));
    }
}

//! One fault of a configuration, described so that its reader can correct it.
//!
//! Also two helpers for messages: [`suggest`] ("did you mean"), and [`quote`], which shows what was found, but never
//! text that looks like a credential.
use std::fmt::{self, Display, Formatter};

/// `file:line:column: path: what was found, what was expected`, and a hint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// The name of the file, as the caller named it.
    pub file: String,
    /// The line, from 1; 0 = the file as a whole, for example because it is missing.
    pub line: usize,
    /// The column, from 1; 0 = the file as a whole.
    pub column: usize,
    /// The path of the setting, such as `accounts[0].weight`; empty = the document.
    pub path: String,
    /// What was found, and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The word of `known` that `word` most likely means: `word` has a typing error, another case, `-` for `_`, or a longer
/// or shorter form.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(word);
    if wanted.is_empty() || wanted.len() > LONGEST_WORD {
        return None;
    }
    let distance = |candidate: &'a str| {
        let plain = plain(candidate);
        let (shorter, longer) = (wanted.len().min(plain.len()), wanted.len().max(plain.len()));
        let distance = strsim::damerau_levenshtein(&wanted, &plain);
        // A word of three letters is similar to any other one of three letters.
        let slip = distance <= (longer + 1) / 4 + 1 && distance + 1 < shorter.max(2);
        let form = shorter >= 4 && (wanted.starts_with(&plain) || plain.starts_with(&wanted));
        (candidate != word && (slip || form)).then_some((distance, candidate))
    };
    let nearest = known
        .into_iter()
        .filter_map(distance)
        .min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, candidate)| candidate)
}

/// `` did you mean `x`? ``, if there is a similar word.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(word, known).map(|candidate| format!("did you mean {}?", quote(candidate)))
}

/// `text` in backticks, shortened, without control characters; `***` if it looks like a credential.
///
/// A key that was written into the wrong line must not appear in a log.
pub fn quote(text: &str) -> String {
    if looks_secret(text) {
        return "`***`".to_owned();
    }
    let mut shown: String = text
        .chars()
        .take(LONGEST_QUOTE)
        .map(|char| {
            if char.is_control() || char == '`' {
                '?'
            } else {
                char
            }
        })
        .collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// `` `a`, `b` or `c` ``.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.into_iter().map(quote).collect();
    match words.pop() {
        None => "nothing".to_owned(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
    }
}

/// Whether `text` may be a credential: it contains a known prefix, a URL with a password, or a run of letters and
/// digits that is not a word. In doubt the text is hidden.
fn looks_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let known = CREDENTIAL_MARKS.iter().any(|mark| lower.contains(mark));
    let userinfo = text
        .find("://")
        .and_then(|start| text.get(start + 3..))
        .and_then(|rest| rest.split('/').next())
        .is_some_and(|authority| authority.contains('@'));
    known
        || userinfo
        || text
            .split(|char: char| !char.is_ascii_alphanumeric())
            .any(is_random_run)
}

fn is_random_run(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let letters = run.len() - digits;
    let mixed_case = run.bytes().any(|byte| byte.is_ascii_lowercase())
        && run.bytes().any(|byte| byte.is_ascii_uppercase());
    run.len() >= 12 && digits > 0 && letters > 1 || run.len() >= 24 && (mixed_case || letters == 0)
}

/// Prefixes and parts of well-known credentials, in lower case.
const CREDENTIAL_MARKS: &[&str] = &[
    "sk-",
    "sk_",
    "pk-",
    "rk-",
    "xai-",
    "gsk_",
    "hf_",
    "ghp_",
    "aiza",
    "bearer ",
    "eyj",
    "password",
    "-----begin",
];
/// Most characters of a value that a message shows.
const LONGEST_QUOTE: usize = 60;
/// A longer word is unlikely to be a typing error, and comparing it would be expensive.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let known = ["weight", "priority", "provider", "base_url", "key", "keys"];
        assert_eq!(suggest("wieght", known), Some("weight"));
        assert_eq!(suggest("baseUrl", known), Some("base_url"));
        assert_eq!(suggest("base-url", known), Some("base_url"));
        assert_eq!(suggest("kye", known), Some("key"));
        assert_eq!(suggest("Provider", known), Some("provider"));
        assert_eq!(suggest("warning", ["error", "warn"]), Some("warn"));
        assert_eq!(suggest("colour", known), None);
        assert_eq!(suggest("x", known), None);
        assert_eq!(suggest("", known), None);
        assert_eq!(suggest(&"weight".repeat(1000), known), None);
    }

    #[test]
    fn short_names_are_not_confused() {
        assert_eq!(suggest("abc", ["xyz"]), None);
        assert_eq!(suggest("gtp", ["gpt"]), Some("gpt"));
    }

    #[test]
    fn credentials_are_not_quoted() {
        for secret in [
            "sk-ant-api03-x",
            "AIzaSyA1234",
            "Bearer abc",
            "socks5://user:pass@host:1",
            "0123456789abcdef0123456789abcdef",
            "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6",
        ] {
            assert_eq!(quote(secret), "`***`", "{secret}");
        }
        for word in [
            "claude-sonnet-4-5-20250929",
            "https://res.openai.azure.com/openai/deployments/gpt-4o",
            "ANTHROPIC_KEY_A",
            "2027-01-01",
            "30 seconds",
        ] {
            assert_eq!(quote(word), format!("`{word}`"));
        }
    }

    #[test]
    fn long_values_are_shortened_and_control_characters_replaced() {
        assert_eq!(quote(&"ab ".repeat(100)).chars().count(), 63);
        assert_eq!(quote("a\nb`c"), "`a?b?c`");
    }

    #[test]
    fn display_leaves_out_what_is_unknown() {
        let mut fault = Diagnostic {
            file: "weir.yaml".into(),
            line: 3,
            column: 7,
            path: "accounts[0].weight".into(),
            message: "found `x`, expected a number".into(),
            hint: Some("leave it out".into()),
        };
        assert_eq!(
            fault.to_string(),
            "weir.yaml:3:7: accounts[0].weight: found `x`, expected a number\n  hint: leave it out"
        );
        fault.line = 0;
        fault.path.clear();
        fault.hint = None;
        assert_eq!(fault.to_string(), "weir.yaml: found `x`, expected a number");
    }
}

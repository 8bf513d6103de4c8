//! Converts the name or URL of an upstream to Weir's settings.
use super::draft::Account;

/// An account without a key at `url`, which other gateways write with or without the path of a call. `speaks` is the
/// dialect of a host that is not known.
pub fn by_url(url: &str, speaks: Speaks) -> Account {
    let url = url.trim().trim_end_matches(['/', '#']);
    let host = host_of(url);
    let known = HOSTS
        .iter()
        .find(|(suffix, _)| host == *suffix || host.ends_with(&format!(".{suffix}")));
    let mut account = Account {
        name: host.to_owned(),
        ..Account::default()
    };
    match speaks {
        Speaks::Anthropic => {
            let base = strip(url, &["/v1/messages", "/messages", "/v1"]);
            if host == "api.anthropic.com" {
                account.provider = "anthropic";
            } else {
                account.provider = "anthropic-compatible";
                account.base_url = Some(base.to_owned());
            }
        }
        Speaks::Gemini => {
            let base = strip(url, &["/models", "/v1beta", "/v1"]);
            account.provider = "gemini";
            if host != "generativelanguage.googleapis.com" {
                account.base_url = Some(base.to_owned());
            }
        }
        Speaks::Chat | Speaks::Responses => {
            let base = strip(url, &["/chat/completions", "/responses"]);
            let preset = known
                .filter(|_| speaks == Speaks::Chat)
                .map(|(_, provider)| *provider);
            account.provider = match (host, preset) {
                ("api.openai.com", _) => "openai",
                (_, Some(preset)) => preset,
                (_, None) => "openai-compatible",
            };
            if account.provider != "openai" {
                account.base_url = Some(with_version(base));
            }
            if speaks == Speaks::Responses && account.provider != "openai" {
                account.dialect = Some("openai-responses");
            }
        }
    }
    account
}

/// The dialect of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaks {
    Anthropic,
    Chat,
    Gemini,
    Responses,
}

/// The base URL with a version: a base URL for OpenAI's dialect ends with it, but other gateways append `/v1`
/// themselves.
pub fn with_version(base: &str) -> String {
    let base = base.trim_end_matches('/');
    let last = base.rsplit('/').next().unwrap_or_default();
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit()));
    // A base URL with a path has its version in it, or has no version.
    let has_path = base
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('/'));
    if is_version || host_of(base) == "api.deepseek.com" || has_path && base.contains("/openai") {
        base.to_owned()
    } else {
        format!("{base}/v1")
    }
}

/// A pattern that matches only this name.
pub fn literal(name: &str) -> String {
    let special = |char: char| "*?[]{}\\".contains(char);
    let mut pattern = String::with_capacity(name.len());
    for char in name.chars() {
        if special(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

fn strip<'a>(url: &'a str, endings: &[&str]) -> &'a str {
    endings.iter().fold(url, |url, ending| {
        url.strip_suffix(ending)
            .unwrap_or(url)
            .trim_end_matches('/')
    })
}

/// Hosts of vendors that have a preset.
const HOSTS: &[(&str, &str)] = &[
    ("api.deepseek.com", "deepseek"),
    ("api.moonshot.cn", "moonshot"),
    ("api.moonshot.ai", "moonshot"),
    ("open.bigmodel.cn", "bigmodel"),
    ("openrouter.ai", "openrouter"),
    ("api.siliconflow.cn", "siliconflow"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_the_call_and_keep_the_version() {
        let chat = |url: &str| {
            let account = by_url(url, Speaks::Chat);
            (account.provider, account.base_url)
        };
        assert_eq!(
            chat("https://api.openai.com/v1/chat/completions"),
            ("openai", None)
        );
        assert_eq!(
            chat("https://openrouter.ai/api/v1/chat/completions"),
            (
                "openrouter",
                Some("https://openrouter.ai/api/v1".to_owned())
            )
        );
        assert_eq!(
            chat("https://api.deepseek.com/chat/completions"),
            ("deepseek", Some("https://api.deepseek.com".to_owned()))
        );
        assert_eq!(
            chat("http://10.0.0.1:8000"),
            (
                "openai-compatible",
                Some("http://10.0.0.1:8000/v1".to_owned())
            )
        );
        assert_eq!(
            chat("https://ark.cn-beijing.volces.com/api/v3"),
            (
                "openai-compatible",
                Some("https://ark.cn-beijing.volces.com/api/v3".to_owned())
            )
        );
        let claude = by_url(
            "https://relay.example.com/claude/v1/messages",
            Speaks::Anthropic,
        );
        assert_eq!(
            claude.base_url.as_deref(),
            Some("https://relay.example.com/claude")
        );
        let gemini = by_url(
            "https://generativelanguage.googleapis.com/v1beta/models/",
            Speaks::Gemini,
        );
        assert_eq!((gemini.provider, gemini.base_url), ("gemini", None));
    }
}

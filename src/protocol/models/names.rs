//! Names of models: what of a name says which model it is, and what says who serves it and which release it is.
//!
//! Two questions are asked of a name. What a model accepts is asked of its [`family`], and a name of which too much is taken away is
//! of that family still: any host, region, date and variant goes. What it costs is asked of its [`spellings`], and there only
//! what is known to name the *same* model goes. `gpt-4o-audio-preview` is not `gpt-4o`, and `gpt-4.1-mini` is not `gpt-4.1`: a
//! missing price is noticed, a wrong one is not.

/// The name without what does not matter to what the model is: a provider's prefix, a region, a date, the spelling of the
/// version (`claude-opus-4.5` is `claude-opus-4-5`).
pub fn family(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.find("claude-").map_or(name, |at| &name[at..]);
    let name = name.split(['@', ':']).next().unwrap_or(name);
    let mut name = name.to_ascii_lowercase();
    if name.starts_with("claude") {
        name = name.replace('.', "-");
    }
    if let Some((head, last)) = name.rsplit_once('-')
        && is_day(last)
    {
        name.truncate(head.len());
    }
    name
}

/// Calls `find` with the spellings of `model` under which a table may hold it, most specific first, and returns the
/// first `Some`.
///
/// A spelling has no vendor prefix, and `-` for every `.`; behind a prefix it is in lower case. What follows loses one release suffix
/// after the other: a date, a build number, `-latest`, `-preview`, Bedrock's `-v1:0`. Allocates nothing.
pub fn spellings<T>(model: &str, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
    let mut buffer = [0; MAX_LEN];
    let mut spelling = dashed(bare(model), &mut buffer)?;
    for _ in 0..=MAX_SUFFIXES {
        if let Some(found) = find(spelling) {
            return Some(found);
        }
        spelling = without_suffix(spelling)?;
    }
    None
}

/// The name without a vendor's prefix, and whether there was one.
fn bare(model: &str) -> (&str, bool) {
    let is_known = |vendor: &str| {
        let mut prefixes = PREFIXES.iter();
        prefixes.any(|prefix| prefix.eq_ignore_ascii_case(vendor))
    };
    match model.split_once('/') {
        Some((vendor, rest)) if is_known(vendor) => (rest, true),
        _ => (model, false),
    }
}

fn dashed<'a>((model, had_prefix): (&str, bool), buffer: &'a mut [u8; MAX_LEN]) -> Option<&'a str> {
    let buffer = buffer.get_mut(..model.len())?;
    for (to, from) in buffer.iter_mut().zip(model.bytes()) {
        *to = match from {
            b'.' => b'-',
            // Vendors' own names are in lower case, but for those that are looked up as they stand.
            from if had_prefix => from.to_ascii_lowercase(),
            from => from,
        };
    }
    std::str::from_utf8(buffer).ok()
}

fn without_suffix(model: &str) -> Option<&str> {
    if let Some(rest) = ["-latest", "-preview"]
        .iter()
        .find_map(|suffix| model.strip_suffix(suffix))
    {
        return Some(rest);
    }
    if let Some((rest, date)) = model.rsplit_once('@') {
        return is_day(date).then_some(rest);
    }
    let (rest, last) = model.rsplit_once('-')?;
    if is_bedrock_version(last) && rest.contains("anthropic-claude-") {
        return Some(rest);
    }
    if digits(last, &[4]) && rest.split('-').any(|word| word.ends_with("tral")) {
        // mistral-medium-2508 costs something else than mistral-medium: with Mistral these are other models.
        return None;
    }
    // claude-…-20250929, doubao-…-260115, gemini-…-001, kimi-…-0905, grok-4-20-0309
    if (is_day(last) || digits(last, &[6, 4, 3])) && !(ends_in_day(rest) && last.starts_with("20"))
    {
        return Some(rest);
    }
    // gemini-…-05-06 and gemini-…-09-2025
    if ends_in_day(rest) && digits(last, &[2, 4]) {
        let rest = rest.get(..rest.len() - 3)?;
        return match rest.rsplit_once('-') {
            // gpt-4o-2024-08-06
            Some((before, year)) if digits(last, &[2]) && digits(year, &[4]) => Some(before),
            _ => Some(rest),
        };
    }
    None
}

fn ends_in_day(text: &str) -> bool {
    text.rsplit_once('-')
        .is_some_and(|(_, last)| digits(last, &[2]))
}

/// `v1:0`, `v1`
fn is_bedrock_version(text: &str) -> bool {
    let Some(version) = text.strip_prefix('v') else {
        return false;
    };
    let (major, minor) = version.split_once(':').unwrap_or((version, "0"));
    digits(major, &[1]) && digits(minor, &[1])
}

/// `20250929`
fn is_day(text: &str) -> bool {
    digits(text, &[8])
}

fn digits(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The longest name looked at. Real ones stay under 64 bytes.
const MAX_LEN: usize = 128;

/// `gemini-…-preview-05-06` has two.
const MAX_SUFFIXES: usize = 3;

/// Gemini's resource prefix, and the vendors' names at OpenRouter, which passes their list prices on.
const PREFIXES: [&str; 11] = [
    "anthropic",
    "bytedance-seed",
    "deepseek",
    "google",
    "minimax",
    "mistralai",
    "models",
    "moonshotai",
    "openai",
    "x-ai",
    "z-ai",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all(model: &str) -> Vec<String> {
        let mut all = Vec::new();
        spellings(model, |spelling| {
            all.push(spelling.to_owned());
            None::<()>
        });
        all
    }

    #[test]
    fn a_family_is_found_whatever_surrounds_it() {
        for name in [
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "anthropic/claude-opus-4.5",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            "claude-opus-4-5@20251101",
            "Claude-Opus-4.5:thinking",
        ] {
            let family = family(name);
            assert!(family.starts_with("claude-opus-4-5"), "{name}: {family}");
        }
        assert_eq!(family("openai/GPT-4.1-20250414"), "gpt-4.1");
        assert_eq!(family("gpt-4o-2024-08-06"), "gpt-4o-2024-08-06");
    }

    #[test]
    fn release_suffixes_go_one_by_one() {
        for (model, expected) in [
            ("gpt-4o", vec!["gpt-4o"]),
            ("gpt-4o-2024-08-06", vec!["gpt-4o-2024-08-06", "gpt-4o"]),
            (
                "claude-sonnet-4-5-20250929",
                vec!["claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
            ),
            (
                "claude-sonnet-4-5@20250929",
                vec!["claude-sonnet-4-5@20250929", "claude-sonnet-4-5"],
            ),
            (
                "models/gemini-2.5-flash-001",
                vec!["gemini-2-5-flash-001", "gemini-2-5-flash"],
            ),
            (
                "gemini-2.5-pro-preview-05-06",
                vec![
                    "gemini-2-5-pro-preview-05-06",
                    "gemini-2-5-pro-preview",
                    "gemini-2-5-pro",
                ],
            ),
            ("grok-4.20-0309-reasoning", vec!["grok-4-20-0309-reasoning"]),
            ("grok-4.20-0309", vec!["grok-4-20-0309", "grok-4-20"]),
            (
                "gemini-2.5-flash-preview-09-2025",
                vec![
                    "gemini-2-5-flash-preview-09-2025",
                    "gemini-2-5-flash-preview",
                    "gemini-2-5-flash",
                ],
            ),
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                vec![
                    "us-anthropic-claude-sonnet-4-5-20250929-v1:0",
                    "us-anthropic-claude-sonnet-4-5-20250929",
                    "us-anthropic-claude-sonnet-4-5",
                ],
            ),
            (
                "global.anthropic.claude-opus-4-6-v1",
                vec![
                    "global-anthropic-claude-opus-4-6-v1",
                    "global-anthropic-claude-opus-4-6",
                ],
            ),
            ("DeepSeek/DeepSeek-V3.2", vec!["deepseek-v3-2"]),
            ("OpenAI/gpt-4o", vec!["gpt-4o"]),
            ("MiniMax/MiniMax-M2", vec!["minimax-m2"]),
            ("mistralai/mistral-large-2512", vec!["mistral-large-2512"]),
            ("mistral-medium-2508", vec!["mistral-medium-2508"]),
            ("moonshot-v1-8k", vec!["moonshot-v1-8k"]),
            (
                "claude-haiku-4-5-latest",
                vec!["claude-haiku-4-5-latest", "claude-haiku-4-5"],
            ),
        ] {
            assert_eq!(all(model), expected, "{model}");
        }
    }

    #[test]
    fn other_models_keep_their_names() {
        for model in [
            "gpt-4-1",
            "gpt-4o-audio",
            "o3-mini",
            "claude-opus-4-1",
            "gpt-5-codex",
            "grok-4-3-fast",
        ] {
            assert_eq!(all(model), [model]);
        }
        assert_eq!(
            all("deepseek-ai/deepseek-v4"),
            ["deepseek-ai/deepseek-v4"],
            "a reseller's name is its own"
        );
        for model in ["deepseek-ai/DeepSeek-V3.2", "zai-org/GLM-4.5"] {
            let dashed = model.replace('.', "-");
            assert_eq!(all(model), [dashed], "hosts ask different prices for it");
        }
    }

    #[test]
    fn hostile_names_are_harmless() {
        for model in [
            "",
            "-",
            "@",
            "/",
            "models/",
            "-20250929",
            "é-2025-01-01",
            "2024-08-06",
            "--01-02",
            "01-02",
        ] {
            all(model);
            family(model);
        }
        assert_eq!(all(&"x".repeat(MAX_LEN + 1)), Vec::<String>::new());
    }
}

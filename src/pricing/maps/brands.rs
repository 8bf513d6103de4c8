//! Whose models are whose.

/// Whether a vendor sells a model as its own: the hosts among the vendors list those of others, too, at prices of their own.
pub(super) fn is_own(vendor: &str, model: &str) -> bool {
    let brand = BRANDS.iter().find(|(brand, _)| {
        let start = model.get(..brand.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(brand))
    });
    brand.is_none_or(|(_, vendors)| vendors.contains(&vendor))
}

/// How the names of models begin, with their vendors in both maps.
const BRANDS: [(&str, &[&str]); 10] = [
    ("claude", &["anthropic"]),
    ("deepseek", &["deepseek"]),
    ("doubao", &["volcengine"]),
    ("gemini", &["gemini", "google"]),
    ("glm", &["zai", "zhipuai"]),
    ("gpt-", &["openai"]),
    ("grok", &["xai"]),
    ("kimi", &["moonshot", "moonshotai"]),
    ("minimax", &["minimax"]),
    ("qw", &["alibaba", "dashscope"]),
];

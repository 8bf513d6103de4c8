//! Which vendors sell which models as their own.

/// Whether a vendor sells a model as its own. Vendors that host models also list those of others, at prices of their
/// own.
pub(super) fn is_own(vendor: &str, model: &str) -> bool {
    let brand = BRANDS.iter().find(|(brand, _)| {
        let start = model.get(..brand.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(brand))
    });
    brand.is_none_or(|(_, vendors)| vendors.contains(&vendor))
}

/// The beginnings of model names, with the names of their vendors in both maps.
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

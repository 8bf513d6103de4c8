//! Settings of the schema whose feature does not exist yet: refused by name, never ignored.

/// The setting of the table below that `path` is, if any.
pub fn unsupported(path: &str) -> Option<&'static str> {
    let mut pattern = String::with_capacity(path.len());
    let mut inside = false;
    for char in path.chars() {
        inside = char == '[' || inside && char != ']';
        if !inside || char == '[' {
            pattern.push(char);
        }
    }
    UNSUPPORTED
        .iter()
        .copied()
        .find(|setting| *setting == pattern)
}

/// Settings of the schema whose feature does not exist yet. They are refused by name, never ignored; a feature that
/// lands deletes its line.
const UNSUPPORTED: &[&str] = &[
    "accounts[].auth.oauth2",
    "groups[].limits",
    "keys[].limits",
    "prometheus",
    "rewrites",
    "routes[].when.images",
    "routes[].when.input_tokens_over",
    "routes[].when.thinking",
    "routes[].when.web_search",
];

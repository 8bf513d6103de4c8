//! Settings of the schema whose feature does not exist yet: refused by name, never ignored.
use super::cursor::Path;

/// The setting of the table below that the member `name` at `path` is, if any.
pub fn unsupported(name: &str, path: &Path) -> Option<&'static str> {
    let mut candidates = UNSUPPORTED
        .iter()
        .copied()
        .filter(|setting| setting.rsplit('.').next() == Some(name))
        .peekable();
    candidates.peek()?;
    // `keys[3].limits` → `keys[].limits`
    let path = path.to_string();
    let pattern: String = path
        .split('[')
        .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
        .collect::<Vec<_>>()
        .join("[]");
    candidates.find(|setting| *setting == pattern)
}

/// Settings of the schema whose feature does not exist yet. They are refused by name, never ignored; a feature that
/// lands deletes its line.
const UNSUPPORTED: &[&str] = &[];

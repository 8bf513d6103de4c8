//! The parts of a Responses answer that exist only at its account, besides the response: items that a later request may
//! name instead of sending them, and reasoning that nobody else can read.
use crate::protocol::json;

/// The names of the first items of `output`, if they are stored there, and the mark of the last encrypted reasoning.
pub(super) fn state_of(output: &[u8], is_kept: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut sealed = None;
    for range in json::elements(output).unwrap_or_default() {
        let item = output.get(range).unwrap_or_default();
        let Some(members) = json::object(item) else {
            continue;
        };
        if is_kept
            && names.len() < MOST
            && let Some(id) = members.string(item, "id")
            && id.len() <= LONGEST
        {
            names.push(id.into_owned());
        }
        let content = members.string(item, "encrypted_content");
        sealed = content
            .and_then(|content| Some(mark(&content)?.to_owned()))
            .or(sealed);
    }
    names.extend(sealed);
    names
}

/// The mark that identifies encrypted reasoning: its end, because the beginnings are alike.
pub fn mark(sealed: &str) -> Option<&str> {
    sealed.get(sealed.len().checked_sub(MARK)?..)
}

/// Most items that are remembered of one answer: a request that names any of its items also names one of the first.
const MOST: usize = 4;
/// Longest id, in bytes.
const LONGEST: usize = 200;
/// Length of the mark, in bytes.
pub const MARK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_sealed_reasoning_are_named() {
        let sealed = format!("gAAAA{}", "x".repeat(100));
        let output = format!(
            r#"[{{"type":"reasoning","id":"rs_1","encrypted_content":"{sealed}"}},{{"type":"message","id":"msg_1"}},{{"id":7}},3,
               {{"id":"a"}},{{"id":"b"}},{{"id":"c","encrypted_content":"short"}}]"#
        );
        let mark = "x".repeat(MARK);
        assert_eq!(
            state_of(output.as_bytes(), true),
            ["rs_1", "msg_1", "a", "b", &mark]
        );
        assert_eq!(state_of(output.as_bytes(), false), [mark]);
        assert_eq!(state_of(b"{}", true), [""; 0]);
    }
}

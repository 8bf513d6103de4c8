//! Adds a text before or after the system prompt of a raw request, in the form that the request has.
//!
//! ```text
//! Anthropic          system: "…" | [blocks]                  behind Claude Code's attribution block, which must be first
//! OpenAI Chat        the leading system or developer message: content: "…" | [parts]
//! OpenAI Responses   instructions: "…"
//! Gemini             systemInstruction | system_instruction: { parts: [ … ] }
//! ```
//!
//! A missing system prompt is added. A list gets one more block; the other blocks, and their `cache_control`, keep
//! their bytes, so that a prompt which always begins with the same text is cached as before. Texts are joined by an
//! empty line.
use bytes::{Bytes, BytesMut};

use super::Dialect;
use super::anthropic::ATTRIBUTION;
use super::json::{self, Draft, Edit, Pointer, elements, insert, object, quote, string};

/// The additions to a system prompt.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addition {
    /// The text in front of the prompt.
    pub prepend: Option<String>,
    /// The text after the prompt.
    pub append: Option<String>,
}

impl Addition {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.prepend.is_none() && self.append.is_none()
    }

    /// Adds to the system prompt of a request in `dialect`. A prompt with an invalid form is not changed: the upstream
    /// will report what is wrong with it.
    pub fn apply(&self, dialect: Dialect, request: &mut Draft<'_>) {
        if self.is_empty() {
            return;
        }
        match dialect {
            Dialect::Anthropic => self.to_anthropic(request),
            Dialect::Gemini => self.to_gemini(request),
            Dialect::OpenaiChat => self.to_chat(request),
            Dialect::OpenaiResponses => self.to_member("instructions", request),
        }
    }

    fn to_anthropic(&self, request: &mut Draft<'_>) {
        match request.member("system") {
            Some(system) if system.starts_with(b"[") => {
                let first = elements(&system).and_then(|elements| elements.first().cloned());
                let attribution = first
                    .and_then(|first| text_of(system.get(first)?))
                    .is_some_and(|text| text.starts_with(ATTRIBUTION));
                if let Some(system) = self.in_list(&system, usize::from(attribution), typed) {
                    request.put("system", system);
                }
            }
            _ => self.to_member("system", request),
        }
    }

    fn to_chat(&self, request: &mut Draft<'_>) {
        let Some(messages) = request.member("messages") else {
            return;
        };
        let Some(spans) = elements(&messages) else {
            return;
        };
        // Only leading messages are the prompt; a later system message belongs to its place in the conversation.
        let leading = spans.iter().map_while(|span| {
            let message = messages.slice(span.clone());
            is_prompt(&message).then_some(message)
        });
        let leading: Vec<Bytes> = leading.collect();
        let Some(last) = leading.len().checked_sub(1) else {
            let text = self.alone();
            let message = [br#"{"role":"system","content":"#, &text[..], b"}"].concat();
            if let Some(messages) = insert(&messages, 0, &message) {
                request.put("messages", messages);
            }
            return;
        };
        let before = Self {
            append: None,
            ..self.clone()
        };
        let after = Self {
            prepend: None,
            ..self.clone()
        };
        for (position, part) in [(0, before), (last, after)] {
            let at = Pointer::parse(&format!("/messages/{position}/content"));
            if let Ok(at) = at
                && let Some(content) = part.in_content(request.get(&at))
            {
                request.set(&at, content);
            }
        }
    }

    fn to_gemini(&self, request: &mut Draft<'_>) {
        let spellings = ["systemInstruction", "system_instruction"];
        let found = spellings
            .into_iter()
            .find_map(|name| Some((name, request.member(name)?)));
        let Some((name, instruction)) = found else {
            if let Some(parts) = self.in_list(b"[]", 0, plain) {
                let instruction = [br#"{"parts":"#, &parts[..], b"}"].concat();
                request.put("systemInstruction", instruction.into());
            }
            return;
        };
        let Some(members) = object(&instruction) else {
            return;
        };
        let parts = members.value(&instruction, "parts");
        let parts = parts.filter(|parts| *parts != b"null").unwrap_or(b"[]");
        if let Some(parts) = self.in_list(parts, 0, plain) {
            let edit = [("parts", Edit::Set(parts))];
            let instruction = json::set(&instruction, &members, &edit).to_bytes();
            request.put(name, instruction);
        }
    }

    /// Adds to a member that is a string or is missing.
    fn to_member(&self, name: &str, request: &mut Draft<'_>) {
        let new = match request.member(name) {
            None => Some(self.alone()),
            Some(text) => self.around(&text),
        };
        if let Some(new) = new {
            request.put(name, new);
        }
    }

    /// Adds to the content of a Chat message.
    fn in_content(&self, content: Option<Bytes>) -> Option<Bytes> {
        if self.is_empty() {
            return None;
        }
        match content {
            None => Some(self.alone()),
            Some(list) if list.starts_with(b"[") => self.in_list(&list, 0, typed),
            Some(text) => self.around(&text),
        }
    }

    /// A JSON string with the additions only.
    fn alone(&self) -> Bytes {
        let texts: Vec<&str> = [&self.prepend, &self.append]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        quote(&texts.join(BETWEEN))
    }

    /// A raw JSON string with the additions around its text; the text keeps its bytes.
    fn around(&self, raw: &[u8]) -> Option<Bytes> {
        let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if inner.is_empty() {
            return Some(self.alone());
        }
        let mut out = BytesMut::with_capacity(raw.len() + 64);
        out.extend_from_slice(b"\"");
        if let Some(text) = &self.prepend {
            out.extend_from_slice(&escaped(text));
            out.extend_from_slice(&escaped(BETWEEN));
        }
        out.extend_from_slice(inner);
        if let Some(text) = &self.append {
            out.extend_from_slice(&escaped(BETWEEN));
            out.extend_from_slice(&escaped(text));
        }
        out.extend_from_slice(b"\"");
        Some(out.freeze())
    }

    /// A list with an element for each addition: `prepend` before position `at`, `append` at the end.
    fn in_list(&self, list: &[u8], at: usize, element: impl Fn(&str) -> Vec<u8>) -> Option<Bytes> {
        let mut list = Bytes::copy_from_slice(list);
        if let Some(text) = &self.append {
            list = insert(&list, usize::MAX, &element(text))?;
        }
        if let Some(text) = &self.prepend {
            list = insert(&list, at, &element(text))?;
        }
        Some(list)
    }
}

/// A text in the form that it has between the quotes of a JSON string.
fn escaped(text: &str) -> Bytes {
    let quoted = quote(text);
    quoted.slice(1..quoted.len() - 1)
}

fn is_prompt(message: &[u8]) -> bool {
    let role = object(message).and_then(|members| {
        let role = members.string(message, "role")?;
        Some(matches!(&*role, "system" | "developer"))
    });
    role.unwrap_or(false)
}

fn text_of(block: &[u8]) -> Option<String> {
    let members = object(block)?;
    string(members.value(block, "text")?).map(std::borrow::Cow::into_owned)
}

fn typed(text: &str) -> Vec<u8> {
    [br#"{"type":"text","text":"#, &quote(text)[..], b"}"].concat()
}

fn plain(text: &str) -> Vec<u8> {
    [br#"{"text":"#, &quote(text)[..], b"}"].concat()
}

/// The separator between a prompt and an addition.
const BETWEEN: &str = "\n\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::scan;

    fn applied(dialect: Dialect, addition: &Addition, body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let members = scan(&body).expect("an object");
        let mut draft = Draft::new(&body, &members);
        addition.apply(dialect, &mut draft);
        let new = draft.finish().unwrap_or(body);
        scan(&new).expect("still an object");
        String::from_utf8(new.to_vec()).expect("text")
    }

    #[track_caller]
    fn check(dialect: Dialect, body: &str, expected: &str) {
        let both = Addition {
            prepend: Some("be \"brief\"".to_owned()),
            append: Some("bye".to_owned()),
        };
        assert_eq!(applied(dialect, &both, body), expected);
    }

    #[test]
    fn anthropic_has_a_string_or_blocks() {
        let dialect = Dialect::Anthropic;
        check(
            dialect,
            r#"{"model":"m", "system":"you \u00e4re"}"#,
            r#"{"model":"m", "system":"be \"brief\"\n\nyou \u00e4re\n\nbye"}"#,
        );
        check(
            dialect,
            r#"{"model":"m","system":null}"#,
            r#"{"model":"m","system":"be \"brief\"\n\nbye"}"#,
        );
        check(dialect, "{}", r#"{"system":"be \"brief\"\n\nbye"}"#);
        check(
            dialect,
            r#"{"system":""}"#,
            r#"{"system":"be \"brief\"\n\nbye"}"#,
        );
        check(
            dialect,
            r#"{"system":[ {"type":"text","text":"a","cache_control":{"type":"ephemeral"}} ]}"#,
            r#"{"system":[ {"type":"text","text":"be \"brief\""},{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"bye"} ]}"#,
        );
        check(dialect, r#"{"system":5}"#, r#"{"system":5}"#);
    }

    #[test]
    fn the_attribution_of_claude_code_stays_first() {
        check(
            Dialect::Anthropic,
            r#"{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2"},{"type":"text","text":"a"}]}"#,
            r#"{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2"},{"type":"text","text":"be \"brief\""},{"type":"text","text":"a"},{"type":"text","text":"bye"}]}"#,
        );
    }

    #[test]
    fn chat_has_leading_messages() {
        let dialect = Dialect::OpenaiChat;
        check(
            dialect,
            r#"{"messages":[ {"role":"user","content":"hi"}]}"#,
            r#"{"messages":[ {"role":"system","content":"be \"brief\"\n\nbye"},{"role":"user","content":"hi"}]}"#,
        );
        check(
            dialect,
            r#"{"messages":[{"content":"a","role":"developer"},{"role":"user","content":"hi"},{"role":"system","content":"later"}]}"#,
            r#"{"messages":[{"content":"be \"brief\"\n\na\n\nbye","role":"developer"},{"role":"user","content":"hi"},{"role":"system","content":"later"}]}"#,
        );
        check(
            dialect,
            r#"{"messages":[{"role":"system","content":"a"},{"role":"system","content":[{"type":"text","text":"b"}]}]}"#,
            r#"{"messages":[{"role":"system","content":"be \"brief\"\n\na"},{"role":"system","content":[{"type":"text","text":"b"},{"type":"text","text":"bye"}]}]}"#,
        );
        check(dialect, r#"{"messages":"none"}"#, r#"{"messages":"none"}"#);
        check(dialect, "{}", "{}");
    }

    #[test]
    fn responses_have_instructions() {
        let dialect = Dialect::OpenaiResponses;
        check(
            dialect,
            r#"{"input":"hi"}"#,
            r#"{"input":"hi","instructions":"be \"brief\"\n\nbye"}"#,
        );
        check(
            dialect,
            r#"{"instructions":"a","input":"hi"}"#,
            r#"{"instructions":"be \"brief\"\n\na\n\nbye","input":"hi"}"#,
        );
    }

    #[test]
    fn gemini_spells_it_in_two_ways() {
        let dialect = Dialect::Gemini;
        check(
            dialect,
            r#"{"contents":[]}"#,
            r#"{"contents":[],"systemInstruction":{"parts":[{"text":"be \"brief\""},{"text":"bye"}]}}"#,
        );
        for name in ["systemInstruction", "system_instruction"] {
            check(
                dialect,
                &format!(r#"{{"{name}":{{"role":"user","parts":[{{"text":"a"}}]}}}}"#),
                &format!(
                    r#"{{"{name}":{{"role":"user","parts":[{{"text":"be \"brief\""}},{{"text":"a"}},{{"text":"bye"}}]}}}}"#
                ),
            );
        }
        check(
            dialect,
            r#"{"systemInstruction":{}}"#,
            r#"{"systemInstruction":{"parts":[{"text":"be \"brief\""},{"text":"bye"}]}}"#,
        );
        check(
            dialect,
            r#"{"systemInstruction":"a"}"#,
            r#"{"systemInstruction":"a"}"#,
        );
    }

    #[test]
    fn one_of_the_two_is_enough() {
        let append = Addition {
            append: Some("bye".to_owned()),
            ..Addition::default()
        };
        assert_eq!(
            applied(Dialect::Anthropic, &append, r#"{"system":"a"}"#),
            r#"{"system":"a\n\nbye"}"#
        );
        assert_eq!(
            applied(
                Dialect::OpenaiChat,
                &append,
                r#"{"messages":[{"role":"system","content":"a"}]}"#
            ),
            r#"{"messages":[{"role":"system","content":"a\n\nbye"}]}"#
        );
    }
}

//! Finds the text that a model wrote in the JSON of an answer without building a document: the strings of a few
//! members, at any depth. One pass, no allocation; strings that are not text (base64, for example) are skipped at the
//! speed of a search. Quotes are found block by block: an event has a dozen short strings, and a separate search for
//! the end of each took three times as long.
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::peek;
use crate::protocol::Dialect;
use crate::protocol::json::Blocks;
use crate::protocol::sse::Frame;
use crate::protocol::written::Written;

/// What an event of Chat or Gemini has besides text. Most events have only text, and need not be parsed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Marks {
    /// Whether it states a finish reason, an error, a second choice or candidate, in Chat also usage, in Gemini also
    /// grounding.
    pub matters: bool,
    /// Whether it has the member with the choices of Chat.
    pub choices: bool,
    /// Whether it has Gemini's member with the usage.
    pub usage: bool,
}

/// Measures one event of a stream.
pub(super) fn frame(dialect: Dialect, frame: &Frame<'_>, written: &mut Written) -> Marks {
    let data = &*frame.data;
    let mut walk = Walk::new(dialect, data);
    if dialect == Dialect::OpenaiResponses {
        let stated;
        let name = if let Some(name) = frame.event {
            name
        } else {
            stated = peek::type_of(data).unwrap_or_default();
            stated.as_bytes()
        };
        // The events that close an item repeat the text of the deltas, and audio is not text.
        if !name.ends_with(b".delta") || name.ends_with(b".audio.delta") {
            let is_over = matches!(
                name,
                b"response.completed" | b"response.incomplete" | b"response.done"
            );
            if is_over && written.is_empty() {
                // Some servers send no deltas.
                whole(dialect, data, written);
            }
            return Marks::default();
        }
        walk.reasoning = name.starts_with(b"response.reasoning");
        walk.stream = true;
    }
    walk.reasoning |= dialect == Dialect::Gemini && is_thought(data);
    walk.run(written)
}

/// Measures the content of a whole answer, or of the beginning of one, from its member `content`, `choices`,
/// `candidates` or `output` on.
pub(super) fn whole(dialect: Dialect, body: &[u8], written: &mut Written) {
    let name: &[u8] = match dialect {
        Dialect::Anthropic => b"\"content\"",
        Dialect::Gemini => b"\"candidates\"",
        Dialect::OpenaiChat => b"\"choices\"",
        Dialect::OpenaiResponses => b"\"output\"",
    };
    let mut from = 0;
    // The name may also occur as a string value.
    while let Some(at) = memchr::memmem::find(&body[from..], name) {
        let after = from + at + name.len();
        if next_is(body, after, b':') {
            let mut walk = Walk::new(dialect, &body[after..]);
            walk.bounded = true;
            walk.run(written);
            return;
        }
        from = after;
    }
}

/// The role of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    /// The model's text, if the value is a string; for arguments, also an object.
    Text,
    Reasoning,
    /// A list of texts, which are reasoning.
    Summary,
    Picture,
    /// Content that is skipped: citations, log probabilities, audio.
    Annotation,
    /// Sets [`Marks::matters`] if the value is not empty.
    Fact,
    /// Sets [`Marks::matters`] if the value is not 0, unless it is the index of a tool call.
    Index,
    /// Tool calls, which have indices of their own.
    Calls,
    /// Sets [`Marks::matters`]; the value is skipped.
    Grounding,
    /// Sets [`Marks::choices`].
    Choices,
    /// Sets [`Marks::usage`].
    Usage,
}

#[derive(Debug)]
struct Walk<'a> {
    dialect: Dialect,
    data: &'a [u8],
    quotes: Blocks<'a>,
    at: usize,
    /// Whether all text is reasoning.
    reasoning: bool,
    /// Whether the data is an event of Responses, in which only `delta` is text.
    stream: bool,
    /// Whether only the first value is read.
    bounded: bool,
    /// Whether reasoning has been seen: some servers send it under two names at once.
    thought: bool,
    /// Whether tool calls have been seen.
    calls: bool,
    marks: Marks,
}

impl<'a> Walk<'a> {
    fn new(dialect: Dialect, data: &'a [u8]) -> Self {
        Self {
            dialect,
            data,
            quotes: Blocks::new(data),
            at: 0,
            reasoning: false,
            stream: false,
            bounded: false,
            thought: false,
            calls: false,
            marks: Marks::default(),
        }
    }

    fn run(mut self, written: &mut Written) -> Marks {
        if self.bounded {
            // Only the value that begins here counts, not what follows it.
            let begin = self.skip_space(self.at);
            let begin = if self.data.get(begin) == Some(&b':') {
                self.skip_space(begin + 1)
            } else {
                begin
            };
            let end = self.end_of_value(begin);
            self.data = self.data.get(..end).unwrap_or(self.data);
            self.quotes = Blocks::new(self.data);
            self.at = begin;
        }
        while let Some(quote) = self.next_quote() {
            let begin = quote + 1;
            let end = self.end_of_string(begin);
            let after = self.skip_space(end + 1);
            if self.data.get(after) != Some(&b':') {
                // This string is a value, not a name.
                self.at = end + 1;
                continue;
            }
            let value = self.skip_space(after + 1);
            self.at = value;
            let name = self.data.get(begin..end).unwrap_or_default();
            let Some(role) = self.role(name) else {
                // A name with an escape may be any name.
                self.marks.matters |= name.contains(&b'\\');
                continue;
            };
            self.member(role, value, written);
        }
        self.marks
    }

    fn member(&mut self, role: Role, value: usize, written: &mut Written) {
        let first = self.data.get(value).copied();
        match (role, first) {
            (Role::Text | Role::Reasoning, Some(b'"')) => {
                let end = self.end_of_string(value + 1);
                let text = self.data.get(value + 1..end).unwrap_or_default();
                self.at = end + 1;
                self.text(role, text, written);
            }
            (Role::Text, Some(b'{')) if self.has_arguments() => {
                let end = self.end_of_value(value);
                let text = self.data.get(value..end).unwrap_or_default();
                self.at = end;
                self.text(role, text, written);
            }
            (Role::Summary, Some(b'[')) => {
                let end = self.end_of_value(value);
                let mut inner = Walk {
                    at: 0,
                    reasoning: true,
                    bounded: false,
                    ..Walk::new(self.dialect, self.data.get(value..end).unwrap_or_default())
                };
                inner.stream = self.stream;
                inner.run(written);
                self.at = end;
            }
            (Role::Picture, Some(b'"' | b'{')) => {
                self.at = self.end_of_value(value);
                written.show();
            }
            (Role::Annotation, Some(b'[' | b'{')) => self.at = self.end_of_value(value),
            (Role::Grounding, first) => {
                self.marks.matters = true;
                if matches!(first, Some(b'[' | b'{')) {
                    self.at = self.end_of_value(value);
                }
            }
            (Role::Fact, _) => self.marks.matters |= self.is_stated(value),
            (Role::Index, first) => self.marks.matters |= !self.calls && first != Some(b'0'),
            (Role::Calls, _) => self.calls = true,
            (Role::Choices, _) => self.marks.choices = true,
            (Role::Usage, _) => self.marks.usage = true,
            _ => {}
        }
    }

    /// Whether the value that begins here is neither `null` nor an empty string.
    fn is_stated(&self, value: usize) -> bool {
        let value = self.data.get(value..).unwrap_or_default();
        !value.starts_with(b"null") && !value.starts_with(b"\"\"")
    }

    fn text(&mut self, role: Role, text: &[u8], written: &mut Written) {
        if role == Role::Reasoning || self.reasoning {
            if !self.thought || self.reasoning {
                written.think_json(text);
            }
            self.thought |= !text.is_empty() && role == Role::Reasoning;
        } else {
            written.say_json(text);
        }
    }

    /// Whether arguments of calls are objects instead of strings.
    const fn has_arguments(&self) -> bool {
        !matches!(self.dialect, Dialect::OpenaiResponses)
    }

    fn role(&self, name: &[u8]) -> Option<Role> {
        match self.dialect {
            Dialect::Anthropic => in_anthropic(name),
            // Reasoning in parts (`reasoning_details`) repeats the reasoning text beside it.
            Dialect::OpenaiChat if name == b"text" => (!self.thought).then_some(Role::Text),
            Dialect::OpenaiChat => in_chat(name),
            Dialect::Gemini => in_gemini(name),
            Dialect::OpenaiResponses if self.stream => match name {
                b"delta" => Some(Role::Text),
                b"logprobs" | b"annotations" => Some(Role::Annotation),
                _ => None,
            },
            Dialect::OpenaiResponses => in_response(name),
        }
    }

    /// The next quote from the current position on. The position is outside of strings, so the quote begins a string.
    fn next_quote(&mut self) -> Option<usize> {
        let mut at = self.at;
        loop {
            at = self.quotes.plain_end(at);
            match self.data.get(at)? {
                b'"' => return Some(at),
                _ => at += 1,
            }
        }
    }

    fn skip_space(&self, from: usize) -> usize {
        let mut at = from;
        while self.data.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    }

    /// The position of the closing quote, or the end of the data.
    fn end_of_string(&mut self, from: usize) -> usize {
        let mut at = from;
        loop {
            at = self.quotes.plain_end(at);
            match self.data.get(at) {
                Some(b'"') => return at,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return self.data.len(),
            }
        }
    }

    /// The position behind the value that begins at `from`.
    fn end_of_value(&mut self, from: usize) -> usize {
        let mut depth = 0usize;
        let mut at = from;
        while let Some(&byte) = self.data.get(at) {
            match byte {
                b'"' => {
                    at = self.end_of_string(at + 1);
                    if depth == 0 {
                        return (at + 1).min(self.data.len());
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at + 1;
                    }
                }
                b',' if depth == 0 => return at,
                _ => {}
            }
            at += 1;
        }
        self.data.len()
    }
}

fn in_anthropic(name: &[u8]) -> Option<Role> {
    Some(match name {
        b"text" | b"partial_json" | b"input" | b"name" => Role::Text,
        b"thinking" => Role::Reasoning,
        b"citations" => Role::Annotation,
        _ => return None,
    })
}

fn in_chat(name: &[u8]) -> Option<Role> {
    Some(match name {
        b"content" | b"refusal" | b"arguments" | b"name" | b"input" => Role::Text,
        b"choices" => Role::Choices,
        b"index" => Role::Index,
        b"tool_calls" => Role::Calls,
        b"finish_reason" | b"usage" | b"error" | b"base_resp" => Role::Fact,
        b"logprobs" | b"annotations" | b"audio" => Role::Annotation,
        b"reasoning_content" | b"reasoning" | b"reasoning_text" | b"thinking" => Role::Reasoning,
        b"b64_json" | b"image_url" => Role::Picture,
        _ => return None,
    })
}

fn in_gemini(name: &[u8]) -> Option<Role> {
    Some(match name {
        b"text" | b"args" | b"name" | b"code" => Role::Text,
        b"index" => Role::Index,
        b"finishReason" | b"finish_reason" | b"error" => Role::Fact,
        b"usageMetadata" | b"usage_metadata" => Role::Usage,
        b"groundingMetadata" | b"grounding_metadata" => Role::Grounding,
        b"inlineData" => Role::Picture,
        b"citationMetadata" | b"logprobsResult" => Role::Annotation,
        _ => return None,
    })
}

/// The roles in a whole answer of Responses.
fn in_response(name: &[u8]) -> Option<Role> {
    Some(match name {
        b"text" | b"arguments" | b"input" | b"name" | b"refusal" | b"code" => Role::Text,
        b"summary" => Role::Summary,
        b"result" => Role::Picture,
        b"logprobs" | b"annotations" => Role::Annotation,
        _ => return None,
    })
}

fn next_is(body: &[u8], from: usize, wanted: u8) -> bool {
    let rest = body.get(from..).unwrap_or_default();
    rest.trim_ascii_start().first() == Some(&wanted)
}

/// Built once, because building it costs more than one search in an event.
static THOUGHT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"thought\""));

/// Whether a part is marked as a thought: all parts of one frame of Gemini are of the same kind.
fn is_thought(data: &[u8]) -> bool {
    THOUGHT.find(data).is_some_and(|at| {
        let rest = data.get(at + THOUGHT.needle().len()..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::measure::Measure;

    fn measure(text: &str) -> Measure {
        let mut measure = Measure::default();
        measure.text(text.as_bytes());
        measure
    }

    #[track_caller]
    fn check(dialect: Dialect, frames: &[&str], text: &str, reasoning: &str) {
        let mut written = Written::default();
        for data in frames {
            frame(dialect, &Frame::bare(data.as_bytes()), &mut written);
        }
        assert_eq!(written.text(), &measure(text), "{frames:?}");
        assert_eq!(written.reasoning(), &measure(reasoning), "{frames:?}");
    }

    #[test]
    fn deltas_of_chat() {
        check(
            Dialect::OpenaiChat,
            &[
                r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"id":"c","choices":[{"index":0,"delta":{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}}]}"#,
                r#"{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"m","reasoning":"m"}}]}"#,
                r#"{"id":"c","choices":[{"index":0,"delta":{"content":"Hel\u006c"},"logprobs":{"content":[{"token":"Hel","bytes":[1]}]}}]}"#,
                r#"{"choices":[{"delta":{"content":"o \"you\""},"finish_reason":"stop"}],"usage":null}"#,
                r#"{"choices":[{"text":" legacy","index":0}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call","function":{"name":"get","arguments":"{\"a\":1}"}}]}}]}"#,
            ],
            "Hello \"you\" legacyget{\"a\":1}",
            "hmm",
        );
    }

    #[test]
    fn events_of_the_others() {
        check(
            Dialect::Anthropic,
            &[
                r#"{"type":"message_start","message":{"id":"msg","model":"claude","content":[],"usage":{"input_tokens":5,"output_tokens":1}}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"well"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCkYIAR"}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a word"}}"#,
                r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"b"}}"#,
            ],
            "a word{\"b",
            "well",
        );
        check(
            Dialect::Gemini,
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"so","thought":true}]}}]}"#,
                r#"{"candidates":[{"content":{"parts":[{"text":"one"},{"functionCall":{"name":"f","args":{"text":"x"}}}]},"groundingMetadata":{"groundingSupports":[{"segment":{"text":"one"}}]}}],"usageMetadata":{"promptTokenCount":3}}"#,
            ],
            "onef{\"text\":\"x\"}",
            "so",
        );
        check(
            Dialect::OpenaiResponses,
            &[
                r#"{"type":"response.created","response":{"instructions":"long","output":[]}}"#,
                r#"{"type":"response.reasoning_summary_text.delta","delta":"hm"}"#,
                r#"{"type":"response.output_text.delta","delta":"one ","logprobs":[]}"#,
                r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
                r#"{"type":"response.audio.delta","delta":"UklGRg=="}"#,
                r#"{"type":"response.output_text.done","text":"one "}"#,
                r#"{"type":"response.completed","response":{"output":[{"content":[{"text":"one "}]}]}}"#,
            ],
            "one {}",
            "hm",
        );
    }

    #[test]
    fn an_event_with_more_than_text_is_marked() {
        let text = Marks {
            choices: true,
            ..Marks::default()
        };
        let matters = |marks| Marks {
            matters: true,
            ..marks
        };
        let (none, usage) = (
            Marks::default(),
            Marks {
                usage: true,
                ..Marks::default()
            },
        );
        for (data, wanted) in [
            (
                r#"{"choices":[{"index":0,"delta":{"content":"\"error\":1"},"finish_reason":null}],"usage":null}"#,
                text,
            ),
            (
                r#"{"choices":[{"index": 0,"delta":{},"finish_reason" : "" ,"logprobs":{"content":[{"token":"usage","usage":{}}]}}]}"#,
                text,
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"usage\":{}}"}}]}}]}"#,
                text,
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]}}]}"#,
                text,
            ),
            (
                r#"{"choices":[{"delta":{"content":"a"},"finish_reason" :"stop"}]}"#,
                matters(text),
            ),
            (r#"{"choices":[{"index":0},{"index":1}]}"#, matters(text)),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
                matters(text),
            ),
            (
                r#"{"choices":[{"delta":{"content":"a"},"usage":{"prompt_tokens":1}}]}"#,
                matters(text),
            ),
            (
                r#"{"x_groq":{"usage":{"prompt_tokens":1}},"choices":[]}"#,
                matters(text),
            ),
            (r#"{"error":{"message":"choices"}}"#, matters(none)),
            (r#"{"id":"choices"}"#, none),
        ] {
            let mut written = Written::default();
            let marks = frame(
                Dialect::OpenaiChat,
                &Frame::bare(data.as_bytes()),
                &mut written,
            );
            assert_eq!(marks, wanted, "{data}");
        }
        for (data, wanted) in [
            (
                r#"{"candidates":[{"content":{"parts":[{"text":"\"error\":{}"}]},"index":0}],"usageMetadata":{}}"#,
                usage,
            ),
            (
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"error":1,"finishReason":"x"}}}]}}]}"#,
                none,
            ),
            (
                r#"{"candidates":[{"content":{},"finishReason": "STOP"}]}"#,
                matters(none),
            ),
            (r#"{"candidates":[{"index":1}]}"#, matters(none)),
            (
                r#"{"candidates":[{"groundingMetadata":{"usageMetadata":{}}}]}"#,
                matters(none),
            ),
            (
                r#"{"candidates":[{"groundingMetadata":null}],"usageMetadata":{}}"#,
                matters(usage),
            ),
            (r#"{"error":{"code":503}}"#, matters(none)),
        ] {
            let mut written = Written::default();
            let marks = frame(Dialect::Gemini, &Frame::bare(data.as_bytes()), &mut written);
            assert_eq!(marks, wanted, "{data}");
        }
    }

    #[test]
    fn whole_answers_and_beginnings_of_them() {
        let check = |dialect, body: &str, text: &str, reasoning: &str, media| {
            let mut written = Written::default();
            whole(dialect, body.as_bytes(), &mut written);
            assert_eq!(written.text().tokens(), measure(text).tokens(), "{body}");
            assert_eq!(
                written.reasoning().tokens(),
                measure(reasoning).tokens(),
                "{body}"
            );
            assert_eq!(written.media(), media, "{body}");
        };
        check(
            Dialect::OpenaiResponses,
            r#"{"id":"r","instructions":"no \"output\" here","text":{"format":{"type":"text"}},"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},{"type":"message","content":[{"type":"output_text","text":"one","annotations":[{"title":"t","text":"x"}]}]},{"type":"image_generation_call","result":"iVBORw0KGgo="}],"tools":[{"name":"not this"}]}"#,
            "one",
            "hm",
            1,
        );
        check(
            Dialect::Anthropic,
            r#"{"id":"m","content":[{"type":"text","text":"one"},{"type":"tool_use","name":"f","input":{"a":[1,2]}}],"usage":{}}"#,
            "onef{\"a\":[1,2]}",
            "",
            0,
        );
        check(
            Dialect::OpenaiChat,
            r#"{"choices":[{"message":{"role":"assistant","content":"one two thr"#,
            "one two thr",
            "",
            0,
        );
        check(Dialect::OpenaiChat, r#"{"object":"choices"}"#, "", "", 0);
    }

    #[test]
    fn whatever_the_bytes_nothing_happens() {
        let texts: [&[u8]; 8] = [
            b"",
            b"\"",
            b"{\"content\":",
            b"{\"content\":\"\\",
            b"{\"args\":{\"a",
            b"]]]}}}\"text\":\"",
            b"{\"text\" : {\"text\":[[[",
            b"{\"summary\":[{\"text\":\"\xff\xfe\\u12",
        ];
        for text in texts {
            for dialect in Dialect::ALL {
                let mut written = Written::default();
                frame(dialect, &Frame::bare(text), &mut written);
                whole(dialect, text, &mut written);
            }
        }
    }
}

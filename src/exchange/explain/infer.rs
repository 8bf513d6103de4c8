//! Infers from the members of a body which endpoint it is meant for.
use http::HeaderMap;
use memchr::memmem;

use crate::exchange::operation;
use crate::protocol::Dialect;
use crate::protocol::json::{self, Members};

/// An inferred path, and the reason.
#[derive(Debug, Eq, PartialEq)]
pub struct Inferred {
    pub path: String,
    pub because: String,
}

/// The path that accepts such a body; `Err` says why none can be inferred.
pub fn path(body: &[u8], headers: &HeaderMap) -> Result<Inferred, String> {
    let members = json::scan(body).map_err(|fault| fault.to_string())?;
    let has = |name: &str| members.has(body, name);
    let model = members.string(body, "model").unwrap_or_default();
    if has("contents") {
        return if model.is_empty() {
            Err("the body has `contents`, so it is Gemini's; its path names the model: /v1beta/models/MODEL:generateContent".into())
        } else {
            let model = model.strip_prefix("models/").unwrap_or(&model);
            let path = format!("/v1beta/models/{model}:generateContent");
            Ok(inferred(path, "`contents`"))
        };
    }
    if has("messages") {
        return Ok(of_messages(body, &members, &model, headers));
    }
    for (name, path) in [("input", "/v1/responses"), ("prompt", "/v1/completions")] {
        if has(name) {
            return Ok(inferred(path, &format!("`{name}`")));
        }
    }
    Err("the body has none of `messages`, `input`, `contents` and `prompt`, so its endpoint cannot be told".into())
}

/// `messages` occurs in two dialects.
fn of_messages(body: &[u8], members: &Members, model: &str, headers: &HeaderMap) -> Inferred {
    let tools = members.value(body, "tools").unwrap_or_default();
    let tools_hold = |what: &str| memmem::find(tools, what.as_bytes()).is_some();
    let first = |names: &'static [&'static str]| {
        let found = names.iter().find(|name| members.has(body, name));
        found.map(|name| format!("`messages` and `{name}`"))
    };
    let (anthropic, chat) = ("/v1/messages", "/v1/chat/completions");
    if let Some(because) = first(ANTHROPIC) {
        inferred(anthropic, &because)
    } else if let Some(because) = first(CHAT) {
        inferred(chat, &because)
    } else if tools_hold("\"input_schema\"") {
        inferred(anthropic, "`messages` and tools with an `input_schema`")
    } else if tools_hold("\"function\"") {
        inferred(chat, "`messages` and tools of the type `function`")
    } else if operation::caller(headers) == Dialect::Anthropic {
        inferred(anthropic, "`messages`, and the headers are Anthropic's")
    } else if !members.has(body, "max_tokens") {
        inferred(
            chat,
            "`messages`, and no `max_tokens`, which Anthropic demands",
        )
    } else if model.starts_with("claude") {
        inferred(
            anthropic,
            "`messages`, `max_tokens` and the name of the model",
        )
    } else {
        inferred(chat, "`messages`, and nothing that only Anthropic has")
    }
}

fn inferred(path: impl Into<String>, because: &str) -> Inferred {
    Inferred {
        path: path.into(),
        because: because.to_owned(),
    }
}

/// Members that OpenAI Chat does not have.
const ANTHROPIC: &[&str] = &["system", "thinking", "stop_sequences", "mcp_servers"];

/// Members that Anthropic does not have.
const CHAT: &[&str] = &[
    "max_completion_tokens",
    "stream_options",
    "response_format",
    "reasoning_effort",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "functions",
    "seed",
    "stop",
    "n",
    "parallel_tool_calls",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let path = path(body.as_bytes(), &HeaderMap::new()).map(|inferred| inferred.path);
        assert_eq!(path.as_deref(), Ok(expected), "{body}");
    }

    #[test]
    fn the_members_tell_the_dialect() {
        check(r#"{"model":"m","input":"a"}"#, "/v1/responses");
        check(r#"{"model":"m","prompt":"a"}"#, "/v1/completions");
        check(
            r#"{"model":"models/g","contents":[]}"#,
            "/v1beta/models/g:generateContent",
        );
        check(
            r#"{"messages":[],"max_tokens":9,"system":"s"}"#,
            "/v1/messages",
        );
        check(
            r#"{"messages":[],"max_tokens":9,"stop":"s"}"#,
            "/v1/chat/completions",
        );
    }

    #[test]
    fn what_both_could_have_meant_is_decided_by_the_rest() {
        check(
            r#"{"model":"claude-x","messages":[]}"#,
            "/v1/chat/completions",
        );
        check(
            r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#,
            "/v1/messages",
        );
        check(
            r#"{"model":"gpt-x","max_tokens":9,"messages":[]}"#,
            "/v1/chat/completions",
        );
    }

    #[test]
    fn tools_and_headers_tell_what_the_members_do_not() {
        let messages =
            |tools: &str| format!(r#"{{"messages":[],"max_tokens":9,"tools":[{tools}]}}"#);
        check(
            &messages(r#"{"name":"n","input_schema":{}}"#),
            "/v1/messages",
        );
        check(
            &messages(r#"{"type":"function","function":{"name":"n"}}"#),
            "/v1/chat/completions",
        );
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", http::HeaderValue::from_static("x"));
        let inferred = path(messages("").as_bytes(), &headers);
        assert_eq!(
            inferred.map(|inferred| inferred.path).as_deref(),
            Ok("/v1/messages")
        );
    }

    #[test]
    fn what_cannot_be_told_says_what_is_missing() {
        let why = path(br#"{"contents":[]}"#, &HeaderMap::new()).expect_err("no model");
        assert!(why.contains("/v1beta/models/MODEL"), "{why}");
        let why = path(b"{}", &HeaderMap::new()).expect_err("nothing");
        assert!(why.contains("`messages`"), "{why}");
        path(b"[1]", &HeaderMap::new()).expect_err("no object");
    }
}

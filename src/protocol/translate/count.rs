//! The requests and answers of the counting endpoints.
//!
//! Each accepts the request of its dialect's generation endpoint, without the members that do not belong to the prompt;
//! it refuses any other member.
use serde::Deserialize;

use crate::protocol::hub::read::Object;
use crate::protocol::hub::write;
use crate::protocol::json::{self, Edit};
use crate::protocol::{Dialect, UpstreamDialect};

/// Whether vendors of the dialect have a counting endpoint that [`request`] can ask.
pub fn has_endpoint(dialect: UpstreamDialect) -> bool {
    dialect == UpstreamDialect::Gemini || COUNTED.iter().any(|(counts, _)| *counts == dialect)
}

/// Converts a generation request of `upstream` to the form of its counting endpoint. `model` is the upstream's name.
pub fn request(upstream: UpstreamDialect, model: &str, generate: &[u8]) -> Option<Vec<u8>> {
    if upstream == UpstreamDialect::Gemini {
        let members = json::scan(generate).ok()?;
        let name = write::to_vec(&gemini_model(model)).into();
        let inner = json::set(
            &generate.to_vec().into(),
            &members,
            &[("model", Edit::Set(name))],
        );
        let mut out = br#"{"generateContentRequest":"#.to_vec();
        out.extend_from_slice(&inner.to_bytes());
        out.push(b'}');
        return Some(out);
    }
    let (_, kept) = COUNTED.iter().find(|(counts, _)| *counts == upstream)?;
    let members: Object<'_> = serde_json::from_slice(generate).ok()?;
    let mut out = b"{".to_vec();
    for (name, value) in members.0.iter().filter(|(name, _)| kept.contains(&&**name)) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&write::to_vec(&&**name));
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    Some(out)
}

/// The part of a client's request that is counted: Gemini wraps it if there is more than contents.
pub fn prompt(client: Dialect, body: &[u8]) -> &[u8] {
    if client != Dialect::Gemini {
        return body;
    }
    let members = json::scan(body).ok();
    let inner = members.and_then(|members| members.value(body, "generateContentRequest"));
    inner
        .filter(|inner| inner.starts_with(b"{"))
        .unwrap_or(body)
}

/// A client's Gemini request with another model name: a wrapped request contains the name a second time.
pub fn renamed(body: &bytes::Bytes, model: &str) -> Option<json::Pieces> {
    let members = json::scan(body).ok()?;
    let inner = members.span(body, "generateContentRequest")?;
    let inner = body.slice(inner);
    let name = write::to_vec(&gemini_model(model)).into();
    let edits = [("model", Edit::Set(name))];
    let inner = json::set(&inner, &json::scan(&inner).ok()?, &edits).to_bytes();
    let edits = [("generateContentRequest", Edit::Set(inner))];
    Some(json::set(body, &members, &edits))
}

/// The number of tokens in an upstream's answer.
pub fn read(upstream: UpstreamDialect, body: &[u8]) -> Option<u64> {
    let counted: Counted = serde_json::from_slice(body).ok()?;
    match upstream {
        UpstreamDialect::Gemini => counted.total_tokens,
        _ => counted.input_tokens,
    }
}

/// The answer for a client.
pub fn answer(client: Dialect, tokens: u64) -> String {
    match client {
        Dialect::Anthropic => format!(r#"{{"input_tokens":{tokens}}}"#),
        Dialect::Gemini => format!(r#"{{"totalTokens":{tokens}}}"#),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#)
        }
    }
}

#[derive(Deserialize)]
struct Counted {
    input_tokens: Option<u64>,
    #[serde(rename = "totalTokens")]
    total_tokens: Option<u64>,
}

fn gemini_model(model: &str) -> String {
    if model.contains('/') {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}

/// The members of a request that its counting endpoint takes; Gemini's takes the whole request.
const COUNTED: [(UpstreamDialect, &[&str]); 2] = [
    (UpstreamDialect::Anthropic, ANTHROPIC),
    (UpstreamDialect::OpenaiResponses, RESPONSES),
];

const ANTHROPIC: &[&str] = &[
    "model",
    "system",
    "tools",
    "tool_choice",
    "messages",
    "thinking",
    "output_config",
    "cache_control",
];

const RESPONSES: &[&str] = &[
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(upstream: UpstreamDialect, generate: &str) -> String {
        let request = request(upstream, "m", generate.as_bytes()).expect("an endpoint");
        String::from_utf8(request).expect("UTF-8")
    }

    #[test]
    fn only_what_counts_is_asked() {
        assert_eq!(
            asked(
                UpstreamDialect::Anthropic,
                r#"{"model":"m","max_tokens":9,"messages":[{"a": 1}],"stream":true,"temperature":1,"thinking":{}}"#
            ),
            r#"{"model":"m","messages":[{"a": 1}],"thinking":{}}"#
        );
        assert_eq!(
            asked(
                UpstreamDialect::OpenaiResponses,
                r#"{"model":"m","input":[],"store":false,"include":["x"],"max_output_tokens":3}"#
            ),
            r#"{"model":"m","input":[]}"#
        );
        assert_eq!(
            asked(UpstreamDialect::Gemini, r#"{"contents":[],"tools":[]}"#),
            r#"{"generateContentRequest":{"contents":[],"tools":[],"model":"models/m"}}"#
        );
        assert_eq!(request(UpstreamDialect::OpenaiChat, "m", b"{}"), None);
    }

    #[test]
    fn who_has_an_endpoint_can_be_asked() {
        for dialect in UpstreamDialect::ALL {
            let asked = request(dialect, "m", b"{}");
            assert_eq!(asked.is_some(), has_endpoint(dialect), "{dialect}");
        }
    }

    #[test]
    fn a_wrapped_prompt_is_found_and_renamed() {
        let body = br#"{"generateContentRequest": {"model":"models/a","contents":[]} }"#;
        let inner = br#"{"model":"models/a","contents":[]}"#;
        assert_eq!(prompt(Dialect::Gemini, body), inner);
        assert_eq!(prompt(Dialect::Anthropic, body), body);
        assert_eq!(prompt(Dialect::Gemini, inner), inner);
        let renamed = renamed(&bytes::Bytes::from_static(body), "b").expect("wrapped");
        assert_eq!(
            renamed.to_bytes(),
            r#"{"generateContentRequest": {"model":"models/b","contents":[]} }"#
        );
        assert!(super::renamed(&bytes::Bytes::from_static(inner), "b").is_none());
    }

    #[test]
    fn answers_are_read_and_written() {
        for dialect in [
            Dialect::Anthropic,
            Dialect::OpenaiResponses,
            Dialect::Gemini,
        ] {
            assert_eq!(
                read(dialect.upstream(), answer(dialect, 42).as_bytes()),
                Some(42)
            );
        }
        assert_eq!(
            read(UpstreamDialect::Gemini, br#"{"input_tokens":1}"#),
            None
        );
        assert_eq!(read(UpstreamDialect::Anthropic, b"<html>"), None);
        assert_eq!(
            read(UpstreamDialect::Anthropic, br#"{"input_tokens":-1}"#),
            None
        );
    }
}

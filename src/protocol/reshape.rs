//! Converts answers that have the wrong form: a whole answer to the requested stream, and a stream to the requested
//! whole answer.
//!
//! Some servers, and some proxies in between, ignore `stream` in one direction or the other. Their answers are
//! complete, so they are rewritten in the same dialect. Unknown members are kept.
mod anthropic;
mod gemini;
mod openai_chat;
mod openai_responses;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::Dialect;
use super::sse::{self, Frames};

/// A whole answer of this dialect as a stream; `None` if the body is not an answer.
pub fn as_stream(dialect: Dialect, body: &[u8]) -> Option<Bytes> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let mut stream = Stream::default();
    match dialect {
        Dialect::Anthropic => anthropic::tell(answer, &mut stream)?,
        Dialect::Gemini => gemini::tell(answer, &mut stream)?,
        Dialect::OpenaiChat => openai_chat::tell(answer, &mut stream)?,
        Dialect::OpenaiResponses => openai_responses::tell(answer, &mut stream)?,
    }
    Some(stream.0.freeze())
}

/// A stream of this dialect as a whole answer, or the error in it; `None` if the stream is incomplete.
pub fn as_whole(dialect: Dialect, stream: &[u8]) -> Option<Bytes> {
    let mut events = Vec::new();
    let mut frames = Frames::new();
    let mut read = |data: &[u8]| {
        if let Ok(event) = serde_json::from_slice::<Value>(data) {
            events.push(event);
        }
    };
    frames.push(stream, |frame| read(&frame.data)).ok()?;
    frames.finish(|frame| read(&frame.data));
    let says_an_error = |event: &&Value| event.get("error").is_some_and(Value::is_object);
    let answer = match events.iter().find(says_an_error) {
        Some(error) => error.clone(),
        None => match dialect {
            Dialect::Anthropic => anthropic::gather(events)?,
            Dialect::Gemini => gemini::gather(events)?,
            Dialect::OpenaiChat => openai_chat::gather(events)?,
            Dialect::OpenaiResponses => openai_responses::gather(events)?,
        },
    };
    Some(answer.to_string().into())
}

/// The events of a stream.
#[derive(Debug, Default)]
struct Stream(BytesMut);

impl Stream {
    /// Writes an event whose name is its type.
    fn named(&mut self, event: &Value) {
        let name = event.get("type").and_then(Value::as_str);
        sse::write(&mut self.0, name, event.to_string().as_bytes());
    }

    /// Writes an event without a name.
    fn plain(&mut self, data: &[u8]) {
        sse::write(&mut self.0, None, data);
    }
}

/// Removes and returns a member; `null` if there is none.
fn take(object: &mut Value, name: &str) -> Value {
    object.get_mut(name).map(Value::take).unwrap_or_default()
}

/// Removes and returns a list; empty if there is none.
fn take_list(object: &mut Value, name: &str) -> Vec<Value> {
    match take(object, name) {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

/// Sets a member, if the value is an object.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// Appends `more` to the text of a member.
fn append(object: &mut Value, name: &str, more: &str) {
    match object.get_mut(name) {
        Some(Value::String(text)) => text.push_str(more),
        _ => set(object, name, more.into()),
    }
}

/// Copies every member of `other` that is not null.
fn overlay(object: &mut Value, other: Value) {
    let (Some(object), Value::Object(other)) = (object.as_object_mut(), other) else {
        return;
    };
    for (name, value) in other {
        if !value.is_null() {
            object.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An answer that is converted to a stream and back is unchanged.
    #[track_caller]
    fn there_and_back(dialect: Dialect, answer: &Value) {
        let stream = as_stream(dialect, answer.to_string().as_bytes()).expect("an answer");
        let whole = as_whole(dialect, &stream).expect("a whole stream");
        let whole: Value = serde_json::from_slice(&whole).expect("JSON");
        assert_eq!(whole, *answer, "{}", String::from_utf8_lossy(&stream));
    }

    #[test]
    fn nothing_is_lost_there_and_back() {
        there_and_back(
            Dialect::Anthropic,
            &json!({
                "type": "message", "id": "msg_1", "role": "assistant", "model": "m", "vendor_x": 1,
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "text", "text": "a\u{301}b", "citations": [{"type": "char_location", "cited_text": "x"}]},
                    {"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1, 2.5, null]}},
                    {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                ],
                "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 7},
            }),
        );
        there_and_back(
            Dialect::OpenaiChat,
            &json!({
                "object": "chat.completion", "id": "c", "created": 5, "model": "m", "system_fingerprint": "fp",
                "choices": [
                    {"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {
                        "role": "assistant", "content": "x", "reasoning_content": "y",
                        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}],
                    }},
                    {"index": 1, "finish_reason": "stop", "logprobs": null, "message": {"role": "assistant", "content": "z"}},
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            }),
        );
        there_and_back(
            Dialect::OpenaiResponses,
            &json!({
                "object": "response", "id": "resp_1", "status": "completed", "model": "m", "output": [
                    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
                    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                     "content": [{"type": "output_text", "text": "x", "annotations": []}]},
                    {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
                ], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            }),
        );
        there_and_back(
            Dialect::Gemini,
            &json!({
                "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "x"}, {"functionCall": {"name": "f", "args": {}}}]}}],
                "usageMetadata": {"promptTokenCount": 1}, "modelVersion": "g", "responseId": "r",
            }),
        );
    }

    #[test]
    fn pieces_become_one_text() {
        let stream = b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\"}]}\n\n";
        let whole = as_whole(Dialect::Gemini, stream).expect("a whole stream");
        assert!(whole.windows(4).any(|text| text == b"\"ab\""), "{whole:?}");
        let stream = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        let whole = as_whole(Dialect::OpenaiChat, stream).expect("a whole stream");
        assert!(whole.windows(4).any(|text| text == b"\"ab\""), "{whole:?}");
    }

    #[test]
    fn nonsense_is_no_answer_and_breaks_nothing() {
        for body in [
            &br#"{"choices":[1,"x",null,{"message":7}],"usage":3}"#[..],
            br#"{"type":"message","content":[1,"x",{"type":"tool_use"},{"type":"text","text":4}]}"#,
            br#"{"object":"response","output":[1,{"type":"message","content":["x",{"type":1}]}]}"#,
            br#"{"candidates":[1,{"content":4},{"content":{"parts":[1]}}]}"#,
        ] {
            for dialect in Dialect::ALL {
                let stream = as_stream(dialect, body).unwrap_or_default();
                let _ = as_whole(dialect, &stream);
                let event = [b"data: ", body, b"\n\n"].concat();
                let _ = as_whole(dialect, &event);
            }
        }
        let odd = b"data: {\"type\":\"content_block_start\",\"content_block\":3}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1\"}}\n\n";
        assert_eq!(as_whole(Dialect::Anthropic, odd), None);
    }

    #[test]
    fn half_a_stream_is_no_answer_and_an_error_is_told() {
        for dialect in Dialect::ALL {
            assert_eq!(as_whole(dialect, b"data: {\"type\":\"ping\"}\n\n"), None);
            assert_eq!(as_stream(dialect, b"{\"hello\":1}"), None);
            assert_eq!(as_stream(dialect, b"<html>"), None);
            let error =
                b"event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"x\"}}\n\n";
            assert!(as_whole(dialect, error).is_some(), "{dialect}");
        }
    }
}

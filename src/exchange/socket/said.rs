//! Events that Weir itself writes on a client's socket.
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// One of several parallel conversations on a socket: its `stream_id`. `None` = the lane of messages without one.
pub type Lane = Option<Arc<str>>;

/// A fault of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    code: &'static str,
    message: String,
    param: Option<&'static str>,
    lane: Lane,
}

impl Fault {
    /// The message is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::coded("invalid_request_error", message)
    }

    /// A fault with a code that clients know.
    pub fn coded(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            lane: None,
        }
    }

    /// The response that is to be continued is not known.
    pub fn unknown_response(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        let message = format!("Previous response with id '{id}' not found.");
        Self::coded("previous_response_not_found", message).about("previous_response_id")
    }

    /// The socket has reached its age limit.
    pub fn too_old(minutes: u64) -> Self {
        let message = format!(
            "Responses websocket connection limit reached ({minutes} minutes). Create a new websocket connection to continue."
        );
        Self::coded("websocket_connection_limit_reached", message)
    }

    /// The fault is about this member.
    #[must_use]
    pub fn about(self, param: &'static str) -> Self {
        Self {
            param: Some(param),
            ..self
        }
    }

    /// The fault belongs to this lane.
    #[must_use]
    pub fn on(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// The event that reports the fault.
    pub fn event(&self) -> String {
        let error = json!({
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
        });
        on_lane(
            &self.lane,
            json!({ "type": "error", "status": 400, "error": error }),
        )
    }
}

/// An answer that is not a stream, as an event. `headers` are those that clients of a socket also read.
pub fn failed(lane: &Lane, status: u16, body: &[u8], headers: &[(String, String)]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = match body.get("error") {
        Some(error @ Value::Object(_)) => error.clone(),
        _ => {
            json!({ "type": "server_error", "code": null, "message": "the request failed", "param": null })
        }
    };
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    on_lane(
        lane,
        json!({ "type": "error", "status": status, "error": error, "headers": headers }),
    )
}

/// The event for a stream that ended without its last event.
pub fn cut_off(lane: &Lane) -> String {
    let body = br#"{"error":{"type":"server_error","code":"server_error","message":"the answer ended early","param":null}}"#;
    failed(lane, 502, body, &[])
}

/// The answer to a `response.create` that wants no answer: an id to continue from.
pub fn warmed(lane: &Lane, id: &str, model: Option<&str>, created_at: u64) -> [String; 2] {
    let response = |status: &str, usage: Value| {
        json!({
            "id": id,
            "object": "response",
            "created_at": created_at,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "metadata": {},
            "model": model,
            "output": [],
            "parallel_tool_calls": true,
            "temperature": null,
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "usage": usage,
        })
    };
    let usage = json!({
        "input_tokens": 0,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 0,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": 0,
    });
    let (begun, done) = (
        response("in_progress", Value::Null),
        response("completed", usage),
    );
    [
        on_lane(
            lane,
            json!({ "type": "response.created", "sequence_number": 0, "response": begun }),
        ),
        on_lane(
            lane,
            json!({ "type": "response.completed", "sequence_number": 1, "response": done }),
        ),
    ]
}

/// Steering is refused: the client gets its input back for its next `response.create`.
pub fn not_steered(lane: &Lane, previous: &str, input: &RawValue) -> String {
    let input: Value = serde_json::from_str(input.get()).unwrap_or_default();
    on_lane(
        lane,
        json!({
            "type": "response.steer.failed",
            "sequence_number": 0,
            "steer": { "previous_response_id": previous, "input": input },
            "error": {
                "type": "invalid_request_error",
                "code": "steering_not_supported",
                "message": "nothing that can be steered runs here; send the input with the next response.create",
            },
        }),
    )
}

/// Steering that is refused because its response has ended meanwhile; `message` is the one for the upstream.
pub fn too_late(lane: &Lane, message: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Steer<'a> {
        previous_response_id: String,
        #[serde(borrow)]
        input: &'a RawValue,
    }
    serde_json::from_str::<Steer<'_>>(message)
        .map(|steer| not_steered(lane, &steer.previous_response_id, steer.input))
        .unwrap_or_default()
}

/// An upstream's event, with the client's lane added.
pub fn routed(lane: &Lane, event: &str) -> String {
    let Some(inner) = lane
        .as_ref()
        .and_then(|_| event.trim_start().strip_prefix('{'))
    else {
        return event.to_owned();
    };
    let id = Value::from(lane.as_deref().unwrap_or_default());
    let gap = if inner.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!("{{\"stream_id\":{id}{gap}{inner}")
}

fn on_lane(lane: &Lane, mut event: Value) -> String {
    if let (Some(lane), Some(members)) = (lane, event.as_object_mut()) {
        members.insert("stream_id".to_owned(), Value::from(&**lane));
    }
    event.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_lane_name_it() {
        let lane: Lane = Some("a\"b".into());
        assert_eq!(routed(&None, "{\"x\":1}"), "{\"x\":1}");
        for event in ["{\"x\":1}", "{}", " { \"x\": 1 }"] {
            let routed: Value = serde_json::from_str(&routed(&lane, event)).expect("JSON");
            assert_eq!(routed["stream_id"], "a\"b", "{event}");
        }
        let said: Value =
            serde_json::from_str(&Fault::unknown_response("r").on(lane).event()).expect("JSON");
        assert_eq!(said["stream_id"], "a\"b");
        assert_eq!(said["error"]["code"], "previous_response_not_found");
    }

    #[test]
    fn an_answer_with_an_error_keeps_it() {
        let body = br#"{"error":{"type":"t","code":"c","message":"m","param":null}}"#;
        let headers = [("retry-after".to_owned(), "7".to_owned())];
        let event: Value = serde_json::from_str(&failed(&None, 429, body, &headers)).expect("JSON");
        assert_eq!(
            (&event["status"], &event["error"]["code"]),
            (&json!(429), &json!("c"))
        );
        assert_eq!(event["headers"]["retry-after"], "7");
        let event: Value = serde_json::from_str(&failed(&None, 502, b"<html>", &[])).expect("JSON");
        assert_eq!(event["error"]["type"], "server_error");
    }
}

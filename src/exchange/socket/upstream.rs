//! Messages for an upstream's socket, and the meaning of its events for the code that carries them.
use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The body of a `POST /v1/responses`, as a message for a socket.
#[derive(Debug)]
pub struct CreateMessage(BTreeMap<String, Box<RawValue>>);

/// How a request continues a response, according to the client's socket.
#[derive(Clone, Debug)]
pub struct Continuing {
    /// The response that it continues.
    pub previous: String,
    /// The whole conversation: the `input` of the request.
    pub whole: Bytes,
    /// The new part of it, as a JSON list without its brackets.
    pub new: Bytes,
}

impl CreateMessage {
    /// `None` when the body is not a JSON object.
    pub fn of(body: &[u8]) -> Option<Self> {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
        // Every answer on a socket is a stream, and none is generated in the background.
        members.remove("stream");
        members.remove("background");
        members.insert("type".to_owned(), raw(&json!("response.create"))?);
        Some(Self(members))
    }

    /// The complete message, which any socket understands.
    pub fn whole(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// A message with only the new items, for the socket on which the continued response was made. `None` when the
    /// conversation was changed meanwhile, so that the upstream does not know it.
    pub fn new_only(&self, continuing: &Continuing) -> Option<String> {
        let input = self.0.get("input")?;
        if input.get().as_bytes() != &continuing.whole[..] {
            return None;
        }
        let new = std::str::from_utf8(&continuing.new).ok()?;
        let mut members = self.0.clone();
        let input = RawValue::from_string(format!("[{new}]")).ok()?;
        members.insert("input".to_owned(), input);
        members.insert(
            "previous_response_id".to_owned(),
            raw(&json!(continuing.previous))?,
        );
        serde_json::to_string(&members).ok()
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(value.to_string()).ok()
}

/// The meaning of an event of an upstream's socket.
#[derive(Debug, Eq, PartialEq)]
pub enum Heard {
    /// The response has begun.
    Created,
    /// The last event of a response, with its id.
    Ended(Option<String>),
    /// The turn has ended with an error.
    Error(Refused),
    /// Steering was accepted and will lead to a response of its own.
    SteerAccepted,
    /// Steering that had been accepted waits for the client, or came to nothing.
    SteerSettled,
    /// Any other event.
    Other,
}

/// An `error` event, as the answer to a request.
#[derive(Debug, Eq, PartialEq)]
pub struct Refused {
    /// The status, from 400 to 599; 502 if the event has no such status.
    pub status: u16,
    /// The `code` of the error.
    pub code: Option<String>,
    /// The headers about retries, limits and the request id; names in lower case.
    pub headers: Vec<(String, String)>,
    /// A JSON body with the `error` of the event.
    pub body: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    steer: Option<Steer>,
}

#[derive(Deserialize)]
struct Response {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Steer {
    id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEvent {
    status: Option<u16>,
    #[serde(default)]
    status_code: Option<u16>,
    error: Option<Map<String, Value>>,
    headers: Option<Map<String, Value>>,
}

/// Reads an event.
pub fn heard(text: &str) -> Heard {
    let Ok(event) = serde_json::from_str::<Event<'_>>(text) else {
        return Heard::Other;
    };
    match &*event.kind {
        "response.created" => Heard::Created,
        "response.completed" | "response.incomplete" | "response.failed" => {
            let response = event.response.map(RawValue::get);
            let response = response.and_then(|text| serde_json::from_str::<Response>(text).ok());
            let can_go_on = &*event.kind != "response.failed";
            Heard::Ended(
                response
                    .and_then(|response| response.id)
                    .filter(|_| can_go_on),
            )
        }
        "response.steer.accepted" => Heard::SteerAccepted,
        "response.steer.pending" => Heard::SteerSettled,
        // Steering that was never accepted has no id.
        "response.steer.failed" if event.steer.and_then(|steer| steer.id).is_some() => {
            Heard::SteerSettled
        }
        "error" => {
            serde_json::from_str(text).map_or(Heard::Other, |event| Heard::Error(refused(event)))
        }
        _ => Heard::Other,
    }
}

fn refused(event: ErrorEvent) -> Refused {
    let error = event.error.unwrap_or_default();
    let code = error.get("code").and_then(Value::as_str).map(str::to_owned);
    let status = event.status.or(event.status_code);
    let headers = event.headers.into_iter().flatten();
    Refused {
        status: status
            .filter(|status| (400..600).contains(status))
            .unwrap_or(502),
        code,
        headers: headers
            .filter(|(name, _)| is_told(name))
            .filter_map(|(name, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                Some((name.to_ascii_lowercase(), value))
                    .filter(|(_, value)| value.len() <= LONGEST_VALUE)
            })
            .collect(),
        body: json!({ "error": error }).to_string(),
    }
}

/// Whether a header in an error event is passed on: those about retries, limits and the request id.
fn is_told(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-ratelimit-")
        || ["retry-after", "retry-after-ms", "x-request-id"].contains(&name.as_str())
}

/// A socket's event as an event of an SSE stream.
pub fn as_sse(text: &str) -> String {
    // Valid JSON has line breaks only between its tokens, where a space means the same.
    let line = text.replace(['\n', '\r'], " ");
    let kind = serde_json::from_str::<Event<'_>>(text).map(|event| event.kind.into_owned());
    match kind {
        Ok(kind) if !kind.contains(['\n', '\r']) => format!("event: {kind}\ndata: {line}\n\n"),
        _ => format!("data: {line}\n\n"),
    }
}

/// The most bytes of a header in an error event.
const LONGEST_VALUE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn create_message() -> CreateMessage {
        CreateMessage::of(br#"{"stream":true,"background":false,"model":"m","temperature":1.50,"input":[{"a":1},{"b":2}]}"#)
            .expect("an object")
    }

    #[test]
    fn a_body_is_a_message_and_what_is_known_there_is_not_said_again() {
        let whole = create_message().whole();
        assert!(
            whole.contains(r#""temperature":1.50"#) && !whole.contains("background"),
            "{whole}"
        );
        let said: Value = serde_json::from_str(&whole).expect("JSON");
        assert_eq!(said["type"], "response.create");
        let continuing = |whole: &'static str| Continuing {
            previous: "r\"1".to_owned(),
            whole: Bytes::from_static(whole.as_bytes()),
            new: Bytes::from_static(br#"{"b":2}"#),
        };
        let new = create_message()
            .new_only(&continuing(r#"[{"a":1},{"b":2}]"#))
            .expect("the same");
        let new: Value = serde_json::from_str(&new).expect("JSON");
        assert_eq!(new["input"], json!([{"b": 2}]));
        assert_eq!(new["previous_response_id"], "r\"1");
        // A rewrite has changed what the upstream would remember.
        assert_eq!(
            create_message().new_only(&continuing(r#"[{"a":0},{"b":2}]"#)),
            None
        );
        assert!(CreateMessage::of(b"[]").is_none());
    }

    #[test]
    fn an_error_is_an_answer() {
        let event = r#"{"type":"error","status":429,"error":{"type":"t","code":"rate_limit_exceeded","message":"m"},
            "headers":{"Retry-After":7,"x-ratelimit-limit-requests":"5","set-cookie":"x"}}"#;
        let Heard::Error(refused) = heard(event) else {
            panic!("{event}")
        };
        assert_eq!(
            (refused.status, refused.code.as_deref()),
            (429, Some("rate_limit_exceeded"))
        );
        let headers = [("retry-after", "7"), ("x-ratelimit-limit-requests", "5")];
        assert_eq!(
            refused.headers,
            headers.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let body: Value = serde_json::from_str(&refused.body).expect("JSON");
        assert_eq!(body["error"]["message"], "m");
        for odd in [
            r#"{"type":"error"}"#,
            r#"{"type":"error","status":200,"error":null}"#,
        ] {
            assert!(
                matches!(heard(odd), Heard::Error(Refused { status: 502, .. })),
                "{odd}"
            );
        }
    }

    #[test]
    fn ends_and_steering_are_told_from_the_rest() {
        let ended = |text| heard(text) == Heard::Ended(Some("r".to_owned()));
        assert!(ended(
            r#"{"type":"response.completed","response":{"id":"r"}}"#
        ));
        assert!(ended(
            r#"{"type":"response.incomplete","response":{"id":"r"}}"#
        ));
        assert_eq!(
            heard(r#"{"type":"response.failed","response":{"id":"r"}}"#),
            Heard::Ended(None)
        );
        assert_eq!(
            heard(r#"{"type":"response.steer.accepted","steer":{"id":"s"}}"#),
            Heard::SteerAccepted
        );
        assert_eq!(
            heard(r#"{"type":"response.steer.failed","steer":{"id":"s"}}"#),
            Heard::SteerSettled
        );
        assert_eq!(
            heard(r#"{"type":"response.steer.failed","steer":{}}"#),
            Heard::Other
        );
        for text in ["", "7", "{", r#"{"type":7}"#] {
            assert_eq!(heard(text), Heard::Other);
        }
    }

    #[test]
    fn an_event_keeps_to_one_line() {
        assert_eq!(
            as_sse("{\"type\":\"x\",\n\"a\":1}"),
            "event: x\ndata: {\"type\":\"x\", \"a\":1}\n\n"
        );
        assert_eq!(
            as_sse("{\"type\":\"x\\ny\"}"),
            "data: {\"type\":\"x\\ny\"}\n\n"
        );
    }
}

//! Reads the messages of a client's socket.
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::said::{Fault, Lane};

/// A parsed message.
#[derive(Debug)]
pub enum Message {
    Create(Box<Create>),
    Steer(Steer),
}

/// `response.create`.
#[derive(Debug)]
pub struct Create {
    lane: Lane,
    /// The response that it continues.
    previous: Option<String>,
    /// Whether an answer is wanted; otherwise only an id to continue from.
    generates: bool,
    /// Whether the provider may store the response.
    is_stored: bool,
    /// The new items, unparsed.
    input: Option<Box<RawValue>>,
    /// The other members of the body, unparsed.
    members: BTreeMap<String, Box<RawValue>>,
}

/// `response.steer`.
#[derive(Debug)]
pub struct Steer {
    pub lane: Lane,
    pub previous: String,
    pub input: Box<RawValue>,
}

/// Parses a message.
pub fn read(text: &str) -> Result<Message, Fault> {
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|_| Fault::invalid("a message is a JSON object"))?;
    let lane = lane(members.remove("stream_id").as_deref())?;
    let kind = members.remove("type");
    match kind.as_deref().and_then(text_of).as_deref() {
        Some("response.create") => {
            Create::of(lane, members).map(|create| Message::Create(Box::new(create)))
        }
        Some("response.steer") => Steer::of(lane, members).map(Message::Steer),
        _ => Err(
            Fault::invalid("expected an event of the type `response.create`")
                .about("type")
                .on(lane),
        ),
    }
}

impl Create {
    fn of(lane: Lane, mut members: BTreeMap<String, Box<RawValue>>) -> Result<Self, Fault> {
        // Every answer on a socket is a stream, and none is generated in the background.
        members.remove("stream");
        members.remove("background");
        let is_false = |value: Option<&RawValue>| value.is_some_and(|value| value.get() == "false");
        let generates = !is_false(members.remove("generate").as_deref());
        let is_stored = !is_false(members.get("store").map(|value| &**value));
        let previous = match members.remove("previous_response_id") {
            Some(value) if value.get() != "null" => {
                let fault = || {
                    Fault::invalid("`previous_response_id` is the id of a response")
                        .about("previous_response_id")
                };
                let id = text_of(&value).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
                Some(id.ok_or_else(|| fault().on(lane.clone()))?)
            }
            _ => None,
        };
        Ok(Self {
            input: members.remove("input"),
            lane,
            previous,
            generates,
            is_stored,
            members,
        })
    }

    /// The lane that it runs on.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The response that it continues.
    pub fn previous(&self) -> Option<&str> {
        self.previous.as_deref()
    }

    /// Whether an answer is wanted.
    pub const fn generates(&self) -> bool {
        self.generates
    }

    /// Whether the provider may store the response, and so may know the one that this continues.
    pub const fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// The requested model.
    pub fn model(&self) -> Option<String> {
        text_of(self.members.get("model")?)
    }

    /// The bytes that it occupies while it waits.
    pub fn weight(&self) -> usize {
        let members = self
            .members
            .iter()
            .map(|(name, value)| name.len() + value.get().len());
        members.sum::<usize>() + self.input.as_ref().map_or(0, |input| input.get().len())
    }

    /// The new items as a JSON list without its brackets.
    pub fn items(&self) -> Bytes {
        self.input.as_deref().map_or_else(Bytes::new, items_of)
    }

    /// The turn for the response that an upstream begins because of steering: it follows `previous` and has the
    /// settings of this turn.
    #[must_use]
    pub fn successor(self, previous: String, steered: &[Bytes]) -> Self {
        let list = std::str::from_utf8(&steered.join(&b',')).map(|items| format!("[{items}]"));
        let input = list.ok().and_then(|list| RawValue::from_string(list).ok());
        Self {
            previous: Some(previous),
            generates: true,
            input,
            ..self
        }
    }

    /// The body of the `POST` that it stands for, and the `input` in it if that is a whole conversation. `history` is
    /// what this socket knows of the response that it continues. Without it, the body refers to that response by its
    /// id, and others have to know it.
    pub fn body(&self, history: Option<&[Bytes]>) -> (Bytes, Option<Bytes>) {
        let known: usize = history
            .unwrap_or_default()
            .iter()
            .map(|items| items.len() + 1)
            .sum();
        let mut body = Vec::with_capacity(self.weight() + known + 128);
        let mut input = None;
        body.extend_from_slice(br#"{"stream":true"#);
        for (name, value) in &self.members {
            body.push(b',');
            push_text(&mut body, name);
            body.push(b':');
            body.extend_from_slice(value.get().as_bytes());
        }
        if let Some(history) = history {
            let new = self.items();
            body.extend_from_slice(br#","input":"#);
            input = Some(body.len());
            body.push(b'[');
            let parts = history
                .iter()
                .chain([&new])
                .filter(|items| !items.is_empty());
            for (position, items) in parts.enumerate() {
                if position > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(items);
            }
            body.push(b']');
        } else {
            if let Some(input) = &self.input {
                body.extend_from_slice(br#","input":"#);
                body.extend_from_slice(input.get().as_bytes());
            }
            if let Some(previous) = &self.previous {
                body.extend_from_slice(br#","previous_response_id":"#);
                push_text(&mut body, previous);
            }
        }
        body.push(b'}');
        let body = Bytes::from(body);
        let input = input.map(|from| body.slice(from..body.len() - 1));
        (body, input)
    }
}

/// An `input` as a JSON list without its brackets.
fn items_of(input: &RawValue) -> Bytes {
    let text = input.get();
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return Bytes::copy_from_slice(inner.trim().as_bytes());
    }
    if !text.starts_with('"') {
        // The parser of the whole body reports what is wrong with it.
        return Bytes::copy_from_slice(text.as_bytes());
    }
    Bytes::from(format!(
        r#"{{"type":"message","role":"user","content":{text}}}"#
    ))
}

impl Steer {
    /// The message for an upstream, whose sockets have only one lane.
    pub fn message(&self) -> String {
        let previous = serde_json::Value::from(self.previous.as_str());
        format!(
            r#"{{"type":"response.steer","previous_response_id":{previous},"input":{}}}"#,
            self.input.get()
        )
    }

    /// Its input as a JSON list without its brackets.
    pub fn items(&self) -> Bytes {
        items_of(&self.input)
    }

    fn of(lane: Lane, mut members: BTreeMap<String, Box<RawValue>>) -> Result<Self, Fault> {
        let previous = members
            .remove("previous_response_id")
            .as_deref()
            .and_then(text_of);
        let (Some(previous), Some(input)) = (previous, members.remove("input")) else {
            let fault = Fault::invalid("`response.steer` needs `previous_response_id` and `input`");
            return Err(fault.about("previous_response_id").on(lane));
        };
        Ok(Self {
            lane,
            previous,
            input,
        })
    }
}

fn lane(value: Option<&RawValue>) -> Result<Lane, Fault> {
    match value {
        None => Ok(None),
        Some(value) if value.get() == "null" => Ok(None),
        Some(value) => {
            let id = text_of(value).filter(|id| !id.is_empty() && id.len() <= LONGEST_LANE);
            let id = id.ok_or_else(|| {
                Fault::coded(
                    "invalid_stream_id",
                    "`stream_id` is a text of 1 to 64 bytes",
                )
                .about("stream_id")
            })?;
            Ok(Some(Arc::from(id)))
        }
    }
}

/// The text of a JSON string.
fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// The most bytes of a response id; real ones are far shorter.
const LONGEST_ID: usize = 256;

const LONGEST_LANE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn create(text: &str) -> Create {
        match read(text) {
            Ok(Message::Create(create)) => *create,
            other => panic!("{other:?}"),
        }
    }

    fn body(create: &Create, history: Option<&[Bytes]>) -> serde_json::Value {
        serde_json::from_slice(&create.body(history).0).expect("JSON")
    }

    #[test]
    fn a_create_is_the_body_of_a_post() {
        let create = create(
            r#"{"type":"response.create","model":"m","stream":false,"background":true,"store":false,"input":"Hi","x":1.50}"#,
        );
        assert!(create.generates() && !create.is_stored() && create.previous().is_none());
        assert_eq!(create.model().as_deref(), Some("m"));
        let (body, input) = create.body(None);
        assert_eq!(input, None);
        let body = std::str::from_utf8(&body).expect("text");
        assert_eq!(
            body,
            r#"{"stream":true,"model":"m","store":false,"x":1.50,"input":"Hi"}"#
        );
    }

    #[test]
    fn a_known_response_is_continued_with_what_was_said() {
        let create = create(
            r#"{"type":"response.create","previous_response_id":"r1","generate":false,"input":[{"b":2}]}"#,
        );
        assert!(!create.generates() && create.is_stored());
        let history = [Bytes::from_static(b"{\"a\":1}"), Bytes::new()];
        assert_eq!(
            body(&create, Some(&history)),
            serde_json::json!({"stream": true, "input": [{"a": 1}, {"b": 2}]})
        );
        let (_, input) = create.body(Some(&history));
        assert_eq!(input.as_deref(), Some(&br#"[{"a":1},{"b":2}]"#[..]));
        assert_eq!(
            body(&create, None),
            serde_json::json!({"stream": true, "input": [{"b": 2}], "previous_response_id": "r1"})
        );
        assert_eq!(
            body(&create, Some(&[]))["input"],
            serde_json::json!([{"b": 2}])
        );
    }

    #[test]
    fn what_was_steered_goes_on_with_the_same_settings() {
        let create = create(
            r#"{"type":"response.create","model":"m","store":false,"stream_id":"s","input":"one"}"#,
        );
        let Ok(Message::Steer(steer)) = read(
            r#"{"type":"response.steer","previous_response_id":"r\"1","stream_id":"s","input":"two"}"#,
        ) else {
            panic!("it steers")
        };
        let message: serde_json::Value = serde_json::from_str(&steer.message()).expect("JSON");
        assert_eq!(
            message,
            serde_json::json!({"type": "response.steer", "previous_response_id": "r\"1", "input": "two"})
        );
        let next = create.successor("r1".to_owned(), &[steer.items(), steer.items()]);
        assert_eq!(
            (next.previous(), next.lane().as_deref()),
            (Some("r1"), Some("s"))
        );
        let said = body(&next, Some(&[Bytes::from_static(b"{\"a\":1}")]));
        let two = serde_json::json!({"type": "message", "role": "user", "content": "two"});
        assert_eq!(said["input"], serde_json::json!([{"a": 1}, two, two]));
        assert_eq!(said["model"], "m");
    }

    #[test]
    fn a_text_becomes_a_message() {
        let create = create(r#"{"type":"response.create","input":"a\"b","stream_id":"s"}"#);
        assert_eq!(create.lane().as_deref(), Some("s"));
        let item: serde_json::Value = serde_json::from_slice(&create.items()).expect("JSON");
        assert_eq!(
            item,
            serde_json::json!({"type": "message", "role": "user", "content": "a\"b"})
        );
    }

    #[test]
    fn what_is_no_message_is_a_fault() {
        let long = format!(
            r#"{{"type":"response.create","stream_id":"{}"}}"#,
            "x".repeat(65)
        );
        for text in [
            "",
            "[]",
            "3",
            "{",
            r#"{"type":"response.cancel"}"#,
            r#"{"type":3}"#,
            "{}",
            &long,
            r#"{"type":"response.create","stream_id":""}"#,
            r#"{"type":"response.create","stream_id":7}"#,
            r#"{"type":"response.create","previous_response_id":7}"#,
            r#"{"type":"response.steer","input":"x"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(matches!(
            read(
                r#"{"type":"response.steer","previous_response_id":"r","input":"x","stream_id":null}"#
            ),
            Ok(Message::Steer(_))
        ));
    }
}

//! Asking on where an upstream paused its answer: the same account gets the request again, with what it said so far.
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::dispatch::Dispatch;
use super::dispatched::Dispatched;
use super::headers::has_media_type;
use super::relaying::{Body, Relaying};
use crate::protocol::json::{self, Edit, Pieces};

impl Dispatch {
    /// Makes the request for the rest of a paused answer. `false` when there is none.
    pub fn go_on(
        &mut self,
        dispatched: &mut Dispatched,
        relaying: &mut Relaying,
        now: Instant,
    ) -> bool {
        let asked = dispatched
            .asked
            .get_or_insert_with(|| dispatched.body.to_bytes())
            .clone();
        let Body::Translated(translated) = &mut relaying.body else {
            return false;
        };
        let Some(body) = with_turn(&asked, &translated.translator.resume()) else {
            return false;
        };
        self.note_attempt(dispatched, None, now);
        dispatched.body = body;
        dispatched.began = now;
        true
    }
}

impl Dispatched {
    /// The head of the rest is here. Whether it continues the answer.
    pub fn continues(
        &self,
        relaying: &Relaying,
        (status, headers): (StatusCode, &HeaderMap),
        now: Instant,
        wall: SystemTime,
    ) -> bool {
        self.pick.lease.observe(headers, now, wall);
        status.is_success() && relaying.is_streamed_by(headers)
    }
}

impl Relaying {
    /// Whether a body with this head is of the kind that is translated here.
    fn is_streamed_by(&self, headers: &HeaderMap) -> bool {
        match &self.body {
            Body::Translated(translated) => {
                translated.is_stream() == has_media_type(headers, "text/event-stream")
            }
            _ => false,
        }
    }

    /// Whether the upstream waits to be asked for the rest.
    pub fn is_paused(&self) -> bool {
        match &self.body {
            Body::Translated(translated) => translated.is_paused(),
            _ => false,
        }
    }

    /// Whether an answer that failed has a beginning, for which the upstream has already been paid.
    pub fn holds_rounds(&self) -> bool {
        match &self.body {
            Body::Translated(translated) => translated.translator.holds_rounds(),
            _ => false,
        }
    }

    /// There is no rest to be had: the client gets what there is.
    pub fn give_up(&mut self) {
        if let Body::Translated(translated) = &mut self.body {
            self.ready.extend(translated.give_up());
            self.committed = true;
            self.over = true;
        }
    }
}

/// The request with the assistant's turn so far as its last message.
fn with_turn(body: &Bytes, content: &[u8]) -> Option<Pieces> {
    let members = json::scan(body).ok()?;
    let messages = members.value(body, "messages")?.strip_suffix(b"]")?;
    let turn = [
        messages,
        br#",{"role":"assistant","content":"#,
        content,
        b"}]",
    ]
    .concat();
    let edit = [("messages", Edit::Set(Bytes::from(turn)))];
    Some(json::set(body, &members, &edit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_so_far_is_the_last_message() {
        let body = Bytes::from_static(br#"{"messages":[{"role":"user"}],"stream":true}"#);
        let continued = with_turn(&body, br#"[{"type":"text"}]"#).expect("a request");
        let expected = r#"{"messages":[{"role":"user"},{"role":"assistant","content":[{"type":"text"}]}],"stream":true}"#;
        assert_eq!(continued.to_bytes(), expected);
    }
}

//! Asking on where an upstream paused its answer: the same account gets the request again, with what it said so far.
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::dispatch::Dispatch;
use super::dispatched::Dispatched;
use super::relaying::Relaying;
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
        let turn = relaying.resume();
        let Some(body) = turn.and_then(|turn| with_turn(&asked, &turn)) else {
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
        status.is_success() && relaying.goes_on_with(headers)
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

//! The session of a request: what the request itself states, or the session that a rewrite gives it.
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::pool::affinity::{self, Traces};
use crate::protocol::Dialect;
use crate::protocol::json::{self, Members};

/// What a client states about its session.
#[derive(Debug)]
pub(super) struct StatedSession<'a> {
    headers: &'a HeaderMap,
    metadata_user_id: Option<String>,
    prompt_cache_key: Option<String>,
    conversation: Option<String>,
    previous_response: Option<String>,
}

impl<'a> StatedSession<'a> {
    /// `member` returns the raw value of a member of the body.
    pub(super) fn read(
        dialect: Dialect,
        headers: &'a HeaderMap,
        member: impl Fn(&str) -> Option<Bytes>,
    ) -> Self {
        let text = |name: &str| {
            let raw = member(name)?;
            json::string(&raw).map(Cow::into_owned)
        };
        Self {
            headers,
            metadata_user_id: match dialect {
                Dialect::Anthropic => member("metadata").and_then(|raw| inner(&raw, "user_id")),
                _ => None,
            },
            prompt_cache_key: text("prompt_cache_key"),
            // The member is an id, or an object with an id.
            conversation: text("conversation")
                .or_else(|| member("conversation").and_then(|raw| inner(&raw, "id"))),
            previous_response: text("previous_response_id"),
        }
    }

    pub(super) fn traces(&self) -> Traces<'_> {
        // One pass over all headers, because looking each of them up costs more.
        let mut found = [None; NAMES.len()];
        for (name, value) in self.headers {
            let place = NAMES.iter().position(|known| *known == name.as_str());
            if let Some(place) = place.and_then(|place| found.get_mut(place)) {
                *place = place.or(value.to_str().ok());
            }
        }
        let [claude_session, codex @ ..] = found;
        Traces {
            claude_session,
            metadata_user_id: self.metadata_user_id.as_deref(),
            codex_session: codex.into_iter().flatten().next(),
            prompt_cache_key: self.prompt_cache_key.as_deref(),
            conversation: self.conversation.as_deref(),
            previous_response_id: self.previous_response.as_deref(),
            ..Traces::default()
        }
    }

    /// The response that this request continues.
    pub(super) fn previous_response(&self) -> Option<&str> {
        self.previous_response.as_deref()
    }
}

/// An id for a conversation that has none: a hash of the client key, the system text and the first turn of the user.
/// `None` when the request is not a conversation (it has neither tools nor a turn of the model); such a request may go
/// anywhere.
pub(super) fn derived(
    dialect: Dialect,
    key: &str,
    body: &Bytes,
    members: &Members,
) -> Option<String> {
    let member = |name: &&str| Some(body.slice(members.span(body, name)?));
    let (system, turns): (&[&str], _) = match dialect {
        Dialect::Anthropic => (&["system"], "messages"),
        Dialect::OpenaiChat => (&[], "messages"),
        Dialect::OpenaiResponses => (&["instructions"], "input"),
        Dialect::Gemini => (&["systemInstruction", "system_instruction"], "contents"),
    };
    let tools = member(&"tools").is_some_and(|tools| tools.len() > "[ ]".len());
    if !tools && members.elements(body, turns) == Some(1) {
        // A single question without an answer yet.
        return None;
    }
    let system = system.iter().find_map(member);
    let turns = member(&turns)?;
    let spans = json::first_elements(&turns, MOST_TURNS).unwrap_or_default();
    let mut first = None;
    let mut before = Vec::new();
    let mut answered = false;
    for turn in spans.into_iter().filter_map(|span| turns.get(span)) {
        let Some(parts) = json::object(turn) else {
            continue;
        };
        let role = parts.string(turn, "role");
        let said = parts
            .value(turn, "content")
            .or(parts.value(turn, "parts"))
            .unwrap_or_default();
        match role.as_deref() {
            Some("system" | "developer") if first.is_none() => before.push(said),
            Some("user") if first.is_none() => first = Some(said),
            Some("assistant" | "model") => answered = true,
            _ => {}
        }
    }
    let first = first.filter(|_| answered || tools).map(text_of)?;
    if first.is_empty() {
        return None;
    }
    let mut digest = Sha256::new()
        .chain_update(b"weir conversation\0")
        .chain_update(key)
        .chain_update(b"\0")
        .chain_update(text_of(system.as_deref().unwrap_or_default()));
    for said in before {
        digest.update(text_of(said));
    }
    let digest = digest.chain_update(b"\0").chain_update(first).finalize();
    Some(format!("{digest:x}"))
}

/// The beginning of a text: of a string, or of the texts in the parts of a list (or in the `parts` of an object).
fn text_of(value: &[u8]) -> String {
    let parts = json::object(value).and_then(|members| members.value(value, "parts"));
    let value = parts.unwrap_or(value);
    let mut text = if let Some(text) = json::string(value) {
        text.into_owned()
    } else {
        let parts = json::first_elements(value, MOST_TURNS).unwrap_or_default();
        let texts = parts
            .into_iter()
            .filter_map(|span| inner(value.get(span)?, "text"));
        texts.collect::<Vec<_>>().join("\n")
    };
    let end = text.floor_char_boundary(LONGEST_TEXT);
    text.truncate(end);
    text
}

/// A string member of a small object. A client whose object is large has no session.
fn inner(object: &[u8], name: &str) -> Option<String> {
    if object.len() > MAX_SMALL_MEMBER {
        return None;
    }
    let members = json::object(object)?;
    members.string(object, name).map(Cow::into_owned)
}

/// The session id of a key at this time. It changes after every `rotate`. The id is a UUID of version 8.
///
/// It is computed and not stored, so every host and every restart agree. Each key changes at a time of its own, so that
/// not all prompt caches of a fleet become cold at once.
pub(super) fn id(key: &str, rotate: Duration, now: SystemTime) -> String {
    let period = rotate.as_secs().max(1);
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let stagger = affinity::hash(key.as_bytes()) % period;
    let turn = (since + stagger) / period;
    let digest = Sha256::new()
        .chain_update(b"weir session\0")
        .chain_update(key)
        .chain_update(b"\0")
        .chain_update(period.to_be_bytes())
        .chain_update(turn.to_be_bytes())
        .finalize();
    let mut bits = digest
        .iter()
        .take(16)
        .fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    bits = bits & !(0xf << 76) | 0x8 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [
        hex.get(..8),
        hex.get(8..12),
        hex.get(12..16),
        hex.get(16..20),
        hex.get(20..),
    ]
    .map(Option::unwrap_or_default)
    .join("-")
}

/// `metadata.user_id` for this session, in the form of Claude Code. The device id stands for the key.
pub(super) fn user_id(key: &str, session: &str) -> String {
    let device = Sha256::new()
        .chain_update(b"weir device\0")
        .chain_update(key)
        .finalize();
    format!(r#"{{"device_id":"{device:x}","account_uuid":"","session_id":"{session}"}}"#)
}

/// Headers that name a session: Claude Code's, then those of others, of which the first one counts.
const NAMES: [&str; 6] = [
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "thread-id",
    "x-session-id",
    "x-session-affinity",
];
/// The most bytes of a member that is parsed for a session id.
const MAX_SMALL_MEMBER: usize = 16 << 10;
/// The most turns, and parts of a turn, that are examined for an id.
const MOST_TURNS: usize = 16;
/// The most bytes of a text that enter an id.
const LONGEST_TEXT: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn known_by(dialect: Dialect, body: &str) -> Option<String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let members = json::scan(&body).expect("JSON");
        derived(dialect, "team", &body, &members)
    }

    #[test]
    fn a_conversation_is_known_again_in_every_dialect() {
        let tools = r#""tools":[{"name":"t"}]"#;
        for (dialect, first, second) in [
            (
                Dialect::OpenaiChat,
                format!(
                    r#"{{{tools},"messages":[{{"role":"system","content":"s"}},{{"role":"user","content":"a"}}]}}"#
                ),
                format!(
                    r#"{{{tools},"messages":[{{"role":"system","content":"s"}},{{"role":"user","content":[{{"type":"text","text":"a"}}]}},{{"role":"assistant","content":"b"}},{{"role":"user","content":"c"}}]}}"#
                ),
            ),
            (
                Dialect::Anthropic,
                format!(
                    r#"{{{tools},"system":[{{"type":"text","text":"s","cache_control":{{}}}}],"messages":[{{"role":"user","content":"a"}}]}}"#
                ),
                format!(
                    r#"{{{tools},"system":"s","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"b"}}]}}"#
                ),
            ),
            (
                Dialect::Gemini,
                format!(
                    r#"{{{tools},"systemInstruction":{{"parts":[{{"text":"s"}}]}},"contents":[{{"role":"user","parts":[{{"text":"a"}}]}}]}}"#
                ),
                format!(
                    r#"{{{tools},"system_instruction":{{"parts":[{{"text":"s"}}]}},"contents":[{{"role":"user","parts":[{{"text":"a"}}]}},{{"role":"model","parts":[{{"text":"b"}}]}}]}}"#
                ),
            ),
            (
                Dialect::OpenaiResponses,
                format!(
                    r#"{{{tools},"instructions":"s","input":[{{"role":"user","content":"a"}}]}}"#
                ),
                format!(
                    r#"{{{tools},"instructions":"s","input":[{{"role":"user","content":[{{"type":"input_text","text":"a"}}]}},{{"role":"assistant","content":"b"}}]}}"#
                ),
            ),
        ] {
            let known = known_by(dialect, &first);
            assert!(known.is_some(), "{first}");
            assert_eq!(known, known_by(dialect, &second), "{second}");
            assert_ne!(
                known,
                known_by(dialect, &second.replace(r#""a""#, r#""other""#))
            );
        }
    }

    #[test]
    fn a_single_question_is_no_conversation() {
        let chat = |more: &str| {
            known_by(
                Dialect::OpenaiChat,
                &format!(r#"{{"messages":[{{"role":"user","content":"a"}}{more}"#),
            )
        };
        assert_eq!(chat("]}"), None);
        assert_eq!(chat(r#"],"tools":[]}"#), None);
        assert!(chat(r#",{"role":"assistant","content":"b"}]}"#).is_some());
        assert_eq!(
            known_by(Dialect::OpenaiResponses, r#"{"input":"a","tools":[{}]}"#),
            None
        );
    }

    #[test]
    fn an_id_lasts_one_turn() {
        let ids: Vec<String> = (0..4 * 24)
            .map(|hour| id("team", DAY, at(hour * 3600)))
            .collect();
        let mut turns = ids.clone();
        turns.dedup();
        // Four days touch five periods, unless a period begins exactly at their start.
        assert!(matches!(turns.len(), 4 | 5), "{turns:?}");
        let first = ids.iter().position(|id| *id != ids[0]).expect("a change");
        assert_eq!(ids.iter().filter(|id| **id == ids[first]).count(), 24);
    }

    #[test]
    fn keys_differ_in_their_ids_and_in_when_these_change() {
        assert_ne!(id("a", DAY, at(0)), id("b", DAY, at(0)));
        let change = |key: &str| {
            (0..86_400)
                .step_by(60)
                .find(|second| id(key, DAY, at(*second)) != id(key, DAY, at(0)))
        };
        assert_ne!(change("a"), change("b"));
    }

    /// Hosts of different versions must agree, so this id must never change.
    #[test]
    fn an_id_is_pinned_and_a_uuid() {
        let id = id("team-a", Duration::from_hours(12), at(1_800_000_000));
        assert_eq!(id, "5f9b4033-2129-81da-abb5-3f72c03201b0");
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'8');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn a_user_id_has_the_session_where_affinity_looks_for_it() {
        let user = user_id("team-a", "s-1");
        let traces = Traces {
            metadata_user_id: Some(&user),
            ..Traces::default()
        };
        assert_eq!(traces.first().map(|found| found.id), Some("s-1"));
        assert!(
            user.starts_with(r#"{"device_id":""#) && user.len() < 256,
            "{user}"
        );
    }
}

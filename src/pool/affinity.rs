//! Which session a request belongs to, and which account a session prefers.
//!
//! The preference is weighted rendezvous hashing: for every account a score from (session, account name) and the
//! weight, the best score wins. No state: every host and every restart agree, and losing an account moves only its own
//! sessions. The hash is FNV-1a with the `splitmix64` finaliser, written out here because it is part of that promise:
//! changing it moves every session of a fleet once.
use serde::Deserialize;

use crate::config::AffinityBy;

/// A session, hashed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Session(pub u64);

/// Where a session id can stand in a request; whoever parses the request fills in what there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traces<'a> {
    /// The header `x-claude-code-session-id`.
    pub claude_session: Option<&'a str>,
    /// The body's `metadata.user_id`.
    pub metadata_user_id: Option<&'a str>,
    /// The headers `session-id`, `session_id`, `thread-id`, `x-session-id`, `x-session-affinity`: the first of them.
    pub codex_session: Option<&'a str>,
    /// The body's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// The body's `conversation`, or its `id`.
    pub conversation: Option<&'a str>,
    /// The body's `previous_response_id`.
    pub previous_response_id: Option<&'a str>,
    /// The session that a rewrite gave to a request without one.
    pub given: Option<&'a str>,
    /// What a conversation without an id is known by again, for `affinity: session`.
    pub derived: Option<&'a str>,
    /// The name of the client key, for `affinity: key`.
    pub key: Option<&'a str>,
}

/// The trace that a session was told by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found<'a> {
    /// What it is, in the words of the request.
    pub kind: &'static str,
    pub id: &'a str,
}

/// The session of a request in a pool with this affinity; `None` when it has none or the pool wants none.
pub fn session(traces: &Traces<'_>, by: AffinityBy) -> Option<Session> {
    find(traces, by).map(|found| Session(hash(found.id.as_bytes())))
}

/// The trace that decides, as [`session`].
pub fn find<'a>(traces: &Traces<'a>, by: AffinityBy) -> Option<Found<'a>> {
    let key = || {
        let id = traces.key?;
        Some(Found { kind: "key", id })
    };
    let derived = || {
        let id = traces.derived?;
        Some(Found {
            kind: "derived",
            id,
        })
    };
    match by {
        AffinityBy::Session => traces.first().or_else(derived),
        AffinityBy::Stated => traces.first(),
        AffinityBy::Key => traces.first().or_else(key),
        AffinityBy::None => None,
    }
}

impl<'a> Traces<'a> {
    /// The first that there is, the key aside.
    pub fn first(&self) -> Option<Found<'a>> {
        [
            ("x-claude-code-session-id", self.claude_session),
            (
                "metadata.user_id",
                self.metadata_user_id.and_then(session_of_user_id),
            ),
            ("session-id", self.codex_session),
            ("prompt_cache_key", self.prompt_cache_key),
            ("conversation", self.conversation),
            ("previous_response_id", self.previous_response_id),
            ("session of a rewrite", self.given),
        ]
        .into_iter()
        .filter_map(|(kind, id)| Some(Found { kind, id: id? }))
        .find(|found| !found.id.is_empty())
    }
}

/// The session part of `metadata.user_id`: a JSON string in current Claude Code, `…_session_<uuid>` in older. Anything
/// else there names a user, not a session.
fn session_of_user_id(user_id: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct UserId<'a> {
        session_id: Option<&'a str>,
    }
    if user_id.starts_with('{') {
        let parsed: UserId<'_> = serde_json::from_str(user_id).ok()?;
        return parsed.session_id;
    }
    let (_, session) = user_id.rsplit_once("_session_")?;
    Some(session)
}

/// FNV-1a over the bytes, finalised so that every input bit reaches every output bit.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(FNV_OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    });
    mix(fnv)
}

/// The finaliser of `splitmix64`; also a way to draw again from a draw.
pub const fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// How far an account is from a session: the smallest wins. An exponential draw with the weight as its rate, so that
/// every account is nearest to its weight's share of all sessions.
pub fn distance(session: Session, account: u64, weight: f64) -> f64 {
    let bits = mix(session.0 ^ account.rotate_left(32));
    -unit(bits).ln() / weight
}

/// Random bits as a number between 0 and 1, both excluded.
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0f0f7cf5-6a7f-4d35-9b1c-6a2f6f6d1a11";

    fn check(traces: Traces<'_>, by: AffinityBy, expected: Option<&str>) {
        let expected = expected.map(|id| Session(hash(id.as_bytes())));
        assert_eq!(session(&traces, by), expected, "{traces:?}");
    }

    #[test]
    fn the_first_trace_in_order_wins() {
        let all = Traces {
            claude_session: Some("claude"),
            metadata_user_id: Some("user_1_account__session_old"),
            codex_session: Some("codex"),
            prompt_cache_key: Some("cache"),
            conversation: Some("conv"),
            previous_response_id: Some("resp"),
            given: Some("given"),
            derived: Some("derived"),
            key: Some("team"),
        };
        check(all, AffinityBy::Session, Some("claude"));
        let all = Traces {
            claude_session: None,
            ..all
        };
        check(all, AffinityBy::Session, Some("old"));
        let all = Traces {
            metadata_user_id: Some("just-a-user"),
            ..all
        };
        check(all, AffinityBy::Session, Some("codex"));
        let all = Traces {
            codex_session: Some(""),
            ..all
        };
        check(all, AffinityBy::Session, Some("cache"));
        let all = Traces {
            prompt_cache_key: None,
            ..all
        };
        check(all, AffinityBy::Session, Some("conv"));
        let all = Traces {
            conversation: None,
            ..all
        };
        check(all, AffinityBy::Session, Some("resp"));
        let all = Traces {
            previous_response_id: None,
            ..all
        };
        check(all, AffinityBy::Session, Some("given"));
        let all = Traces { given: None, ..all };
        check(all, AffinityBy::Session, Some("derived"));
        check(all, AffinityBy::Stated, None);
        check(all, AffinityBy::Key, Some("team"));
        check(all, AffinityBy::None, None);
    }

    #[test]
    fn both_shapes_of_metadata_user_id_give_the_session() {
        let json = format!(r#"{{"device_id":"d","account_uuid":"","session_id":"{UUID}"}}"#);
        let old = format!("user_ab12_account__session_{UUID}");
        for user_id in [json.as_str(), old.as_str()] {
            let traces = Traces {
                metadata_user_id: Some(user_id),
                ..Traces::default()
            };
            check(traces, AffinityBy::Session, Some(UUID));
        }
        for user_id in ["{", "{}", r#"{"session_id":5}"#, "", "alice"] {
            let traces = Traces {
                metadata_user_id: Some(user_id),
                ..Traces::default()
            };
            check(traces, AffinityBy::Session, None);
        }
    }

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(hash(b""), 0xc381_7c01_6ba4_ff30);
        assert_eq!(hash(b"claude-a"), 0x14af_919a_e912_565e);
        assert_ne!(hash(b"claude-a"), hash(b"claude-b"));
    }
}

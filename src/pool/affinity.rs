//! Which session a request belongs to, and which account a session prefers.
//!
//! The preference is weighted rendezvous hashing: every account gets a score from the session, the account name and the
//! weight, and the best score wins. There is no state: every host and every restart agree, and the loss of an account
//! moves only that account's sessions. The hash is FNV-1a with the `splitmix64` finaliser. It is written out here
//! because it is part of that promise: a change of the hash moves every session of a fleet once.
use serde::Deserialize;

use crate::config::AffinityBy;

/// The hash of a session id.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Session(pub u64);

/// The places in a request where a session id can stand. The parser of the request fills in those that are present.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traces<'a> {
    /// The header `x-claude-code-session-id`.
    pub claude_session: Option<&'a str>,
    /// The body's `metadata.user_id`.
    pub metadata_user_id: Option<&'a str>,
    /// The first of the headers `session-id`, `session_id`, `thread-id`, `x-session-id` and `x-session-affinity` that
    /// is present.
    pub codex_session: Option<&'a str>,
    /// The body's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// The body's `conversation`, or its `id`.
    pub conversation: Option<&'a str>,
    /// The body's `previous_response_id`.
    pub previous_response_id: Option<&'a str>,
    /// The session id that a rewrite gave to a request without one.
    pub given: Option<&'a str>,
    /// An id derived from the content of a conversation that has no id, for `affinity: session`.
    pub derived: Option<&'a str>,
    /// The name of the client key, for `affinity: key`.
    pub key: Option<&'a str>,
}

/// The trace from which the session was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found<'a> {
    /// The name of the header or body member.
    pub kind: &'static str,
    pub id: &'a str,
}

/// The session of a request in a pool with this affinity. `None` = the request has no session, or the pool uses none.
pub fn session(traces: &Traces<'_>, by: AffinityBy) -> Option<Session> {
    find(traces, by).map(|found| Session(hash(found.id.as_bytes())))
}

/// The trace that decides the session; the same choice as [`session`].
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
    /// The first trace that is present and not empty; `derived` and `key` are not considered.
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

/// The session part of `metadata.user_id`. Current versions of Claude Code send a JSON string with `session_id`; older
/// ones send `…_session_<uuid>`. Any other value names a user, not a session.
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

/// The finaliser of `splitmix64`. It also makes a new random draw out of an earlier one.
pub const fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The distance of an account from a session; the account with the smallest distance wins. This is an exponential draw
/// with the weight as its rate, so each account is nearest for a share of sessions in proportion to its weight.
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

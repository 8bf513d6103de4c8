//! Cache markers that Weir sets on translated requests. An upstream that refuses them is asked once more without them,
//! and the refusal is remembered.
use std::time::Instant;

use bytes::Bytes;
use memchr::memmem;

use super::Gateway;
use super::occasion::Occasion;
use crate::pool::Pick;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::target::PromptCache;
use crate::protocol::json::Pieces;

/// A request that was sent with markers, and what is needed to write it again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marked {
    occasion: Occasion,
}

impl Marked {
    /// The time and draw with which the request was written.
    pub(super) const fn occasion(self) -> Occasion {
        self.occasion
    }

    /// The marks of this body for an upstream of this dialect, if Weir may have set any.
    pub(super) fn of(
        pick: &Pick,
        upstream: UpstreamDialect,
        body: &Pieces,
        occasion: Occasion,
    ) -> Option<Self> {
        let may =
            upstream == UpstreamDialect::Anthropic && pick.account.prompt_cache != PromptCache::Off;
        let has = |piece: &Bytes| memmem::find(piece, MEMBER.as_bytes()).is_some();
        (may && body.iter().any(has)).then_some(Self { occasion })
    }
}

/// Whether conversations are marked for this account and model.
pub(super) fn wanted(gateway: &Gateway, pick: &Pick, now: Instant) -> PromptCache {
    let (account, wanted) = (&pick.account.name, pick.account.prompt_cache);
    let refused = || gateway.unmarked.includes(account, &pick.model, now);
    if wanted != PromptCache::Off && refused() {
        PromptCache::Refused
    } else {
        wanted
    }
}

/// Whether an answer of 400 or 422 is about cache markers.
pub(super) fn is_refusal(status: u16, body: &[u8]) -> bool {
    let named = |word: &&str| memmem::find(body, word.as_bytes()).is_some();
    matches!(status, 400 | 422) && NAMES.iter().any(named)
}

/// The member that Weir sets.
pub(super) const MEMBER: &str = "cache_control";

/// How servers name it in errors: by its member, by Bedrock's translation of it, or in words.
const NAMES: [&str; 6] = [
    MEMBER,
    "cachePoint",
    "prompt caching",
    "Prompt caching",
    "prompt_caching",
    "ephemeral",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_markers() {
        for (status, body, is) in [
            (
                400,
                r#"{"message":"system.0.cache_control: Extra inputs are not permitted"}"#,
                true,
            ),
            (
                422,
                r#"{"detail":[{"loc":["body","cache_control"],"msg":"extra"}]}"#,
                true,
            ),
            (
                400,
                r#"{"error":"This model does not support prompt caching."}"#,
                true,
            ),
            (500, r#"{"error":"cache_control"}"#, false),
            (400, r#"{"error":"max_tokens is required"}"#, false),
        ] {
            assert_eq!(is_refusal(status, body.as_bytes()), is, "{body}");
        }
    }
}

//! Parts of Gemini's answers, whole or streamed: the stop reason, the usage, ids for calls without one.
use serde_json::value::RawValue;

use super::error;
use crate::protocol::Dialect;
use crate::protocol::error::WireError;
use crate::protocol::hub::block::Foreign;
use crate::protocol::hub::digest::digest;
use crate::protocol::hub::response::{Refusal, Spent, Stop};
use crate::protocol::hub::stated::GeminiUsage;
use crate::protocol::hub::usage::Stated;

/// The hub's stop for a finish reason, or the error that it means; `None` while the model has not stopped.
pub(super) fn stop(reason: &str, message: Option<&str>) -> Option<Result<Stop, WireError>> {
    let word = reason.to_ascii_uppercase();
    Some(match word.as_str() {
        "" | "NULL" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" | "LENGTH" | "CONTINUATION" => Ok(Stop::MaxTokens),
        "SAFETY"
        | "PROHIBITED_CONTENT"
        | "BLOCKLIST"
        | "SPII"
        | "RECITATION"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED" => Ok(Stop::Refusal(Refusal {
            category: Some(reason.to_ascii_lowercase()),
            explanation: message.map(str::to_owned),
        })),
        "TOO_MANY_TOOL_CALLS" => Ok(Stop::Pause),
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "MISSING_THOUGHT_SIGNATURE"
        | "OTHER"
        | "NO_IMAGE"
        | "IMAGE_OTHER" => Err(error::of_finish(reason, message)),
        // `STOP` and unknown future reasons: the content is there.
        _ => Ok(Stop::End),
    })
}

/// The usage that the upstream states.
pub(super) fn spent(usage: GeminiUsage, searches: u64, maps: u64) -> Spent {
    let mut stated = Stated::from(usage);
    stated.extras.tools.maps = maps;
    Spent {
        usage: stated.usage,
        extras: stated.extras,
        web_searches: searches,
        tier: None,
    }
}

/// An id for a call that has none. The same call always gets the same id, wherever the conversation continues.
pub(super) fn made_id(place: &str, name: &str, args: &str) -> String {
    format!(
        "call_{}",
        digest(&format!("{place}:{name}:{args}"), ID_DIGITS)
    )
}

const ID_DIGITS: usize = 24;

/// Content that only Gemini understands.
pub(super) fn foreign(kind: &str, raw: &RawValue) -> Foreign {
    Foreign {
        dialect: Dialect::Gemini,
        kind: kind.to_owned(),
        raw: raw.to_owned(),
    }
}

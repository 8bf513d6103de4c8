//! Whole answers: what an upstream answers in this dialect, and what a client is answered in it.
use bytes::BytesMut;

use super::error;
use super::stream::{Decoder, Encoder};
use crate::protocol::error::WireError;
use crate::protocol::hub::collect::Collector;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, NoAnswer};
use crate::protocol::hub::names;
use crate::protocol::hub::replay;
use crate::protocol::hub::response::{Refusal, Response, Spent, Stop};
use crate::protocol::hub::stated::GeminiUsage;
use crate::protocol::hub::usage::Stated;

/// Reads an upstream's answer: a stream of one piece.
pub fn decode(body: &[u8]) -> Result<Response, NoAnswer> {
    let mut collector = Collector::default();
    let mut decoder = Decoder::default();
    decoder.push(body, &mut |event| collector.on(event))?;
    decoder.finish(&mut |event| collector.on(event))?;
    collector.finish()
}

/// Writes the answer for a client: everything that its stream would have told, in one piece.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let mut encoder = Encoder::whole(context.clone());
    let mut out = BytesMut::new();
    // Whole calls one after the other: none of the rules of streams can be broken.
    let _ = replay::response(response, &mut |event| encoder.on(event, &mut out));
    for loss in encoder.losses().as_slice() {
        losses.add(loss.clone());
    }
    out.to_vec()
}

/// Why the model stopped: a reason, a failure, or `None` while it has not.
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
        // `STOP`, and whatever is invented next: the content is there.
        _ => Ok(Stop::End),
    })
}

/// What was used.
pub(super) fn spent(usage: GeminiUsage, searches: u64) -> Spent {
    let stated = Stated::from(usage);
    Spent {
        usage: stated.usage,
        extras: stated.extras,
        web_searches: searches,
        tier: None,
    }
}

/// An id for a call that has none: the same for the same call, wherever the conversation goes on.
pub(super) fn made_id(place: &str, name: &str, args: &str) -> String {
    format!(
        "call_{}",
        names::digest(&format!("{place}:{name}:{args}"), ID_DIGITS)
    )
}

const ID_DIGITS: usize = 24;

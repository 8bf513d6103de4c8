//! Decodes an upstream's answer.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::details::Details;
use super::super::stream::{Piece, ThinkTags};
use super::super::wire::{
    AnnotationIn, AnswerIn, ContentIn, DeltaIn, ExtraIn, FunctionCallIn, SaidIn,
};
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Block, CallKind, Citation, Foreign, Reasoning, Segment, SegmentKind, Text, ToolCall,
};
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::opaque::{Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Str, is_string, without_position};
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::response::{Calls, Refusal, Response, Spent, Stop};
use crate::protocol::hub::stated::ChatUsage;
use crate::protocol::hub::target::Quirks;
use crate::protocol::hub::usage::Stated;

/// Reads an upstream's answer. `stamp` makes ids for calls that have none.
pub fn decode(body: &[u8], quirks: &Quirks, stamp: Stamp) -> Result<Response, Violation> {
    let mut answer: AnswerIn<'_> = serde_json::from_slice(body)
        .map_err(|error| Violation::unreadable(without_position(&error)))?;
    let stated = answer.take_usage();
    let choice = answer.choices.into_iter().min_by_key(|choice| choice.index);
    let Some(choice) = choice else {
        return Err(Violation::unreadable("the answer has no choices"));
    };
    let message = choice.message.unwrap_or_default();
    let refused = message
        .refusal
        .as_deref()
        .is_some_and(|refusal| !refusal.is_empty());
    let blocks = blocks(*message, quirks, stamp);
    let said = stop(choice.finish_reason.as_deref().unwrap_or_default())?;
    let said = if refused && said == Stop::End {
        Stop::Refusal(Refusal::default())
    } else {
        said
    };
    Ok(Response {
        id: answer.id.map(|id| id.to_owned()),
        model: answer.model.map(|model| model.to_owned()),
        stop: said.given(Calls::among(&blocks)),
        blocks,
        spent: stated.map(|usage| spent(usage, answer.service_tier.as_deref())),
    })
}

fn blocks(message: DeltaIn<'_>, quirks: &Quirks, stamp: Stamp) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut details = Details::default();
    if let Some(raw) = message.reasoning_details {
        details.push(raw);
    }
    let mut state = details.take();
    let mut think = |text: String| {
        if !text.is_empty() || state.is_some() {
            let visible = (!text.is_empty()).then_some(Segment {
                kind: SegmentKind::Raw,
                text,
            });
            blocks.push(Block::Reasoning(Reasoning {
                visible: visible.into_iter().collect(),
                opaque: state.take(),
                ..Reasoning::default()
            }));
        }
    };
    think(reasoning_text(&message).into_owned());
    let mut text = String::new();
    let mut refused = String::new();
    let mut lost = message.has_media();
    if let Some(content) = &message.content {
        let mut tags = ThinkTags::new(quirks.think_tags);
        let mut thought = String::new();
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Thought(piece) => thought.push_str(&piece),
            Piece::Refusal(piece) => refused.push_str(&piece),
        };
        // The closure never fails.
        lost |= pieces(content, &mut |piece| {
            match piece {
                Piece::Text(piece) => tags.push(&piece, |piece| take(piece.into_owned())),
                piece => take(piece),
            }
            Ok(())
        })
        .unwrap_or_default();
        tags.finish(&mut take);
        think(thought);
    }
    let citations = message
        .annotations
        .iter()
        .flatten()
        .filter_map(citation)
        .collect();
    if !text.is_empty() {
        blocks.push(Block::Text(Text {
            text,
            citations,
            cache: None,
        }));
    }
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        refused.push_str(&refusal);
    }
    if !refused.is_empty() {
        blocks.push(Block::Refusal(refused));
    }
    if lost {
        blocks.push(Block::Foreign(lost_part()));
    }
    let mut call = |id: Option<Str<'_>>, name: &str, args: Cow<'_, str>, kind, opaque| {
        let id = match id {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ => stamp.id("call_", blocks.len()),
        };
        blocks.push(Block::ToolCall(ToolCall {
            id,
            name: name.to_owned(),
            namespace: None,
            args: Args::new(args),
            kind,
            opaque,
            cache: None,
        }));
    };
    for tool_call in message.tool_calls {
        let opaque = tool_call.extra_content.and_then(signature);
        if let Some(custom) = tool_call.custom {
            let name = custom.name.unwrap_or_default();
            call(
                tool_call.id,
                &name,
                custom.input.unwrap_or_default().0,
                CallKind::Freeform,
                opaque,
            );
        } else if let Some(function) = tool_call.function {
            let name = function.name.as_deref().unwrap_or_default();
            call(
                tool_call.id,
                name,
                whole_arguments(&function),
                CallKind::Function,
                opaque,
            );
        }
    }
    if let Some(function) = message.function_call {
        let name = function.name.as_deref().unwrap_or_default();
        call(
            None,
            name,
            whole_arguments(&function),
            CallKind::Function,
            None,
        );
    }
    blocks
}

/// The reasoning of a message, from any of the fields that vendors use.
pub fn reasoning_text<'a>(message: &DeltaIn<'a>) -> Cow<'a, str> {
    match &message.reasoning_content {
        Some(text) if !text.is_empty() => text.0.clone(),
        _ => [
            &message.reasoning,
            &message.reasoning_text,
            &message.thinking,
        ]
        .into_iter()
        .flatten()
        .map(part_text)
        .find(|text| !text.is_empty())
        .unwrap_or_default(),
    }
}

/// Emits the pieces of content, which is a string or a list of parts. Returns whether there was a part that the hub
/// cannot express.
pub fn pieces<'a>(
    content: &ContentIn<'a>,
    on: &mut dyn FnMut(Piece<'a>) -> Result<(), Violation>,
) -> Result<bool, Violation> {
    let raw = match content {
        ContentIn::Text(text) => {
            on(Piece::Text(text.0.clone()))?;
            return Ok(false);
        }
        ContentIn::Other(raw) => raw,
    };
    let parts: Vec<&RawValue> = match serde_json::from_str(raw.get()) {
        Ok(parts) => parts,
        Err(_) => vec![raw],
    };
    let mut lost = false;
    for part in parts {
        let part = if is_string(part) {
            SaidIn {
                text: Some(Str(string(part))),
                ..SaidIn::default()
            }
        } else if let Ok(part) = serde_json::from_str::<SaidIn<'_>>(part.get()) {
            part
        } else {
            lost = true;
            continue;
        };
        match (part.kind.as_deref(), part.thinking, part.refusal, part.text) {
            // Mistral has a list of texts here, other vendors a string.
            (Some("thinking" | "reasoning"), thinking, _, text) => {
                let thought = thinking
                    .map(|content| part_text(&content))
                    .or(text.map(|text| text.0));
                on(Piece::Thought(thought.unwrap_or_default()))?;
            }
            (Some("refusal"), _, Some(refusal), _) => on(Piece::Refusal(refusal.0))?,
            (_, _, _, Some(text)) => on(Piece::Text(text.0))?,
            _ => lost = true,
        }
    }
    Ok(lost)
}

/// The whole text of content.
pub fn part_text<'a>(content: &ContentIn<'a>) -> Cow<'a, str> {
    let mut all = Cow::Borrowed("");
    // The closure never fails.
    let _ = pieces(content, &mut |piece| {
        let (Piece::Text(text) | Piece::Thought(text) | Piece::Refusal(text)) = piece;
        if all.is_empty() {
            all = text;
        } else {
            all.to_mut().push_str(&text);
        }
        Ok(())
    });
    all
}

/// The arguments of a call: by the specification a string; some servers write the object itself.
pub fn arguments<'a>(call: &FunctionCallIn<'a>) -> Cow<'a, str> {
    match call.arguments {
        None => Cow::Borrowed(""),
        Some(raw) if is_string(raw) => string(raw),
        Some(raw) => Cow::Borrowed(raw.get()),
    }
}

/// The arguments of a whole call. Some servers write `null` for a tool without parameters.
fn whole_arguments<'a>(call: &FunctionCallIn<'a>) -> Cow<'a, str> {
    let args = arguments(call);
    if args.trim() == "null" {
        return Cow::Borrowed("");
    }
    args
}

fn string(raw: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<Str<'_>>(raw.get()).map_or(Cow::Borrowed(""), |text| text.0)
}

/// The state of a call, which Google's Chat endpoint adds.
pub fn signature(extra: &RawValue) -> Option<Opaque> {
    let extra: ExtraIn<'_> = serde_json::from_str(extra.get()).ok()?;
    let signature = extra.google?.thought_signature?;
    (!signature.is_empty())
        .then(|| Opaque::native(Vendor::Gemini, OpaqueKind::Thought, &*signature))
}

/// Stands for a part of an answer that the hub cannot express, for example an image.
pub fn lost_part() -> Foreign {
    Foreign {
        dialect: Dialect::OpenaiChat,
        kind: "part".to_owned(),
        raw: RawValue::from_string("null".to_owned()).unwrap_or_default(),
    }
}

/// The citation in an annotation, if it is one.
pub fn citation(annotation: &AnnotationIn<'_>) -> Option<Citation> {
    let citation = annotation.url_citation.as_ref()?;
    Some(Citation::Url {
        url: citation.url.as_ref()?.to_owned(),
        title: citation
            .title
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned)
            .unwrap_or_default(),
        cited_text: String::new(),
        index: None,
    })
}

/// The hub's stop for a finish reason. Servers invent spellings, in upper and lower case. An unknown reason counts as a
/// natural end, because the content is there; only the known words for a failure are errors.
pub fn stop(reason: &str) -> Result<Stop, Violation> {
    let word = reason.to_ascii_lowercase().replace('-', "_");
    Ok(match word.as_str() {
        "stop_sequence" => Stop::Sequence(None),
        "length" | "max_tokens" | "max_output_tokens" | "max_length" | "model_length"
        | "token_limit" | "incomplete" => Stop::MaxTokens,
        "model_context_window_exceeded"
        | "context_window_exceeded"
        | "context_length_exceeded"
        | "context_length" => Stop::ContextFull,
        "tool_calls" | "tool_call" | "tool_use" | "function_call" | "function_calls" => {
            Stop::ToolUse
        }
        "content_filter" | "content_filtered" | "refusal" | "safety" | "sensitive"
        | "recitation" | "blocklist" | "prohibited_content" | "spii" => {
            Stop::Refusal(Refusal::default())
        }
        "error"
        | "network_error"
        | "abort"
        | "aborted"
        | "insufficient_system_resource"
        | "timeout"
        | "cancelled"
        | "canceled" => {
            let message = format!("the upstream gave up: `{reason}`");
            return Err(Violation::new("upstream_gave_up", message));
        }
        _ => Stop::End,
    })
}

/// The usage that the upstream states.
pub fn spent(usage: ChatUsage, tier: Option<&str>) -> Spent {
    let stated = Stated::from(usage);
    Spent {
        usage: stated.usage,
        extras: stated.extras,
        web_searches: 0,
        tier: match tier {
            Some("default") => Some(Tier::Standard),
            Some("priority") => Some(Tier::Priority),
            Some("flex") => Some(Tier::Flex),
            Some("scale") => Some(Tier::Scale),
            Some("fast") => Some(Tier::Fast),
            _ => None,
        },
    }
}

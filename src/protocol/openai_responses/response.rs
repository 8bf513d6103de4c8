//! Whole answers in this dialect: decodes an upstream's answer, encodes an answer for a client.
use bytes::BytesMut;
use serde_json::value::RawValue;

use super::request::items;
use super::stream::Encoder;
use super::wire::{AnnotationIn, ItemIn, PartIn, ResponseIn, SearchIn};
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Block, CallKind, Citation, Foreign, Hosted, Page, ServerToolResult, Text, ToolCall,
};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, RequestFault, Violation};
use crate::protocol::hub::read::{Path, Str, is_string, without_position};
use crate::protocol::hub::replay;
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::response::{Calls, Refusal, Response, Spent, Stop};
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough::is_visit;

/// Reads an upstream's answer.
pub fn decode(body: &[u8]) -> Result<Response, Violation> {
    let answer: ResponseIn<'_> = serde_json::from_slice(body)
        .map_err(|error| Violation::unreadable(without_position(&error)))?;
    if !matches!(answer.status.as_deref(), Some("completed" | "incomplete")) {
        return Err(Violation::unreadable(
            "the answer is neither completed nor incomplete",
        ));
    }
    let mut blocks = Vec::with_capacity(answer.output.len());
    let mut searches = 0;
    for raw in &answer.output {
        let item: ItemIn<'_> = serde_json::from_str(raw.get())
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        searches += u64::from(is_search(&item));
        blocks.extend(self::blocks(raw, &item).map_err(|fault| Violation::unreadable(&fault))?);
    }
    let refused = blocks
        .iter()
        .any(|block| matches!(block, Block::Refusal(_)));
    let stop = match stop(&answer) {
        Stop::End if refused => Stop::Refusal(Refusal::default()),
        stop => stop,
    };
    Ok(Response {
        stop: stop.given(Calls::among(&blocks)),
        spent: spent(&answer, searches),
        id: answer.id.map(|id| id.to_owned()),
        model: answer.model.map(|model| model.to_owned()),
        blocks,
    })
}

/// Writes the answer for a client: the answer that the last event of its stream would contain.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let mut encoder = Encoder::new(context.clone());
    let mut stream = BytesMut::new();
    // A whole answer has its calls complete and one after the other, so it breaks no rule of streams.
    let _ = replay::response(response, &mut |event| encoder.on(event, &mut stream));
    for loss in encoder.losses().as_slice() {
        losses.add(loss.clone());
    }
    encoder.into_answer()
}

/// The content of one item of an answer.
pub(super) fn blocks(raw: &RawValue, item: &ItemIn<'_>) -> Result<Vec<Block>, RequestFault> {
    let path = Path::top("output");
    let kind = item.kind.as_deref().unwrap_or("message");
    Ok(match kind {
        "message" => {
            let Some(content) = item.content else {
                return Ok(Vec::new());
            };
            if is_string(content) {
                let text: Str<'_> = path.read(content)?;
                return Ok(vec![Block::Text(Text::plain(text.to_owned()))]);
            }
            let parts: Vec<PartIn<'_>> = path.read(content)?;
            parts.iter().filter_map(part).collect()
        }
        "reasoning" => vec![Block::Reasoning(items::reasoning(item, &path)?)],
        "function_call" | "custom_tool_call" => vec![Block::ToolCall(items::call(item, &path)?)],
        "web_search_call" => web_search(raw, item),
        kind => vec![Block::Foreign(foreign(kind, raw))],
    })
}

fn part(part: &PartIn<'_>) -> Option<Block> {
    match (&*part.kind, &part.text, &part.refusal) {
        ("refusal", _, Some(refusal)) => Some(Block::Refusal(refusal.to_owned())),
        (_, Some(text), _) if !text.is_empty() => Some(Block::Text(Text {
            text: text.to_owned(),
            citations: part
                .annotations
                .iter()
                .filter_map(|raw| citation(raw))
                .collect(),
            cache: None,
        })),
        _ => None,
    }
}

/// Whether the item is a search that costs something; to open a page or to look into it does not.
pub(super) fn is_search(item: &ItemIn<'_>) -> bool {
    let kind = || action(item).kind;
    item.kind.as_deref() == Some("web_search_call") && !kind().is_some_and(|kind| is_visit(&kind))
}

fn action<'a>(item: &ItemIn<'a>) -> SearchIn<'a> {
    item.action
        .and_then(|action| serde_json::from_str(action.get()).ok())
        .unwrap_or_default()
}

/// A search that the provider ran: the query as the arguments, and the pages, if they were requested.
fn web_search(raw: &RawValue, item: &ItemIn<'_>) -> Vec<Block> {
    let action = action(item);
    let id = item.id.as_ref().map(Str::to_owned).unwrap_or_default();
    let pages = action.sources.into_iter().filter_map(|source| source.url);
    let result = ServerToolResult {
        kind: Hosted::WebSearch,
        call_id: id.clone(),
        pages: pages
            .map(|url| Page {
                title: url.to_owned(),
                url: url.to_owned(),
            })
            .collect(),
        raw: foreign("web_search_call", raw),
    };
    let call = ToolCall {
        id,
        name: "web_search".to_owned(),
        namespace: None,
        args: Args::new(match action.query {
            Some(query) => serde_json::json!({ "query": *query }).to_string(),
            None => String::new(),
        }),
        kind: CallKind::Server(Hosted::WebSearch),
        opaque: None,
        cache: None,
    };
    vec![Block::ToolCall(call), Block::ServerToolResult(result)]
}

fn foreign(kind: &str, raw: &RawValue) -> Foreign {
    Foreign {
        dialect: Dialect::OpenaiResponses,
        kind: kind.to_owned(),
        raw: raw.to_owned(),
    }
}

/// The citation of one annotation.
pub(super) fn citation(raw: &RawValue) -> Option<Citation> {
    let annotation: AnnotationIn<'_> = serde_json::from_str(raw.get()).ok()?;
    Some(match (&*annotation.kind, annotation.url) {
        ("url_citation", Some(url)) => Citation::Url {
            url: url.to_owned(),
            title: annotation
                .title
                .map(|title| title.to_owned())
                .unwrap_or_default(),
            cited_text: String::new(),
            index: None,
        },
        (kind, _) => Citation::Foreign(foreign(kind, raw)),
    })
}

/// The hub's stop for the status.
pub(super) fn stop(response: &ResponseIn<'_>) -> Stop {
    if response.status.as_deref() != Some("incomplete") {
        return Stop::End;
    }
    let reason = response.incomplete_details.as_ref();
    match reason.and_then(|details| details.reason.as_deref()) {
        Some("content_filter") => Stop::Refusal(Refusal::default()),
        Some("max_messages" | "steered") => Stop::Pause,
        _ => Stop::MaxTokens,
    }
}

/// The usage that the upstream states, with the searches that it ran.
pub(super) fn spent(response: &ResponseIn<'_>, searches: u64) -> Option<Spent> {
    let stated = Stated::from(response.usage?);
    Some(Spent {
        usage: stated.usage,
        extras: stated.extras,
        web_searches: searches,
        tier: response.service_tier.as_deref().and_then(tier),
    })
}

/// The service tier with this name.
pub(super) fn tier(name: &str) -> Option<Tier> {
    Some(match name {
        "auto" => Tier::Auto,
        "default" => Tier::Standard,
        "fast" => Tier::Fast,
        "flex" => Tier::Flex,
        "priority" => Tier::Priority,
        "scale" => Tier::Scale,
        _ => return None,
    })
}

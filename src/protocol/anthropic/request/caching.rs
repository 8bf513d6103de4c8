//! Cache markers for conversations whose client sets none, because in the client's dialect caching needs no markers.
//!
//! A write into the cache costs a quarter more than the prompt itself, so only a prompt that will be read again is
//! marked: a conversation that is longer than the least length that is cached at all. One marker stands at the end of
//! the part that never changes. Another stands at the end of the conversation and moves with it: Anthropic sets that
//! one itself when it is requested at the top of the request; for other servers that speak the dialect it is set on the
//! last block, plus one more within the 20 blocks before it in which an earlier write is looked up.
use super::super::wire::{BlockOut, CacheOut, RequestOut, ToolOut};
use super::messages::mark;
use crate::protocol::hub::block::{Block, Ttl};
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::estimate;
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::request::{Request, Role, Tool};
use crate::protocol::hub::target::{PromptCache, Target};

/// Marks `out`, if markers are wanted and pay off.
pub fn mark_all(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'_>,
) {
    let ttl = match target.prompt_cache {
        PromptCache::Off => return,
        PromptCache::Auto | PromptCache::Refused => Ttl::Default,
        PromptCache::Hour => Ttl::Long,
    };
    if has_marker(request)
        || !is_conversation(request)
        || estimate::prompt(request) < target.capabilities.cached_from
    {
        return;
    }
    if target.prompt_cache == PromptCache::Refused {
        losses.omit("cache_control");
        return;
    }
    let marker = CacheOut::of(ttl);
    if let Some(place) = fixed_end(out) {
        *place = Some(marker);
    }
    if target.quirks.vendor == Vendor::Anthropic {
        out.cache_control = Some(marker);
        return;
    }
    let mut blocks: Vec<&mut BlockOut<'_>> = out
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.content)
        .collect();
    let count = blocks.len();
    let mut set = |range: std::ops::Range<usize>, from_end: bool| {
        let Some(blocks) = blocks.get_mut(range) else {
            return;
        };
        let mut places = blocks.iter_mut().filter_map(|block| mark(block));
        let place = if from_end {
            places.next_back()
        } else {
            places.next()
        };
        if let Some(place) = place {
            *place = Some(marker);
        }
    };
    set(0..count, true);
    if count > LOOKBACK {
        set(count - LOOKBACK..count - 1, false);
    }
}

/// The place for the marker of the unchanging part: behind the system text, which follows the tools, else behind the
/// tools.
fn fixed_end<'m>(out: &'m mut RequestOut<'_>) -> Option<&'m mut Option<CacheOut>> {
    match out.system.last_mut() {
        Some(last) => mark(last),
        None => out.tools.iter_mut().rev().find_map(|tool| match tool {
            ToolOut::Custom { cache_control, .. } => Some(cache_control),
            ToolOut::Hosted(_) => None,
        }),
    }
}

/// Whether the client has set a marker itself. Its markers are then kept and none is added.
fn has_marker(request: &Request) -> bool {
    let tools = || {
        let marked = |tool: &Tool| matches!(tool, Tool::Function(tool) if tool.cache.is_some());
        request.tools.iter().any(marked)
    };
    let nested = |block: &Block| match block {
        Block::ToolResult(result) => result.blocks.iter().any(Block::has_cache_mark),
        _ => false,
    };
    request.cache.auto.is_some()
        || request.system.iter().any(|text| text.cache.is_some())
        || tools()
        || request
            .blocks()
            .any(|block| block.has_cache_mark() || nested(block))
}

/// Whether a longer version of the prompt is likely to follow.
fn is_conversation(request: &Request) -> bool {
    !request.tools.is_empty()
        || request.identity.session.is_some()
        || request
            .turns
            .iter()
            .any(|turn| turn.role == Role::Assistant)
}

/// The number of blocks before a marker in which an earlier write is looked up.
const LOOKBACK: usize = 20;

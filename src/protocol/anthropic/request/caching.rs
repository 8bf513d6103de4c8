//! Cache markers for conversations whose client sets none: a client of another dialect cannot know that here it has to ask.
//!
//! A write into the cache costs a quarter more than the prompt itself, so only what will be read again is marked: a conversation, above
//! the least length that is cached at all. One marker stands at the end of what never changes, and one at the end of the conversation,
//! which moves: Anthropic itself sets that one when asked at the top of the request; servers that are not Anthropic's get it on the
//! last block, with one more within the 20 blocks in which an earlier write is looked for.
use super::super::wire::{BlockOut, CacheOut, RequestOut, ToolOut};
use super::messages::mark;
use crate::protocol::hub::block::{Block, Ttl};
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::estimate;
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::request::{Request, Role, Tool};
use crate::protocol::hub::target::{PromptCache, Target};

/// Marks `out`, where that is wanted and worth it.
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

/// Where the marker of what never changes belongs: behind the system text, which comes after the tools, else behind the tools.
fn fixed_end<'m>(out: &'m mut RequestOut<'_>) -> Option<&'m mut Option<CacheOut>> {
    match out.system.last_mut() {
        Some(last) => mark(last),
        None => out.tools.iter_mut().rev().find_map(|tool| match tool {
            ToolOut::Custom { cache_control, .. } => Some(cache_control),
            ToolOut::Hosted(_) => None,
        }),
    }
}

/// Whether the client has set a marker itself: then it knows what it wants.
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

/// Whether the prompt will come again, longer.
fn is_conversation(request: &Request) -> bool {
    !request.tools.is_empty()
        || request.identity.session.is_some()
        || request
            .turns
            .iter()
            .any(|turn| turn.role == Role::Assistant)
}

/// How many blocks before a marker an earlier write is looked for.
const LOOKBACK: usize = 20;

//! The grounding of an answer: searches that the model made, and the pages that it cites.
use serde_json::value::RawValue;

use super::super::said::{self, foreign};
use super::super::wire::GroundingIn;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{CallKind, Citation, Hosted, Page, ServerToolResult, ToolCall};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::read::without_position;

/// Emits the searches, each as a finished call. The pages go with the last one. `salt` distinguishes the searches from
/// those of other answers.
pub fn searched(
    grounding: &GroundingIn<'_>,
    salt: &str,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let web = grounding
        .grounding_chunks
        .iter()
        .filter_map(|chunk| chunk.web.as_ref());
    let mut pages: Vec<Page> = web
        .map(|web| Page {
            url: web.uri.to_owned(),
            title: web.title.as_deref().unwrap_or(&web.uri).to_owned(),
        })
        .collect();
    for (index, query) in grounding.web_search_queries.iter().enumerate() {
        let args = serde_json::json!({ "query": **query }).to_string();
        let id = said::made_id(&format!("{salt}:s{index}"), NAME, &args);
        let is_last = index + 1 == grounding.web_search_queries.len();
        on(Event::ServerCall(Box::new(ToolCall {
            id: id.clone(),
            name: NAME.to_owned(),
            namespace: None,
            args: Args::new(args.as_str()),
            kind: CallKind::Server(Hosted::WebSearch),
            opaque: None,
            cache: None,
        })))?;
        let raw = RawValue::from_string(args)
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        on(Event::ServerResult(ServerToolResult {
            kind: Hosted::WebSearch,
            call_id: id,
            pages: if is_last {
                std::mem::take(&mut pages)
            } else {
                Vec::new()
            },
            raw: foreign("webSearchQueries", &raw),
        }))?;
    }
    Ok(())
}

/// Emits citations: one per passage and page, or without passages one per page.
pub fn cite(
    grounding: &GroundingIn<'_>,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let mut tell = |index: usize, cited: &str| match grounding.grounding_chunks.get(index) {
        Some(chunk) => match &chunk.web {
            Some(web) => on(Event::Citation(Citation::Url {
                url: web.uri.to_owned(),
                title: web
                    .title
                    .as_ref()
                    .map(crate::protocol::hub::read::Str::to_owned)
                    .unwrap_or_default(),
                cited_text: cited.to_owned(),
                index: None,
            })),
            None => Ok(()),
        },
        None => Ok(()),
    };
    if grounding.grounding_supports.is_empty() {
        return (0..grounding.grounding_chunks.len()).try_for_each(|index| tell(index, ""));
    }
    for support in &grounding.grounding_supports {
        let segment = support
            .segment
            .as_ref()
            .and_then(|segment| segment.text.as_deref());
        for index in &support.grounding_chunk_indices {
            tell(*index, segment.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// The name of the search tool.
const NAME: &str = "web_search";

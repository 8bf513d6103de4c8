//! The tools that `OpenAI` ran for a response and charges by the call.
use ahash::HashSet;
use serde::Deserialize;

use super::peek::{Text, lenient, type_of};
use crate::protocol::hub::usage::Tools;
use crate::protocol::json;

/// The calls of hosted tools among the items of a response. `given` are the tools of the request, which the response
/// repeats.
pub(super) fn tools_in(output: &[u8], given: Option<&[u8]>) -> Tools {
    let mut tools = Tools::default();
    let mut containers = HashSet::default();
    for item in json::elements(output).unwrap_or_default() {
        let item = output.get(item).unwrap_or_default();
        match type_of(item).as_deref() {
            Some("web_search_call") => tools.web_searches += u64::from(!visits_page(item)),
            Some("file_search_call") => tools.file_searches += 1,
            Some("code_interpreter_call") => {
                // All calls in one container are one session. Calls that name no container count as one session if no
                // call names one.
                tools.code_sessions = tools.code_sessions.max(1);
                let call: Code<'_> = serde_json::from_slice(item).unwrap_or_default();
                containers.extend(call.container.map(|container| container.0));
            }
            _ => {}
        }
    }
    tools.code_sessions = tools.code_sessions.max(containers.len() as u64);
    // A call does not state which of the two search tools it used; a response has only one of them.
    if tools.web_searches > 0 && given.is_some_and(has_preview) {
        tools.web_search_previews = std::mem::take(&mut tools.web_searches);
    }
    tools
}

/// Whether a call of the search tool opened a page or looked into it, which costs nothing, instead of searching.
fn visits_page(item: &[u8]) -> bool {
    let call: Search<'_> = serde_json::from_slice(item).unwrap_or_default();
    let kind = call.action.and_then(|action| action.kind);
    kind.is_some_and(|kind| is_visit(&kind.0))
}

/// Whether this type of action of the search tool is not a search.
pub fn is_visit(kind: &str) -> bool {
    matches!(kind, "open_page" | "find_in_page" | "find")
}

/// Whether the older search tool is among these: `web_search_preview`, possibly followed by a date.
fn has_preview(given: &[u8]) -> bool {
    let items = json::elements(given).unwrap_or_default();
    items.into_iter().any(|item| {
        let item = given.get(item).unwrap_or_default();
        type_of(item).is_some_and(|kind| kind.starts_with("web_search_preview"))
    })
}

#[derive(Default, Deserialize)]
struct Search<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    action: Option<Action<'a>>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow, default, deserialize_with = "lenient", rename = "type")]
    kind: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct Code<'a> {
    #[serde(borrow, default, deserialize_with = "lenient", rename = "container_id")]
    container: Option<Text<'a>>,
}

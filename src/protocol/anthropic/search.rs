//! Web searches that another provider ran, in the blocks that this dialect uses for its own: agents count the searches
//! by these blocks and show the pages.
use std::borrow::Cow;

use serde::Serialize;

use crate::protocol::hub::block::{CallKind, Hosted, ServerToolResult, ToolCall};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::digest::digest;
use crate::protocol::hub::opaque;

/// A page that was found.
#[derive(Debug, Serialize)]
pub struct PageOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    title: &'a str,
    encrypted_content: String,
    page_age: Option<()>,
}

/// Whether the call is a search.
pub fn is_search(call: &ToolCall) -> bool {
    call.kind == CallKind::Server(Hosted::WebSearch)
}

/// The id of the call and of its result, in the form that this dialect prescribes.
pub fn id(id: &str) -> String {
    format!("srvtoolu_{}", digest(id, ID_DIGITS))
}

/// The query, as an object.
pub fn input(call: &ToolCall) -> Cow<'_, str> {
    call.args.object()
}

/// The pages. Where Anthropic has encrypted content, this has an envelope that names the vendor.
pub fn pages<'a>(result: &'a ServerToolResult, context: &Context) -> Vec<PageOut<'a>> {
    let page = |page: &'a crate::protocol::hub::block::Page| PageOut {
        kind: "web_search_result",
        url: &page.url,
        title: &page.title,
        encrypted_content: opaque::seal(&context.origin.mark()),
        page_age: None,
    };
    result.pages.iter().map(page).collect()
}

/// The name of the search tool.
pub const NAME: &str = "web_search";

const ID_DIGITS: usize = 24;

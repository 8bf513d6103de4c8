//! Searches that another provider ran, told as this dialect tells its own: agents count them by these blocks and show the pages.
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

/// The id under which the call and its result are told: the dialect has a form for it.
pub fn id(id: &str) -> String {
    format!("srvtoolu_{}", digest(id, ID_DIGITS))
}

/// What was searched for, as an object.
pub fn input(call: &ToolCall) -> Cow<'_, str> {
    call.args.object()
}

/// The pages. What Anthropic encrypts of them is an envelope: it tells whose they are.
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

/// What a search is called.
pub const NAME: &str = "web_search";

const ID_DIGITS: usize = 24;

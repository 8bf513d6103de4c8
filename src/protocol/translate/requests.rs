//! What can be asked of a request before anybody is chosen to serve it.
use std::borrow::Cow;

use crate::protocol::hub::block::Block;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::{Request, Role};
use crate::protocol::hub::{estimate as hub_estimate, history};
use crate::protocol::json::{Document, Members, surrogates};
use crate::protocol::{Dialect, anthropic, gemini, openai_chat, openai_responses};

/// Reads a client's request. Of a Gemini client, whose path says more, only the body: see [`decode_gemini`].
pub fn decode(client: Dialect, body: &[u8]) -> Result<Request, RequestFault> {
    read(client, &Document::new(&surrogates::replaced(body)), whole())
}

/// As [`decode`], of a body whose `members` are known; of a Gemini client with what its path says.
pub fn decode_scanned(
    client: Dialect,
    (body, members): (&[u8], &Members),
    path: (&str, gemini::Delivery),
) -> Result<Request, RequestFault> {
    match surrogates::replaced(body) {
        Cow::Borrowed(body) => read(client, &Document::scanned(body, members), path),
        Cow::Owned(body) => read(client, &Document::new(&body), path),
    }
}

/// What a path says that says nothing.
const fn whole() -> (&'static str, gemini::Delivery) {
    ("", gemini::Delivery::Whole)
}

fn read(
    client: Dialect,
    document: &Document<'_>,
    (model, delivery): (&str, gemini::Delivery),
) -> Result<Request, RequestFault> {
    #[cfg(test)]
    DECODES.set(DECODES.get() + 1);
    let request = match client {
        Dialect::Anthropic => anthropic::request::read(document),
        Dialect::OpenaiChat => openai_chat::request::read(document),
        Dialect::OpenaiResponses => openai_responses::request::read(document),
        Dialect::Gemini => gemini::request::read(document, model, delivery),
    };
    settled(request?)
}

/// Reads the request of a Gemini client, whose path says the model and how the answer is to be delivered.
pub fn decode_gemini(
    body: &[u8],
    model: &str,
    delivery: gemini::Delivery,
) -> Result<Request, RequestFault> {
    let body = surrogates::replaced(body);
    read(Dialect::Gemini, &Document::new(&body), (model, delivery))
}

#[cfg(test)]
thread_local! {
    static DECODES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many requests this thread has decoded.
#[cfg(test)]
pub(crate) fn decodes() -> u64 {
    DECODES.get()
}

/// What is put in order for every target: calls that share an id are told apart, instructions in front of the first message lead.
fn settled(mut request: Request) -> Result<Request, RequestFault> {
    let leading = request
        .turns
        .iter()
        .take_while(|turn| turn.role == Role::System)
        .count();
    for turn in request.turns.drain(..leading) {
        let texts = turn.blocks.into_iter().filter_map(|block| match block {
            Block::Text(text) => Some(text),
            _ => None,
        });
        request.system.extend(texts);
    }
    if request.turns.iter().all(|turn| turn.blocks.is_empty()) {
        let (param, what) = match request.client {
            Dialect::Anthropic | Dialect::OpenaiChat => ("messages", "message"),
            Dialect::Gemini => ("contents", "content"),
            Dialect::OpenaiResponses => ("input", "item"),
        };
        let message =
            format!("there is nothing to answer; send at least one {what} that is not empty");
        return Err(RequestFault::new(param, message));
    }
    history::tell_apart(&mut request.turns);
    Ok(request)
}

/// A guess at the tokens of a prompt.
pub fn estimate(request: &Request) -> u64 {
    hub_estimate::prompt(request)
}

//! What is known of a request before an account is chosen to serve it.
use std::borrow::Cow;

use crate::protocol::hub::block::Block;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::{Request, Role, Turn};
use crate::protocol::hub::{estimate as hub_estimate, history};
use crate::protocol::json::{Document, Members, surrogates};
use crate::protocol::{Dialect, anthropic, gemini, openai_chat, openai_responses};

/// Decodes a client's request. For a Gemini client, whose path contains the model and the delivery, see
/// [`decode_gemini`].
pub fn decode(client: Dialect, body: &[u8]) -> Result<Request, RequestFault> {
    bounded(client, body)?;
    read(client, &Document::new(&surrogates::replaced(body)), whole())
}

/// The same as [`decode`], for a body whose `members` are known; for a Gemini client, also with the values from its
/// path.
pub fn decode_scanned(
    client: Dialect,
    (body, members): (&[u8], &Members),
    path: (&str, gemini::Delivery),
) -> Result<Request, RequestFault> {
    bounded(client, body)?;
    match surrogates::replaced(body) {
        Cow::Borrowed(body) => read(client, &Document::scanned(body, members), path),
        Cow::Owned(body) => read(client, &Document::new(&body), path),
    }
}

/// Limits the number of values in a request: decoding takes memory for each of them, however short it is. More values
/// than a model can read are refused: every object and every value is at least one token.
fn bounded(client: Dialect, body: &[u8]) -> Result<(), RequestFault> {
    let within = |(objects, commas)| objects <= MOST_OBJECTS && commas <= MOST_COMMAS;
    // A cheap upper bound, which suffices for almost every body: it also counts characters within texts.
    let most = |byte| memchr::memchr_iter(byte, body).count();
    if body.len() <= MOST_OBJECTS || within((most(b'{'), most(b','))) || within(counted(body)) {
        return Ok(());
    }
    let message = format!(
        "more than {MOST_OBJECTS} objects or {MOST_COMMAS} values are not translated; send fewer messages, parts and tools"
    );
    Err(RequestFault::new(place(client), message))
}

/// The number of objects and commas in a body, outside of its texts.
fn counted(body: &[u8]) -> (usize, usize) {
    let (mut objects, mut commas, mut at) = (0, 0, 0);
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' => objects += 1,
            b',' => commas += 1,
            b'"' => {
                let rest = body.get(at..).unwrap_or_default();
                let mut ends = memchr::memchr2_iter(b'"', b'\\', rest);
                let mut escaped = None;
                let end = ends.find(|end| {
                    let counts = escaped != Some(*end);
                    if counts && rest.get(*end) == Some(&b'\\') {
                        escaped = Some(end + 1);
                        return false;
                    }
                    counts
                });
                at += end.map_or(rest.len(), |end| end + 1);
            }
            _ => {}
        }
    }
    (objects, commas)
}

/// Most objects in a translated request: messages, parts, tools, nested schemas.
const MOST_OBJECTS: usize = 200_000;
/// Most commas, and so most values, in a translated request.
const MOST_COMMAS: usize = 1_000_000;

/// The member that contains the conversation.
const fn place(client: Dialect) -> &'static str {
    match client {
        Dialect::Anthropic | Dialect::OpenaiChat => "messages",
        Dialect::Gemini => "contents",
        Dialect::OpenaiResponses => "input",
    }
}

/// The path values for a request whose path has none.
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

/// Decodes the request of a Gemini client, whose path contains the model and the delivery.
pub fn decode_gemini(
    body: &[u8],
    model: &str,
    delivery: gemini::Delivery,
) -> Result<Request, RequestFault> {
    bounded(Dialect::Gemini, body)?;
    let body = surrogates::replaced(body);
    read(Dialect::Gemini, &Document::new(&body), (model, delivery))
}

#[cfg(test)]
thread_local! {
    static DECODES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The number of requests that this thread has decoded.
#[cfg(test)]
pub(crate) fn decodes() -> u64 {
    DECODES.get()
}

/// Repairs a request for every target: calls with the same id get distinct ids, and instructions before the first
/// message become the system text.
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
    ask_what_instructs(&mut request);
    let is_empty = request.turns.iter().all(|turn| turn.blocks.is_empty());
    // An extra that replaces the conversation is refused by its own name.
    if is_empty && !request.is_refused_by_extras() {
        let what = match request.client {
            Dialect::Anthropic | Dialect::OpenaiChat => "message",
            Dialect::Gemini => "content",
            Dialect::OpenaiResponses => "item",
        };
        let message =
            format!("there is nothing to answer; send at least one {what} that is not empty");
        return Err(RequestFault::new(place(request.client), message));
    }
    history::tell_apart(&mut request.turns);
    Ok(request)
}

/// OpenAI's models answer requests that consist only of instructions; other models need a user's message.
fn ask_what_instructs(request: &mut Request) {
    let is_openai = matches!(
        request.client,
        Dialect::OpenaiChat | Dialect::OpenaiResponses
    );
    let is_asked = request.turns.iter().any(|turn| !turn.blocks.is_empty());
    if is_asked || !is_openai || request.is_refused_by_extras() {
        return;
    }
    let last = request
        .system
        .pop_if(|text| !text.text.trim().is_empty())
        .map(|text| Turn {
            role: Role::User,
            blocks: vec![Block::Text(text)],
            name: None,
        });
    request.turns.extend(last);
}

/// The estimated number of prompt tokens.
pub fn estimate(request: &Request) -> u64 {
    hub_estimate::prompt(request)
}

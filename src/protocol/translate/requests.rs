//! What can be asked of a request before anybody is chosen to serve it.
use memchr::memmem;

use crate::protocol::hub::block::Block;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::{Request, Role};
use crate::protocol::hub::{estimate as hub_estimate, history, opaque};
use crate::protocol::json::surrogates;
use crate::protocol::{Dialect, anthropic, gemini, openai_chat, openai_responses};

/// Reads a client's request. Of a Gemini client, whose path says more, only the body: see [`decode_gemini`].
pub fn decode(client: Dialect, body: &[u8]) -> Result<Request, RequestFault> {
    let body = &*surrogates::replaced(body);
    let request = match client {
        Dialect::Anthropic => anthropic::request::decode(body),
        Dialect::OpenaiChat => openai_chat::request::decode(body),
        Dialect::OpenaiResponses => openai_responses::request::decode(body),
        Dialect::Gemini => return decode_gemini(body, "", gemini::Delivery::Whole),
    };
    settled(request?)
}

/// Reads the request of a Gemini client, whose path says the model and how the answer is to be delivered.
pub fn decode_gemini(
    body: &[u8],
    model: &str,
    delivery: gemini::Delivery,
) -> Result<Request, RequestFault> {
    settled(gemini::request::decode(
        &surrogates::replaced(body),
        model,
        delivery,
    )?)
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
    history::tell_apart(&mut request.turns);
    Ok(request)
}

/// Whether a request holds opaque state that Weir wrapped for a client of another dialect: no vendor knows what that is.
pub fn holds_envelope(body: &[u8]) -> bool {
    memmem::find(body, opaque::MAGIC.as_bytes()).is_some()
}

/// A guess at the tokens of a prompt.
pub fn estimate(request: &Request) -> u64 {
    hub_estimate::prompt(request)
}

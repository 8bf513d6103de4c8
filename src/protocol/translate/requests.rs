//! What can be asked of a request before anybody is chosen to serve it.
use memchr::memmem;

use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::opaque;
use crate::protocol::hub::request::Request;
use crate::protocol::{Dialect, anthropic, gemini, openai_chat, openai_responses};

/// Reads a client's request. Of a Gemini client, whose path says more, only the body: see [`decode_gemini`].
pub fn decode(client: Dialect, body: &[u8]) -> Result<Request, RequestFault> {
    match client {
        Dialect::Anthropic => anthropic::request::decode(body),
        Dialect::OpenaiChat => openai_chat::request::decode(body),
        Dialect::OpenaiResponses => openai_responses::request::decode(body),
        Dialect::Gemini => decode_gemini(body, "", gemini::Delivery::Whole),
    }
}

/// Reads the request of a Gemini client, whose path says the model and how the answer is to be delivered.
pub fn decode_gemini(
    body: &[u8],
    model: &str,
    delivery: gemini::Delivery,
) -> Result<Request, RequestFault> {
    gemini::request::decode(body, model, delivery)
}

/// Whether a request holds opaque state that Weir wrapped for a client of another dialect: no vendor knows what that is.
pub fn holds_envelope(body: &[u8]) -> bool {
    memmem::find(body, opaque::MAGIC.as_bytes()).is_some()
}

/// A guess at the tokens of a prompt.
pub fn estimate(request: &Request) -> u64 {
    super::estimate::prompt(request)
}

//! One decoder and one encoder per dialect, behind one type each.
use bytes::BytesMut;

use crate::protocol::hub::context::{Context, Stamp};
use crate::protocol::hub::error::{Losses, RequestFault, Violation};
use crate::protocol::hub::event::Event;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::response::NoAnswer;
use crate::protocol::hub::response::Response;
use crate::protocol::hub::target::{Encoded, Quirks, Target};
use crate::protocol::{Dialect, UpstreamDialect, anthropic, gemini, openai_chat, openai_responses};

#[derive(Debug)]
pub enum Decoder {
    Anthropic(Box<anthropic::stream::Decoder>),
    Gemini(Box<gemini::stream::Decoder>),
    OpenaiChat(Box<openai_chat::stream::Decoder>),
    OpenaiResponses(Box<openai_responses::stream::Decoder>),
}

#[derive(Debug)]
pub enum Encoder {
    Anthropic(Box<anthropic::stream::Encoder>),
    Gemini(Box<gemini::stream::Encoder>),
    OpenaiChat(Box<openai_chat::stream::Encoder>),
    OpenaiResponses(Box<openai_responses::stream::Encoder>),
}

impl Decoder {
    /// `wrapped` are the names of tools whose input is free text inside an object: models sometimes omit the object.
    pub fn new(
        upstream: UpstreamDialect,
        quirks: &Quirks,
        stamp: Stamp,
        wrapped: Vec<String>,
    ) -> Self {
        match upstream {
            UpstreamDialect::Anthropic => {
                Self::Anthropic(Box::new(anthropic::stream::Decoder::new(stamp)))
            }
            UpstreamDialect::Gemini => Self::Gemini(Box::default()),
            UpstreamDialect::OpenaiChat => {
                let decoder = openai_chat::stream::Decoder::new(quirks, stamp, wrapped);
                Self::OpenaiChat(Box::new(decoder))
            }
            UpstreamDialect::OpenaiResponses => {
                let decoder = openai_responses::stream::Decoder::new(wrapped);
                Self::OpenaiResponses(Box::new(decoder))
            }
        }
    }

    pub fn push(
        &mut self,
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match self {
            Self::Anthropic(decoder) => decoder.push(data, on),
            Self::Gemini(decoder) => decoder.push(data, on),
            Self::OpenaiChat(decoder) => decoder.push(data, on),
            Self::OpenaiResponses(decoder) => decoder.push(data, on),
        }
    }

    /// Whether the stop reason has come, and [`Event::Stop`] is held back until the end because some vendors send more
    /// content after it.
    pub fn has_stopped(&self) -> bool {
        match self {
            Self::Gemini(decoder) => decoder.has_stopped(),
            Self::OpenaiChat(decoder) => decoder.has_stopped(),
            Self::Anthropic(_) | Self::OpenaiResponses(_) => false,
        }
    }

    pub fn finish(
        &mut self,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match self {
            Self::Anthropic(decoder) => decoder.finish(on),
            Self::Gemini(decoder) => decoder.finish(on),
            Self::OpenaiChat(decoder) => decoder.finish(on),
            Self::OpenaiResponses(decoder) => decoder.finish(on),
        }
    }
}

impl Encoder {
    pub fn new(client: Dialect, context: Context) -> Self {
        match client {
            Dialect::Anthropic => {
                Self::Anthropic(Box::new(anthropic::stream::Encoder::new(context)))
            }
            Dialect::Gemini => Self::Gemini(Box::new(gemini::stream::Encoder::new(context))),
            Dialect::OpenaiChat => {
                Self::OpenaiChat(Box::new(openai_chat::stream::Encoder::new(context)))
            }
            Dialect::OpenaiResponses => {
                Self::OpenaiResponses(Box::new(openai_responses::stream::Encoder::new(context)))
            }
        }
    }

    pub fn on(&mut self, event: Event<'_>, out: &mut BytesMut) -> Result<(), Violation> {
        match self {
            Self::Anthropic(encoder) => encoder.on(event, out),
            Self::Gemini(encoder) => encoder.on(event, out),
            Self::OpenaiChat(encoder) => encoder.on(event, out),
            Self::OpenaiResponses(encoder) => encoder.on(event, out),
        }
    }

    /// What could not be expressed to the client.
    pub fn losses(&self) -> &Losses {
        match self {
            Self::Anthropic(encoder) => encoder.losses(),
            Self::Gemini(encoder) => encoder.losses(),
            Self::OpenaiChat(encoder) => encoder.losses(),
            Self::OpenaiResponses(encoder) => encoder.losses(),
        }
    }
}

/// Encodes a request for one candidate upstream.
pub fn ask(
    upstream: UpstreamDialect,
    request: &Request,
    target: &Target<'_>,
) -> Result<Encoded, RequestFault> {
    match upstream {
        UpstreamDialect::Anthropic => anthropic::request::encode(request, target),
        UpstreamDialect::Gemini => gemini::request::encode(request, target),
        UpstreamDialect::OpenaiChat => openai_chat::request::encode(request, target),
        UpstreamDialect::OpenaiResponses => openai_responses::request::encode(request, target),
    }
}

/// Decodes a whole answer of an upstream.
pub fn read(
    upstream: UpstreamDialect,
    body: &[u8],
    quirks: &Quirks,
    stamp: Stamp,
) -> Result<Response, NoAnswer> {
    match upstream {
        UpstreamDialect::Anthropic => anthropic::response::decode(body).map_err(NoAnswer::from),
        UpstreamDialect::Gemini => gemini::response::decode(body),
        UpstreamDialect::OpenaiChat => {
            openai_chat::response::decode(body, quirks, stamp).map_err(NoAnswer::from)
        }
        UpstreamDialect::OpenaiResponses => {
            openai_responses::response::decode(body).map_err(NoAnswer::from)
        }
    }
}

/// Encodes a whole answer for a client.
pub fn tell(
    client: Dialect,
    response: &Response,
    context: &Context,
    losses: &mut Losses,
) -> Vec<u8> {
    match client {
        Dialect::Anthropic => anthropic::response::encode(response, context, losses),
        Dialect::Gemini => gemini::response::encode(response, context, losses),
        Dialect::OpenaiChat => openai_chat::response::encode(response, context, losses),
        Dialect::OpenaiResponses => openai_responses::response::encode(response, context, losses),
    }
}

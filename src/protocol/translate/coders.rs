//! One decoder and one encoder per dialect, behind one type each.
use bytes::BytesMut;

use crate::protocol::hub::context::{Context, Stamp};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::target::Quirks;
use crate::protocol::{Dialect, anthropic, gemini, openai_chat, openai_responses};

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
    /// `wrapped` are the names of tools whose input is free text inside an object: models forget the object.
    pub fn new(upstream: Dialect, quirks: &Quirks, stamp: Stamp, wrapped: Vec<String>) -> Self {
        match upstream {
            Dialect::Anthropic => Self::Anthropic(Box::default()),
            Dialect::Gemini => Self::Gemini(Box::default()),
            Dialect::OpenaiChat => {
                let decoder = openai_chat::stream::Decoder::new(quirks, stamp, wrapped);
                Self::OpenaiChat(Box::new(decoder))
            }
            Dialect::OpenaiResponses => {
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
}

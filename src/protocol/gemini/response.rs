//! Whole answers in this dialect: decodes an upstream's answer, encodes an answer for a client.
use bytes::BytesMut;

use super::stream::{Decoder, Encoder};
use crate::protocol::hub::collect::Collector;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::replay;
use crate::protocol::hub::response::{NoAnswer, Response};

/// Reads an upstream's answer as a stream of one chunk.
pub fn decode(body: &[u8]) -> Result<Response, NoAnswer> {
    let mut collector = Collector::default();
    let mut decoder = Decoder::default();
    decoder.push(body, &mut |event| collector.on(event))?;
    decoder.finish(&mut |event| collector.on(event))?;
    collector.finish()
}

/// Writes the answer for a client: everything that its stream would contain, in one piece.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let mut encoder = Encoder::whole(context.clone());
    let mut out = BytesMut::new();
    // A whole answer has its calls complete and one after the other, so it breaks no rule of streams.
    let _ = replay::response(response, &mut |event| encoder.on(event, &mut out));
    for loss in encoder.losses().as_slice() {
        losses.add(loss.clone());
    }
    out.to_vec()
}

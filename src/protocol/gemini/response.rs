//! Whole answers: what an upstream answers in this dialect, and what a client is answered in it.
use bytes::BytesMut;

use super::stream::{Decoder, Encoder};
use crate::protocol::hub::collect::Collector;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::replay;
use crate::protocol::hub::response::{NoAnswer, Response};

/// Reads an upstream's answer: a stream of one piece.
pub fn decode(body: &[u8]) -> Result<Response, NoAnswer> {
    let mut collector = Collector::default();
    let mut decoder = Decoder::default();
    decoder.push(body, &mut |event| collector.on(event))?;
    decoder.finish(&mut |event| collector.on(event))?;
    collector.finish()
}

/// Writes the answer for a client: everything that its stream would have told, in one piece.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let mut encoder = Encoder::whole(context.clone());
    let mut out = BytesMut::new();
    // Whole calls one after the other: none of the rules of streams can be broken.
    let _ = replay::response(response, &mut |event| encoder.on(event, &mut out));
    for loss in encoder.losses().as_slice() {
        losses.add(loss.clone());
    }
    out.to_vec()
}

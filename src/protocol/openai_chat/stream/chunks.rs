//! The chunks of a stream. What they have in common is formatted only once.
use bytes::BytesMut;

use super::super::wire::UsageOut;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::request::Shape;
use crate::protocol::hub::write::{raw, string, value};

/// Writes chunks.
#[derive(Debug)]
pub struct Chunks {
    /// Every chunk up to its choice; `tail` is the rest behind the choice.
    head: Vec<u8>,
    tail: &'static str,
}

impl Chunks {
    /// The chunks of one answer: id, time and model are the same in all of them.
    pub fn new(context: &Context) -> Self {
        let (prefix, object) = match context.reply.shape {
            Shape::TextCompletion => ("cmpl-", "text_completion"),
            Shape::LegacyFunctions | Shape::Modern => ("chatcmpl-", "chat.completion.chunk"),
        };
        let mut head = BytesMut::new();
        raw(&mut head, "data: {\"id\":");
        string(&mut head, &context.stamp.id(prefix, 0));
        raw(&mut head, ",\"object\":\"");
        raw(&mut head, object);
        raw(&mut head, "\",\"created\":");
        value(&mut head, &context.stamp.created);
        raw(&mut head, ",\"model\":");
        string(&mut head, &context.model);
        raw(&mut head, ",\"choices\":[");
        Self {
            head: head.to_vec(),
            tail: if context.reply.include_usage {
                "],\"usage\":null}\n\n"
            } else {
                "]}\n\n"
            },
        }
    }

    /// Writes one chunk; `write` adds the members of its delta.
    pub fn delta(&self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        self.choice(out, |out| {
            raw(out, "\"index\":0,\"delta\":{");
            write(out);
            raw(out, "},\"logprobs\":null,\"finish_reason\":null");
        });
    }

    /// Writes one chunk; `write` adds the members of its choice.
    pub fn choice(&self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        out.extend_from_slice(&self.head);
        raw(out, "{");
        write(out);
        raw(out, "}");
        raw(out, self.tail);
    }

    /// Writes the chunk that states the usage and has no choice. It must be the last one: a chunk after it would erase
    /// the usage in some clients.
    pub fn usage(&self, out: &mut BytesMut, usage: &UsageOut, tier: Option<&'static str>) {
        out.extend_from_slice(&self.head);
        raw(out, "],\"usage\":");
        value(out, usage);
        if let Some(tier) = tier {
            raw(out, ",\"service_tier\":");
            string(out, tier);
        }
        raw(out, "}\n\n");
    }
}

//! `responses`: what is kept for clients of OpenAI Responses.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::mapping::mapping;
use super::setting::{Measure as _, Setting, hours, seconds};
use crate::config::raw::values::{Size, Span};
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::{Decode, Field};
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;

mapping!("`{ store: { max_bytes: 64MiB, ttl: 1d } }`"
/// For clients of OpenAI Responses.
Responses {
    /// Answers of upstreams that speak another dialect are kept in memory, so that `store: true`, `previous_response_id` and `item_reference` work: a mapping, or `off`.
    store: Field<Store>,
});

mapping!("bounds: `{ max_bytes: 64MiB, ttl: 1d }`"
/// How much is kept in memory.
StoreBounds {
    /// Requests and answers kept, of all keys together. The key that holds the most loses its oldest first.
    max_bytes: Setting<Size> = Size::or(64 << 20).from(64 << 10).up_to(64 << 30),
    /// How long an answer is kept.
    ttl: Setting<Span> = Span::or(hours(24)).from(seconds(1)).up_to(hours(720)),
});

/// `responses.store`.
#[derive(Clone, Debug)]
pub enum Store {
    Off,
    On(StoreBounds),
}

impl Decode for Store {
    const EXPECTED: &'static str = "bounds: `{ max_bytes: 64MiB, ttl: 1d }`, or `off`";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        match &cursor.node.kind {
            Kind::Mapping(_) => StoreBounds::decode(cursor, faults).map(Self::On),
            _ => match cursor.scalar(Self::EXPECTED, faults)? {
                "off" | "false" => Some(Self::Off),
                _ => {
                    cursor.mismatch(Self::EXPECTED, None, faults);
                    None
                }
            },
        }
    }
}

impl JsonSchema for Store {
    fn schema_name() -> Cow<'static, str> {
        "Store".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bounds = generator.subschema_for::<StoreBounds>();
        json_schema!({ "anyOf": [bounds, { "enum": ["off", false] }] })
    }
}

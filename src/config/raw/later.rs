//! Settings whose feature does not exist yet. Typed all the same, so that the JSON Schema is that of version 1; the
//! decoder refuses them by name before any of this is read.
#![expect(
    dead_code,
    reason = "typed for the JSON Schema; read once the features exist"
)]
use super::Texts;
use super::secret::RawValue;
use crate::config::cursor::Cursor;
use crate::config::decode::{Decode, Field, Map, Needed, mapping};
use crate::config::faults::Faults;
use crate::config::values::{LoosePattern, Name, Number, Pattern, Span, Text, Word, Words};
use crate::protocol::Dialect;

mapping!("`{ url: URL }`"
/// A Prometheus server to read totals from.
Prometheus {
    /// Its base URL.
    url: Needed<Text>,
    /// The `instance` label of this weir.
    instance_label: Field<Text>,
});

mapping!("a rewrite: `{ name: NAME, when: { … }, … }`"
/// A client adapter.
Rewrite {
    /// Unique.
    name: Needed<Name>,
    /// All given conditions must hold. Default: always.
    when: Field<RewriteWhen>,
    /// Changes to the system prompt.
    system: Field<SystemPrompt>,
    /// JSON pointers and the values to put there.
    set: Field<Map<Value>>,
    /// JSON pointers and the values to put there where there is none.
    default: Field<Map<Value>>,
    /// JSON pointers and the range to keep the number there in.
    clamp: Field<Map<Vec<Field<Number>>>>,
    /// JSON pointers to remove.
    remove: Field<Vec<Field<Text>>>,
    /// Request headers to set and to remove.
    headers: Field<RewriteHeaders>,
    /// A stable session id per client key.
    session: Field<RewriteSession>,
    /// How text deltas are regrouped.
    stream: Field<RewriteStream>,
});

mapping!("conditions: `{ user_agent: \"CherryStudio*\" }`"
/// Conditions on a request; all given ones must hold.
RewriteWhen {
    /// The User-Agent header, whatever its case.
    user_agent: Field<LoosePattern>,
    /// Headers, each with a pattern for its value, whatever the case.
    header: Texts<LoosePattern>,
    /// A JSON pointer that leads somewhere.
    body_has: Field<Text>,
    /// The name of the client key.
    key: Field<Pattern>,
    /// What the client speaks.
    dialect: Field<Word<Dialect>>,
    /// The model asked for.
    model: Field<Pattern>,
});

mapping!("`{ prepend: TEXT }` or `{ append: TEXT }`"
/// Changes to the system prompt.
SystemPrompt {
    /// Put before it.
    prepend: Field<Text>,
    /// Put after it.
    append: Field<Text>,
});

mapping!("`{ set: { … }, remove: [ … ] }`"
/// Request headers to set and to remove.
RewriteHeaders {
    /// Names and values.
    set: Texts<RawValue>,
    /// Names.
    remove: Field<Vec<Field<Text>>>,
});

mapping!("`{ rotate: 12h }`"
/// A stable session id per client key.
RewriteSession {
    /// How often it changes.
    rotate: Needed<Span>,
});

mapping!("`{ by: sentence }`"
/// How text deltas are regrouped.
RewriteStream {
    /// The unit.
    by: Needed<Word<Regroup>>,
});

/// Any JSON value.
#[derive(Clone, Debug, schemars::JsonSchema)]
#[schemars(with = "serde_json::Value")]
pub struct Value;

impl Decode for Value {
    const EXPECTED: &'static str = "a value";

    fn decode(_: &Cursor<'_>, _: &mut Faults) -> Option<Self> {
        Some(Self)
    }
}

/// A unit of text.
#[derive(Clone, Copy, Debug)]
pub enum Regroup {
    Character,
    Message,
    Sentence,
    Word,
}

impl Words for Regroup {
    const EXPECTED: &'static str = "a unit of text";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("character", Self::Character),
        ("word", Self::Word),
        ("sentence", Self::Sentence),
        ("message", Self::Message),
    ];
}

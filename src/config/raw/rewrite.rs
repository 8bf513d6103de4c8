//! `rewrites`: which requests of clients are changed, and how.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Number, Value};

use super::Texts;
use super::mapping::mapping;
use super::secret::RawValue;
use super::setting::{Measure as _, hours, minutes};
use crate::config::raw::values::{
    Boolean, LoosePattern, Name, Pattern, RawPointer, Span, Text, Word, Words,
};
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::{Decode, Field, Map, Needed};
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;
use crate::protocol::Dialect;
use crate::protocol::regroup::Unit;

mapping!("a rewrite: `{ name: NAME, when: { … }, … }`"
/// A client adapter.
Rewrite {
    /// Unique.
    name: Needed<Name>,
    /// All given conditions must hold, of the request as the client sent it; of a list of conditions those of any entry.
    /// Default: always.
    when: Field<OneOrMore<RewriteWhen>>,
    /// Additions to the system prompt.
    system: Field<SystemPrompt>,
    /// JSON pointers and the values to put there.
    set: Field<Map<RawJson>>,
    /// JSON pointers and the values to put there where there is none.
    default: Field<Map<RawJson>>,
    /// JSON pointers and the range `[low, high]` to keep the number there in.
    clamp: Field<Map<Vec<Field<RawNumber>>>>,
    /// JSON pointers to remove.
    remove: Field<Vec<Field<RawPointer>>>,
    /// Headers of the request to the upstream.
    headers: Field<RewriteHeaders>,
    /// A stable session id per client key, for requests that have none.
    session: Field<RewriteSession>,
    /// How the text of streams is regrouped.
    stream: Field<RewriteStream>,
});

mapping!("conditions: `{ user_agent: \"CherryStudio*\" }`"
/// Conditions on a request; all given ones must hold.
RewriteWhen {
    /// The User-Agent header, whatever its case.
    user_agent: Field<LoosePattern>,
    /// Headers, each with a pattern for its value, whatever the case.
    header: Texts<LoosePattern>,
    /// A JSON pointer that leads to something in the body. `null` is nothing.
    body_has: Field<RawPointer>,
    /// The name of the client key.
    key: Field<Pattern>,
    /// The group of the client key.
    group: Field<Pattern>,
    /// The project label of the request.
    project: Field<Pattern>,
    /// What the client speaks.
    dialect: Field<Word<Dialect>>,
    /// The model asked for.
    model: Field<Pattern>,
    /// Whether a stream is asked for.
    stream: Field<Boolean>,
});

mapping!("`{ prepend: TEXT }` or `{ append: TEXT }`"
/// Additions to the system prompt.
SystemPrompt {
    /// Put before it.
    prepend: Field<Text>,
    /// Put after it.
    append: Field<Text>,
});

mapping!("`{ set: { … }, remove: [ … ] }`"
/// Headers of the request to the upstream.
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
    rotate: Needed<Span> = Span::otherwise("a session of work lasts for minutes or hours: `12h`").from(minutes(1)).up_to(hours(365 * 24)),
});

mapping!("`{ by: sentence }`"
/// How the text of streams is regrouped.
RewriteStream {
    /// What one event holds.
    by: Needed<Word<Unit>>,
});

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub struct OneOrMore<T>(pub Vec<Field<T>>);

impl<T: Decode> Decode for OneOrMore<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        if let Kind::List(_) = &cursor.node.kind {
            return Vec::decode(cursor, faults).map(Self);
        }
        let one = T::decode(cursor, faults)?;
        Some(Self(vec![Field::of(cursor.at(), Some(one))]))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMore<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// Any JSON value, written in YAML.
#[derive(Clone, Debug, schemars::JsonSchema)]
#[schemars(with = "Value", inline)]
pub struct RawJson(pub Value);

impl Decode for RawJson {
    const EXPECTED: &'static str = "a JSON value";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        value(cursor, faults).map(Self)
    }
}

fn value(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Value> {
    if !faults.count_value(cursor.at()) {
        return None;
    }
    match &cursor.node.kind {
        Kind::List(items) => {
            // All values are decoded, so that every fault is found.
            let values: Vec<Option<Value>> = items
                .iter()
                .enumerate()
                .map(|(index, node)| value(&cursor.item(index, node), faults))
                .collect();
            values
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(Value::from)
        }
        Kind::Mapping(entries) => {
            let values: Vec<Option<(String, Value)>> = entries
                .iter()
                .map(|(key, node)| {
                    let value = value(&cursor.member(key, node), faults)?;
                    Some((key.text.to_string(), value))
                })
                .collect();
            let object: Option<serde_json::Map<_, _>> = values.into_iter().collect();
            object.map(Value::Object)
        }
        Kind::Scalar { text, quoted: true } => Some(text.as_str().into()),
        Kind::Scalar { .. } if cursor.node.is_null() => Some(Value::Null),
        Kind::Scalar { text, .. } => scalar(cursor, text, faults),
    }
}

fn scalar(cursor: &Cursor<'_>, text: &str, faults: &mut Faults) -> Option<Value> {
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Bool(truth)) => Some(truth.into()),
        Ok(serde_yaml::Value::Number(_)) => {
            let number = serde_json::from_str::<Number>(text).ok();
            if number.is_none() {
                let hint = "write a number as JSON has it, or quotes around a text".to_owned();
                cursor.mismatch(RawJson::EXPECTED, Some(hint), faults);
            }
            number.map(Value::from)
        }
        _ => Some(text.into()),
    }
}

/// A number as JSON writes it.
#[derive(Clone, Debug, schemars::JsonSchema)]
#[schemars(with = "f64", inline)]
pub struct RawNumber(pub Number);

impl Decode for RawNumber {
    const EXPECTED: &'static str = "a number";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let text = cursor.plain(Self::EXPECTED, faults)?;
        let number = serde_json::from_str::<Number>(text).ok();
        let number = number.filter(|number| number.as_f64().is_some_and(f64::is_finite));
        if number.is_none() {
            cursor.mismatch(Self::EXPECTED, None, faults);
        }
        number.map(Self)
    }
}

impl Words for Unit {
    const EXPECTED: &'static str = "a unit of text";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("character", Self::Character),
        ("word", Self::Word),
        ("sentence", Self::Sentence),
        ("message", Self::Message),
    ];
}

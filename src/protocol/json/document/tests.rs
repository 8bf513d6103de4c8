//! Tests of the module above this file.
use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Keeps values raw at every level, as the decoders of requests do.
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<Same<'a>>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    flags: Vec<bool>,
    #[serde(default)]
    map: BTreeMap<String, f64>,
    #[serde(default)]
    any: Value,
    #[serde(default)]
    pair: Option<(u8, String)>,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    With { value: u8 },
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(transparent)]
struct Same<'a>(#[serde(borrow)] &'a RawValue);

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// The results and the errors are the same as `serde_json`'s, except for positions.
fn same<'a, T: Deserialize<'a> + std::fmt::Debug + PartialEq>(body: &'a str) {
    let said = |error: Error| {
        let text = error.to_string();
        text.rfind(" at line ")
            .map_or(text.clone(), |end| text[..end].to_owned())
    };
    let expected = serde_json::from_str::<T>(body).map_err(said);
    let found = Document::new(body.as_bytes()).whole::<T>().map_err(said);
    assert_eq!(found, expected, "{body}");
}

#[test]
fn everything_is_read_as_by_serde_json() {
    let long = "x".repeat(300);
    let escaped = r#"a\"b\\c\/d\b\f\n\r\té€😀"#.repeat(9);
    for body in [
        format!(r#"{{"role":"{long}","content":[1,{{"a":"{escaped}"}}],"count":7}}"#),
        format!(
            " {{ \"role\" : \"{escaped}\" , \"content\" :\t\"{long}\" ,\n\"flags\":[ true , false ] }} "
        ),
        format!(
            r#"{{"map":{{"a":1,"b":-2.5e3}},"any":{{"x":[null,"{long}"]}},"pair":[1,"b"],"kind":"plain"}}"#
        ),
        format!(
            r#"{{"kind":{{"with":{{"value":3}}}},"unknown":{{"{long}":[{{}},[],"]}}"]}},"role":null}}"#
        ),
        // Errors have the same wording.
        format!(r#"{{"role":5,"content":"{long}"}}"#),
        format!(r#"{{"content":"{long}","count":"7"}}"#),
        format!(r#"{{"content":"{long}","count":-7}}"#),
        format!(r#"{{"content":"{long}","flags":[1]}}"#),
        format!(r#"{{"content":"{long}","flags":{{}}}}"#),
        format!(r#"{{"content":"{long}","map":[]}}"#),
        format!(r#"{{"content":"{long}","pair":[1]}}"#),
        format!(r#"{{"content":"{long}","pair":[1,"b",3]}}"#),
        format!(r#"{{"content":"{long}","kind":"other"}}"#),
        format!(r#"{{"role":"a","content":"{long}","role":"b"}}"#),
        format!(r#"{{"role":"\ud800{long}"}}"#),
        format!(r#"{{"role":"\udc00","content":"{long}"}}"#),
        format!(r#"["{long}"]"#),
        format!(r#"{{"content":"{long}","#),
    ] {
        same::<Message<'_>>(&body);
        same::<Value>(&body);
    }
}

#[test]
fn raw_values_of_every_level_are_read_without_reading_again() {
    let long = "line\\n\\\"quoted\\\" ".repeat(40);
    let body =
        format!(r#"{{"messages":[{{"content":[{{"text":"{long}"}},{{"text":"short"}}]}}]}}"#);
    let document = Document::new(body.as_bytes());
    let top: BTreeMap<&str, &RawValue> = document.whole().expect("an object");
    let messages: Vec<&RawValue> = document.read(top["messages"]).expect("an array");
    let message: BTreeMap<&str, &RawValue> = document.read(messages[0]).expect("an object");
    let blocks: Vec<&RawValue> = document.read(message["content"]).expect("an array");
    let texts: Vec<String> = blocks
        .iter()
        .map(|block| {
            let block: BTreeMap<&str, Cow<'_, str>> = document.read(block).expect("an object");
            block["text"].to_string()
        })
        .collect();
    assert_eq!(texts, ["line\n\"quoted\" ".repeat(40), "short".to_owned()]);
    // The raw values are parts of the body, and the ends of the long ones are known.
    let offset = |part: &RawValue| part.get().as_ptr().addr() - body.as_ptr().addr();
    for part in [top["messages"], messages[0], message["content"], blocks[0]] {
        let start = offset(part);
        assert_eq!(document.ends.of(start), Some(start + part.get().len()));
    }
    assert_eq!(document.ends.of(offset(blocks[1])), None);
    // The same holds if the body was scanned before.
    let members = crate::protocol::json::scan(body.as_bytes()).expect("an object");
    let scanned = Document::scanned(body.as_bytes(), &members);
    assert_eq!(scanned.ends, document.ends);
    // A copied value can be read too, although it is not part of the body.
    let copy = blocks[0].to_owned();
    let block: BTreeMap<&str, Cow<'_, str>> = document.read(&copy).expect("an object");
    assert_eq!(block["text"].len(), texts[0].len());
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\"\\\\\n\u{1}é\u{1f600}]{0,120}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Parses a value level by level with raw values, and assembles it again.
fn again(document: &Document<'_>, part: &RawValue) -> Value {
    match part.get().as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = document.read(part).expect("an object");
            let members = members
                .into_iter()
                .map(|(name, part)| (name, again(document, part)));
            Value::Object(members.collect())
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = document.read(part).expect("an array");
            elements
                .into_iter()
                .map(|part| again(document, part))
                .collect()
        }
        _ => document.read(part).expect("a value"),
    }
}

proptest! {
    #[test]
    fn level_by_level_it_is_the_same_document(value in values(), pretty in any::<bool>()) {
        let value = serde_json::json!({ "value": value });
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let body = body.expect("JSON");
        let document = Document::new(body.as_bytes());
        let top: &RawValue = serde_json::from_str(&body).expect("JSON");
        prop_assert_eq!(again(&document, top), value.clone());
        prop_assert_eq!(document.whole::<Value>().expect("JSON"), value);
    }

    #[test]
    fn whatever_the_bytes_it_reads_as_serde_json_does(body in r#"[\{\}\[\]":,\\ a1nu-]{0,200}"#) {
        same::<Message<'_>>(&body);
        same::<Vec<&str>>(&body);
    }
}

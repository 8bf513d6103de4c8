//! Schemas of tools are mended for every target, and what was valid under them stays valid: checked with a validator.
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use weir::protocol::hub::schema;

/// A compiled schema.
struct Checked {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Checked {
    fn new(schema: &Value, draft: Draft) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(draft);
        compiler
            .add_resource("http://test/schema.json", schema.clone())
            .unwrap();
        let index = compiler
            .compile("http://test/schema.json", &mut schemas)
            .unwrap_or_else(|error| panic!("{schema}: {error:#}"));
        Self { schemas, index }
    }

    fn takes(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }
}

/// What every target gets, whatever else is done to it.
fn mended(schema: &Value) -> Value {
    let raw = RawValue::from_string(schema.to_string()).unwrap();
    serde_json::from_str(schema::object(&raw, "tools.0").unwrap().get()).unwrap()
}

/// A schema of draft 7, as clients and MCP servers write it.
fn node() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!({ "type": "string" })),
        Just(json!({ "type": "integer", "minimum": 0 })),
        Just(json!({ "type": "object" })),
        Just(json!({ "type": "array" })),
        Just(json!({ "type": ["object", "null"] })),
        Just(json!({ "type": ["array", "string"] })),
        Just(json!({ "enum": ["x", 1, null] })),
        Just(json!({ "type": "object", "additionalProperties": false })),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::btree_map("[abc]", inner.clone(), 0..3).prop_map(
                |members| json!({ "type": "object", "properties": members, "additionalItems": false })
            ),
            inner
                .clone()
                .prop_map(|items| json!({ "type": "array", "items": items })),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|items| json!({ "type": "array", "items": items })),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|items| json!({ "items": items, "additionalItems": false })),
            (proptest::collection::vec(inner.clone(), 1..3), inner.clone()).prop_map(
                |(items, rest)| json!({ "type": "array", "items": items, "additionalItems": rest })
            ),
            proptest::collection::vec(inner, 1..3).prop_map(|any| json!({ "anyOf": any })),
        ]
    })
}

/// A tool's schema: some object, or alternatives for one. Those are closed: of open ones the meaning is kept that their writers had,
/// and not that everything goes.
fn tool() -> impl Strategy<Value = Value> {
    let object = proptest::collection::btree_map("[abc]", node(), 0..4).prop_map(
        |members| json!({ "type": "object", "properties": members, "$schema": "http://json-schema.org/draft-07/schema#" }),
    );
    let part = || {
        proptest::collection::btree_map("[abc]", node(), 0..3)
            .prop_map(|members| json!({ "type": "object", "properties": members, "additionalProperties": false }))
    };
    prop_oneof![
        object,
        proptest::collection::vec(part(), 1..3).prop_map(|any| json!({ "anyOf": any })),
        part().prop_map(|part| json!({ "$ref": "#/definitions/t", "definitions": { "t": part } })),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("x")),
        Just(json!(1)),
        Just(json!({})),
        Just(json!([])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| json!(members)),
        ]
    })
}

/// What vendors refuse, anywhere in a schema.
fn refused(schema: &Value) -> bool {
    let of = |node: &Value, kind: &str| match &node["type"] {
        Value::String(said) => said == kind,
        Value::Array(list) => list.iter().any(|said| said == kind),
        _ => false,
    };
    let here = (of(schema, "object") && schema.get("properties").is_none())
        || (of(schema, "array") && schema.get("items").is_none())
        || schema.get("additionalItems").is_some()
        || schema["items"].is_array();
    let below = match schema {
        Value::Object(members) => members.values().any(refused),
        Value::Array(list) => list.iter().any(refused),
        _ => false,
    };
    here || below
}

proptest! {
    #[test]
    fn what_was_valid_stays_valid(schema in tool(), values in proptest::collection::vec(
        proptest::collection::btree_map("[abc]", value(), 0..4), 1..8)) {
        let mended = mended(&schema);
        prop_assert!(!refused(&mended), "{mended}");
        let before = Checked::new(&schema, Draft::V7);
        let after = Checked::new(&mended, Draft::V2020_12);
        for value in values {
            let value = json!(value);
            prop_assert!(!before.takes(&value) || after.takes(&value), "{value} under {mended}");
        }
    }
}

#[track_caller]
fn check(schema: Value, expected: Value) {
    assert_eq!(mended(&schema), expected);
}

#[test]
fn at_any_depth_and_in_lists_of_types() {
    check(
        json!({ "type": "object", "properties": { "a": { "type": ["object", "null"] }, "b": { "type": "array", "items": { "type": "array" } } } }),
        json!({ "type": "object", "properties": { "a": { "type": ["object", "null"], "properties": {} }, "b": { "type": "array", "items": { "type": "array", "items": {} } } } }),
    );
}

#[test]
fn tuples_are_those_of_the_newer_draft() {
    check(
        json!({ "type": "object", "properties": { "a": { "type": "array", "items": [{ "type": "string" }, {}], "additionalItems": false } } }),
        json!({ "type": "object", "properties": { "a": { "type": "array", "prefixItems": [{ "type": "string" }, {}], "maxItems": 2, "items": {} } } }),
    );
}

#[test]
fn a_reference_at_the_top_is_resolved() {
    check(
        json!({ "$ref": "#/$defs/T", "$defs": { "T": { "type": "object", "properties": { "a": {} } } } }),
        json!({ "$defs": { "T": { "type": "object", "properties": { "a": {} } } }, "type": "object", "properties": { "a": {} } }),
    );
}

#[test]
fn bounds_of_draft_4_and_other_slips_are_mended() {
    check(
        json!({ "type": "object", "properties": { "a": { "type": "any" }, "b": { "minimum": 1, "exclusiveMinimum": true, "required": true } }, "required": ["a", "a"] }),
        json!({ "type": "object", "properties": { "a": {}, "b": { "exclusiveMinimum": 1 } }, "required": ["a"] }),
    );
}

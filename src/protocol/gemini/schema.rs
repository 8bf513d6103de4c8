//! JSON Schemas for Gemini, and Gemini's own schemas as JSON Schema.
//!
//! Gemini refuses the whole request for one unknown keyword, so all unknown keywords are removed; those that tell a
//! reader something are moved into the description. The walk is structural: a *property named* `format` or `default` is
//! data.
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::mend::mend;
use crate::protocol::hub::schema::{object, print, walk};

/// A tool's schema for `parametersJsonSchema`.
pub fn parameters(schema: &RawValue, path: &str) -> Result<Box<RawValue>, RequestFault> {
    fit(&object(schema, path)?, path)
}

/// The schema of an answer for `responseJsonSchema`.
pub fn fit(schema: &RawValue, path: &str) -> Result<Box<RawValue>, RequestFault> {
    let mut value = parse(schema, path)?;
    walk(&mut value, &mut |node| {
        merge_all_of(node);
        mend(node);
        if node.get("items").is_some_and(|items| *items == json!({})) {
            // Gemini requires to know what is in an array, which an empty schema does not tell.
            node.remove("items");
        }
        tidy(node);
    });
    print(&value, path)
}

/// Converts a schema in OpenAPI's terms, as clients of this dialect write it, to JSON Schema. Example:
/// `{"type": "STRING", "nullable": true}`.
pub fn from_openapi(schema: &RawValue, path: &str) -> Result<Box<RawValue>, RequestFault> {
    let mut value = parse(schema, path)?;
    walk(&mut value, &mut plain);
    print(&value, path)
}

fn parse(schema: &RawValue, path: &str) -> Result<Value, RequestFault> {
    serde_json::from_str(schema.get())
        .map_err(|error| RequestFault::new(path, format!("the schema cannot be read: {error}")))
}

/// Keeps in one node only what Gemini accepts.
fn tidy(node: &mut Map<String, Value>) {
    if node.contains_key("$ref") {
        node.retain(|key, _| key.starts_with('$'));
    }
    if let Some(constant) = node.remove("const") {
        node.entry("enum").or_insert_with(|| json!([constant]));
    }
    for (exclusive, inclusive, step) in [
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ] {
        let whole = node.get("type").is_some_and(|kind| kind == "integer");
        if let Some(bound) = node
            .get(exclusive)
            .and_then(Value::as_i64)
            .filter(|_| whole)
        {
            node.remove(exclusive);
            node.entry(inclusive)
                .or_insert_with(|| json!(bound.saturating_add(step)));
        }
    }
    let mut hints = Vec::new();
    node.retain(|key, value| {
        if HINTS.contains(&key.as_str()) {
            hints.push(format!("{key}: {value}"));
            return false;
        }
        KEPT.contains(&key.as_str())
            || key.starts_with('$') && key != "$schema" && key != "$comment"
    });
    if !hints.is_empty() {
        let hint = format!("{{{}}}", hints.join(", "));
        let text = match node.get("description").and_then(Value::as_str) {
            Some(description) => format!("{description}\n\n{hint}"),
            None => hint,
        };
        node.insert("description".to_owned(), Value::String(text));
    }
    if node.get("type").is_some_and(|kind| kind == "array") && !node.contains_key("prefixItems") {
        node.entry("items")
            .or_insert_with(|| json!({ "type": "string" }));
    }
    keep_known_required(node);
}

/// Removes required properties that are not declared, which Gemini refuses.
fn keep_known_required(node: &mut Map<String, Value>) {
    let declared: Option<Vec<String>> = node
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect());
    if let Some(Value::Array(required)) = node.get_mut("required") {
        let declared = declared.unwrap_or_default();
        required.retain(|name| {
            name.as_str()
                .is_some_and(|name| declared.iter().any(|known| known == name))
        });
        if required.is_empty() {
            node.remove("required");
        }
    }
}

fn merge_all_of(node: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = node.remove("allOf") else {
        return;
    };
    for part in parts {
        let Value::Object(part) = part else {
            continue;
        };
        for (key, value) in part {
            match (node.get_mut(&key), value) {
                (Some(Value::Object(known)), Value::Object(more)) => {
                    for (name, value) in more {
                        known.entry(name).or_insert(value);
                    }
                }
                (Some(Value::Array(known)), Value::Array(more)) if key == "required" => {
                    for name in more {
                        if !known.contains(&name) {
                            known.push(name);
                        }
                    }
                }
                (Some(_), _) => {}
                (None, value) => {
                    node.insert(key, value);
                }
            }
        }
    }
}

/// Converts one OpenAPI node.
fn plain(node: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = node.get_mut("type") {
        kind.make_ascii_lowercase();
        if kind == "type_unspecified" {
            node.remove("type");
        }
    }
    node.remove("propertyOrdering");
    let nullable = node
        .remove("nullable")
        .is_some_and(|nullable| nullable == true);
    if let Some(kind) = node.get_mut("type").filter(|_| nullable) {
        *kind = json!([kind.take(), "null"]);
    }
    // 64-bit integers are strings in the JSON of protocol buffers.
    for key in COUNTS {
        let number = node
            .get(*key)
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<u64>().ok());
        if let Some(number) = number {
            node.insert((*key).to_owned(), json!(number));
        }
    }
}

const COUNTS: &[&str] = &[
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];

/// Keywords that Gemini enforces or reads.
const KEPT: &[&str] = &[
    "additionalProperties",
    "anyOf",
    "definitions",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "oneOf",
    "prefixItems",
    "properties",
    "required",
    "title",
    "type",
];

/// Keywords that Gemini refuses but that tell a reader something.
const HINTS: &[&str] = &[
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "multipleOf",
    "pattern",
    "uniqueItems",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[track_caller]
    fn check(schema: &str, expected: &str) {
        assert_eq!(parameters(&raw(schema), "").unwrap().get(), expected);
    }

    #[test]
    fn what_gemini_refuses_is_taken_out_or_told_in_words() {
        check(
            r#"{"$schema":"x","type":"object","properties":{"n":{"type":"integer","exclusiveMinimum":0,"multipleOf":2,"default":4},"s":{"type":"string","pattern":"a+","description":"letters"}},"propertyNames":{}}"#,
            r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"description":"{multipleOf: 2}"},"s":{"type":"string","description":"letters\n\n{pattern: \"a+\"}"}}}"#,
        );
    }

    #[test]
    fn properties_may_have_the_names_of_keywords() {
        check(
            r#"{"type":"object","properties":{"default":{"type":"string"},"pattern":{"type":"string","default":"x"},"const":{"const":1}},"required":["default","lost"]}"#,
            r#"{"type":"object","properties":{"default":{"type":"string"},"pattern":{"type":"string"},"const":{"enum":[1]}},"required":["default"]}"#,
        );
    }

    #[test]
    fn an_intersection_becomes_one_schema() {
        check(
            r#"{"type":"object","properties":{"a":{"allOf":[{"type":"object","properties":{"x":{}},"required":["x"]},{"properties":{"y":{}},"required":["y"]}]}}}"#,
            r#"{"type":"object","properties":{"a":{"type":"object","properties":{"x":{},"y":{}},"required":["x","y"]}}}"#,
        );
    }

    #[test]
    fn a_reference_stands_alone_and_a_list_says_of_what() {
        check(
            r##"{"type":"object","$defs":{"d":{"type":"array"}},"properties":{"a":{"$ref":"#/$defs/d","description":"x"}}}"##,
            r##"{"type":"object","$defs":{"d":{"type":"array","items":{"type":"string"}}},"properties":{"a":{"$ref":"#/$defs/d"}}}"##,
        );
    }

    #[test]
    fn openapi_becomes_json_schema() {
        let schema = raw(
            r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true},"l":{"type":"ARRAY","items":{"type":"NUMBER"},"minItems":"1"}},"propertyOrdering":["type"]}"#,
        );
        assert_eq!(
            from_openapi(&schema, "").unwrap().get(),
            r#"{"type":"object","properties":{"type":{"type":["string","null"]},"l":{"type":"array","items":{"type":"number"},"minItems":1}}}"#
        );
    }
}

//! Converts JSON Schemas of tools and of structured output for another dialect.
//!
//! The walk is structural: a *property named* `default` or `$id` is data, not a keyword.
use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::error::RequestFault;
use super::mend::{is_of, mend, resolve};

/// The schema without keywords that only matter within its own document (`$schema`, `$id`, `$comment`), and repaired
/// where vendors would refuse the whole request, see [`mend`]. Returned unchanged if there is nothing to change.
pub fn portable<'a>(schema: &'a RawValue, path: &str) -> Result<Cow<'a, RawValue>, RequestFault> {
    let mut value = parse(schema, path)?;
    if !tidy(&mut value) {
        return Ok(Cow::Borrowed(schema));
    }
    Ok(Cow::Owned(print(&value, path)?))
}

/// The schema as one object: `type: object` is forced, and a top-level `$ref`, `anyOf`, `oneOf` or `allOf` is merged;
/// properties that not every alternative requires become optional. No vendor accepts anything else for a tool.
pub fn object<'a>(schema: &'a RawValue, path: &str) -> Result<Cow<'a, RawValue>, RequestFault> {
    let mut value = parse(schema, path)?;
    let mut changed = false;
    let Value::Object(object) = &mut value else {
        return Err(RequestFault::new(path, "the schema must be an object"));
    };
    changed |= resolve(object);
    let composed = COMPOSITIONS
        .iter()
        .any(|keyword| object.contains_key(*keyword));
    if composed {
        merge(object);
    }
    if composed || object.get("type").is_none_or(|kind| kind != "object") {
        changed = true;
        object.insert("type".to_owned(), json!("object"));
        object.entry("properties").or_insert_with(|| json!({}));
    }
    changed |= tidy(&mut value);
    if !changed {
        return Ok(Cow::Borrowed(schema));
    }
    Ok(Cow::Owned(print(&value, path)?))
}

/// Removes and repairs keywords in the whole tree. Returns whether something changed.
fn tidy(schema: &mut Value) -> bool {
    let mut changed = false;
    walk(schema, &mut |node| {
        let members = node.len();
        node.retain(|key, _| !DOCUMENT_KEYWORDS.contains(&key.as_str()));
        changed |= members != node.len();
        changed |= mend(node);
    });
    changed
}

/// Whether OpenAI accepts the schema with `strict: true`: closed objects, everything required, none of the forbidden
/// keywords.
pub fn suits_openai_strict(schema: &RawValue) -> bool {
    let Ok(mut value) = serde_json::from_str::<Value>(schema.get()) else {
        return false;
    };
    let mut suits = true;
    walk(&mut value, &mut |object| {
        suits &= !is_of(object, "array") || object.get("items").is_some_and(Value::is_object);
        suits &= !STRICT_FORBIDDEN
            .iter()
            .any(|keyword| object.contains_key(*keyword));
        if object.get("type").is_some_and(|kind| kind == "object")
            || object.contains_key("properties")
        {
            let required: Vec<&str> = object
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).collect())
                .unwrap_or_default();
            let all = object
                .get("properties")
                .and_then(Value::as_object)
                .is_none_or(|properties| {
                    properties
                        .keys()
                        .all(|name| required.contains(&name.as_str()))
                });
            suits &= all && object.get("additionalProperties") == Some(&json!(false));
        }
    });
    suits
}

/// The schema for Anthropic's structured output: objects are closed, and bounds that Anthropic does not enforce are
/// moved into the descriptions, as its own SDK does.
pub fn structured_for_anthropic(
    schema: &RawValue,
    path: &str,
) -> Result<Box<RawValue>, RequestFault> {
    let mut value = parse(schema, path)?;
    walk(&mut value, &mut |object| {
        object.retain(|key, _| !DOCUMENT_KEYWORDS.contains(&key.as_str()));
        mend(object);
        if object.get("type").is_some_and(|kind| kind == "object") {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        let few_items = object
            .get("minItems")
            .and_then(Value::as_u64)
            .is_some_and(|n| n <= 1);
        let mut hints = Vec::new();
        object.retain(|key, value| {
            let bound = UNENFORCED.contains(&key.as_str()) || (key == "minItems" && !few_items);
            if bound {
                hints.push(format!("{key}: {value}"));
            }
            !bound
        });
        if !hints.is_empty() {
            let hint = format!("{{{}}}", hints.join(", "));
            let text = match object.get("description").and_then(Value::as_str) {
                Some(description) => format!("{description}\n\n{hint}"),
                None => hint,
            };
            object.insert("description".to_owned(), Value::String(text));
        }
        if let Some(alternatives) = object.remove("oneOf") {
            object.entry("anyOf").or_insert(alternatives);
        }
    });
    print(&value, path)
}

/// Visits every schema object of the tree, outermost first.
pub fn walk(schema: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(object) = schema else {
        return;
    };
    visit(object);
    for (key, value) in object {
        match (key.as_str(), value) {
            (
                "properties" | "$defs" | "definitions" | "patternProperties" | "dependentSchemas",
                Value::Object(schemas),
            ) => {
                for schema in schemas.values_mut() {
                    walk(schema, visit);
                }
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                for schema in schemas {
                    walk(schema, visit);
                }
            }
            (
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems",
                schema,
            ) => walk(schema, visit),
            _ => {}
        }
    }
}

/// Merges the top-level compositions of `object` into it.
fn merge(object: &mut Map<String, Value>) {
    for keyword in COMPOSITIONS {
        let Some(Value::Array(parts)) = object.remove(*keyword) else {
            continue;
        };
        let mut common: Option<Vec<Value>> = None;
        for part in parts {
            let Value::Object(mut part) = part else {
                continue;
            };
            if let Some(Value::Object(properties)) = part.remove("properties") {
                let merged = object.entry("properties").or_insert_with(|| json!({}));
                if let Value::Object(merged) = merged {
                    for (name, schema) in properties {
                        join(merged, name, schema, *keyword == "allOf");
                    }
                }
            }
            let required = match part.remove("required") {
                Some(Value::Array(required)) => required,
                _ => Vec::new(),
            };
            common = Some(match common {
                None => required,
                Some(mut known) if *keyword == "allOf" => {
                    known.extend(required);
                    known
                }
                Some(known) => known
                    .into_iter()
                    .filter(|name| required.contains(name))
                    .collect(),
            });
            for definitions in ["$defs", "definitions"] {
                if let Some(found) = part.remove(definitions) {
                    object.entry(definitions).or_insert(found);
                }
            }
        }
        let required = object.entry("required").or_insert_with(|| json!([]));
        if let (Value::Array(required), Some(common)) = (required, common) {
            for name in common {
                if !required.contains(&name) {
                    required.push(name);
                }
            }
        }
    }
    if object
        .get("required")
        .is_some_and(|required| required == &json!([]))
    {
        object.remove("required");
    }
}

/// Adds a property. If alternatives define it differently, each definition is allowed.
fn join(properties: &mut Map<String, Value>, name: String, schema: Value, all: bool) {
    match properties.get_mut(&name) {
        None => {
            properties.insert(name, schema);
        }
        Some(known) if *known == schema || all => {}
        Some(known) => {
            let first = known.take();
            *known = match first {
                Value::Object(mut first) if first.len() == 1 && first.contains_key("anyOf") => {
                    if let Some(Value::Array(alternatives)) = first.get_mut("anyOf")
                        && !alternatives.contains(&schema)
                    {
                        alternatives.push(schema);
                    }
                    Value::Object(first)
                }
                first => json!({ "anyOf": [first, schema] }),
            };
        }
    }
}

fn parse(schema: &RawValue, path: &str) -> Result<Value, RequestFault> {
    serde_json::from_str(schema.get())
        .map_err(|error| RequestFault::new(path, format!("the schema cannot be read: {error}")))
}

/// The schema as JSON text.
pub fn print(value: &Value, path: &str) -> Result<Box<RawValue>, RequestFault> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| RequestFault::new(path, format!("the schema cannot be written: {error}")))
}

const DOCUMENT_KEYWORDS: &[&str] = &["$schema", "$id", "$comment"];

const COMPOSITIONS: &[&str] = &["anyOf", "oneOf", "allOf"];

const STRICT_FORBIDDEN: &[&str] = &[
    "contains",
    "maxProperties",
    "minProperties",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "unevaluatedItems",
    "uniqueItems",
    "default",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedProperties",
];

/// Bounds that Anthropic's structured output does not accept.
const UNENFORCED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "pattern",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_clean_schema_stays_byte_for_byte() {
        let schema = raw(r#"{ "type":"object", "properties":{"a":{"maximum":1.0}} }"#);
        assert_eq!(portable(&schema, "").unwrap().get(), schema.get());
        assert_eq!(object(&schema, "").unwrap().get(), schema.get());
    }

    #[test]
    fn document_keywords_go_but_properties_of_that_name_stay() {
        let schema = raw(
            r#"{"$schema":"x","type":"object","properties":{"$id":{"type":"string","$comment":"y"},"default":{"default":1}}}"#,
        );
        assert_eq!(
            portable(&schema, "").unwrap().get(),
            r#"{"type":"object","properties":{"$id":{"type":"string"},"default":{"default":1}}}"#
        );
    }

    #[test]
    fn a_top_level_union_becomes_one_object() {
        let schema = raw(
            r#"{"anyOf":[{"properties":{"a":{},"k":{}},"required":["a","k"]},{"properties":{"b":{}},"required":["b","k"]}]}"#,
        );
        assert_eq!(
            object(&schema, "").unwrap().get(),
            r#"{"properties":{"a":{},"k":{},"b":{}},"required":["k"],"type":"object"}"#
        );
    }

    #[test]
    fn an_intersection_requires_what_any_part_requires() {
        let schema = raw(r#"{"type":"object","allOf":[{"required":["a"]},{"required":["b"]}]}"#);
        assert_eq!(
            object(&schema, "").unwrap().get(),
            r#"{"type":"object","required":["a","b"],"properties":{}}"#
        );
    }

    #[test]
    fn strict_needs_closed_objects_with_everything_required() {
        assert!(suits_openai_strict(&raw(
            r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#
        )));
        assert!(!suits_openai_strict(&raw(
            r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#
        )));
        assert!(!suits_openai_strict(&raw(
            r#"{"type":"object","properties":{"a":{"default":1}},"required":["a"],"additionalProperties":false}"#
        )));
    }

    #[test]
    fn bounds_move_into_descriptions_for_anthropic() {
        let schema = raw(
            r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"description":"count"}}}"#,
        );
        assert_eq!(
            structured_for_anthropic(&schema, "").unwrap().get(),
            r#"{"type":"object","properties":{"n":{"type":"integer","description":"count\n\n{minimum: 1}"}},"additionalProperties":false}"#
        );
    }
}

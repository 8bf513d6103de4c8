//! A small JSON value that fits a schema: arguments for a tool that must be called, a structured answer.
//!
//! Covers what tool schemas use (`type`, `properties`, `required`, `enum`, `const`, `items`, `anyOf`, local `$ref`),
//! without any claim to be a validator.
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// JSON text that fits the schema.
pub(super) fn json(schema: &RawValue) -> String {
    match serde_json::from_str(schema.get()) {
        Ok(schema) => value(&schema, &schema, 0).to_string(),
        Err(_) => "{}".to_owned(),
    }
}

/// The text of a freeform call that was written as JSON: its `input`, or else all of it.
pub(super) fn freeform(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(members)) => match members.get("input") {
            Some(Value::String(input)) => input.clone(),
            _ => arguments.to_owned(),
        },
        _ => arguments.to_owned(),
    }
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |target| value(target, root, depth + 1));
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    let first = |name: &str| schema.get(name).and_then(|list| list.get(0));
    if let Some(option) = first("enum") {
        return option.clone();
    }
    if let Some(option) = first("anyOf").or_else(|| first("oneOf")) {
        return value(option, root, depth + 1);
    }
    let kind = schema.get("type").map(|kind| kind.get(0).unwrap_or(kind));
    // Gemini's own schema dialect writes types in capitals.
    match kind
        .and_then(Value::as_str)
        .unwrap_or("object")
        .to_ascii_lowercase()
        .as_str()
    {
        "array" => match schema.get("items") {
            Some(items) => json!([value(items, root, depth + 1)]),
            None => json!([]),
        },
        "boolean" => Value::Bool(true),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "null" => Value::Null,
        "string" => json!("sample"),
        _ => object(schema, root, depth),
    }
}

/// Required properties only; all of them when none is required.
fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return json!({});
    };
    let required = schema.get("required").and_then(Value::as_array);
    let wanted =
        |name: &str| required.is_none_or(|required| required.iter().any(|one| one == name));
    let members: Map<String, Value> = properties
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, schema)| (name.clone(), value(schema, root, depth + 1)))
        .collect();
    Value::Object(members)
}

/// A schema may refer to itself, and more than once: the depth bounds the size, too.
const MAX_DEPTH: usize = 8;

//! Repairs nodes of JSON Schemas that vendors refuse, without changing what the schemas allow.
use serde_json::{Map, Value, json};

/// Repairs one node in place; every value that was valid stays valid. Returns whether something changed.
///
/// Vendors check schemas by draft 2020-12 and by their own rules, at any depth, and refuse every request because of one
/// tool: an object without `properties` and an array without `items` (OpenAI), tuples of draft 7 (OpenAI, Anthropic
/// from 4.8 on, Gemini), bounds of draft 4.
pub fn mend(node: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    if let Some(Value::Array(_)) = node.get("items")
        && let Some(tuple) = node.remove("items")
    {
        let length = tuple.as_array().map_or(0, Vec::len);
        if length > 0 {
            node.insert("prefixItems".to_owned(), tuple);
        }
        match node.remove("additionalItems") {
            Some(Value::Bool(false)) => {
                let most = node.get("maxItems").and_then(Value::as_u64);
                let most = most.unwrap_or(u64::MAX).min(length as u64);
                node.insert("maxItems".to_owned(), json!(most));
            }
            Some(rest @ Value::Object(_)) => {
                node.insert("items".to_owned(), rest);
            }
            _ => {}
        }
        changed = true;
    } else if node.remove("additionalItems").is_some() {
        // Beside one schema for all items it has no meaning.
        changed = true;
    }
    for (exclusive, inclusive) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if let Some(Value::Bool(strict)) = node.get(exclusive) {
            let strict = *strict;
            node.remove(exclusive);
            if strict && let Some(bound) = node.remove(inclusive) {
                node.insert(exclusive.to_owned(), bound);
            }
            changed = true;
        }
    }
    match node.get_mut("required") {
        Some(Value::Array(names)) => {
            let mut seen: Vec<Value> = Vec::with_capacity(names.len());
            names.retain(|name| {
                let fresh = name.is_string() && !seen.contains(name);
                seen.extend(fresh.then(|| name.clone()));
                changed |= !fresh;
                fresh
            });
        }
        Some(_) => {
            node.remove("required");
            changed = true;
        }
        None => {}
    }
    if node.get("type").is_some_and(|kind| kind == "any") {
        node.remove("type");
        changed = true;
    }
    for (kind, member, nothing) in [
        ("object", "properties", json!({})),
        ("array", "items", json!({})),
    ] {
        if is_of(node, kind) && !node.contains_key(member) {
            node.insert(member.to_owned(), nothing);
            changed = true;
        }
    }
    changed
}

/// Whether the node may have this type, which may be stated alone or in a list.
pub fn is_of(node: &Map<String, Value>, kind: &str) -> bool {
    match node.get("type") {
        Some(Value::String(said)) => said == kind,
        Some(Value::Array(list)) => list.iter().any(|said| said == kind),
        _ => false,
    }
}

/// Replaces a top-level `$ref` by the schema that it refers to. Returns whether there was one.
pub fn resolve(object: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for _ in 0..MOST_HOPS {
        let Some(Value::String(place)) = object.get("$ref") else {
            break;
        };
        let Some(pointer) = place
            .strip_prefix('#')
            .filter(|place| place.starts_with('/'))
        else {
            break;
        };
        let target = Value::Object(object.clone()).pointer(pointer).cloned();
        let Some(Value::Object(target)) = target else {
            break;
        };
        object.remove("$ref");
        for (key, value) in target {
            object.entry(key).or_insert(value);
        }
        changed = true;
    }
    changed
}

/// Most references that are followed at the top level.
const MOST_HOPS: usize = 8;

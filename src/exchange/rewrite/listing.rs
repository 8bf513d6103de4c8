//! `GET /adapters`: the rewrites that may apply to a key, and what they do.
//!
//! The texts of system prompts, the values of headers and the names of other keys are not shown.
use serde_json::{Map, Value, json};

use crate::config::rewrite::{Condition, Rewrite};
use crate::config::{ClientKey, Config, Glob};
use crate::protocol::json::Pointer;

/// The rewrites whose conditions on the key hold for this key.
pub fn listing(config: &Config, key: &ClientKey) -> Value {
    let meets = |glob: &Option<Glob>, name: Option<&str>| {
        glob.as_ref()
            .is_none_or(|glob| name.is_some_and(|name| glob.is_match(name)))
    };
    let entries: Vec<Value> = config
        .rewrites
        .iter()
        .filter_map(|rewrite| {
            let met = |condition: &&Condition| {
                meets(&condition.when.key, Some(&key.name))
                    && meets(&condition.when.group, key.group.as_deref())
            };
            let met: Vec<&Condition> = rewrite.when.iter().filter(met).collect();
            (rewrite.when.is_empty() || !met.is_empty()).then(|| entry(rewrite, &met))
        })
        .collect();
    json!({"object": "list", "data": entries})
}

/// `met` are the conditions that hold for the key.
fn entry(rewrite: &Rewrite, met: &[&Condition]) -> Value {
    let mut entry = Map::new();
    let mut add = |name: &str, value: Value| {
        let says = match &value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(object) => !object.is_empty(),
            Value::Null => false,
            _ => true,
        };
        if says {
            entry.insert(name.to_owned(), value);
        }
    };
    add("name", (*rewrite.name).into());
    add("object", "adapter".into());
    let when: Vec<Value> = met.iter().copied().map(conditions).collect();
    let is_always = when
        .iter()
        .any(|when| when.as_object().is_some_and(Map::is_empty));
    match when.as_slice() {
        [one] => add("when", one.clone()),
        // A condition that always holds makes the others irrelevant.
        _ if is_always => {}
        _ => add("when", when.into()),
    }
    let texts = [
        ("prepend", &rewrite.system.prepend),
        ("append", &rewrite.system.append),
    ];
    let texts = texts.iter().filter(|(_, text)| text.is_some());
    add("system", texts.map(|(name, _)| *name).collect());
    add(
        "remove",
        rewrite.remove.iter().map(Pointer::as_str).collect(),
    );
    add("set", values(&rewrite.set));
    add("default", values(&rewrite.default));
    let ranges = rewrite.clamp.iter().map(|(pointer, range)| {
        let range = json!([range.low, range.high]);
        (pointer.as_str().to_owned(), range)
    });
    add("clamp", Value::Object(ranges.collect()));
    let set = rewrite.headers_set.iter().map(|(name, _)| name.as_str());
    let removed = rewrite.headers_removed.iter().map(http::HeaderName::as_str);
    let (set, removed): (Vec<&str>, Vec<&str>) = (set.collect(), removed.collect());
    if !set.is_empty() || !removed.is_empty() {
        add("headers", json!({"set": set, "remove": removed}));
    }
    if let Some(rotate) = rewrite.rotate {
        add("session", json!({"rotate_seconds": rotate.as_secs()}));
    }
    if let Some(unit) = rewrite.regroup {
        add("stream", json!({"by": unit.as_str()}));
    }
    Value::Object(entry)
}

fn conditions(condition: &Condition) -> Value {
    let when = &condition.when;
    let mut conditions = Map::new();
    let globs = [
        ("user_agent", &when.user_agent),
        ("model", &when.model),
        ("project", &when.project),
    ];
    for (name, glob) in globs {
        if let Some(glob) = glob {
            conditions.insert(name.to_owned(), glob.pattern().into());
        }
    }
    if !when.header.is_empty() {
        let headers = when.header.iter();
        let headers = headers.map(|(name, glob)| (name.as_str().to_owned(), glob.pattern().into()));
        conditions.insert("header".to_owned(), Value::Object(headers.collect()));
    }
    if let Some(pointer) = &condition.body_has {
        conditions.insert("body_has".to_owned(), pointer.as_str().into());
    }
    if let Some(dialect) = when.dialect {
        conditions.insert("dialect".to_owned(), dialect.as_str().into());
    }
    if let Some(stream) = when.stream {
        conditions.insert("stream".to_owned(), stream.into());
    }
    Value::Object(conditions)
}

fn values(values: &[(Pointer, bytes::Bytes)]) -> Value {
    let values = values.iter().map(|(pointer, raw)| {
        let value = serde_json::from_slice(raw).unwrap_or_default();
        (pointer.as_str().to_owned(), value)
    });
    Value::Object(values.collect())
}

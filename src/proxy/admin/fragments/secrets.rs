//! The secrets of an item: each comes in as text once, is kept in a file of its own, and is never shown again.
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::text::List;
use crate::keys;

/// The text that is shown instead of a secret. When a client sends it back, it means the secret that exists.
pub(super) const MASK: &str = "***";

/// A new secret, to be written to a file.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Fresh {
    pub path: PathBuf,
    pub text: String,
}

/// An item to be written.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub settings: Map<String, Value>,
    pub fresh: Vec<Fresh>,
}

/// An item as it may be shown.
pub(super) fn masked(list: List, settings: &Map<String, Value>) -> Value {
    let mut shown = settings.clone();
    for (name, value) in &mut shown {
        match (list, name.as_str()) {
            // `auth` is a plain word, or an object with secrets.
            (List::Accounts, "key" | "egress" | "auth") | (List::Keys, "sha256" | "key")
                if name != "auth" || value.is_object() =>
            {
                *value = MASK.into();
            }
            (List::Accounts, "keys") => {
                for value in value.as_array_mut().into_iter().flatten() {
                    *value = MASK.into();
                }
            }
            (List::Accounts, "headers") => {
                for (_, value) in value.as_object_mut().into_iter().flatten() {
                    *value = MASK.into();
                }
            }
            _ => {}
        }
    }
    Value::Object(shown)
}

/// The item as it is written to the fragment. `path` names a file for each new secret; `old` is the existing item.
pub(super) fn kept(
    list: List,
    given: Map<String, Value>,
    old: Option<&Map<String, Value>>,
    path: &mut dyn FnMut() -> PathBuf,
) -> Result<Kept, String> {
    match list {
        List::Keys => client_key(given, old),
        List::Accounts => account(given, old, path),
        List::Groups | List::Pools | List::Projects => Ok(Kept {
            settings: given,
            fresh: Vec::new(),
        }),
    }
}

fn client_key(
    mut settings: Map<String, Value>,
    old: Option<&Map<String, Value>>,
) -> Result<Kept, String> {
    let before = old.and_then(|old| old.get("sha256"));
    match settings.remove("key") {
        None | Some(Value::Null) => {
            let stays = settings.get("sha256").is_none_or(|value| value == MASK);
            if let Some(before) = before.filter(|_| stays) {
                settings.insert("sha256".to_owned(), before.clone());
            } else if settings.get("sha256").is_some_and(|value| value == MASK) {
                return Err(nothing_kept("sha256"));
            }
        }
        Some(Value::String(key)) if key.chars().count() >= SHORTEST_KEY => {
            settings.insert("sha256".to_owned(), keys::hex_digest(&key).into());
        }
        Some(Value::String(_)) => {
            return Err(format!(
                "`key` has fewer than {SHORTEST_KEY} characters: leave it out, and one is made"
            ));
        }
        Some(_) => return Err(reference("key")),
    }
    Ok(Kept {
        settings,
        fresh: Vec::new(),
    })
}

fn account(
    given: Map<String, Value>,
    old: Option<&Map<String, Value>>,
    path: &mut dyn FnMut() -> PathBuf,
) -> Result<Kept, String> {
    let mut kept = Kept::default();
    for (name, value) in given {
        let before = old.and_then(|old| old.get(&name));
        let value = match (name.as_str(), value) {
            ("key" | "egress", value) => one(&name, value, before, (&mut kept.fresh, path))?,
            ("keys", Value::Array(list)) => {
                let mut all = Vec::new();
                for (at, value) in list.into_iter().enumerate() {
                    let before = before.and_then(|before| before.get(at));
                    all.push(one("keys", value, before, (&mut kept.fresh, path))?);
                }
                Value::Array(all)
            }
            ("headers", Value::Object(headers)) => {
                let mut all = Map::new();
                for (header, value) in headers {
                    let before = before.and_then(|before| before.get(&header));
                    let value = one("headers", value, before, (&mut kept.fresh, path))?;
                    all.insert(header, value);
                }
                Value::Object(all)
            }
            ("auth", Value::Object(_)) => {
                return Err(
                    "`auth` is a word here; `oauth2` names files, and belongs into the configuration itself"
                        .to_owned(),
                );
            }
            (_, value) => value,
        };
        if !value.is_null() {
            kept.settings.insert(name, value);
        }
    }
    Ok(kept)
}

/// Handles one secret: a text is new, [`MASK`] stands for the existing one.
fn one(
    name: &str,
    value: Value,
    before: Option<&Value>,
    (fresh, path): (&mut Vec<Fresh>, &mut dyn FnMut() -> PathBuf),
) -> Result<Value, String> {
    match value {
        Value::String(text) if text == MASK => before.cloned().ok_or_else(|| nothing_kept(name)),
        Value::String(text) if text.trim().is_empty() => Err(format!("`{name}` is empty")),
        Value::String(text) => {
            let path = path();
            let value = json!({ "file": path.display().to_string() });
            let text = text.trim().to_owned();
            fresh.push(Fresh { path, text });
            Ok(value)
        }
        Value::Null => Ok(Value::Null),
        _ => Err(reference(name)),
    }
}

fn nothing_kept(name: &str) -> String {
    format!("`{name}` reads `{MASK}`, and there is none that could stay")
}

/// The refusal of a reference. Otherwise a client that may write accounts could send any file of this host to an
/// address of its own.
fn reference(name: &str) -> String {
    format!(
        "`{name}` is text here, kept in a file of its own; a reference to a variable or a file belongs into the configuration itself"
    )
}

/// The fewest characters of a key that a client chooses itself.
const SHORTEST_KEY: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        map
    }

    fn keep(list: List, given: Value, old: Option<Value>) -> Result<Kept, String> {
        let mut number = 0;
        let old = old.map(map);
        kept(list, map(given), old.as_ref(), &mut || {
            number += 1;
            PathBuf::from(format!("/s/{number}"))
        })
    }

    #[test]
    fn secrets_of_accounts_go_to_files_and_never_come_back() {
        let given = json!({ "name": "a", "key": "sk-1\n", "egress": "socks5://u:p@h:1", "headers": { "x-a": "1", "x-b": "2" }, "auth": "bearer", "weight": 2 });
        let kept = keep(List::Accounts, given, None).expect("it is kept");
        let said = Value::Object(kept.settings.clone()).to_string();
        for secret in ["sk-1", "u:p", "\"1\"", "\"2\""] {
            assert!(!said.contains(secret), "{said}");
        }
        assert_eq!(kept.fresh.len(), 4);
        assert_eq!(kept.fresh[0].text, "sk-1");
        let shown = masked(List::Accounts, &kept.settings);
        assert_eq!(
            shown,
            json!({ "name": "a", "key": "***", "egress": "***", "headers": { "x-a": "***", "x-b": "***" }, "auth": "bearer", "weight": 2 })
        );
        // A masked value that comes back keeps the secret; a new value replaces it.
        let mut again = map(shown);
        again.insert("key".to_owned(), "sk-2".into());
        let old = Value::Object(kept.settings.clone());
        let second = keep(List::Accounts, Value::Object(again), Some(old)).expect("it is kept");
        assert_eq!(second.fresh.len(), 1);
        assert_eq!(second.settings["egress"], kept.settings["egress"]);
    }

    #[test]
    fn nothing_of_this_host_can_be_named() {
        for given in [
            json!({ "key": { "file": "/etc/shadow" } }),
            json!({ "keys": [{ "env": "OTHER_KEY" }] }),
            json!({ "egress": { "env": "A" } }),
            json!({ "headers": { "x": { "file": "/etc/shadow" } } }),
            json!({ "auth": { "oauth2": { "key_file": "/etc/shadow" } } }),
            json!({ "key": "***" }),
            json!({ "key": "" }),
        ] {
            assert!(
                keep(List::Accounts, given.clone(), None).is_err(),
                "{given}"
            );
        }
        for given in [
            json!({ "key": { "env": "A" } }),
            json!({ "key": "short" }),
            json!({ "sha256": "***" }),
        ] {
            assert!(keep(List::Keys, given.clone(), None).is_err(), "{given}");
        }
    }

    #[test]
    fn the_digest_of_a_key_stays_until_another_is_given() {
        let old = json!({ "name": "k", "sha256": "00" });
        for given in [
            json!({ "name": "k" }),
            json!({ "name": "k", "sha256": "***" }),
        ] {
            let kept = keep(List::Keys, given, Some(old.clone())).expect("it is kept");
            assert_eq!(kept.settings["sha256"], "00");
        }
        let given = json!({ "name": "k", "key": "a-key-of-my-own-making" });
        let kept = keep(List::Keys, given, Some(old)).expect("it is kept");
        assert_eq!(
            kept.settings["sha256"],
            keys::hex_digest("a-key-of-my-own-making")
        );
        assert_eq!(masked(List::Keys, &kept.settings)["sha256"], MASK);
    }
}

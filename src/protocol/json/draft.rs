//! An object that is being edited at any depth: reads see the preceding edits, and the result is written once.
//!
//! The body is scanned once, when it arrives. For an edit deep inside, only the enclosing top-level member is parsed
//! and copied; every byte that no edit concerns stays as it is.
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::edit::{self, Edit};
use super::pointer::{Pointer, find, index};
use super::text::escaped;
use super::{Members, elements, object};

/// Edits of one object.
#[derive(Debug)]
pub struct Draft<'a> {
    body: &'a Bytes,
    members: &'a Members,
    /// The edits by the name of the top-level member; each name occurs once.
    edits: Vec<(String, Edit)>,
}

impl<'a> Draft<'a> {
    /// A draft without edits. `members` were scanned from `body`.
    pub fn new(body: &'a Bytes, members: &'a Members) -> Self {
        Self {
            body,
            members,
            edits: Vec::new(),
        }
    }

    /// The raw value of a top-level member. `null` counts as missing, as it does for the vendors.
    pub fn member(&self, name: &str) -> Option<Bytes> {
        let value = match self.edits.iter().find(|(other, _)| other == name) {
            Some((_, Edit::Set(value))) => value.clone(),
            Some((_, Edit::Remove)) => return None,
            None => self.body.slice(self.members.span(self.body, name)?),
        };
        (value != "null").then_some(value)
    }

    /// The raw value at a pointer. `null` counts as missing.
    pub fn get(&self, pointer: &Pointer) -> Option<Bytes> {
        let member = self.member(pointer.member())?;
        let found = find(&member, pointer.inside())?;
        let value = member.slice(found);
        (value != "null").then_some(value)
    }

    /// Sets a top-level member to this raw value.
    pub fn put(&mut self, name: &str, value: Bytes) {
        self.edit(name, Edit::Set(value));
    }

    /// Sets the value at a pointer. Missing objects on the path are created. If the path leads through a value that is
    /// neither an object nor an array, or beyond the end of an array, nothing changes.
    pub fn set(&mut self, pointer: &Pointer, value: Bytes) {
        let changed = match (self.member(pointer.member()), pointer.inside()) {
            (_, []) => Some(value),
            (None, inside) => Some(built(inside, &value)),
            (Some(member), inside) => changed(&member, inside, &Change::Set(value)),
        };
        if let Some(changed) = changed {
            self.put(pointer.member(), changed);
        }
    }

    /// Removes the value at a pointer.
    pub fn remove(&mut self, pointer: &Pointer) {
        let name = pointer.member();
        if pointer.inside().is_empty() {
            let edited = self.edits.iter().any(|(other, _)| other == name);
            if edited || self.members.span(self.body, name).is_some() {
                self.edit(name, Edit::Remove);
            }
        } else if let Some(member) = self.member(name)
            && let Some(changed) = changed(&member, pointer.inside(), &Change::Remove)
        {
            self.put(name, changed);
        }
    }

    /// The new body; `None` if nothing changes.
    pub fn finish(self) -> Option<Bytes> {
        if self.edits.is_empty() {
            return None;
        }
        let edits: Vec<(&str, Edit)> = self
            .edits
            .iter()
            .map(|(name, edit)| (name.as_str(), edit.clone()))
            .collect();
        Some(edit::set(self.body, self.members, &edits).to_bytes())
    }

    fn edit(&mut self, name: &str, edit: Edit) {
        match self.edits.iter_mut().find(|(other, _)| other == name) {
            Some((_, earlier)) => *earlier = edit,
            None => self.edits.push((name.to_owned(), edit)),
        }
    }
}

/// Inserts an element into an array before the position `at`, or at its end; `None` if `array` is not an array.
pub fn insert(array: &[u8], at: usize, element: &[u8]) -> Option<Bytes> {
    let elements = elements(array)?;
    Some(match (elements.get(at), elements.last()) {
        (Some(next), _) => spliced(array, next.start..next.start, &[element, b","]),
        (None, Some(last)) => spliced(array, last.end..last.end, &[b",", element]),
        (None, None) => spliced(array, 1..1, &[element]),
    })
}

enum Change {
    Remove,
    Set(Bytes),
}

/// `value` with a change at the path `tokens`; `None` if that changes nothing.
fn changed(value: &Bytes, tokens: &[String], change: &Change) -> Option<Bytes> {
    let (token, rest) = tokens.split_first()?;
    match (value.first()?, change) {
        (b'{', _) => changed_object(value, token, rest, change),
        (b'[', _) => changed_array(value, token, rest, change),
        (b'n', Change::Set(new)) => Some(built(tokens, new)),
        _ => None,
    }
}

fn changed_object(value: &Bytes, token: &str, rest: &[String], change: &Change) -> Option<Bytes> {
    let members = object(value)?;
    let span = members.span(value, token);
    let edit = match (change, rest, span) {
        (Change::Remove, _, None) => return None,
        (Change::Remove, [], Some(_)) => Edit::Remove,
        (Change::Set(new), [], _) => Edit::Set(new.clone()),
        (Change::Set(new), rest, None) => Edit::Set(built(rest, new)),
        (_, rest, Some(span)) => Edit::Set(changed(&value.slice(span), rest, change)?),
    };
    Some(edit::set(value, &members, &[(token, edit)]).to_bytes())
}

fn changed_array(value: &Bytes, token: &str, rest: &[String], change: &Change) -> Option<Bytes> {
    let elements = elements(value)?;
    let at = index(token, elements.len())?;
    let span = elements.get(at);
    Some(match (change, rest, span) {
        (Change::Set(new), rest, None) if at == elements.len() => {
            insert(value, at, &built(rest, new))?
        }
        (_, _, None) => return None,
        (Change::Remove, [], Some(span)) => {
            let before = at.checked_sub(1).and_then(|before| elements.get(before));
            let cut = match (elements.get(at + 1), before) {
                (Some(next), _) => span.start..next.start,
                (None, Some(before)) => before.end..span.end,
                (None, None) => span.clone(),
            };
            spliced(value, cut, &[])
        }
        (Change::Set(new), [], Some(span)) => spliced(value, span.clone(), &[new]),
        (_, rest, Some(span)) => {
            let inner = changed(&value.slice(span.clone()), rest, change)?;
            spliced(value, span.clone(), &[&inner])
        }
    })
}

/// The value wrapped in new objects, one for each token; for `-`, in a new array.
fn built(tokens: &[String], value: &Bytes) -> Bytes {
    tokens.iter().rev().fold(value.clone(), |inner, token| {
        let (open, close) = if token == "-" {
            ("[".to_owned(), "]")
        } else {
            (format!("{{\"{}\":", escaped(token)), "}")
        };
        [open.as_bytes(), &inner, close.as_bytes()].concat().into()
    })
}

fn spliced(value: &[u8], cut: Range<usize>, new: &[&[u8]]) -> Bytes {
    let added: usize = new.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(value.len() + added);
    out.extend_from_slice(value.get(..cut.start).unwrap_or_default());
    for part in new {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(value.get(cut.end..).unwrap_or_default());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::scan;
    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).expect("a pointer")
    }

    fn edited(body: &str, edit: impl FnOnce(&mut Draft<'_>)) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let members = scan(&body).expect("an object");
        let mut draft = Draft::new(&body, &members);
        edit(&mut draft);
        let new = draft.finish().unwrap_or(body);
        scan(&new).expect("still an object");
        String::from_utf8(new.to_vec()).expect("text")
    }

    fn set(body: &str, at: &str, value: &'static str) -> String {
        edited(body, |draft| {
            draft.set(&pointer(at), Bytes::from_static(value.as_bytes()));
        })
    }

    fn remove(body: &str, at: &str) -> String {
        edited(body, |draft| draft.remove(&pointer(at)))
    }

    #[test]
    fn set_replaces_appends_and_makes_what_is_missing_on_the_way() {
        for (body, at, expected) in [
            (r#"{"a": 1, "b":2}"#, "/a", r#"{"a": 9, "b":2}"#),
            (r#"{"a": 1}"#, "/b", r#"{"a": 1,"b":9}"#),
            ("{}", "/a/b/c", r#"{"a":{"b":{"c":9}}}"#),
            (r#"{"a":null}"#, "/a/b", r#"{"a":{"b":9}}"#),
            (
                r#"{"a": { "b" : 1 , "c":2 }}"#,
                "/a/b",
                r#"{"a": { "b" : 9 , "c":2 }}"#,
            ),
            (r#"{"a":{"b":null}}"#, "/a/b/c", r#"{"a":{"b":{"c":9}}}"#),
            (r#"{"a":[1, 2 ,3]}"#, "/a/1", r#"{"a":[1, 9 ,3]}"#),
            (r#"{"a":[1, 2 ]}"#, "/a/-", r#"{"a":[1, 2,9 ]}"#),
            (r#"{"a":[ ]}"#, "/a/0", r#"{"a":[9 ]}"#),
            (r#"{"a":[1]}"#, "/a/1", r#"{"a":[1,9]}"#),
            (
                r#"{"a":[{"b":1}]}"#,
                "/a/0/c/d",
                r#"{"a":[{"b":1,"c":{"d":9}}]}"#,
            ),
            ("{}", "/a/-", r#"{"a":[9]}"#),
            (r#"{"a\u0062":1}"#, "/ab", r#"{"a\u0062":9}"#),
            ("{}", "/x\"y", r#"{"x\"y":9}"#),
            // There is no place for the value.
            (r#"{"a":"text"}"#, "/a/b", r#"{"a":"text"}"#),
            (r#"{"a":[1]}"#, "/a/5", r#"{"a":[1]}"#),
            (r#"{"a":[1]}"#, "/a/b", r#"{"a":[1]}"#),
            (r#"{"a":true}"#, "/a/b", r#"{"a":true}"#),
        ] {
            assert_eq!(set(body, at, "9"), expected, "{at} in {body}");
        }
    }

    #[test]
    fn remove_takes_the_comma_along() {
        for (body, at, expected) in [
            (r#"{"a":1, "b":2}"#, "/a", r#"{"b":2}"#),
            (r#"{"a":{"b":1,"c":2}}"#, "/a/c", r#"{"a":{"b":1}}"#),
            (r#"{"a":[1, 2 ,3]}"#, "/a/0", r#"{"a":[2 ,3]}"#),
            (r#"{"a":[1, 2 ,3 ]}"#, "/a/2", r#"{"a":[1, 2 ]}"#),
            (r#"{"a":[ 1 ]}"#, "/a/0", r#"{"a":[  ]}"#),
            (
                r#"{"a":[{"b":1,"c":2},3]}"#,
                "/a/0/b",
                r#"{"a":[{"c":2},3]}"#,
            ),
            (r#"{"a":1}"#, "/b", r#"{"a":1}"#),
            (r#"{"a":1}"#, "/a/b", r#"{"a":1}"#),
            (r#"{"a":[1]}"#, "/a/-", r#"{"a":[1]}"#),
            (r#"{"a":null}"#, "/a/b", r#"{"a":null}"#),
        ] {
            assert_eq!(remove(body, at), expected, "{at} in {body}");
        }
    }

    #[test]
    fn later_edits_see_the_earlier_ones() {
        let found = edited(r#"{"keep":1}"#, |draft| {
            draft.set(&pointer("/a/b"), Bytes::from_static(b"1"));
            assert_eq!(draft.get(&pointer("/a/b")).as_deref(), Some(&b"1"[..]));
            draft.set(&pointer("/a/c"), Bytes::from_static(b"2"));
            draft.remove(&pointer("/a/b"));
            assert_eq!(draft.get(&pointer("/a/b")), None);
            draft.remove(&pointer("/keep"));
            assert_eq!(draft.member("keep"), None);
            draft.set(&pointer("/keep/x"), Bytes::from_static(b"3"));
        });
        assert_eq!(found, r#"{"keep":{"x":3},"a":{"c":2}}"#);
    }

    #[test]
    fn null_is_nothing() {
        edited(r#"{"a":null,"b":{"c":null}}"#, |draft| {
            assert_eq!(draft.member("a"), None);
            assert_eq!(draft.get(&pointer("/b/c")), None);
        });
    }

    #[test]
    fn elements_are_put_in_before_a_position() {
        let put = |array: &str, at| {
            let new = insert(array.as_bytes(), at, b"9").expect("an array");
            String::from_utf8(new.to_vec()).expect("text")
        };
        assert_eq!(put("[ 1, 2 ]", 0), "[ 9,1, 2 ]");
        assert_eq!(put("[ 1, 2 ]", 1), "[ 1, 9,2 ]");
        assert_eq!(put("[ 1, 2 ]", usize::MAX), "[ 1, 2,9 ]");
        assert_eq!(put("[]", 0), "[9]");
        assert_eq!(insert(b"{}", 0, b"9"), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\é\u{1f600}]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn objects() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-c]", values(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    /// The reference for `set`, on a parsed document.
    fn set_in(value: &mut Value, tokens: &[&str], new: &Value) {
        let Some((token, rest)) = tokens.split_first() else {
            *value = new.clone();
            return;
        };
        if value.is_null() {
            *value = if *token == "-" {
                Value::Array(Vec::new())
            } else {
                Value::Object(serde_json::Map::new())
            };
        }
        match value {
            Value::Object(object) => {
                let inner = object.entry(*token).or_insert(Value::Null);
                set_in(inner, rest, new);
            }
            Value::Array(array) => match index(token, array.len()) {
                Some(at) if at < array.len() => set_in(&mut array[at], rest, new),
                Some(at) if at == array.len() => {
                    let mut inner = Value::Null;
                    set_in(&mut inner, rest, new);
                    array.push(inner);
                }
                _ => {}
            },
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn an_edit_means_what_it_means_to_a_document(
            document in objects(),
            tokens in prop::collection::vec(prop_oneof!["[a-c]", Just("0".to_owned()), Just("1".to_owned()), Just("-".to_owned())], 1..4),
            pretty in any::<bool>(),
        ) {
            let body = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let body = body.expect("JSON");
            let at = format!("/{}", tokens.join("/"));
            let found: Value = serde_json::from_str(&set(&body, &at, r#"{"new":[1]}"#)).expect("JSON");
            let mut expected = document.clone();
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            if tokens[0] != "-" {
                set_in(&mut expected, &tokens, &serde_json::json!({"new": [1]}));
                prop_assert_eq!(found, expected);
            }
            // A value that was set can be read, and a value that was removed cannot.
            let removed: Value = serde_json::from_str(&remove(&body, &at)).expect("JSON");
            let mut without = document.clone();
            let last = tokens.last().copied().unwrap_or_default();
            let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
            match without.pointer_mut(parent) {
                Some(Value::Object(object)) => { object.shift_remove(last); }
                Some(Value::Array(array)) => {
                    if let Some(at) = index(last, array.len()).filter(|at| *at < array.len()) {
                        array.remove(at);
                    }
                }
                _ => {}
            }
            prop_assert_eq!(removed, without);
        }
    }
}

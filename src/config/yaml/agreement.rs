//! Two parsers must agree: `serde_yaml`, which determines the meaning of a configuration, and saphyr, whose tree has
//! the positions of all values.
//!
//! YAML has corner cases in which parsers differ. A file with such a case could pass a check in one program and mean
//! something else in another; here it is a fault with a position.
use std::collections::HashMap;
use std::rc::Rc;

use serde_yaml::Value;

use super::document::{Fault, Kind, Node, Place};

/// The first place at which `serde_yaml` reads `text` differently from the tree `root`.
pub fn check(text: &str, root: &Rc<Node>) -> Option<Fault> {
    let mut value = match serde_yaml::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => {
            let place = error.location().map_or(root.place, |location| Place {
                file: root.place.file,
                line: location.line(),
                column: location.column(),
            });
            return Some(fault(place));
        }
    };
    if value.apply_merge().is_err() {
        return Some(fault(root.place));
    }
    differs(root, &value).map(fault)
}

fn differs(node: &Node, value: &Value) -> Option<Place> {
    let same = match (&node.kind, value) {
        (Kind::List(items), Value::Sequence(values)) if items.len() == values.len() => {
            let mut pairs = items.iter().zip(values);
            return pairs.find_map(|(item, value)| differs(item, value));
        }
        (Kind::Mapping(entries), Value::Mapping(values)) if entries.len() == values.len() => {
            let spelt: HashMap<String, &Value> = values
                .iter()
                .filter_map(|(key, value)| Some((spelling(key)?, value)))
                .collect();
            return entries
                .iter()
                .find_map(|(key, item)| match spelt.get(&*key.text) {
                    Some(value) => differs(item, value),
                    None => Some(key.place),
                });
        }
        (Kind::Scalar { text, .. }, Value::String(value)) => text == value,
        (Kind::Scalar { quoted, .. }, Value::Null) => !quoted && node.is_null(),
        (Kind::Scalar { quoted, .. }, Value::Bool(_) | Value::Number(_)) => !quoted,
        _ => false,
    };
    (!same).then_some(node.place)
}

/// A key as text: `8080:` is a number for one parser and text for the other, and means the same.
fn spelling(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn fault(place: Place) -> Fault {
    Fault {
        place,
        message: "found YAML that parsers read differently, expected plain YAML".to_owned(),
        hint: Some(
            "write it in the ordinary way: quote texts, avoid anchors and multi-line scalars here",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::read;
    use super::*;

    fn check_text(text: &str) -> Option<(usize, usize)> {
        let (root, _) = read(text, 0).expect("readable");
        check(text, &root).map(|fault| (fault.place.line, fault.place.column))
    }

    #[test]
    fn ordinary_documents_are_read_alike() {
        assert_eq!(
            check_text("a: 1\nb: [x, 'y', 2.5, true, ~, null]\n8080: z\n"),
            None
        );
        assert_eq!(check_text("base: &b { d: 1 }\ne: { <<: *b, f: 2 }\n"), None);
        assert_eq!(
            check_text("a: |\n  two\n  lines\nb: >-\n  folded\n  text\n"),
            None
        );
    }

    #[test]
    fn a_difference_has_a_place() {
        let (root, _) = read("a: 1\nb: two\n", 0).expect("readable");
        let other = check("a: 1\nb: three\n", &root).expect("they differ");
        assert_eq!((other.place.line, other.place.column), (2, 4));
        let missing = check("a: 1\nc: two\n", &root).expect("they differ");
        assert_eq!((missing.place.line, missing.place.column), (2, 1));
    }
}

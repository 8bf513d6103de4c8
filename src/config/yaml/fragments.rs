//! Joins the lists of a fragment to those of the configuration that includes it.
use std::rc::Rc;

use super::at::At;
use super::document::{Key, Kind, Node, Place};
use super::faults::Faults;
use crate::config::diagnostic::{did_you_mean, one_of, quote};

/// The tree with the lists of a fragment appended to its own lists. Values keep their positions.
pub fn merge(root: &Rc<Node>, fragment: &Rc<Node>, faults: &mut Faults) -> Rc<Node> {
    let Kind::Mapping(entries) = &root.kind else {
        return Rc::clone(root); // The decoder reports it.
    };
    let mut entries = entries.clone();
    let added = match &fragment.kind {
        Kind::Mapping(added) => added.as_slice(),
        // The fragment is empty or has only comments.
        Kind::Scalar { .. } if fragment.is_null() => &[],
        Kind::Scalar { .. } | Kind::List(_) => {
            let message = format!(
                "found no mapping, expected lists: {}",
                one_of(LISTS.iter().copied())
            );
            let hint = "begin it as the configuration itself: accounts: [ … ]".to_owned();
            faults.add_with(&At::text(fragment.place), message, Some(hint));
            &[]
        }
    };
    for (key, value) in added {
        let at = At::text(key.place);
        if &*key.text == "version" {
            if !matches!(&value.kind, Kind::Scalar { text, quoted: false } if text == "1") {
                let hint = "this weir reads `version: 1`; a fragment may leave it out".to_owned();
                faults.add_with(&at, "found another version, expected `1`", Some(hint));
            }
            continue;
        }
        if !LISTS.contains(&&*key.text) {
            let message = format!(
                "found {} in a fragment, expected {}",
                quote(&key.text),
                one_of(LISTS.iter().copied())
            );
            let hint = did_you_mean(&key.text, LISTS.iter().copied()).unwrap_or_else(|| {
                "everything else belongs into the configuration itself".to_owned()
            });
            faults.add_with(&at, message, Some(hint));
            continue;
        }
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Scalar { .. } if value.is_null() => &[],
            Kind::Scalar { .. } | Kind::Mapping(_) => {
                let hint = "put it into a list: [ … ]".to_owned();
                faults.add_with(&at, "found something else, expected a list", Some(hint));
                continue;
            }
        };
        let own = entries.iter_mut().find(|(own, _)| own.text == key.text);
        let Some((_, own)) = own else {
            entries.push((key.clone(), Rc::clone(value)));
            continue;
        };
        // The setting is a mapping that contains the list.
        if let Kind::Mapping(members) = &own.kind
            && &*key.text == "prices"
        {
            *own = with_list(own.place, members, value, items);
            continue;
        }
        let before = match &own.kind {
            Kind::List(before) => before.as_slice(),
            Kind::Scalar { .. } if own.is_null() => &[],
            Kind::Scalar { .. } | Kind::Mapping(_) => {
                let message = format!(
                    "found a list of {} here, expected it in one place",
                    &*key.text
                );
                let hint =
                    "the configuration itself has something else than a list there".to_owned();
                faults.add_with(&at, message, Some(hint));
                continue;
            }
        };
        let all = before.iter().chain(items).cloned().collect();
        *own = Rc::new(Node {
            place: own.place,
            kind: Kind::List(all),
        });
    }
    Rc::new(Node {
        place: root.place,
        kind: Kind::Mapping(entries),
    })
}

/// The mapping with these items appended to its `list`. If that is not a list, it is unchanged, and the decoder reports
/// it.
fn with_list(
    place: Place,
    members: &[(Key, Rc<Node>)],
    value: &Rc<Node>,
    items: &[Rc<Node>],
) -> Rc<Node> {
    let mut members = members.to_vec();
    match members.iter_mut().find(|(key, _)| &*key.text == "list") {
        Some((_, list)) => {
            if let Kind::List(before) = &list.kind {
                let all = before.iter().chain(items).cloned().collect();
                *list = Rc::new(Node {
                    place: list.place,
                    kind: Kind::List(all),
                });
            }
        }
        None => members.push((
            Key {
                text: "list".into(),
                place,
            },
            Rc::clone(value),
        )),
    }
    Rc::new(Node {
        place,
        kind: Kind::Mapping(members),
    })
}

/// The lists that a fragment may contain.
const LISTS: &[&str] = &[
    "accounts",
    "capabilities",
    "groups",
    "keys",
    "pools",
    "prices",
    "projects",
    "rewrites",
    "routes",
];

//! Tool names and tool-call ids under the rules of another dialect.
//!
//! Pure functions of the original: the same name or id becomes the same thing on every turn and on every host, in
//! declarations, choices, calls and results. A name or id that conforms is not changed.
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::block::{Block, CallKind};
use super::digest::digest;
use super::error::RequestFault;
use super::request::{Request, Tool};
use super::target::ToolIds;

/// The names of one request in both directions.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Only names that changed or that must be restored: the target's spelling → the client's namespace and name.
    changed: HashMap<String, Original>,
    /// The names by which the target knows the tools.
    told: HashSet<String>,
}

/// A tool as its client knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Original {
    pub namespace: Option<String>,
    pub name: String,
    /// Its input is free text; the upstream was instructed to put the text into [`FREEFORM_FIELD`] of an object.
    pub freeform: bool,
}

impl Names {
    /// Collects the names that `request` declares or uses. Two tools with the same resulting name are a fault.
    /// `wraps_freeform`: the target has no freeform tools.
    pub fn of(request: &Request, wraps_freeform: bool) -> Result<Self, RequestFault> {
        let mut names = Self::default();
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (index, tool) in request.tools.iter().enumerate() {
            let (namespace, freeform) = match tool {
                Tool::Function(function) => (function.namespace.as_deref(), false),
                Tool::Freeform(_) => (None, wraps_freeform),
                Tool::Hosted(_) => (None, false),
            };
            let mapped = names.learn(namespace, tool.name(), freeform);
            if let Some(other) = seen.insert(mapped, tool.name()) {
                return Err(RequestFault::new(
                    format!("tools.{index}"),
                    format!(
                        "the tools `{other}` and `{}` have the same name for this upstream; rename one",
                        tool.name()
                    ),
                ));
            }
        }
        names.told.extend(seen.into_keys());
        for block in request.blocks() {
            if let Block::ToolCall(call) = block {
                let freeform = wraps_freeform && call.kind == CallKind::Freeform;
                names.learn(call.namespace.as_deref(), &call.name, freeform);
            }
        }
        Ok(names)
    }

    fn learn(&mut self, namespace: Option<&str>, name: &str, freeform: bool) -> String {
        let mapped = tool_name(namespace, name);
        // Either spelling may have been sent to the target.
        let by_letter = tool_name_by_letter(namespace, name);
        for told in [&mapped, &by_letter] {
            if freeform || *told != name {
                let original = Original {
                    namespace: namespace.map(str::to_owned),
                    name: name.to_owned(),
                    freeform,
                };
                self.changed.insert(told.to_string(), original);
            }
        }
        if by_letter != mapped {
            self.told.insert(by_letter.into_owned());
        }
        mapped.into_owned()
    }

    /// The target's names of the tools whose input is free text.
    pub fn wrapped(&self) -> Vec<String> {
        let wrapped = self
            .changed
            .iter()
            .filter(|(_, original)| original.freeform);
        wrapped.map(|(name, _)| name.clone()).collect()
    }

    /// The tool name that the model means. Models prefix a tool's name with the name that their chat template gives to
    /// the tool list, and append its number. A result that is still not a tool's name is returned as it came, so that
    /// the client can tell the model.
    pub fn meant<'n>(&self, said: &'n str) -> &'n str {
        if self.told.contains(said) {
            return said;
        }
        let trimmed = said.trim();
        let bare = LISTS
            .iter()
            .find_map(|list| trimmed.strip_prefix(list)?.strip_prefix(['.', ':', '/']))
            .unwrap_or(trimmed);
        let unnumbered = match bare.rsplit_once(':') {
            Some((name, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => bare,
        };
        [trimmed, bare, unnumbered]
            .into_iter()
            .find(|name| self.told.contains(*name))
            .unwrap_or(said)
    }

    /// The client's tool for a name in the upstream's answer.
    pub fn original(&self, name: &str) -> Option<&Original> {
        self.changed.get(name)
    }
}

/// The names that chat templates give to the list of a request's tools.
const LISTS: [&str; 4] = ["functions", "default_api", "tools", "tool"];

/// A tool's name for a target that accepts letters, digits, `_` and `-`, at most [`LONGEST_NAME`] bytes. A namespace
/// becomes a prefix.
pub fn tool_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    match namespace {
        Some(namespace) => {
            Cow::Owned(conform(&format!("{namespace}__{name}"), LONGEST_NAME).into_owned())
        }
        None => conform(name, LONGEST_NAME),
    }
}

/// The same as [`tool_name`], for a target whose names begin with a letter or an underscore.
pub fn tool_name_by_letter<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    let name = tool_name(namespace, name);
    if name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name
    } else {
        Cow::Owned(format!("_{name}"))
    }
}

/// A tool-call id under the target's rule. A call and its result get the same id.
pub fn tool_id(id: &str, rule: ToolIds) -> Cow<'_, str> {
    match rule {
        ToolIds::AtMost(longest) => conform(id, longest),
        // The history has already been numbered.
        ToolIds::Numbered => Cow::Borrowed(id),
        ToolIds::Nine => {
            let nine = id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
            if nine {
                Cow::Borrowed(id)
            } else {
                Cow::Owned(digest(id, 9))
            }
        }
    }
}

/// `text` if it conforms; else its conforming beginning, `_`, and eight digits of its hash.
fn conform(text: &str, longest: usize) -> Cow<'_, str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !text.is_empty() && text.len() <= longest && text.bytes().all(legal) {
        return Cow::Borrowed(text);
    }
    let keep = longest.saturating_sub(HASH_DIGITS + 1);
    let clean: String = text
        .chars()
        .map(|c| {
            if u8::try_from(c).is_ok_and(legal) {
                c
            } else {
                '_'
            }
        })
        .take(keep)
        .collect();
    Cow::Owned(format!("{clean}_{}", digest(text, HASH_DIGITS)))
}

/// Longest tool name that every vendor accepts, in bytes.
pub const LONGEST_NAME: usize = 64;

/// The only member of a freeform tool's arguments if the target has no freeform tools.
pub const FREEFORM_FIELD: &str = "input";

/// The number of hash digits that keep shortened names distinct.
const HASH_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn conforming_names_and_ids_pass() {
        assert_eq!(tool_name(None, "Read_file-2"), "Read_file-2");
        assert_eq!(tool_id("toolu_01AbC", ToolIds::AtMost(64)), "toolu_01AbC");
        assert_eq!(tool_id("abcDEF123", ToolIds::Nine), "abcDEF123");
    }

    #[test]
    fn others_are_cleaned_and_kept_apart_by_a_hash() {
        assert_eq!(
            tool_id("functions.web_fetch:0", ToolIds::AtMost(64)),
            format!(
                "functions_web_fetch_0_{}",
                digest("functions.web_fetch:0", 8)
            )
        );
        assert_eq!(tool_name(Some("fs"), "read"), "fs__read");
        assert_eq!(tool_name_by_letter(None, "3d-view"), "_3d-view");
        assert_eq!(tool_name_by_letter(None, "view"), "view");
        assert_eq!(tool_name(None, &"n".repeat(70)).len(), 64);
    }

    proptest! {
        #[test]
        fn every_result_conforms_and_conforming_again_changes_nothing(text in ".{0,120}") {
            for rule in [ToolIds::AtMost(64), ToolIds::AtMost(40), ToolIds::Nine] {
                let id = tool_id(&text, rule);
                let longest = if let ToolIds::AtMost(longest) = rule { longest } else { 9 };
                prop_assert!(!id.is_empty() && id.len() <= longest);
                prop_assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
                prop_assert_eq!(tool_id(&id, rule), id.as_ref());
            }
        }

        #[test]
        fn different_originals_stay_different(a in ".{0,120}", b in ".{0,120}") {
            prop_assume!(a != b);
            prop_assert_ne!(tool_id(&a, ToolIds::AtMost(40)), tool_id(&b, ToolIds::AtMost(40)));
        }
    }
}

//! The other gateway's file while it is read. Every member that was not read is listed at the end.
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::draft::Draft;

/// An object of the file.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    members: Option<&'a Map<String, Value>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    pub fn new(path: impl Into<String>, value: &'a Value) -> Self {
        Self {
            path: path.into(),
            members: value.as_object(),
            asked: RefCell::default(),
        }
    }

    /// The path of a member, such as `accounts[0].name`.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.members?.get(name).filter(|value| !value.is_null())
    }

    /// A non-empty text; numbers are accepted too.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// A number above zero, which may be encoded as text.
    pub fn positive(&self, name: &str) -> Option<f64> {
        let number: f64 = self.text(name)?.parse().ok()?;
        Some(number).filter(|number| number.is_finite() && *number > 0.0)
    }

    /// The same as [`Section::positive`], without fractions.
    pub fn count(&self, name: &str) -> Option<u64> {
        // This is far below the largest whole number that a 64-bit float holds exactly.
        self.positive(name)
            .filter(|number| *number < 1e15)
            .map(|number| number as u64)
    }

    /// A boolean, which may be encoded as text.
    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => match text.as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn section(&self, name: &str) -> Option<Section<'a>> {
        let value = self.get(name).filter(|value| value.is_object())?;
        Some(Section::new(self.at(name), value))
    }

    /// The objects of a list.
    pub fn sections(&self, name: &str) -> Vec<Section<'a>> {
        let items = self.get(name).and_then(Value::as_array);
        let items = items.map(Vec::as_slice).unwrap_or_default();
        let at = self.at(name);
        let sections = items.iter().enumerate();
        sections
            .map(|(index, item)| Section::new(format!("{at}[{index}]"), item))
            .collect()
    }

    /// The texts of a list, or of a text with commas.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(Value::String(text)) => text
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The names and texts of an object, which may be encoded as text.
    pub fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let parsed;
        let value = match self.get(name) {
            Some(Value::String(text)) => {
                parsed = serde_json::from_str::<Value>(text).unwrap_or_default();
                &parsed
            }
            Some(value) => value,
            None => return Vec::new(),
        };
        let members = value.as_object().into_iter().flatten();
        members
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// Ignores members that do not matter to a proxy, or to Weir.
    pub fn pass_over(&self, names: &[&str]) {
        self.asked
            .borrow_mut()
            .extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// Lists the members that were not read and have a value.
    pub fn finish(&self, draft: &mut Draft) {
        let asked = self.asked.borrow();
        for (name, value) in self.members.into_iter().flatten() {
            let says_nothing = match value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty() || text == "false" || text == "0",
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::Bool(true) => false,
            };
            if !asked.contains(name) && !says_nothing {
                draft.note(&self.at(name), "is not converted");
            }
        }
    }
}

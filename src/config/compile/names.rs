//! The names of a section, which must be unique and which references are resolved with.
use std::collections::{HashMap, HashSet};

use crate::config::diagnostic::{did_you_mean, one_of, quote};
use crate::config::raw::values::Name;
use crate::config::yaml::decode::{Field, Needed};
use crate::config::yaml::faults::Faults;

/// Name → position, in the order of the file.
pub struct Names {
    /// The noun for messages, such as `an account`.
    what: &'static str,
    list: Vec<String>,
    positions: HashMap<String, usize>,
    /// Whether a name, or the whole section, could not be read: then a reference without a match may mean that name.
    incomplete: bool,
}

impl Names {
    /// The names of a section. Duplicates are faults.
    pub fn of<T>(
        section: &Field<Vec<Field<T>>>,
        name: impl Fn(&T) -> &Needed<Name>,
        what: &'static str,
        faults: &mut Faults,
    ) -> Self {
        let mut names = Self {
            what,
            list: Vec::new(),
            positions: HashMap::new(),
            incomplete: section.is_wrong(),
        };
        let mut lines = HashMap::new();
        for (position, item) in super::items(section).iter().enumerate() {
            let Some((field, Name(text))) = item
                .get()
                .map(&name)
                .and_then(|field| Some((field, field.get()?)))
            else {
                names.incomplete = true;
                continue;
            };
            if let Some(first) = lines.get(text) {
                let message = format!(
                    "found {what} named {} a second time (first in {}), expected another name",
                    quote(text),
                    faults.line(*first, field.at())
                );
                faults.add(field.at(), message);
                continue;
            }
            lines.insert(text.clone(), field.at().place);
            names.positions.insert(text.clone(), position);
            names.list.push(text.clone());
        }
        names
    }

    /// The same as [`Names::of`], for pools: without the section there is one pool named `default`.
    pub fn of_pools<T>(
        section: &Field<Vec<Field<T>>>,
        name: impl Fn(&T) -> &Needed<Name>,
        faults: &mut Faults,
    ) -> Self {
        let mut names = Self::of(section, name, "a pool", faults);
        if !section.is_given() {
            names.positions.insert("default".to_owned(), 0);
            names.list.push("default".to_owned());
        }
        names
    }

    /// The position of the name that is referred to. A reference without a match is a fault.
    pub fn find(&self, reference: &Field<Name>, faults: &mut Faults) -> Option<usize> {
        let Name(text) = reference.get()?;
        let position = self.position(text);
        if position.is_none() && !self.incomplete {
            let names = || self.list.iter().map(String::as_str);
            let hint = did_you_mean(text, names()).or_else(|| match self.list.len() {
                0 => Some(format!(
                    "no such name is configured: there is not {} at all",
                    self.what
                )),
                1..=20 => Some(format!(
                    "configured: {}",
                    one_of(names()).replace(" or ", ", ")
                )),
                _ => None,
            });
            faults.add_with(
                reference.at(),
                format!("found {}, expected the name of {}", quote(text), self.what),
                hint,
            );
        }
        position
    }

    /// The positions of the names in a list of references. A name that occurs twice is a fault.
    pub fn find_all(&self, references: &[Field<Name>], faults: &mut Faults) -> Vec<usize> {
        let mut found = Vec::with_capacity(references.len());
        let mut seen = HashSet::new();
        for reference in references {
            let Some(position) = self.find(reference, faults) else {
                continue;
            };
            if seen.insert(position) {
                found.push(position);
            } else {
                let message = format!(
                    "found the name of {} a second time, expected it once",
                    self.what
                );
                faults.add(reference.at(), message);
            }
        }
        found
    }

    /// The position of a name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// Whether every name could be read.
    pub fn is_complete(&self) -> bool {
        !self.incomplete
    }

    /// Every name, in the order of the file.
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

//! Keys, groups and everyone, each with its caps and its counter.
use std::sync::Arc;
use std::time::Duration;

use ahash::HashMap;
use jiff::tz::TimeZone;

use super::book::{Book, Locked};
use super::counter::{Counter, Reserved};
use super::refusal::Refusal;
use super::whom::Subject;
use crate::outcome::{Caps, Limit, Scope};

/// Keys or groups, by position and by name.
#[derive(Debug)]
pub(super) struct Subjects {
    list: Vec<Limited>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Subjects {
    pub fn named(&self, name: &str) -> Option<&Limited> {
        self.list.get(*self.by_name.get(name)?)
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub fn get(&self, position: usize) -> Option<&Limited> {
        self.list.get(position)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Limited> {
        self.list.iter()
    }

    /// A copy whose counters go their own way.
    pub fn shadow(&self) -> Self {
        self.list.iter().map(Limited::shadow).collect()
    }
}

impl FromIterator<Limited> for Subjects {
    fn from_iter<I: IntoIterator<Item = Limited>>(subjects: I) -> Self {
        let list: Vec<Limited> = subjects.into_iter().collect();
        let named = list.iter().enumerate();
        let by_name = named.map(|(index, limited)| (Arc::clone(limited.name()), index));
        Self {
            by_name: by_name.collect(),
            list,
        }
    }
}

/// One of them.
#[derive(Debug)]
pub(super) struct Limited {
    subject: Subject,
    scope: Scope,
    capped: bool,
    book: Arc<Book>,
}

impl Limited {
    /// With the counter that it had before, if there was one; from now on days begin in `zone`.
    pub fn new(scope: Scope, subject: Subject, before: Option<Arc<Book>>, zone: &TimeZone) -> Self {
        let new = || Arc::new(Book::of(Counter::new(zone.clone())));
        let book = before.unwrap_or_else(new);
        book.lock().set_zone(zone);
        Self {
            capped: !subject.caps.is_empty(),
            subject,
            scope,
            book,
        }
    }

    pub const fn name(&self) -> &Arc<str> {
        &self.subject.name
    }

    pub const fn scope(&self) -> Scope {
        self.scope
    }

    pub const fn caps(&self) -> &Caps {
        &self.subject.caps
    }

    /// Whether anything is limited.
    pub const fn is_capped(&self) -> bool {
        self.capped
    }

    /// The position of a key's group.
    pub const fn group(&self) -> Option<usize> {
        self.subject.group
    }

    pub const fn book(&self) -> &Arc<Book> {
        &self.book
    }

    pub fn lock(&self) -> Locked<'_> {
        self.book.lock()
    }

    /// A copy whose counter goes its own way.
    pub fn shadow(&self) -> Self {
        Self {
            subject: self.subject.clone(),
            scope: self.scope,
            capped: self.capped,
            book: Arc::new(Book::of(self.lock().copy())),
        }
    }

    /// `left` is what is left of the limit beside what is reserved.
    pub fn refusal(
        &self,
        limit: Limit,
        left: f64,
        wanted: &Reserved,
        retry_after: Option<Duration>,
    ) -> Refusal {
        let scale = limit.unit().scale();
        let wanted = wanted.of(limit.unit()) as f64 / scale;
        Refusal {
            scope: self.scope,
            name: Arc::clone(self.name()),
            limit,
            cap: self.caps().of(limit).unwrap_or_default() as f64 / scale,
            left,
            wanted,
            // If it fits once what is in flight turns out cheaper than reserved, that need not take until tomorrow.
            retry_after: retry_after.filter(|_| !limit.is_budget() || left <= 0.0 || left < wanted),
        }
    }
}

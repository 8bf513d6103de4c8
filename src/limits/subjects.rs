//! Keys, groups, projects and everyone, each with its caps and its counter.
use std::sync::Arc;
use std::time::Duration;

use ahash::HashMap;
use jiff::tz::TimeZone;

use super::book::{Book, Locked};
use super::counter::{Counter, Reserved};
use super::refusal::Refusal;
use super::subject::Subject;
use crate::outcome::{Caps, Limit, Scope};

/// Keys, groups or projects, by position and by name.
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

    /// A copy with independent counters.
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

/// One subject with its caps and its counter.
#[derive(Debug)]
pub(super) struct Limited {
    subject: Subject,
    scope: Scope,
    capped: bool,
    book: Arc<Book>,
}

impl Limited {
    /// A subject with the counter that it had before, if there was one. The days of a new counter begin in `zone`.
    pub fn new(scope: Scope, subject: Subject, before: Option<Arc<Book>>, zone: &TimeZone) -> Self {
        let new = || Arc::new(Book::of(Counter::new(zone.clone())));
        let book = before.unwrap_or_else(new);
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

    /// Whether the subject has any limit.
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

    /// A copy with an independent counter.
    pub fn shadow(&self) -> Self {
        Self {
            subject: self.subject.clone(),
            scope: self.scope,
            capped: self.capped,
            book: Arc::new(Book::of(self.lock().copy())),
        }
    }

    /// The refusal because of `limit`. `left` is what is left of it; reservations are not subtracted from a budget.
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
            // If the request would fit once requests in flight turn out cheaper than reserved, it need not wait until
            // tomorrow.
            retry_after: retry_after.filter(|_| !limit.is_budget() || left <= 0.0 || left < wanted),
        }
    }
}

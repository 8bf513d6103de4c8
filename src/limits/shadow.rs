//! A copy of the limits as they stand now. Whatever is admitted by it counts nowhere else.
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use super::{Limited, Limits, Scope, Standing, lock};

impl Limits {
    /// The copy.
    #[must_use]
    pub fn shadow(&self) -> Self {
        Self {
            keys: self.keys.list.iter().map(copy).collect(),
            groups: self.groups.list.iter().map(copy).collect(),
            global: copy(&self.global),
            zone: self.zone.clone(),
        }
    }

    /// How every limit stands that a request of the key at this position is under, and whose it is: for the operator.
    pub fn standings(
        &self,
        key: usize,
        now: Instant,
        wall: SystemTime,
    ) -> Vec<(Scope, Arc<str>, Standing)> {
        let mut all = Vec::new();
        for limited in self.of(key) {
            let mut counter = lock(&limited.counter);
            let standings = counter.standings(&limited.subject.caps, now, wall, &self.zone);
            let name = &limited.subject.name;
            all.extend(standings.map(|standing| (limited.scope, Arc::clone(name), standing)));
        }
        all
    }
}

fn copy(limited: &Limited) -> Limited {
    Limited {
        subject: limited.subject.clone(),
        scope: limited.scope,
        counter: Arc::new(Mutex::new(lock(&limited.counter).clone())),
    }
}

//! Whom limits are for, and what a request wants and uses of them.
use std::sync::Arc;

use crate::outcome::{Caps, Unit};
use crate::protocol::hub::usage::Usage;

use super::spend::Totals;

/// Whose limits a request is under: the position of its key, and that of its project if it has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Whom {
    /// Position of the key in the configuration.
    pub key: usize,
    /// Position of the project in the configuration; `None` = it is for none.
    pub project: Option<usize>,
}

/// Everybody who has limits of their own, by position.
#[derive(Clone, Debug, Default)]
pub struct Everybody {
    /// In the order of the configuration; callers without a key come last.
    pub keys: Vec<Subject>,
    /// In the order of the configuration.
    pub groups: Vec<Subject>,
    /// In the order of the configuration.
    pub projects: Vec<Subject>,
    /// Of all together.
    pub global: Caps,
}

/// A key, a group or a project with its caps.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As in the configuration.
    pub name: Arc<str>,
    /// How far its limits go.
    pub caps: Caps,
    /// For a key: the position of its group.
    pub group: Option<usize>,
}

/// What a request has used, or is expected to use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Tokens, by kind.
    pub usage: Usage,
    /// Billionths of a dollar; 0 = unknown, too.
    pub nano_usd: u64,
}

impl Used {
    /// As much as a limit of that unit counts.
    pub(super) const fn of(&self, unit: Unit) -> u64 {
        self.totals().of(unit)
    }

    /// Of one request.
    pub(super) const fn totals(&self) -> Totals {
        Totals {
            requests: 1,
            usage: self.usage,
            nano_usd: self.nano_usd,
        }
    }
}

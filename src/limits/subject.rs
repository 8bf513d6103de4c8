//! The subjects of limits, and what a request reserves and uses.
use std::sync::Arc;

use crate::outcome::Caps;
use crate::protocol::hub::usage::Usage;

use super::spend::Totals;

/// The subjects whose limits a request is under: its key, and its project if it has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Principal {
    /// Position of the key in the configuration.
    pub key: usize,
    /// Position of the project in the configuration; `None` = the request has no configured project.
    pub project: Option<usize>,
}

/// All subjects that can have limits, by position.
#[derive(Clone, Debug, Default)]
pub struct AllSubjects {
    /// In the order of the configuration; callers without a key come last.
    pub keys: Vec<Subject>,
    /// In the order of the configuration.
    pub groups: Vec<Subject>,
    /// In the order of the configuration.
    pub projects: Vec<Subject>,
    /// The caps for everyone together.
    pub global: Caps,
}

/// A key, a group or a project with its caps.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The values of its limits.
    pub caps: Caps,
    /// For a key: the position of its group.
    pub group: Option<usize>,
}

/// What a request has used, or is expected to use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Tokens, by kind.
    pub usage: Usage,
    /// Billionths of a US dollar; 0 also means unknown.
    pub nano_usd: u64,
}

impl Used {
    /// The totals of one request.
    pub(super) const fn totals(&self) -> Totals {
        Totals {
            requests: 1,
            usage: self.usage,
            nano_usd: self.nano_usd,
        }
    }
}

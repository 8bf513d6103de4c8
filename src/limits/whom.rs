//! Whom limits are for, how far they go, and what a request wants and uses of them.
use std::sync::Arc;

use crate::config::ClientLimits;
use crate::outcome::{Limit, Unit};
use crate::protocol::hub::usage::Usage;

use super::spend::{Totals, nano_usd};

/// How far each limit goes, in whole units of its row: requests, tokens, billionths of a dollar. Default: nothing is limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Caps([Option<u64>; Limit::ALL.len()]);

impl Caps {
    /// These and one more.
    #[must_use]
    pub const fn with(mut self, limit: Limit, most: u64) -> Self {
        self.0[limit as usize] = Some(most);
        self
    }

    /// How far this limit goes; `None` = it does not limit.
    pub const fn of(&self, limit: Limit) -> Option<u64> {
        self.0[limit as usize]
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether money is limited.
    pub fn has_budget(&self) -> bool {
        let mut budgets = Limit::ALL
            .iter()
            .filter(|limit| limit.unit() == Unit::NanoUsd);
        budgets.any(|limit| self.of(*limit).is_some())
    }

    /// Whether anything is limited of which a request's share must be estimated before it is served.
    pub fn need_estimate(&self) -> bool {
        let estimated = |limit: &Limit| limit.unit() != Unit::Requests;
        Limit::ALL
            .iter()
            .filter(|limit| estimated(limit))
            .any(|limit| self.of(*limit).is_some())
    }
}

impl From<&ClientLimits> for Caps {
    fn from(limits: &ClientLimits) -> Self {
        let caps = [
            (Limit::Concurrency, limits.concurrency.map(u64::from)),
            (Limit::Requests, limits.rpm.map(u64::from)),
            (Limit::Tokens, limits.tpm),
            (Limit::UsdPerDay, limits.usd_per_day.map(nano_usd)),
            (Limit::UsdPerMonth, limits.usd_per_month.map(nano_usd)),
        ];
        caps.into_iter()
            .fold(Self::default(), |caps, (limit, most)| {
                most.map_or(caps, |most| caps.with(limit, most))
            })
    }
}

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

/// What a request is expected to use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    /// Of the prompt and the answer.
    pub tokens: u64,
    /// Billionths of a dollar; 0 = unknown.
    pub nano_usd: u64,
}

impl Estimate {
    /// Its share of what a limit counts.
    pub const fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => 1,
            Unit::Tokens => self.tokens,
            Unit::NanoUsd => self.nano_usd,
        }
    }
}

/// What a request has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Tokens, by kind.
    pub usage: Usage,
    /// Billionths of a dollar.
    pub nano_usd: u64,
}

impl Used {
    /// Of one request.
    pub(super) const fn totals(&self) -> Totals {
        Totals {
            requests: 1,
            usage: self.usage,
            nano_usd: self.nano_usd,
        }
    }
}

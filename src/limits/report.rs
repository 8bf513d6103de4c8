//! How much was used and what state the limits are in, for clients and operators.
use std::sync::Arc;
use std::time::SystemTime;

use super::refusal::Standing;
use super::spend::{Totals, Windows};
use super::subjects::Limited;
use crate::moment::Moment;
use crate::outcome::{Limit, Scope, Unit};

/// What a key, group, project or everyone has used and what is left, for `GET /v1/usage` and for operators.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whose limits these are.
    pub scope: Scope,
    /// The name of the key, group or project; empty for everyone.
    pub name: Arc<str>,
    /// What was used today, in `timezone`.
    pub day: Totals,
    /// What was used this month, in `timezone`.
    pub month: Totals,
    /// The state of each configured limit.
    pub standings: Vec<Standing>,
}

impl Report {
    /// The report as of `at`.
    pub(super) fn of(limited: &Limited, at: Moment) -> Self {
        let mut counter = limited.lock();
        let Windows { day, month } = counter.windows(at.wall);
        Self {
            scope: limited.scope(),
            name: Arc::clone(limited.name()),
            day,
            month,
            standings: counter.standings(limited.caps(), at).collect(),
        }
    }
}

/// How much of one budget in USD is used, by this and all other processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Whose budget it is.
    pub scope: Scope,
    /// The name of the key, group or project; empty for everyone's.
    pub name: Arc<str>,
    /// The budget per day or the budget per month.
    pub limit: Limit,
    /// US dollars spent so far.
    pub used_usd: f64,
    /// US dollars that may be spent.
    pub cap_usd: f64,
}

impl Budget {
    /// The budgets of one key, group or project, or of everyone.
    pub(super) fn all_of(limited: &Limited, wall: SystemTime) -> impl Iterator<Item = Self> {
        let windows = limited.lock().windows(wall);
        let limits = Limit::ALL.into_iter();
        let budgets = limits.filter(|limit| limit.unit() == Unit::NanoUsd);
        budgets.filter_map(move |limit| {
            let (used, scale) = (windows.of(limit.span()), limit.unit().scale());
            Some(Self {
                scope: limited.scope(),
                name: Arc::clone(limited.name()),
                limit,
                used_usd: used.of(Unit::NanoUsd) as f64 / scale,
                cap_usd: limited.caps().of(limit)? as f64 / scale,
            })
        })
    }

    /// The used share; 1 = spent. The request that spends a budget may exceed it.
    pub fn used_ratio(&self) -> f64 {
        self.used_usd / self.cap_usd
    }
}

//! `pools`: references to accounts, and fallbacks without cycles.
use std::collections::HashSet;

use super::names::Names;
use super::{Compiler, items, label};
use crate::config::diagnostic::quote;
use crate::config::raw::Raw;
use crate::config::raw::routing as raw;
use crate::config::yaml::decode::Field;
use crate::config::{AffinityBy, Pool, Select};

impl Compiler<'_, '_> {
    pub(super) fn pools(
        &mut self,
        raw: &Raw,
        accounts: &Names,
        names: &Names,
    ) -> Option<Vec<Pool>> {
        let everyone: Vec<usize> = (0..items(&raw.accounts).len()).collect();
        if !raw.pools.is_given() {
            return Some(vec![Pool {
                name: "default".into(),
                accounts: everyone,
                select: Select::default(),
                affinity: AffinityBy::default(),
                fallback: None,
            }]);
        }
        self.refuse_empty(&raw.pools, "one pool named `default` with every account");
        let mut pools = Vec::new();
        let mut complete = raw.pools.get().is_some();
        for item in items(&raw.pools) {
            let pool = item
                .get()
                .and_then(|pool| self.pool(pool, &everyone, accounts, names));
            complete &= pool.is_some();
            pools.push(pool);
        }
        self.refuse_cycles(raw, &pools);
        self.warn_of_idle(raw, &pools);
        let pools: Vec<Pool> = pools.into_iter().flatten().collect();
        (complete && !pools.is_empty()).then_some(pools)
    }

    fn pool(
        &mut self,
        raw: &raw::Pool,
        everyone: &[usize],
        accounts: &Names,
        names: &Names,
    ) -> Option<Pool> {
        self.refuse_empty(&raw.accounts, "every account");
        let members = match raw.accounts.get() {
            Some(references) => accounts.find_all(references, self.faults),
            None => everyone.to_vec(),
        };
        let fallback = names.find(&raw.fallback, self.faults);
        Some(Pool {
            name: label(&raw.name)?,
            accounts: members,
            select: raw.select.value(),
            affinity: raw.affinity.value(),
            fallback,
        })
    }

    /// Records one fault per cycle, at its first pool in the file.
    fn refuse_cycles(&mut self, raw: &Raw, pools: &[Option<Pool>]) {
        let pool = |position: usize| pools.get(position)?.as_ref();
        let next = |position: usize| pool(position)?.fallback;
        // For each pool, the start of the walk that first visited it; each pool is visited once.
        let mut seen: Vec<Option<usize>> = vec![None; pools.len()];
        for start in 0..pools.len() {
            let mut at = Some(start);
            while let Some(position) = at.filter(|position| seen.get(*position) == Some(&None)) {
                if let Some(mark) = seen.get_mut(position) {
                    *mark = Some(start);
                }
                at = next(position);
            }
            let Some(entry) = at.filter(|position| seen.get(*position) == Some(&Some(start)))
            else {
                continue;
            };
            let rest = std::iter::successors(next(entry), |position| {
                next(*position).filter(|_| *position != entry)
            });
            let cycle: Vec<usize> = std::iter::once(entry).chain(rest).collect();
            let name = |position: &usize| {
                pool(*position).map_or_else(String::new, |pool| quote(&pool.name))
            };
            let shown: Vec<String> = cycle.iter().map(name).collect();
            let message = format!(
                "found a cycle ({}), expected fallbacks that end",
                shown.join(" → ")
            );
            let first = items(&raw.pools).get(entry).and_then(Field::get);
            if let Some(first) = first {
                self.faults.add(first.fallback.at(), message);
            }
        }
    }

    /// Warns of accounts that are in no pool, because they serve nothing.
    fn warn_of_idle(&mut self, raw: &Raw, pools: &[Option<Pool>]) {
        if pools.iter().any(Option::is_none) {
            return;
        }
        let used: HashSet<usize> = pools
            .iter()
            .flatten()
            .flat_map(|pool| pool.accounts.iter().copied())
            .collect();
        for (position, account) in items(&raw.accounts).iter().enumerate() {
            if let Some(account) = account.get().filter(|_| !used.contains(&position)) {
                let message = "found an account that is in no pool, expected it in one";
                self.faults.warn(account.name.at(), message, None);
            }
        }
    }

    /// The pool for all requests if there are no routes.
    pub(super) fn default_pool(&mut self, raw: &Raw, names: &Names) -> Option<usize> {
        if raw.routes.is_given() && !items(&raw.routes).is_empty() || raw.routes.is_wrong() {
            return None;
        }
        let pool = implied_pool(names);
        if pool.is_none() && names.is_complete() && !names.list().is_empty() {
            let at = if raw.routes.is_given() {
                raw.routes.at()
            } else {
                raw.pools.at()
            };
            let hint = "add `routes`, or name one of the pools `default`".to_owned();
            let message = "found several pools but no routes and no pool named `default`, expected to know where requests go";
            self.faults.add_with(at, message, Some(hint));
        }
        pool
    }
}

/// The pool that is meant if none is named: `default`, or the only one.
pub(super) fn implied_pool(names: &Names) -> Option<usize> {
    let only = || names.list().first().filter(|_| names.list().len() == 1);
    names
        .position("default")
        .or_else(|| names.position(only()?))
}

/// The positions of an optional list of pools; `None` = all.
pub(super) fn some_pools(
    field: &Field<Vec<Field<crate::config::raw::values::Name>>>,
    names: &Names,
    faults: &mut crate::config::yaml::faults::Faults,
) -> Option<Vec<usize>> {
    field
        .get()
        .map(|references| names.find_all(references, faults))
}

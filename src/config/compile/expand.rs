//! `accounts[].keys`: makes one account per key, before other code reads the accounts.
use std::collections::HashMap;

use crate::config::raw::Raw;
use crate::config::raw::account::Account;
use crate::config::raw::values::{Name, valid_name};
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Field, Needed};
use crate::config::yaml::faults::Faults;

/// Replaces an account `a` with several keys by `a-1`, `a-2`, …, also in the pools that name it.
pub fn accounts(raw: &mut Raw, faults: &mut Faults) {
    let mut expanded: HashMap<String, Vec<String>> = HashMap::new();
    let Some(list) = raw.accounts.get_mut() else {
        return;
    };
    let mut all = Vec::with_capacity(list.len());
    for item in std::mem::take(list) {
        let account = item.get().filter(|account| account.keys.is_given());
        let Some(account) = account.filter(|_| all.len() <= MOST_ACCOUNTS) else {
            all.push(item);
            continue;
        };
        let copies = copies(item.at(), account, faults);
        let names = copies.iter().filter_map(|copy| copy.get()?.name.get());
        let names = names.map(|name| name.0.clone()).collect();
        if let Some(name) = account.name.get() {
            expanded.insert(name.0.clone(), names);
        }
        all.extend(copies);
    }
    *list = all;
    let pools = raw.pools.get_mut().into_iter().flatten();
    for members in pools.filter_map(|pool| pool.get_mut()?.accounts.get_mut()) {
        *members = std::mem::take(members)
            .into_iter()
            .flat_map(
                |member| match member.get().and_then(|name| expanded.get(&name.0)) {
                    Some(names) => names
                        .iter()
                        .map(|name| Field::of(member.at(), Some(Name(name.clone()))))
                        .collect(),
                    None => vec![member],
                },
            )
            .collect();
    }
}

/// One account per key. There is at least one, so that a fault in the keys has no consequences elsewhere.
fn copies(at: &At, account: &Account, faults: &mut Faults) -> Vec<Field<Account>> {
    let keys = account.keys.get();
    if account.key.is_given() {
        let hint = "`key` is short for one key: move it into `keys`".to_owned();
        let message = "found `keys` beside `key`, expected one of the two";
        faults.add_with(account.keys.at(), message, Some(hint));
    } else if keys.is_some_and(Vec::is_empty) {
        let hint = "leave it out, and give the one key as `key`".to_owned();
        let message = "found an empty list, expected at least one key";
        faults.add_with(account.keys.at(), message, Some(hint));
    }
    let with = |name: Needed<Name>, key: Field<_>| {
        let copy = Account {
            name,
            keys: Field::absent(account.keys.at()),
            key,
            ..account.clone()
        };
        Field::of(at, Some(copy))
    };
    let keys = keys.map(Vec::as_slice).unwrap_or_default();
    let Some(Name(name)) = account.name.get() else {
        return vec![with(
            account.name.clone(),
            Field::of(account.keys.at(), None),
        )];
    };
    if keys.is_empty() {
        return vec![with(
            account.name.clone(),
            Field::of(account.keys.at(), None),
        )];
    }
    let mut copies = Vec::new();
    for (position, key) in keys.iter().enumerate() {
        match valid_name(&format!("{name}-{}", position + 1)) {
            Ok(name) => copies.push(with(Needed::of(account.name.at(), Name(name)), key.clone())),
            Err(rule) => {
                let message =
                    "found a name that is too long with `-1` at its end, expected a shorter one";
                faults.add_with(account.name.at(), message, Some(rule));
                break;
            }
        }
    }
    copies
}

/// The number of accounts that a configuration may have; the compiler refuses more.
const MOST_ACCOUNTS: usize = 10_000;

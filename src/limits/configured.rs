//! From the configuration to limits.
use std::sync::Arc;

use ahash::HashMap;

use super::{Caps, Limits, Subject, nano_usd};
use crate::config::{ClientLimits, Config};
use crate::keys::ANONYMOUS;

impl Limits {
    /// The limits of `config`, with the counters of the one `before`. A key is at its position in `config.keys`; after
    /// them all are the callers without a key, who have no limits of their own but are counted.
    pub fn of_config(config: &Config, before: Option<&Self>) -> Self {
        let groups: Vec<Subject> = config
            .groups
            .iter()
            .map(|group| subject(&group.name, &group.limits, None))
            .collect();
        let positions: HashMap<&str, usize> = config
            .groups
            .iter()
            .enumerate()
            .map(|(position, group)| (&*group.name, position))
            .collect();
        let keys = config.keys.iter().map(|key| {
            let group = key.group.as_deref();
            let group = group.and_then(|group| positions.get(group).copied());
            subject(&key.name, &key.limits, group)
        });
        let anonymous = config
            .anonymous
            .then(|| subject(&ANONYMOUS.into(), &ClientLimits::default(), None));
        let keys: Vec<Subject> = keys.chain(anonymous).collect();
        let everyone = Caps::from(&config.limits);
        Self::new(&keys, &groups, everyone, config.timezone.clone(), before)
    }
}

fn subject(name: &Arc<str>, limits: &ClientLimits, group: Option<usize>) -> Subject {
    Subject {
        name: Arc::clone(name),
        caps: Caps::from(limits),
        group,
    }
}

impl From<&ClientLimits> for Caps {
    fn from(limits: &ClientLimits) -> Self {
        Self {
            rpm: limits.rpm,
            tpm: limits.tpm,
            concurrency: limits.concurrency,
            nano_usd_per_day: limits.usd_per_day.map(nano_usd),
            nano_usd_per_month: limits.usd_per_month.map(nano_usd),
        }
    }
}

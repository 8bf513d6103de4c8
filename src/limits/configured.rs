//! Makes the subjects of limits out of the configuration.
use std::sync::Arc;

use ahash::HashMap;

use super::subject::Subject;
use crate::config::Config;
use crate::keys::ANONYMOUS;
use crate::outcome::Caps;

/// The keys, each at its position in `config.keys`. If callers without a key are allowed, one subject for all of them
/// follows at the end; it has no limits of its own but is counted.
pub(super) fn keys(config: &Config) -> Vec<Subject> {
    let groups = config.groups.iter().enumerate();
    let positions: HashMap<&str, usize> = groups
        .map(|(position, group)| (&*group.name, position))
        .collect();
    let keys = config.keys.iter().map(|key| {
        let group = key.group.as_deref();
        let group = group.and_then(|group| positions.get(group).copied());
        subject(&key.name, key.limits, group)
    });
    let anonymous = config
        .anonymous
        .then(|| subject(&ANONYMOUS.into(), Caps::default(), None));
    keys.chain(anonymous).collect()
}

/// The groups, in the order of the configuration.
pub(super) fn groups(config: &Config) -> Vec<Subject> {
    let groups = config.groups.iter();
    groups
        .map(|group| subject(&group.name, group.limits, None))
        .collect()
}

/// The projects, in the order of the configuration.
pub(super) fn projects(config: &Config) -> Vec<Subject> {
    let projects = config.projects.iter();
    projects
        .map(|project| subject(&project.name, project.limits, None))
        .collect()
}

fn subject(name: &Arc<str>, caps: Caps, group: Option<usize>) -> Subject {
    Subject {
        name: Arc::clone(name),
        caps,
        group,
    }
}

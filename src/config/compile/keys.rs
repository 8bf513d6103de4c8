//! `keys`, `groups` and `projects`: who may call.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::names::Names;
use super::pools::some_pools;
use super::{Compiler, items, label};
use crate::config::diagnostic::quote;
use crate::config::raw::Raw;
use crate::config::raw::routing as raw;
use crate::config::raw::values::Pattern;
use crate::config::yaml::decode::Field;
use crate::config::{ClientKey, Glob, Group, NO_DIGEST, Project};
use crate::outcome::Caps;

impl Compiler<'_, '_> {
    pub(super) fn keys(&mut self, raw: &Raw, pools: &Names) -> Option<Vec<Arc<ClientKey>>> {
        self.require_callers(raw);
        let groups = Names::of(&raw.groups, |group| &group.name, "a group", self.faults);
        let projects = Names::of(
            &raw.projects,
            |project| &project.name,
            "a project",
            self.faults,
        );
        let mut keys = Vec::new();
        let mut complete = !raw.keys.is_wrong();
        let mut digests: HashMap<[u8; 32], Arc<str>> = HashMap::new();
        let mut names: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for item in items(&raw.keys) {
            let key = item.get().and_then(|key| {
                // Without the section, every group is declared by its use.
                if raw.groups.is_given() {
                    groups.find(&key.group, self.faults);
                }
                if raw.projects.is_given() {
                    projects.find(&key.project, self.faults);
                    for project in items(&key.projects) {
                        projects.find(project, self.faults);
                    }
                }
                self.key(key, keys.len(), pools)
            });
            if let (Some(raw_key), Some(key)) = (item.get(), &key)
                && let Some(san) = &key.san
            {
                self.certificate(raw, raw_key);
                // A certificate alone identifies only one key.
                if key.digest == NO_DIGEST
                    && let Some(other) = names.insert(Arc::clone(san), Arc::clone(&key.name))
                {
                    let message = format!(
                        "found the same certificate as that of {}, expected another",
                        quote(&other)
                    );
                    self.faults.add(raw_key.certificate.at(), message);
                }
            }
            if let (Some(raw_key), Some(key)) = (item.get(), &key)
                && key.digest != NO_DIGEST
                && let Some(other) = digests.insert(key.digest, Arc::clone(&key.name))
            {
                let at = if raw_key.sha256.is_given() {
                    raw_key.sha256.at()
                } else {
                    raw_key.key.at()
                };
                self.faults.add(
                    at,
                    format!(
                        "found the same key as that of {}, expected another",
                        quote(&other)
                    ),
                );
            }
            complete &= key.is_some();
            keys.extend(key.map(Arc::new));
        }
        complete.then_some(keys)
    }

    /// Records a fault if no listener requests client certificates.
    fn certificate(&mut self, raw: &Raw, key: &raw::ClientKey) {
        let asks = items(&raw.listen)
            .iter()
            .filter_map(Field::get)
            .filter_map(|listener| listener.tls.get())
            .any(|tls| tls.client_ca.is_given());
        if !asks && !raw.listen.is_wrong() {
            self.faults.add_with(
                key.certificate.at(),
                "found a certificate that no listener asks for, expected `tls.client_ca` at one",
                Some(
                    "`listen: [{ addr: …, tls: { cert: …, key: …, client_ca: FILE } }]`".to_owned(),
                ),
            );
        }
    }

    fn key(&mut self, raw: &raw::ClientKey, index: usize, pools: &Names) -> Option<ClientKey> {
        let digest = self.digest(raw);
        if raw.name.get().is_some_and(|name| name.0 == "anonymous") {
            let hint = "`anonymous: true` at top level serves requests without a key".to_owned();
            let message =
                "found `anonymous`, expected another name: requests without a key have this one";
            self.faults.add_with(raw.name.at(), message, Some(hint));
        }
        self.refuse_empty(&raw.pools, "every pool");
        self.refuse_empty(&raw.models, "every model");
        self.refuse_empty(&raw.projects, "the key's own `project`, else every project");
        let pools = some_pools(&raw.pools, pools, self.faults);
        let expires = raw.expires.get().map(|moment| moment.0);
        if expires.is_some_and(|expires| expires <= self.now) {
            self.faults.warn(
                raw.expires.at(),
                "found a time in the past, expected a key that is still valid",
                None,
            );
        }
        let limits = self.limits(&raw.limits);
        // A list that was refused must not become "all".
        let wrong = [
            raw.group.is_wrong(),
            raw.pools.is_wrong(),
            raw.models.is_wrong(),
            raw.projects.is_wrong() || items(&raw.projects).iter().any(Field::is_wrong),
            raw.expires.is_wrong(),
            raw.certificate.is_wrong(),
        ];
        if wrong.contains(&true) {
            return None;
        }
        Some(ClientKey {
            name: label(&raw.name)?,
            index,
            digest: digest?,
            san: match raw.certificate.get() {
                Some(certificate) => Some(certificate.san.get()?.0.to_lowercase().into()),
                None => None,
            },
            group: label(&raw.group),
            pools,
            models: key_models(&raw.models),
            expires,
            debug: raw.debug.value(),
            files: raw.files.value(),
            projects: self.key_projects(raw),
            project: label(&raw.project),
            limits,
        })
    }

    /// The projects that requests of a key may name; `None` = all.
    fn key_projects(&mut self, raw: &raw::ClientKey) -> Option<Vec<Arc<str>>> {
        let own = label(&raw.project);
        if !raw.projects.is_given() {
            return own.map(|own| vec![own]);
        }
        let named: Vec<Arc<str>> = items(&raw.projects).iter().filter_map(label).collect();
        if let Some(own) = own.filter(|own| !named.contains(own)) {
            let message = format!(
                "found {}, expected one of the key's `projects`",
                quote(&own)
            );
            self.faults.add(raw.project.at(), message);
        }
        Some(named)
    }

    /// The declared projects. Projects that are only named by accounts, keys and routes follow elsewhere and have no
    /// limits.
    pub(super) fn projects(&mut self, raw: &Raw) -> Vec<Project> {
        let declared = items(&raw.projects).iter().filter_map(Field::get);
        declared
            .filter_map(|project| {
                let limits = self.limits(&project.limits);
                label(&project.name).map(|name| Project { name, limits })
            })
            .collect()
    }

    /// The declared groups, then the groups that keys merely name, which have no limits.
    pub(super) fn groups(&mut self, raw: &Raw) -> Vec<Group> {
        let declared = items(&raw.groups).iter().filter_map(Field::get);
        let declared = declared.map(|group| (label(&group.name), self.limits(&group.limits)));
        let declared: Vec<_> = declared.collect();
        let used = items(&raw.keys).iter().filter_map(Field::get);
        let used = used.map(|key| (label(&key.group), Caps::default()));
        let mut seen = HashSet::new();
        declared
            .into_iter()
            .chain(used)
            .filter_map(|(name, limits)| Some((name?, limits)))
            .filter(|(name, _)| seen.insert(Arc::clone(name)))
            .map(|(name, limits)| Group { name, limits })
            .collect()
    }

    fn digest(&mut self, raw: &raw::ClientKey) -> Option<[u8; 32]> {
        match (raw.sha256.is_given(), raw.key.is_given()) {
            (true, true) => {
                let message = "found `key` beside `sha256`, expected one of the two";
                self.faults.add(raw.key.at(), message);
                None
            }
            (false, false) if raw.certificate.is_given() => Some(NO_DIGEST),
            (false, false) => {
                let hint = "`weir key new` prints a key and its `sha256`".to_owned();
                self.faults.add_with(
                    raw.sha256.at(),
                    "found nothing, expected `sha256`, `key` or `certificate`",
                    Some(hint),
                );
                None
            }
            (true, false) => {
                let digest = raw.sha256.get()?.0;
                if digest == <[u8; 32]>::from(Sha256::digest(b"")) {
                    self.faults.add(
                        raw.sha256.at(),
                        "found the digest of an empty text, expected that of a key",
                    );
                }
                Some(digest)
            }
            (false, true) => {
                let key = self.files.secret_kept_elsewhere(&raw.key, self.faults)?;
                if key.expose().trim() != key.expose() {
                    let message =
                        "found white space around the key, expected none: no client could send it";
                    self.faults.add(raw.key.at(), message);
                }
                Some(Sha256::digest(key.expose().as_bytes()).into())
            }
        }
    }
}

fn key_models(field: &Field<Vec<Field<Pattern>>>) -> Option<Vec<Glob>> {
    let patterns = field.get()?.iter();
    Some(
        patterns
            .filter_map(Field::get)
            .map(|pattern| pattern.0.clone())
            .collect(),
    )
}

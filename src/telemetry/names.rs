//! The values that labels may have: configured names, at positions that never change.
use std::sync::Arc;

use ahash::HashMap;

use crate::catalog;
use crate::config::{Config, Glob};

/// The names that labels may have.
#[derive(Clone, Debug)]
pub(super) struct LabelNames {
    keys: Names,
    pools: Names,
    accounts: Names,
    projects: Names,
    models: Names,
}

impl LabelNames {
    /// The keys of clients.
    pub(super) fn keys(&self) -> &Names {
        &self.keys
    }

    /// The pools.
    pub(super) fn pools(&self) -> &Names {
        &self.pools
    }

    /// The accounts.
    pub(super) fn accounts(&self) -> &Names {
        &self.accounts
    }

    /// The projects.
    pub(super) fn projects(&self) -> &Names {
        &self.projects
    }

    /// The models.
    pub(super) fn models(&self) -> &Names {
        &self.models
    }

    /// The names without a configuration: only the models with a price in the catalog are known.
    pub(super) fn new() -> Self {
        let mut names = Self {
            keys: Names::new(),
            pools: Names::new(),
            accounts: Names::new(),
            projects: Names::new(),
            models: Names::new(),
        };
        for priced in catalog::priced() {
            names.models.add(priced.id);
        }
        names
    }

    /// Adds a key, a pool, an account, a project and a model.
    #[cfg(test)]
    pub(super) fn add(&mut self, [key, pool, account, project, model]: [&str; 5]) {
        self.keys.add(key);
        self.pools.add(pool);
        self.accounts.add(account);
        self.projects.add(project);
        self.models.add(model);
    }

    pub(super) fn extend(&mut self, config: &Config) {
        for key in &config.keys {
            self.keys.add(&key.name);
        }
        if config.anonymous {
            self.keys.add(crate::keys::ANONYMOUS);
        }
        for pool in &config.pools {
            self.pools.add(&pool.name);
        }
        for account in &config.accounts {
            self.accounts.add(&account.name);
        }
        for project in &config.projects {
            self.projects.add(&project.name);
        }
        for model in models(config) {
            self.models.add(model);
        }
    }

    /// The position of a model that the configuration names, or else of a model with a price in the catalog in any spelling.
    pub(super) fn model(&self, model: Option<&str>) -> usize {
        let Some(name) = model else { return NONE };
        match self.models.find(Some(name)) {
            OTHER => catalog::price(name).map_or(OTHER, |priced| self.models.find(Some(priced.id))),
            position => position,
        }
    }
}

/// The values of one label, by position.
#[derive(Clone, Debug)]
pub(super) struct Names {
    positions: HashMap<Arc<str>, usize>,
    list: Vec<Arc<str>>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            positions: HashMap::default(),
            list: vec!["other".into(), "none".into()],
        }
    }

    pub(super) fn add(&mut self, name: &str) -> usize {
        if let Some(position) = self.positions.get(name) {
            return *position;
        }
        if self.list.len() >= MAX_NAMES {
            return OTHER;
        }
        let (name, position) = (Arc::<str>::from(name), self.list.len());
        self.list.push(Arc::clone(&name));
        self.positions.insert(name, position);
        position
    }

    pub(super) fn find(&self, name: Option<&str>) -> usize {
        name.map_or(NONE, |name| {
            self.positions.get(name).copied().unwrap_or(OTHER)
        })
    }

    pub(super) fn name(&self, position: usize) -> &str {
        self.list.get(position).map_or("other", |name| name)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The positions of all names, that is, without `other` and `none`.
    pub(super) fn configured(&self) -> std::ops::Range<usize> {
        NONE + 1..self.len()
    }
}

/// Every model for which the configuration has the full name instead of a pattern.
fn models(config: &Config) -> impl Iterator<Item = &str> {
    let accounts = config
        .accounts
        .iter()
        .flat_map(|account| &account.models.entries);
    let served = accounts.flat_map(|entry| [literal(&entry.glob), entry.upstream.as_deref()]);
    let routed = config.routes.iter().flat_map(|route| {
        [
            route.when.model.as_ref().and_then(literal),
            route.model.as_deref(),
        ]
    });
    let allowed = config
        .keys
        .iter()
        .filter_map(|key| key.models.as_ref())
        .flatten()
        .map(literal);
    let priced = config.prices.iter().map(|price| literal(&price.model));
    served.chain(routed).chain(allowed).chain(priced).flatten()
}

fn literal(glob: &Glob) -> Option<&str> {
    let pattern = glob.pattern();
    (!pattern.contains(['*', '?', '[', '{', '\\'])).then_some(pattern)
}

/// The position of all names that are not configured.
const OTHER: usize = 0;

/// The position that stands for the absence of a name.
const NONE: usize = 1;

/// Most names per label over the life of the process, including those of former configurations; further names become
/// `other`.
const MAX_NAMES: usize = 10_000;

//! Raw → [`Config`], or faults: defaults, references, ranges and all other checks for which a single member is not
//! enough.
//!
//! Continues after a fault, so that all faults are found at once. A value that the decoder has refused gets no second
//! fault.
mod accounts;
mod admin;
mod alerts;
mod capabilities;
mod endpoints;
mod expand;
mod files;
mod headers;
mod keys;
mod limits;
mod names;
mod oauth2;
mod oidc;
mod pools;
mod prices;
mod prometheus;
mod rewrites;
mod routes;
mod service;
mod trace;
mod urls;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::raw::Raw;
use crate::config::raw::values::{Name, Whole};
use crate::config::secret::hex;
use crate::config::yaml::decode::Field;
use crate::config::yaml::faults::Faults;
use crate::config::{Account, ClientKey, Config, Fingerprint, Glob, Project, Route};
use crate::outcome::Caps;
use files::Files;
use names::Names;
use routes::Known;

pub use urls::{base_url, token_url};

/// The surroundings from which a configuration is read, besides its text.
pub struct World<'a> {
    /// The environment variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The directory at which relative paths begin.
    pub directory: PathBuf,
    pub now: SystemTime,
    pub missing: Missing,
}

/// How missing secrets and certificates are treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    Refused,
    /// They are warnings, and placeholders replace them: such a configuration must not be run.
    Tolerated,
}

/// Compiles a configuration. A value that is returned together with faults must not be used; `None` = there certainly
/// is a fault.
pub fn compile(
    mut raw: Raw,
    hash: &[u8; 32],
    world: &World<'_>,
    faults: &mut Faults,
) -> Option<Config> {
    expand::accounts(&mut raw, faults);
    let mut compiler = Compiler {
        faults,
        files: Files::new(world),
        now: world.now,
    };
    compiler.config(&raw, hash)
}

/// The faults and files, which every step needs.
struct Compiler<'a, 'b> {
    faults: &'a mut Faults,
    files: Files<'b>,
    now: SystemTime,
}

impl Compiler<'_, '_> {
    fn config(&mut self, raw: &Raw, hash: &[u8; 32]) -> Option<Config> {
        let bounded = [
            self.is_bounded(&raw.listen, 64),
            self.is_bounded(&raw.accounts, 10_000),
            self.is_bounded(&raw.pools, 1_000),
            self.is_bounded(&raw.routes, 10_000),
            self.is_bounded(&raw.keys, 100_000),
            self.is_bounded(&raw.capabilities, 1_000),
            self.is_bounded(&raw.rewrites, 1_000),
        ];
        if bounded.contains(&false) {
            return None;
        }
        let listen = self.listen(raw);
        let admin = self.admin(raw, listen.as_deref().unwrap_or_default());
        let console = admin::console(&raw.console);
        let server = self.server(&raw.server);
        let accounts = self.accounts(&raw.accounts);
        let account_names = Names::of(
            &raw.accounts,
            |account| &account.name,
            "an account",
            self.faults,
        );
        let pool_names = Names::of_pools(&raw.pools, |pool| &pool.name, self.faults);
        let pools = self.pools(raw, &account_names, &pool_names);
        let key_names = Names::of(&raw.keys, |key| &key.name, "a key", self.faults);
        let groups = self.groups(raw);
        let projects = self.projects(raw);
        let keys = self.keys(raw, &pool_names);
        let known = Known::new(raw, &key_names, &groups);
        let made = pools.as_deref().unwrap_or_default();
        let routes = self.routes(raw, (&pool_names, &account_names), made, &known);
        let rewrites = self.rewrites(raw, &known);
        let default_pool = self.default_pool(raw, &pool_names);
        let prices = self.prices(raw);
        let capabilities = Self::capabilities(raw);
        let retry = service::retry(&raw.retry);
        let keepalive = service::keepalive(&raw.keepalive);
        let responses = service::responses(&raw.responses);
        let log = self.log(&raw.log);
        let websocket = service::websocket(&raw.websocket);
        let limits = self.limits(&raw.limits);
        let ledger = Self::ledger(&raw.ledger);
        let alerts = self.alerts(raw);
        let prometheus = self.prometheus(raw);
        let trace = self.trace(raw);

        let (accounts, keys, routes) = (accounts?, keys?, routes?);
        let projects = with_named(projects, &accounts, &keys, &routes);
        Some(Config {
            hash: hex(hash),
            shown: Arc::default(),
            warnings: Vec::new(),
            listen: listen?,
            admin: admin?,
            console: console?,
            server: server?,
            accounts,
            pools: pools?,
            routes,
            keys,
            groups,
            limits,
            timezone: raw.timezone.value(),
            ledger,
            alerts,
            rewrites: rewrites?,
            prometheus,
            trace,
            anonymous: raw.anonymous.value(),
            me: raw.me.value(),
            prices: prices?,
            capabilities: capabilities?,
            retry: retry?,
            keepalive: keepalive?,
            responses: responses?,
            log: log?,
            websocket: websocket?,
            projects,
            default_pool,
            fingerprint: Fingerprint::new(self.files.fingerprint(hash)),
            files: std::mem::take(&mut self.files.paths),
        })
    }

    /// Whether a list has at most `most` entries; otherwise a fault is recorded. The limit is far above real use,
    /// because later checks may take quadratic time.
    fn is_bounded<T>(&mut self, field: &Field<Vec<T>>, most: usize) -> bool {
        let length = field.get().map_or(0, Vec::len);
        if length > most {
            self.faults.add(
                field.at(),
                format!("found {length} entries, expected at most {most}"),
            );
        }
        length <= most
    }

    /// Records a fault for an empty list. `otherwise` is the meaning of an absent one.
    fn refuse_empty<T>(&mut self, field: &Field<Vec<T>>, otherwise: &str) {
        if field.get().is_some_and(Vec::is_empty) {
            let hint = format!("leave it out: then it is {otherwise}");
            self.faults.add_with(
                field.at(),
                "found an empty list, expected at least one entry",
                Some(hint),
            );
        }
    }
}

/// The items of a section that may be absent.
fn items<T>(section: &Field<Vec<Field<T>>>) -> &[Field<T>] {
    section.get().map(Vec::as_slice).unwrap_or_default()
}

/// A number that fits 32 bits by its declared range.
fn small(field: &Field<Whole>) -> Option<u32> {
    u32::try_from(field.get()?.0).ok()
}

fn label(field: &Field<Name>) -> Option<Arc<str>> {
    field.get().map(|name| name.0.as_str().into())
}

/// The declared projects and every other project that is named, each once. A pattern in a route is not a name.
fn with_named(
    declared: Vec<Project>,
    accounts: &[Arc<Account>],
    keys: &[Arc<ClientKey>],
    routes: &[Route],
) -> Vec<Project> {
    let named = accounts
        .iter()
        .filter_map(|account| account.project.clone())
        .chain(keys.iter().filter_map(|key| key.project.clone()))
        .chain(
            keys.iter()
                .flat_map(|key| key.projects.clone().unwrap_or_default()),
        );
    let matched = routes
        .iter()
        .filter_map(|route| route.when.project.as_ref())
        .map(Glob::pattern)
        .filter(|pattern| !pattern.contains(['*', '?', '[', '{', '\\']))
        .map(Arc::from);
    let known: BTreeSet<Arc<str>> = declared
        .iter()
        .map(|project| project.name.clone())
        .collect();
    let others: BTreeSet<Arc<str>> = named
        .chain(matched)
        .filter(|name| !known.contains(name))
        .collect();
    let others = others.into_iter().map(|name| Project {
        name,
        limits: Caps::default(),
    });
    declared.into_iter().chain(others).collect()
}

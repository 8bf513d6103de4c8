//! The whole configuration.
use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::rewrite::Rewrite;
use super::{
    Account, Admin, Alerts, ClientKey, Console, Group, Keepalive, Ledger, Listener, Log,
    ModelCapabilities, Pool, Price, Project, Prometheus, ResponseStore, Retry, Route, Server,
    Trace, WebSocket,
};
use crate::catalog;
use crate::config::diagnostic::Diagnostic;
use crate::outcome::Caps;
use crate::protocol::models::Capabilities;

/// A valid configuration, compiled. Only [`load()`](crate::config::load()) and [`parse`](crate::config::parse) make one; the other makers write YAML and pass through them.
#[derive(Debug)]
pub struct Config {
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub hash: String,
    /// Things that work but deserve a word: inline secrets, say. Printed by `weir check` and logged at load.
    pub warnings: Vec<Diagnostic>,
    /// `listen`: where clients connect; at least one.
    pub listen: Vec<Listener>,
    /// `admin`; `None` = there is no admin plane.
    pub admin: Option<Admin>,
    /// `admin.console`: on where there is an admin plane.
    pub console: Console,
    /// `server`, with the defaults of each field.
    pub server: Server,
    /// In the order of the file; [`Account::index`] is the position here.
    pub accounts: Vec<Arc<Account>>,
    /// In the order of the file; never empty: without `pools` there is one named `default` with every account.
    pub pools: Vec<Pool>,
    /// `routes`, in the order of the file: the first that matches decides.
    pub routes: Vec<Route>,
    /// `keys`, in the order of the file; [`ClientKey::index`] is the position here.
    pub keys: Vec<Arc<ClientKey>>,
    /// `groups`, in the order of the file.
    pub groups: Vec<Group>,
    /// Of all clients together.
    pub limits: Caps,
    /// Where days and months begin.
    pub timezone: TimeZone,
    /// `ledger`; `None` = what was used is forgotten at the end of the process.
    pub ledger: Option<Ledger>,
    /// Who is told of budgets that come near their end.
    pub alerts: Option<Alerts>,
    /// `rewrites`, in the order in which they apply.
    pub rewrites: Vec<Rewrite>,
    /// `prometheus`: where the use of other hosts is read; `None` = each host counts by itself.
    pub prometheus: Option<Prometheus>,
    /// Where traces are exported to; `None` = nowhere.
    pub trace: Option<Trace>,
    /// Whether requests without a key are served, as a key named `anonymous`.
    pub anonymous: bool,
    /// Whether the holder of a key has a page of its own, at `/me`.
    pub me: bool,
    /// `prices`: before the built-in table, in the order of the file.
    pub prices: Vec<Price>,
    /// `capabilities`: before the built-in table, in the order of the file.
    pub capabilities: Vec<ModelCapabilities>,
    /// `retry`, with the defaults of each field.
    pub retry: Retry,
    /// `keepalive`, with the defaults of each field.
    pub keepalive: Keepalive,
    /// What is kept of translated answers; `None` = nothing.
    pub responses: Option<ResponseStore>,
    /// `log`, with the defaults of each field.
    pub log: Log,
    /// `websocket`, with the defaults of each field.
    pub websocket: WebSocket,
    /// The declared projects, then those whose name occurs in the configuration (accounts, keys and routes), which have no
    /// limits: the only values of that label.
    pub projects: Vec<Project>,
    /// Where every request goes when there are no `routes`, as a position in `pools`; `None` when there are some.
    pub default_pool: Option<usize>,
    /// Every other file that it was made from: secrets, certificates. A change of one of them asks for a reload.
    pub files: Vec<PathBuf>,
    /// The texts that it was made from, with their secrets masked; empty without an admin plane, which shows them.
    pub shown: Arc<[Shown]>,
    /// What [`Config::is_same_as`] compares.
    pub fingerprint: Fingerprint,
}

/// A file as it may be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The path, as the configuration names it.
    pub file: String,
    /// With its secrets masked; `None` = it is no YAML, so that nobody knows where they are.
    pub text: Option<String>,
}

impl Config {
    /// Whether `other` was made from the same file and the same secrets: a reload of it would change nothing.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// What `model` accepts, the upstream's name. Of several entries that match, the first that gives a field decides it.
    pub fn capabilities_of(&self, model: &str) -> Capabilities {
        let mut capabilities = catalog::capabilities(model);
        let entries = self.capabilities.iter().rev();
        for entry in entries.filter(|entry| entry.model.is_match(model)) {
            entry.overrides.apply(&mut capabilities);
        }
        capabilities
    }
}

/// SHA-256 over the file and every secret it refers to. Never shown: with the file at hand it would let one try out
/// guesses at a short secret.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of that digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

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

/// A valid configuration, compiled. Only [`load()`](crate::config::load()) and [`parse`](crate::config::parse) make
/// one; other functions write YAML and call them.
#[derive(Debug)]
pub struct Config {
    /// SHA-256 of the file's bytes, and of the files that it includes if there are any; 64 hex digits.
    pub hash: String,
    /// Settings that work but should be changed, such as inline secrets. `weir check` prints them, and they are logged
    /// at load.
    pub warnings: Vec<Diagnostic>,
    /// `listen`: where clients connect; at least one.
    pub listen: Vec<Listener>,
    /// `admin`; `None` = there is no admin plane.
    pub admin: Option<Admin>,
    /// `console`, with the defaults of each field.
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
    /// `limits`: the limits of all clients together.
    pub limits: Caps,
    /// `timezone`: the time zone in which days and months begin.
    pub timezone: TimeZone,
    /// `ledger`; `None` = the recorded use is lost at the end of the process.
    pub ledger: Option<Ledger>,
    /// `alerts`: where to report budgets that are nearly spent; `None` = nowhere.
    pub alerts: Option<Alerts>,
    /// `rewrites`, in the order in which they apply.
    pub rewrites: Vec<Rewrite>,
    /// `prometheus`: the server that knows the use of other hosts; `None` = each host counts for itself.
    pub prometheus: Option<Prometheus>,
    /// `trace`: where traces are exported to; `None` = nowhere.
    pub trace: Option<Trace>,
    /// Whether requests without a key are served, as a key named `anonymous`.
    pub anonymous: bool,
    /// Whether the holder of a key can open the page `/me` with its use and limits.
    pub me: bool,
    /// `prices`: they come before the built-in table, in the order of the file.
    pub prices: Vec<Price>,
    /// `capabilities`: they come before the built-in table, in the order of the file.
    pub capabilities: Vec<ModelCapabilities>,
    /// `retry`, with the defaults of each field.
    pub retry: Retry,
    /// `keepalive`, with the defaults of each field.
    pub keepalive: Keepalive,
    /// `responses.store`: which translated answers are stored; `None` = none.
    pub responses: Option<ResponseStore>,
    /// `log`, with the defaults of each field.
    pub log: Log,
    /// `websocket`, with the defaults of each field.
    pub websocket: WebSocket,
    /// The declared projects, followed by those that accounts, keys and routes name, which have no limits. Only these
    /// are values of that label.
    pub projects: Vec<Project>,
    /// The pool for every request if there are no `routes`, as a position in `pools`; `None` = there are routes.
    pub default_pool: Option<usize>,
    /// Every other file that it was made from, such as secrets and certificates. If one of them changes, a reload is
    /// needed.
    pub files: Vec<PathBuf>,
    /// The texts that it was made from, with their secrets masked; empty if there is no admin plane to show them.
    pub shown: Arc<[Shown]>,
    /// The value that [`Config::is_same_as`] compares.
    pub fingerprint: Fingerprint,
}

/// A file in a form that may be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// The path, as the configuration names it.
    pub file: String,
    /// The text with its secrets masked; `None` = it is not YAML, so that the places of secrets are unknown.
    pub text: Option<String>,
}

impl Config {
    /// Whether `other` was made from the same files and the same secrets, so that a reload would change nothing.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// The capabilities of `model`, which is the upstream's name. If several entries match, the first that has a field
    /// decides that field.
    pub fn capabilities_of(&self, model: &str) -> Capabilities {
        let mut capabilities = catalog::capabilities(model);
        let entries = self.capabilities.iter().rev();
        for entry in entries.filter(|entry| entry.model.is_match(model)) {
            entry.overrides.apply(&mut capabilities);
        }
        capabilities
    }
}

/// SHA-256 over the file and every secret that it refers to. It is never shown: together with the file, it would allow
/// guessing a short secret.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with this digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

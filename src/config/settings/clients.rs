//! `keys`, `groups`, `limits` and `ledger`: who may call, how much, and where that is remembered.
use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Glob;
use crate::outcome::Caps;

/// Who may call.
pub struct ClientKey {
    /// `keys[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// Position in [`Config::keys`](super::Config::keys).
    pub index: usize,
    /// SHA-256 of the key; [`NO_DIGEST`] when a certificate is all that it takes.
    pub digest: [u8; 32],
    /// The name that the client's certificate has to have, in lower case.
    pub san: Option<Arc<str>>,
    /// `keys[].group`: whose limits it shares; `None` = only its own.
    pub group: Option<Arc<str>>,
    /// Positions in [`Config::pools`](super::Config::pools); `None` = all.
    pub pools: Option<Vec<usize>>,
    /// `None` = all.
    pub models: Option<Vec<Glob>>,
    /// `keys[].expires`: from then on it is refused; `None` = never.
    pub expires: Option<SystemTime>,
    /// Whether it gets the `x-weir-*` decision headers.
    pub debug: bool,
    /// Whether it may use endpoints that name no model (files, batches) although `models` binds it.
    pub files: bool,
    /// Of requests that name none.
    pub project: Option<Arc<str>>,
    /// What its requests may name; `None` = all of the configuration.
    pub projects: Option<Vec<Arc<str>>>,
    /// `keys[].limits`: of this key alone.
    pub limits: Caps,
}

impl Debug for ClientKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the digest: a short key can be guessed from it.
        f.debug_struct("ClientKey")
            .field("name", &self.name)
            .field("group", &self.group)
            .field("pools", &self.pools)
            .field("models", &self.models)
            .field("expires", &self.expires)
            .field("debug", &self.debug)
            .field("files", &self.files)
            .field("project", &self.project)
            .field("projects", &self.projects)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Not the SHA-256 of anything that anybody could know.
pub const NO_DIGEST: [u8; 32] = [0; 32];

/// A group of keys.
#[derive(Clone, Debug)]
pub struct Group {
    /// `groups[].name`: unique among groups.
    pub name: Arc<str>,
    /// Of its keys together.
    pub limits: Caps,
}

/// What requests are for, whoever makes them.
#[derive(Clone, Debug)]
pub struct Project {
    /// `projects[].name`: unique among projects, the label in metrics and logs.
    pub name: Arc<str>,
    /// Of its requests together.
    pub limits: Caps,
}

/// The file that remembers what clients used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledger {
    /// `ledger.path`: the file; made where it does not exist.
    pub path: PathBuf,
    /// Bytes above which it is written anew, shorter.
    pub max_size: u64,
    /// Days for which its history is kept.
    pub keep: u32,
    /// Bytes of all of its history; above it days are merged to months, then the oldest months go.
    pub max_history: u64,
}

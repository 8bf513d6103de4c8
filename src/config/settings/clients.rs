//! `keys`, `groups`, `projects`, `limits` and `ledger`: who may call, how much, and where that is recorded.
use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Glob;
use crate::outcome::Caps;

/// A key of a client.
pub struct ClientKey {
    /// `keys[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// Position in [`Config::keys`](super::Config::keys).
    pub index: usize,
    /// SHA-256 of the key; [`NO_DIGEST`] = a certificate alone is enough.
    pub digest: [u8; 32],
    /// The subject alternative name that the client's certificate must have, in lower case; `None` = no certificate is
    /// needed.
    pub san: Option<Arc<str>>,
    /// `keys[].group`: the group whose limits it shares; `None` = it has only its own.
    pub group: Option<Arc<str>>,
    /// The pools that it may use, as positions in [`Config::pools`](super::Config::pools); `None` = all.
    pub pools: Option<Vec<usize>>,
    /// The models that it may use; `None` = all.
    pub models: Option<Vec<Glob>>,
    /// `keys[].expires`: when it stops being valid; `None` = never.
    pub expires: Option<SystemTime>,
    /// Whether it gets the `x-weir-*` decision headers.
    pub debug: bool,
    /// Whether it may use endpoints that name no model (files, batches) although `models` restricts it.
    pub files: bool,
    /// The project of its requests that name none; `None` = no project.
    pub project: Option<Arc<str>>,
    /// The projects that its requests may name; `None` = all of the configuration.
    pub projects: Option<Vec<Arc<str>>>,
    /// `keys[].limits`: the limits of this key alone.
    pub limits: Caps,
}

impl Debug for ClientKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the digest, from which a short key could be guessed.
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

/// A digest that no known text has.
pub const NO_DIGEST: [u8; 32] = [0; 32];

/// A group of keys.
#[derive(Clone, Debug)]
pub struct Group {
    /// `groups[].name`: unique among groups.
    pub name: Arc<str>,
    /// The limits of its keys together.
    pub limits: Caps,
}

/// What requests are for, regardless of their key.
#[derive(Clone, Debug)]
pub struct Project {
    /// `projects[].name`: unique among projects, the label in metrics and logs.
    pub name: Arc<str>,
    /// The limits of its requests together.
    pub limits: Caps,
}

/// The file that records what clients used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledger {
    /// `ledger.path`: the file; it is created if it does not exist.
    pub path: PathBuf,
    /// The size in bytes above which the file is rewritten in a shorter form; 64 KiB to 1 GiB, default 64 MiB.
    pub max_size: u64,
    /// The number of days for which its history is kept; default 400.
    pub keep: u32,
    /// The size of its whole history in bytes; above it, days are merged to months, then the oldest months are deleted.
    /// Default 1 GiB.
    pub max_history: u64,
}

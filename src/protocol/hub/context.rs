//! What an encoder of answers needs to know besides the answer.
use super::digest;
use super::opaque::{Opaque, OpaqueKind, Vendor};
use super::request::Reply;
use super::response::Spent;
use super::usage::Usage;

/// The circumstances of one answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// The model name from the client's request. It is repeated in the answer, because clients compare it.
    pub model: String,
    pub reply: Reply,
    pub stamp: Stamp,
    pub origin: Origin,
    /// The estimated number of prompt tokens, shown until the upstream states its usage, or if it never does. Never 0:
    /// clients decide by this number when to compact.
    pub prompt_estimate: u64,
}

impl Context {
    /// The usage to report to a client that requires one: the stated usage, or an estimate from the length of the
    /// answer.
    pub fn spent(&self, stated: Option<Spent>, answer_bytes: usize) -> Spent {
        // Some servers state zeros until they know the usage.
        let stated = stated.filter(|spent| spent.usage.prompt() > 0);
        stated.unwrap_or(Spent {
            usage: Usage {
                input: self.prompt_estimate,
                output: (answer_bytes as u64).div_ceil(BYTES_PER_TOKEN),
                ..Usage::default()
            },
            ..Spent::default()
        })
    }
}

/// The origin of an answer, for the provenance of the opaque state in it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub vendor: Vendor,
    /// The upstream's name for the model.
    pub model: String,
    /// From [`opaque::account_mark`](super::opaque::account_mark).
    pub account: String,
}

impl Origin {
    /// `opaque` with the model and the account of this origin.
    pub fn stamp(&self, opaque: Opaque) -> Opaque {
        Opaque {
            model: self.model.clone(),
            account: self.account.clone(),
            ..opaque
        }
    }

    /// A mark of the origin, for visible reasoning without state.
    pub fn mark(&self) -> Opaque {
        self.stamp(Opaque::native(self.vendor, OpaqueKind::Origin, ""))
    }
}

/// The time and the randomness of one answer, which are passed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Unix seconds.
    pub created: u64,
    /// Different for every answer.
    pub seed: u64,
    /// Whether the answer is stored, so that a later request may refer to it.
    pub stored: bool,
}

impl Stamp {
    /// The `index`th id of this kind in this answer: the prefix and 24 characters.
    pub fn id(&self, prefix: &str, index: usize) -> String {
        let digest = digest::digest(
            &format!("{prefix}{index}:{}:{}", self.created, self.seed),
            24,
        );
        format!("{prefix}{digest}")
    }
}

/// The average number of bytes of text in a token.
pub const BYTES_PER_TOKEN: u64 = 4;

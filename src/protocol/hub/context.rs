//! What an encoder of answers knows beside the answer.
use super::digest;
use super::opaque::{Opaque, OpaqueKind, Vendor};
use super::request::Reply;
use super::response::Spent;
use super::usage::Usage;

/// The circumstances of one answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// The model as the client asked for it: echoed, because clients compare it.
    pub model: String,
    pub reply: Reply,
    pub stamp: Stamp,
    pub origin: Origin,
    /// An estimate of the prompt's tokens, shown until the upstream states its usage, and when it never does. Never zero:
    /// clients decide by it when to compact.
    pub prompt_estimate: u64,
}

impl Context {
    /// What to tell a client that must be told something: the usage stated, or an estimate from the length of the answer.
    pub fn spent(&self, stated: Option<Spent>, answer_bytes: usize) -> Spent {
        // Some servers state zeros until they know.
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

/// Who answers: the provenance of the opaque state in the answer.
#[derive(Clone, Debug)]
pub struct Origin {
    pub vendor: Vendor,
    /// The upstream's name for the model.
    pub model: String,
    /// As [`opaque::account_mark`](super::opaque::account_mark) has it.
    pub account: String,
}

impl Origin {
    /// `opaque` with what is known of where it comes from.
    pub fn stamp(&self, opaque: Opaque) -> Opaque {
        Opaque {
            model: self.model.clone(),
            account: self.account.clone(),
            ..opaque
        }
    }

    /// A mark for visible reasoning without any state.
    pub fn mark(&self) -> Opaque {
        self.stamp(Opaque::native(self.vendor, OpaqueKind::Origin, ""))
    }
}

/// The time and the randomness of one answer, given from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Unix seconds.
    pub created: u64,
    /// Different for every answer.
    pub seed: u64,
    /// Whether the answer is kept, so that a later request may name it.
    pub stored: bool,
}

impl Stamp {
    /// The `index`th id of that kind in this answer: the prefix and 24 characters.
    pub fn id(&self, prefix: &str, index: usize) -> String {
        let digest = digest::digest(
            &format!("{prefix}{index}:{}:{}", self.created, self.seed),
            24,
        );
        format!("{prefix}{digest}")
    }
}

/// Bytes of text that make a token, on average.
pub const BYTES_PER_TOKEN: u64 = 4;

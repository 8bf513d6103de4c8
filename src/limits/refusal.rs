//! What a refusal for a limit says, and how every limit stands.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use crate::outcome::{Limit, Scope};

/// A request that a limit keeps out.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub scope: Scope,
    /// Of the key or group; empty for everyone's.
    pub name: Arc<str>,
    pub limit: Limit,
    pub cap: f64,
    /// What is left of it beside what is reserved for requests in flight.
    pub left: f64,
    /// When it is worth trying again; `None` = as soon as another request ends.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether clients must not try again soon.
    pub const fn is_final(&self) -> bool {
        self.limit.is_budget() && self.retry_after.is_some()
    }
}

/// The sentence for the client.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Key => write!(f, "key `{}`", self.name)?,
            Scope::Group => write!(f, "group `{}`", self.name)?,
            Scope::Global => f.write_str("this proxy")?,
        }
        let cap = self.cap;
        match self.limit {
            Limit::Concurrency => write!(f, " has its {cap} concurrent requests in flight"),
            Limit::Requests => write!(f, " has used its {cap} requests per minute"),
            Limit::Tokens => write!(f, " has used its {cap} tokens per minute"),
            Limit::UsdPerDay => self.budget(f, "day"),
            Limit::UsdPerMonth => self.budget(f, "month"),
        }?;
        match self.retry_after {
            None => f.write_str("; try again when one of them has ended"),
            Some(wait) => write!(f, "; try again in {}", Rounded(wait)),
        }
    }
}

/// How one limit stands, for `GET /v1/usage` and rate-limit headers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub limit: Limit,
    pub cap: f64,
    pub used: f64,
    pub remaining: f64,
    /// When nothing of `used` counts any more.
    pub resets_in: Duration,
}

impl Refusal {
    fn budget(&self, f: &mut fmt::Formatter<'_>, span: &str) -> fmt::Result {
        let Self { cap, left, .. } = self;
        if self.retry_after.is_none() {
            let what = "reserved for requests in flight";
            write!(
                f,
                " has the rest of its budget of {cap} USD per {span} {what}"
            )
        } else if *left >= 0.01 {
            let what = "too little for this request";
            write!(
                f,
                " has {left:.2} USD left of its budget of {cap} USD per {span}, {what}"
            )
        } else {
            write!(f, " has spent its budget of {cap} USD per {span}")
        }
    }
}

/// A duration as people say it, rounded up so that it is never too early.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        match seconds {
            0..=119 => write!(f, "{seconds} s"),
            120..=7199 => write!(f, "{} min", seconds.div_ceil(60)),
            7200..=172_799 => write!(f, "{} h", seconds.div_ceil(3600)),
            _ => write!(f, "{} days", seconds.div_ceil(86_400)),
        }
    }
}

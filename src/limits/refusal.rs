//! What a refusal for a limit says, and how every limit stands.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Span;

pub use crate::outcome::{Limit, Scope};

/// A request that a limit keeps out.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Whose limit it is.
    pub scope: Scope,
    /// Of the key or group; empty for everyone's.
    pub name: Arc<str>,
    /// Which limit it is.
    pub limit: Limit,
    /// How far it goes: requests, tokens or US dollars.
    pub cap: f64,
    /// What is left of it beside what is reserved for requests in flight.
    pub left: f64,
    /// What the request is expected to use.
    pub wanted: f64,
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
            Scope::Project => write!(f, "project `{}`", self.name)?,
            Scope::Global => f.write_str("this proxy")?,
        }
        let (cap, unit, span) = (self.cap, self.limit.unit(), self.limit.span());
        match (span, unit) {
            (Span::Now, _) => write!(f, " has its {cap} concurrent requests in flight"),
            (Span::Day | Span::Month, _) => self.budget(f),
            (Span::Minute, _) => {
                let (unit, span) = (unit.as_str(), span.as_str());
                write!(f, " has used its {cap} {unit} per {span}")
            }
        }?;
        match self.retry_after {
            None => f.write_str("; try again when one of them has ended"),
            // Tomorrow it would be refused, too.
            Some(_) if self.is_too_large() => Ok(()),
            Some(wait) => write!(f, "; try again in {}", Rounded(wait)),
        }
    }
}

/// How one limit stands, for `GET /v1/usage` and rate-limit headers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Which limit it is.
    pub limit: Limit,
    /// How far it goes: requests, tokens or US dollars.
    pub cap: f64,
    /// What counts against it now, in the same unit.
    pub used: f64,
    /// What is left of it, in the same unit; 0 = nothing.
    pub remaining: f64,
    /// When nothing of `used` counts any more.
    pub resets_in: Duration,
}

impl Refusal {
    /// Whether the request exceeds a budget of which nothing is spent.
    fn is_too_large(&self) -> bool {
        self.limit.is_budget() && self.wanted > self.cap
    }

    fn budget(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cap, left, wanted, ..
        } = self;
        let unit = self.limit.unit();
        let (word, places) = (unit.as_str(), unit.places());
        let budget = format_args!("budget of {cap} {word} per {}", self.limit.span().as_str());
        if self.is_too_large() {
            let advice = unit.advice();
            write!(
                f,
                " has a {budget}, and this request alone may cost {wanted:.places$} {word}; {advice}"
            )
        } else if self.retry_after.is_none() {
            let what = "reserved for requests in flight";
            write!(f, " has the rest of its {budget} {what}")
        } else if *left >= 0.01 {
            let what = "too little for this request";
            write!(
                f,
                " has {left:.places$} {word} left of its {budget}, {what}"
            )
        } else {
            write!(f, " has spent its {budget}")
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

//! What a refusal because of a limit says, and the state of a limit.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Span;

pub use crate::outcome::{Limit, Scope};

/// A refusal of a request because of a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Whose limit was reached.
    pub scope: Scope,
    /// The name of the key, group or project; empty for everyone's limit.
    pub name: Arc<str>,
    /// The limit that was reached.
    pub limit: Limit,
    /// The limit's value in requests, tokens or US dollars.
    pub cap: f64,
    /// What is left of the limit, in the same unit. Reservations of requests in flight are not subtracted from a
    /// budget.
    pub left: f64,
    /// What the request is expected to use, in the same unit.
    pub wanted: f64,
    /// The time after which a retry is worthwhile; `None` = as soon as another request ends.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether clients must not try again soon.
    pub const fn is_final(&self) -> bool {
        self.limit.is_budget() && self.retry_after.is_some()
    }
}

/// Writes the sentence for the client.
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
            // The request would be refused tomorrow, too.
            Some(_) if self.is_too_large() => Ok(()),
            Some(wait) => write!(f, "; try again in {}", Rounded(wait)),
        }
    }
}

/// The state of one limit, for `GET /v1/usage` and rate-limit headers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The limit that this is about.
    pub limit: Limit,
    /// The limit's value in requests, tokens or US dollars.
    pub cap: f64,
    /// What counts against the limit now, in the same unit.
    pub used: f64,
    /// What is left of the limit, in the same unit; never below 0.
    pub remaining: f64,
    /// The time after which nothing of `used` counts any more.
    pub resets_in: Duration,
}

impl Refusal {
    /// Whether the request alone exceeds the whole budget.
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

/// Formats a duration in usual units, rounded up so that the end is never stated too early.
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

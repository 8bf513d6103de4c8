//! `rewrites`: client adapters, compiled.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::When;
use crate::protocol::json::Pointer;
use crate::protocol::regroup::Unit;
use crate::protocol::system::Addition;

/// One rewrite: when it matches, and what it changes.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// `rewrites[].name`: unique, shown in `x-weir-rewrites` and the access log.
    pub name: Arc<str>,
    /// Any of them must hold; none = always.
    pub when: Vec<Condition>,
    /// What is put before and behind the system text.
    pub system: Addition,
    /// Values are raw JSON.
    pub set: Vec<(Pointer, Bytes)>,
    /// Only where there is nothing.
    pub default: Vec<(Pointer, Bytes)>,
    /// Numbers that are held between two bounds.
    pub clamp: Vec<(Pointer, Range)>,
    /// Members of the body that are taken out.
    pub remove: Vec<Pointer>,
    /// Removed before others are set. No credential, nothing of the connection or of the body's framing.
    pub headers_removed: Vec<HeaderName>,
    /// All are marked sensitive: they may hold credentials.
    pub headers_set: Vec<(HeaderName, HeaderValue)>,
    /// How often the session id of a key changes.
    pub rotate: Option<Duration>,
    /// In which pieces the text of a stream goes out; `None` = as it comes.
    pub regroup: Option<Unit>,
}

/// When a rewrite applies.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What has to hold of the request.
    pub when: When,
    /// A further condition: this leads to something in the body.
    pub body_has: Option<Pointer>,
}

/// The numbers that are let through, and how the bounds are written.
#[derive(Clone, Debug)]
pub struct Range {
    /// The smallest value that passes, in the unit of the member.
    pub low: serde_json::Number,
    /// The largest value that passes, in the unit of the member.
    pub high: serde_json::Number,
}

impl Range {
    /// The bound that takes the place of `number`; `None` when it lies between them.
    pub fn bound(&self, number: f64) -> Option<&serde_json::Number> {
        let beyond = |bound: &serde_json::Number, is: fn(&f64, &f64) -> bool| {
            bound.as_f64().is_some_and(|bound| is(&number, &bound))
        };
        if beyond(&self.low, f64::lt) {
            Some(&self.low)
        } else if beyond(&self.high, f64::gt) {
            Some(&self.high)
        } else {
            None
        }
    }
}

impl Rewrite {
    /// Whether it changes nothing.
    pub fn is_idle(&self) -> bool {
        self.system.is_empty()
            && self.set.is_empty()
            && self.default.is_empty()
            && self.clamp.is_empty()
            && self.remove.is_empty()
            && self.headers_removed.is_empty()
            && self.headers_set.is_empty()
            && self.rotate.is_none()
            && self.regroup.is_none()
    }
}

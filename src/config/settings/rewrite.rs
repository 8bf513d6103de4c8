//! `rewrites`: client adapters, compiled.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::When;
use crate::protocol::json::Pointer;
use crate::protocol::regroup::Unit;
use crate::protocol::system::Addition;

/// One rewrite: when it applies, and what it changes.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// `rewrites[].name`: unique, shown in `x-weir-rewrites` and the access log.
    pub name: Arc<str>,
    /// One of these must hold; empty = it always applies.
    pub when: Vec<Condition>,
    /// The texts that are put before and after the system prompt.
    pub system: Addition,
    /// The places and the raw JSON values that are set there.
    pub set: Vec<(Pointer, Bytes)>,
    /// The places and the raw JSON values that are set there if there is no value.
    pub default: Vec<(Pointer, Bytes)>,
    /// The places of numbers that are kept within a range.
    pub clamp: Vec<(Pointer, Range)>,
    /// The places of values that are removed.
    pub remove: Vec<Pointer>,
    /// Headers that are removed before others are set. They contain no credential, and do not belong to the connection
    /// or the body's framing.
    pub headers_removed: Vec<HeaderName>,
    /// Headers that are set. All are marked sensitive, because they may contain credentials.
    pub headers_set: Vec<(HeaderName, HeaderValue)>,
    /// How often the session id of a key changes; `None` = no session id is added.
    pub rotate: Option<Duration>,
    /// The pieces in which the text of a stream is sent; `None` = unchanged.
    pub regroup: Option<Unit>,
}

/// When a rewrite applies.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The conditions on the request.
    pub when: When,
    /// The place of a value that the body must have; `None` = no such condition.
    pub body_has: Option<Pointer>,
}

/// The range of a number, with the bounds as they were written.
#[derive(Clone, Debug)]
pub struct Range {
    /// The smallest permitted value, in the unit of the member.
    pub low: serde_json::Number,
    /// The largest permitted value, in the unit of the member.
    pub high: serde_json::Number,
}

impl Range {
    /// The bound that replaces `number`; `None` = the number is in the range.
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

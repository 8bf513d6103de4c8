//! What a process tells the next one when it hands over: plain data without clocks, so that another version can read
//! it.
//!
//! Points in time are durations before or after the handover. A missing member has its default; an unknown member comes
//! from a later version and is ignored.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The live state of all accounts, by name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct PoolMemo {
    pub accounts: Vec<AccountMemo>,
    /// The endpoints, by name (the origin, and the egress proxy if there is one).
    pub endpoints: Vec<(String, GateMemo)>,
    pub away: Vec<AwayMemo>,
    /// Per response: the hash of its id, the hash of the account that made it, and how long ago.
    pub responses: Vec<(u64, u64, Duration)>,
}

/// One account.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AccountMemo {
    pub name: String,
    pub drained: bool,
    pub limits: Option<GateMemo>,
    /// The gate and the windows of each model class.
    pub models: Vec<(String, Option<GateMemo>, Vec<WindowMemo>)>,
    pub windows: Vec<WindowMemo>,
    /// Requests and tokens of the last minute.
    pub minute: (u64, u64),
    /// Smoothed time to the first byte, in seconds.
    pub first_byte: Option<f64>,
}

/// A gate that is closed or recovering.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct GateMemo {
    /// The class of the failure that imposed the latest deadline.
    pub class: String,
    pub cause: Option<String>,
    /// The time left until it may be tried again.
    pub left: Duration,
    /// The time left of the latest deadline that hard evidence imposed; zero if there is none.
    pub stated: Duration,
    /// How long it has been out.
    pub since: Duration,
    /// Whether one request at a time is let through to find out if it serves again.
    pub probe: bool,
    pub soft: u32,
    pub hard: u32,
}

/// A rate-limit window as last reported.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct WindowMemo {
    pub window: String,
    pub used: f64,
    pub remaining: Option<f64>,
    pub rejected: bool,
    /// How long ago it was reported.
    pub seen: Duration,
    /// The time left until it resets.
    pub left: Duration,
}

/// A session that is served by another account than its favourite.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AwayMemo {
    pub key: u64,
    pub account: u64,
    /// How long ago the session left its favourite.
    pub since: Duration,
    pub last: Duration,
    pub rebound: bool,
}

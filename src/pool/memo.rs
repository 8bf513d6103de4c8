//! What one process tells the next when it hands over: plain data without clocks, so that another version can read it.
//!
//! Moments are spans before or after the telling. A member that is missing has its default; one that is unknown is a
//! later version's.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The live state of all accounts, by name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct PoolMemo {
    pub accounts: Vec<AccountMemo>,
    /// By the name of the way to them.
    pub endpoints: Vec<(String, GateMemo)>,
    pub away: Vec<AwayMemo>,
    /// Hashes of response ids and of the accounts that made them, and how long ago.
    pub responses: Vec<(u64, u64, Duration)>,
}

/// One account.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AccountMemo {
    pub name: String,
    pub drained: bool,
    pub limits: Option<GateMemo>,
    /// By model class.
    pub models: Vec<(String, Option<GateMemo>, Vec<WindowMemo>)>,
    pub windows: Vec<WindowMemo>,
    /// Requests and tokens of the last minute.
    pub minute: (u64, u64),
    /// Seconds, smoothed.
    pub first_byte: Option<f64>,
}

/// Something that is out, or was a moment ago.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct GateMemo {
    /// Of the failure that imposed the latest deadline.
    pub class: String,
    pub cause: Option<String>,
    /// Until it may be asked again.
    pub left: Duration,
    /// The same, as far as the upstream itself has said so.
    pub stated: Duration,
    /// How long it has been out.
    pub since: Duration,
    /// Whether one request at a time is to find out if it serves again.
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
    /// How long ago.
    pub seen: Duration,
    /// Until it begins anew.
    pub left: Duration,
}

/// A session that is not where rendezvous puts it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct AwayMemo {
    pub key: u64,
    pub account: u64,
    /// How long ago it left its favourite, and was served last.
    pub since: Duration,
    pub last: Duration,
    pub rebound: bool,
}

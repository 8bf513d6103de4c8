//! The windows that upstreams report with every answer, and what they mean for choosing.
//!
//! Read from `anthropic-ratelimit-*` (classic and `-unified-*`), `x-ratelimit-*` and `x-codex-*`. Unknown headers and
//! unreadable values are passed over. The names of windows are a table, so that they can be a metric's label.
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;

use super::hints;

/// What one answer says about the windows of its account.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    slots: [Reading; KINDS.len()],
    any: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    used: Option<f64>,
    limit: Option<f64>,
    remaining: Option<f64>,
    reset: Option<Duration>,
    rejected: bool,
}

/// The windows of one account as last reported.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    slots: [Option<Window>; KINDS.len()],
}

#[derive(Clone, Copy, Debug)]
struct Window {
    used: f64,
    remaining: Option<f64>,
    rejected: bool,
    seen: Instant,
    reset: Instant,
}

/// What the windows say about taking one more request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What to multiply the weight with: towards 0 the nearer a window is to its end, above 1 when it resets soon.
    pub factor: f64,
    /// A window is as good as spent: the next request would be refused.
    pub spent: bool,
}

/// A window as shown to operators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowStatus {
    /// From a fixed table: safe as a label.
    pub window: &'static str,
    /// From 0 to 1; above it when the upstream says so.
    pub utilization: f64,
    /// Time until it begins anew.
    pub resets_in: Duration,
}

/// Reads what an answer says about windows; `None` when it says nothing.
pub fn read(headers: &HeaderMap, wall: SystemTime) -> Option<Readings> {
    let mut readings = Readings::default();
    for (name, value) in headers {
        let Some((kind, field)) = field_of(name.as_str()) else {
            continue;
        };
        let (Ok(text), Some(reading)) = (value.to_str(), readings.slots.get_mut(kind)) else {
            continue;
        };
        readings.any = true;
        match field {
            Field::Limit => reading.limit = number(text),
            Field::Remaining => reading.remaining = number(text),
            Field::Reset => reading.reset = hints::moment(text, wall),
            Field::Used => {
                reading.used = number(text).map(|used| if used > 2.0 { used / 100.0 } else { used })
            }
            Field::UsedPercent => reading.used = number(text).map(|used| used / 100.0),
            Field::Status => reading.rejected = text == REJECTED,
        }
    }
    readings.any.then_some(readings)
}

/// Whether an Anthropic subscription refused because a window is spent.
pub fn is_rejected(headers: &HeaderMap) -> bool {
    headers
        .get(UNIFIED_STATUS)
        .is_some_and(|value| value == REJECTED)
}

/// Whether the window that refused is one for a model class only (`seven_day_opus`).
pub fn rejected_for_model(headers: &HeaderMap) -> bool {
    headers
        .get("anthropic-ratelimit-unified-representative-claim")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|claim| claim.starts_with("seven_day_") || claim.starts_with("7d_"))
}

/// Whether limits are stated that Anthropic keeps per model class.
pub fn is_per_model_class(headers: &HeaderMap) -> bool {
    !headers.contains_key(UNIFIED_STATUS)
        && headers
            .keys()
            .any(|name| matches!(field_of(name.as_str()), Some((kind, _)) if name.as_str().starts_with(ANTHROPIC) && !is_unified(kind)))
}

/// Until the latest of the windows that refused; the general reset when none is named.
pub fn rejected_until(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let named = read(headers, wall).and_then(|readings| {
        let rejected = readings.slots.iter().filter(|reading| reading.rejected);
        rejected.filter_map(|reading| reading.reset).max()
    });
    let general = || {
        hints::moment(
            headers
                .get("anthropic-ratelimit-unified-reset")?
                .to_str()
                .ok()?,
            wall,
        )
    };
    named.or_else(|| is_rejected(headers).then(general).flatten())
}

/// Until the latest of the windows with nothing left. A window that states a rest is not what refused, so its reset
/// (for a daily one, hours away) means nothing; when every window states a rest, the latest of all is the best guess.
pub fn spent_until(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let readings = read(headers, wall)?;
    let classic = || {
        readings
            .slots
            .iter()
            .enumerate()
            .filter(|(kind, _)| !is_unified(*kind))
            .map(|(_, reading)| reading)
    };
    let spent = classic().filter(|reading| reading.remaining.is_none_or(|rest| rest <= 0.0));
    spent.filter_map(|reading| reading.reset).max().or_else(|| {
        hints::retry_after(headers, wall)
            .is_none()
            .then(|| classic().filter_map(|reading| reading.reset).max())?
    })
}

impl Windows {
    /// Takes over what an answer says. What it does not mention stays.
    pub fn update(&mut self, readings: &Readings, now: Instant) {
        for (slot, reading) in self.slots.iter_mut().zip(&readings.slots) {
            let by_rest = match (reading.limit, reading.remaining) {
                (Some(limit), Some(rest)) if limit > 0.0 => Some((1.0 - rest / limit).max(0.0)),
                _ => None,
            };
            let used = reading.used.or(by_rest).or(reading.rejected.then_some(1.0));
            if let Some(used) = used {
                *slot = Some(Window {
                    used,
                    remaining: reading.remaining,
                    rejected: reading.rejected,
                    seen: now,
                    reset: now + reading.reset.unwrap_or(UNSTATED_LENGTH),
                });
            }
        }
    }

    /// What they say about one more request for a model of `class` that needs `tokens`, while `waiting` requests with
    /// `waiting_tokens` are on their way and not yet in any figure.
    pub fn standing(
        &self,
        class: &str,
        now: Instant,
        tokens: u64,
        waiting: (u32, u64),
    ) -> Standing {
        let mut standing = Standing {
            factor: 1.0,
            spent: false,
        };
        let mut bonus = 0.0_f64;
        for (kind, window) in KINDS.iter().zip(&self.slots) {
            let Some(window) = window.filter(|window| now < window.reset) else {
                continue;
            };
            if kind.model.is_some_and(|model| model != class) {
                continue;
            }
            let used = window.used_at(kind, now);
            let need = match kind.unit {
                Unit::Requests => f64::from(waiting.0) + 1.0,
                Unit::Tokens => waiting.1 as f64 + tokens as f64,
                Unit::Share => 0.0,
            };
            let short =
                tokens > 0 && used > NEARLY && window.remaining.is_some_and(|rest| rest < need);
            standing.spent |= window.rejected || used >= SPENT || short;
            if used > NEARLY {
                standing.factor = standing
                    .factor
                    .min(((1.0 - used) / (1.0 - NEARLY)).max(LEAST_FACTOR));
            } else {
                bonus = bonus.max(1.0 - window.left(now) / window.length(kind));
            }
        }
        if standing.factor >= 1.0 {
            standing.factor += bonus.clamp(0.0, 1.0) * SOON_BONUS;
        }
        standing
    }

    /// The windows that are known and have not begun anew since.
    pub fn status(&self, now: Instant) -> impl Iterator<Item = WindowStatus> {
        KINDS
            .iter()
            .zip(&self.slots)
            .filter_map(move |(kind, window)| {
                let window = window.filter(|window| now < window.reset)?;
                Some(WindowStatus {
                    window: kind.name,
                    utilization: window.used_at(kind, now),
                    resets_in: window.reset.saturating_duration_since(now),
                })
            })
    }

    /// Every name that [`WindowStatus::window`] can have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name)
    }
}

impl Window {
    /// Its use by now: buckets refill steadily, so a reading of half a minute ago says too much.
    fn used_at(&self, kind: &Kind, now: Instant) -> f64 {
        if kind.refills && !self.rejected {
            let whole = self
                .reset
                .saturating_duration_since(self.seen)
                .as_secs_f64();
            self.used * self.left(now) / whole.max(1e-3)
        } else {
            self.used
        }
    }

    fn left(&self, now: Instant) -> f64 {
        self.reset.saturating_duration_since(now).as_secs_f64()
    }

    /// Its whole length; where the kind does not fix it, the shortest usual one that holds the reset as stated.
    fn length(&self, kind: &Kind) -> f64 {
        let stated = self
            .reset
            .saturating_duration_since(self.seen)
            .as_secs_f64();
        kind.length.unwrap_or_else(|| {
            let usual = [60.0, 3600.0, 86_400.0];
            usual
                .into_iter()
                .find(|length| stated <= *length)
                .unwrap_or(stated)
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Limit,
    Remaining,
    Reset,
    Status,
    Used,
    UsedPercent,
}

/// The window and the field that a header is about.
fn field_of(header: &str) -> Option<(usize, Field)> {
    if let Some(rest) = header.strip_prefix(ANTHROPIC) {
        let (window, field) = rest.rsplit_once('-')?;
        let field = match field {
            "limit" => Field::Limit,
            "remaining" => Field::Remaining,
            "reset" => Field::Reset,
            "status" => Field::Status,
            "utilization" => Field::Used,
            _ => return None,
        };
        Some((kind_of(|kind| kind.anthropic == window)?, field))
    } else if let Some(rest) = header.strip_prefix("x-ratelimit-") {
        let (field, window) = rest.split_once('-').unwrap_or((rest, "requests"));
        let field = match field {
            "limit" => Field::Limit,
            "remaining" => Field::Remaining,
            "reset" => Field::Reset,
            _ => return None,
        };
        Some((kind_of(|kind| kind.name == window)?, field))
    } else {
        let rest = header.strip_prefix("x-codex-")?;
        let (window, field) = rest.split_once('-')?;
        let field = match field {
            "used-percent" => Field::UsedPercent,
            "reset-at" | "reset-after-seconds" => Field::Reset,
            _ => return None,
        };
        Some((kind_of(|kind| kind.codex == window)?, field))
    }
}

fn kind_of(is: impl Fn(&Kind) -> bool) -> Option<usize> {
    KINDS.iter().position(is)
}

fn is_unified(kind: usize) -> bool {
    KINDS.get(kind).is_some_and(|kind| kind.unit == Unit::Share)
}

fn number(text: &str) -> Option<f64> {
    let number = text.trim().parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// What a window counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Requests,
    /// Only a share of an unknown whole is stated.
    Share,
    Tokens,
}

/// One window that an upstream may report.
#[derive(Debug)]
struct Kind {
    /// The name in status and metrics, and in `x-ratelimit-*`.
    name: &'static str,
    /// Between `anthropic-ratelimit-` and the field.
    anthropic: &'static str,
    /// Between `x-codex-` and the field.
    codex: &'static str,
    /// The model class it is for.
    model: Option<&'static str>,
    unit: Unit,
    /// Seconds, where fixed.
    length: Option<f64>,
    /// Whether it refills steadily instead of all at once at the reset.
    refills: bool,
}

const fn share(
    name: &'static str,
    anthropic: &'static str,
    codex: &'static str,
    model: Option<&'static str>,
    hours: f64,
) -> Kind {
    Kind {
        name,
        anthropic,
        codex,
        model,
        unit: Unit::Share,
        length: Some(hours * 3600.0),
        refills: false,
    }
}

const fn bucket(name: &'static str, unit: Unit) -> Kind {
    Kind {
        name,
        anthropic: name,
        codex: "",
        model: None,
        unit,
        length: None,
        refills: true,
    }
}

/// Every window that is understood.
const KINDS: [Kind; 8] = [
    share("5h", "unified-5h", "primary", None, 5.0),
    share("7d", "unified-7d", "secondary", None, 7.0 * 24.0),
    share("7d_opus", "unified-7d_opus", "", Some("opus"), 7.0 * 24.0),
    share(
        "7d_sonnet",
        "unified-7d_sonnet",
        "",
        Some("sonnet"),
        7.0 * 24.0,
    ),
    bucket("requests", Unit::Requests),
    bucket("tokens", Unit::Tokens),
    bucket("input-tokens", Unit::Tokens),
    bucket("output-tokens", Unit::Tokens),
];

const ANTHROPIC: &str = "anthropic-ratelimit-";
const UNIFIED_STATUS: &str = "anthropic-ratelimit-unified-status";
const REJECTED: &str = "rejected";
/// From this use on an account is picked less.
const NEARLY: f64 = 0.8;
/// From this use on the next request will most likely be refused.
const SPENT: f64 = 0.99;
/// The share of its weight that an account keeps at the very end of a window.
const LEAST_FACTOR: f64 = 0.05;
/// How much more an account is picked whose window is about to begin anew.
const SOON_BONUS: f64 = 0.5;
/// How long a reading without a reset is believed.
const UNSTATED_LENGTH: Duration = Duration::from_mins(1);

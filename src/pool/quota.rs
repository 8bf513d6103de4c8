//! The rate-limit windows that upstreams report with every answer, and what they mean for the choice of an account.
//!
//! Read from `anthropic-ratelimit-*` (classic and `-unified-*`), `x-ratelimit-*` and `x-codex-*`; unknown headers and
//! unreadable values are ignored. The names of windows come from a table, so they are safe as labels.
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;

use super::hints;
use super::memo::WindowMemo;
use super::rise::Rise;
use super::windows_table::{ANTHROPIC, Field, KINDS, Kind, Unit, field_of};

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
    rise: Rise,
}

/// What the windows say about taking one more request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The factor for the weight: towards 0 as a window comes near its end, above 1 when one resets soon.
    pub factor: f64,
    /// Whether a window is almost spent, so that the next request would be refused.
    pub spent: bool,
}

/// A window as shown to operators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowStatus {
    /// The name, from a fixed table: safe as a label.
    pub window: &'static str,
    /// The used share, from 0 to 1; above 1 when the upstream says so.
    pub utilization: f64,
    /// Time until the window resets.
    pub resets_in: Duration,
    /// The whole length of the window, as far as it is known.
    pub length: Duration,
    /// Whether the window refills steadily, so that it is never empty for long.
    pub refills: bool,
    /// How much the used share has risen per second, over the last 15 minutes or less. `None` before there are two
    /// statements that are a minute apart.
    pub burn_per_second: Option<f64>,
    /// How long ago the provider stated the share.
    pub seen: Duration,
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
                reading.used =
                    number(text).map(|used| if used > 2.0 { used / 100.0 } else { used });
            }
            Field::UsedPercent => reading.used = number(text).map(|used| used / 100.0),
            Field::Status => reading.rejected = text == REJECTED,
        }
    }
    readings.any.then_some(readings)
}

/// Whether an Anthropic subscription refused the request because a window is spent.
pub fn is_rejected(headers: &HeaderMap) -> bool {
    headers
        .get(UNIFIED_STATUS)
        .is_some_and(|value| value == REJECTED)
}

/// Whether the window that refused is for one model class only (`seven_day_opus`).
pub fn rejected_for_model(headers: &HeaderMap) -> bool {
    headers
        .get("anthropic-ratelimit-unified-representative-claim")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|claim| claim.starts_with("seven_day_") || claim.starts_with("7d_"))
}

/// Whether the answer states limits that Anthropic keeps per model class.
pub fn is_per_model_class(headers: &HeaderMap) -> bool {
    !headers.contains_key(UNIFIED_STATUS)
        && headers
            .keys()
            .any(|name| matches!(field_of(name.as_str()), Some((kind, _)) if name.as_str().starts_with(ANTHROPIC) && !is_unified(kind)))
}

/// The time until the latest reset among the windows that refused; the general reset when no window is named.
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

/// The time until the latest reset among windows with nothing left; the resets of others (for a daily one, hours away)
/// mean nothing. If none is spent and there is no `retry-after`, the latest of all is the best guess.
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

impl WindowStatus {
    /// Time until it is spent at the present rate; `None` = it resets first, it refills, or the rate is not known.
    pub fn empty_in(&self) -> Option<Duration> {
        let burn = self
            .burn_per_second
            .filter(|burn| *burn > 0.0 && !self.refills)?;
        let left = (1.0 - self.utilization).max(0.0) / burn;
        let left = Duration::try_from_secs_f64(left).ok()?;
        // The share is as old as the statement.
        let left = left.saturating_sub(self.seen);
        (left < self.resets_in).then_some(left)
    }
}

impl Readings {
    /// Whether the answer reports a window that providers keep per model: any window that is not a mere share.
    pub fn has_buckets(&self) -> bool {
        let readings = KINDS.iter().zip(&self.slots);
        readings
            .filter(|(kind, _)| kind.unit != Unit::Share)
            .any(|(_, reading)| reading.used.is_some() || reading.limit.is_some())
    }
}

impl Standing {
    /// The combination of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let factor = if self.factor < 1.0 || other.factor < 1.0 {
            self.factor.min(other.factor)
        } else {
            self.factor.max(other.factor)
        };
        Self {
            factor,
            spent: self.spent || other.spent,
        }
    }
}

impl Windows {
    /// Takes over what an answer says: with `shares` of the windows that state only a share of an unknown whole,
    /// otherwise of all others. Windows that the answer does not mention stay as they are.
    pub fn update(&mut self, readings: &Readings, shares: bool, now: Instant) {
        for ((kind, slot), reading) in KINDS.iter().zip(&mut self.slots).zip(&readings.slots) {
            if (kind.unit == Unit::Share) != shares {
                continue;
            }
            let by_rest = match (reading.limit, reading.remaining) {
                (Some(limit), Some(rest)) if limit > 0.0 => Some((1.0 - rest / limit).max(0.0)),
                _ => None,
            };
            let used = reading.used.or(by_rest).or(reading.rejected.then_some(1.0));
            if let Some(used) = used {
                let reset = now + reading.reset.unwrap_or(UNSTATED_LENGTH);
                let rise = match slot {
                    // The previous window ended and a new one of the same kind has begun.
                    Some(known) if used < known.used || now >= known.reset => Rise::at(now, used),
                    Some(known) => known.rise.with(now, used),
                    None => Rise::at(now, used),
                };
                *slot = Some(Window {
                    used,
                    rise,
                    remaining: reading.remaining,
                    rejected: reading.rejected,
                    seen: now,
                    reset,
                });
            }
        }
    }

    /// What the windows say about one more request for a model of `class` that needs `tokens`. `waiting` is the number
    /// of requests that are in flight and not yet part of any reported figure, and their tokens.
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

    /// The windows that are known and have not been reset since.
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
                    length: Duration::try_from_secs_f64(window.length(kind)).unwrap_or_default(),
                    refills: kind.refills,
                    burn_per_second: window.rise.per_second(window.seen, window.used),
                    seen: now.saturating_duration_since(window.seen),
                })
            })
    }

    /// The windows, for the next process.
    pub fn memo(&self, now: Instant) -> Vec<WindowMemo> {
        let known = KINDS.iter().zip(&self.slots);
        let known = known.filter_map(|(kind, slot)| Some((kind, slot.as_ref()?)));
        known
            .filter(|(_, window)| now < window.reset)
            .map(|(kind, window)| WindowMemo {
                window: kind.name.to_owned(),
                used: window.used,
                remaining: window.remaining,
                rejected: window.rejected,
                seen: now.saturating_duration_since(window.seen),
                left: window.left_of(now),
            })
            .collect()
    }

    /// The windows as another process has seen them.
    pub fn recall(memos: &[WindowMemo], now: Instant) -> Self {
        let mut windows = Self::default();
        for (kind, slot) in KINDS.iter().zip(&mut windows.slots) {
            let memo = memos.iter().find(|memo| memo.window == kind.name);
            *slot = memo.map(|memo| {
                let seen = now.checked_sub(memo.seen).unwrap_or(now);
                Window {
                    used: memo.used,
                    remaining: memo.remaining,
                    rejected: memo.rejected,
                    seen,
                    reset: now + memo.left.min(hints::LONGEST),
                    rise: Rise::at(seen, memo.used),
                }
            });
        }
        windows
    }

    /// Every name that [`WindowStatus::window`] can have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name)
    }
}

impl Window {
    /// The use as of `now`. A window that refills steadily has less in use than its last reading says.
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
        self.left_of(now).as_secs_f64()
    }

    fn left_of(&self, now: Instant) -> Duration {
        self.reset.saturating_duration_since(now)
    }

    /// The length in seconds; if the kind does not fix it, the shortest usual length that covers the stated reset.
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

fn is_unified(kind: usize) -> bool {
    KINDS.get(kind).is_some_and(|kind| kind.unit == Unit::Share)
}

fn number(text: &str) -> Option<f64> {
    let number = text.trim().parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

const UNIFIED_STATUS: &str = "anthropic-ratelimit-unified-status";
const REJECTED: &str = "rejected";
/// From this use on, an account gets less weight.
const NEARLY: f64 = 0.8;
/// From this use on, the next request will most likely be refused.
const SPENT: f64 = 0.99;
/// The share of its weight that an account keeps at the very end of a window.
const LEAST_FACTOR: f64 = 0.05;
/// The most by which the weight of an account grows when its window is about to reset.
const SOON_BONUS: f64 = 0.5;
/// How long a reading without a reset is believed.
const UNSTATED_LENGTH: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 2026-11-10T12:00:00Z.
    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + SECOND * 1_794_312_000
    }

    fn windows(now: Instant, pairs: &[(&str, &str)]) -> Windows {
        let header = |(name, value): &(&str, &str)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        let headers: HeaderMap = pairs.iter().map(header).collect();
        let mut windows = Windows::default();
        if let Some(readings) = read(&headers, wall()) {
            windows.update(&readings, true, now);
            windows.update(&readings, false, now);
        }
        windows
    }

    fn check(pairs: &[(&str, &str)], expected: &[(&str, f64, u64)]) {
        let now = Instant::now();
        let windows = windows(now, pairs);
        let found: Vec<_> = windows.status(now).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, (window, utilization, seconds)) in found.iter().zip(expected) {
            assert_eq!(found.window, *window);
            assert!((found.utilization - utilization).abs() < 1e-9, "{found:?}");
            assert_eq!(found.resets_in, SECOND * u32::try_from(*seconds).unwrap());
        }
    }

    fn factor(windows: &Windows, now: Instant) -> f64 {
        windows.standing("sonnet", now, 0, (0, 0)).factor
    }

    #[test]
    fn a_window_is_empty_in_time_or_resets_first() {
        let status = |used: f64, burn: Option<f64>, resets: u64| WindowStatus {
            window: "5h",
            utilization: used,
            resets_in: Duration::from_secs(resets),
            length: Duration::from_hours(5),
            refills: false,
            burn_per_second: burn,
            seen: Duration::from_mins(1),
        };
        let left = |used, burn, resets| status(used, burn, resets).empty_in();
        assert_eq!(
            left(0.5, Some(0.001), 9_000),
            Some(Duration::from_secs(440))
        );
        // The window resets first; nothing is used; the rate is not known.
        assert_eq!(left(0.5, Some(0.001), 400), None);
        assert_eq!(left(0.5, Some(0.0), 9_000), None);
        assert_eq!(left(0.5, None, 9_000), None);
        assert_eq!(left(1.2, Some(0.001), 9_000), Some(Duration::ZERO));
        // A rate so small that no `Duration` can hold the result.
        assert_eq!(left(0.5, Some(1e-300), 9_000), None);
        let refills = WindowStatus {
            refills: true,
            ..status(0.5, Some(0.001), 9_000)
        };
        assert_eq!(refills.empty_in(), None);
    }

    #[test]
    fn windows_of_every_vendor_are_read() {
        check(
            &[
                ("anthropic-ratelimit-unified-status", "allowed"),
                ("anthropic-ratelimit-unified-5h-utilization", "0.42"),
                ("anthropic-ratelimit-unified-5h-reset", "1794315600"),
                ("anthropic-ratelimit-unified-7d-utilization", "0.9"),
                ("anthropic-ratelimit-unified-7d-reset", "1794484800"),
            ],
            &[("5h", 0.42, 3600), ("7d", 0.9, 172_800)],
        );
        check(
            &[
                ("anthropic-ratelimit-input-tokens-limit", "400000"),
                ("anthropic-ratelimit-input-tokens-remaining", "100000"),
                (
                    "anthropic-ratelimit-input-tokens-reset",
                    "2026-11-10T12:00:45Z",
                ),
            ],
            &[("input-tokens", 0.75, 45)],
        );
        check(
            &[
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-reset-requests", "6m0s"),
            ],
            &[("requests", 0.002, 360)],
        );
        check(
            &[
                ("x-codex-primary-used-percent", "37.5"),
                ("x-codex-primary-reset-after-seconds", "600"),
            ],
            &[("5h", 0.375, 600)],
        );
    }

    #[test]
    fn an_answer_changes_only_what_it_mentions() {
        let now = Instant::now();
        let mut windows = windows(
            now,
            &[
                ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
                ("anthropic-ratelimit-unified-5h-reset", "1794315600"),
            ],
        );
        windows.update(&Readings::default(), true, now);
        assert_eq!(windows.status(now).count(), 1);
        assert_eq!(windows.status(now + SECOND * 3600).count(), 0);
    }

    #[test]
    fn the_nearer_to_its_end_the_less_it_is_picked() {
        let now = Instant::now();
        let at = |used: &str| {
            let windows = windows(
                now,
                &[
                    ("anthropic-ratelimit-unified-5h-utilization", used),
                    ("anthropic-ratelimit-unified-5h-reset", "1794329999"),
                ],
            );
            (
                factor(&windows, now),
                windows.standing("sonnet", now, 0, (0, 0)).spent,
            )
        };
        assert!(at("0.5").0 >= 1.0);
        assert!(at("0.85").0 > at("0.95").0);
        assert!(at("0.95").0 < 0.3);
        assert!(!at("0.95").1);
        assert!(at("1.0").1 && at("1.0").0 > 0.0);
    }

    #[test]
    fn of_two_with_room_the_one_that_resets_sooner_is_preferred() {
        let now = Instant::now();
        let with = |reset: &str| {
            windows(
                now,
                &[
                    ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
                    ("anthropic-ratelimit-unified-5h-reset", reset),
                ],
            )
        };
        assert!(factor(&with("1794312600"), now) > factor(&with("1794326400"), now) + 0.2);
    }

    #[test]
    fn a_window_for_one_model_class_concerns_no_other() {
        let now = Instant::now();
        let windows = windows(
            now,
            &[
                ("anthropic-ratelimit-unified-7d_opus-status", "rejected"),
                ("anthropic-ratelimit-unified-7d_opus-reset", "1794484800"),
            ],
        );
        assert!(windows.standing("opus", now, 0, (0, 0)).spent);
        assert!(!windows.standing("sonnet", now, 0, (0, 0)).spent);
    }

    #[test]
    fn a_bucket_refills_while_nothing_is_heard_of_it() {
        let now = Instant::now();
        let windows = windows(
            now,
            &[
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "60s"),
            ],
        );
        assert!(windows.standing("x", now, 0, (0, 0)).spent);
        assert!(!windows.standing("x", now + SECOND * 6, 0, (0, 0)).spent);
        assert!(factor(&windows, now + SECOND * 30) >= 1.0);
    }

    #[test]
    fn what_is_on_its_way_counts_against_what_is_left() {
        let now = Instant::now();
        let windows = windows(
            now,
            &[
                ("x-ratelimit-limit-tokens", "10000"),
                ("x-ratelimit-remaining-tokens", "1500"),
                ("x-ratelimit-reset-tokens", "50s"),
            ],
        );
        assert!(!windows.standing("x", now, 1000, (0, 0)).spent);
        assert!(windows.standing("x", now, 1000, (1, 1000)).spent);
        assert!(!windows.standing("x", now, 0, (1, 1000)).spent);
    }
}

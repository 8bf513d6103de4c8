//! What goes wrong at an account, and for how long: every account has a weather of its own, which changes by chance.
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::random::Random;

/// The weather of one account.
#[derive(Debug, Default)]
pub struct Weather(AtomicUsize);

/// One kind of day: a name for the report, and the knobs of the simulated upstream that make it.
#[derive(Debug)]
pub struct Day {
    pub name: &'static str,
    pub knobs: &'static [(&'static str, &'static str)],
}

impl Weather {
    pub fn day(&self) -> &'static Day {
        &DAYS[self.0.load(Ordering::Relaxed)]
    }

    /// Changes it: half the days are fine.
    pub fn change(&self, random: &Random) -> &'static Day {
        let day = if random.percent(50) {
            0
        } else {
            usize::try_from(random.between(1, DAYS.len() as u64 - 1)).unwrap_or(0)
        };
        self.0.store(day, Ordering::Relaxed);
        &DAYS[day]
    }

    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Day {
    pub fn is_fine(&self) -> bool {
        self.name == DAYS[0].name
    }

    /// Nobody listens.
    pub fn refuses(&self) -> bool {
        self.name == REFUSING
    }

    /// Errors repeat what the client said.
    pub fn repeats_the_client(&self) -> bool {
        self.name == REPEATING
    }

    /// The credential is refused: this account comes back only when somebody says so.
    pub fn is_refusal_of_the_key(&self) -> bool {
        self.name == "401"
    }
}

/// A 429 in the client's own words.
const REPEATING: &str = "429 with the client's words";

const REFUSING: &str = "refusing";

const fn day(name: &'static str, knobs: &'static [(&'static str, &'static str)]) -> Day {
    Day { name, knobs }
}

static DAYS: [Day; 20] = [
    day("fine", &[]),
    day("401", &[("error", "auth")]),
    day("429", &[("error", "rate-limit"), ("retry-after", "1")]),
    day("429 without a hint", &[("error", "rate-limit")]),
    day(REPEATING, &[]),
    day("overloaded", &[("error", "overloaded")]),
    day("500", &[("status", "500")]),
    day("html", &[("html", "on")]),
    day(
        "200 with an error",
        &[("status", "200"), ("error", "server")],
    ),
    day("slow head", &[("head-delay", "4s")]),
    day("no head", &[("stall", "on")]),
    day("reset", &[("reset", "on")]),
    day("closed", &[("close", "on")]),
    day("reset in mid-stream", &[("reset-after", "4")]),
    day("truncated", &[("truncate-after", "5")]),
    day("ends early", &[("eof-after", "last")]),
    day("error event", &[("error-after", "3")]),
    day("error event at once", &[("error-after", "0")]),
    day("silent in mid-stream", &[("stall-after", "4")]),
    day(REFUSING, &[]),
];

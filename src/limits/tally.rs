//! Figures that are counted without a lock, and the day for which they count.
//!
//! A share of a [`super::book`] counts for one day: the one that its counter was in when it was last looked at. It has two sets of
//! figures, used by turns, so that a thread that had read which day it is, and slept over midnight, still counts for the
//! day before.
use std::sync::atomic::{AtomicU64, Ordering};

use super::spend::Totals;
use crate::outcome::Unit;
use crate::protocol::hub::units::Units;

/// What was counted since it was last collected, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Of the day that the counter is in.
    pub today: Totals,
    /// Of the day that it was in before.
    pub before: Totals,
    /// What is not over.
    pub under_way: UnderWay,
}

/// Requests that are not over, and what is reserved for them, by [`Unit`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnderWay {
    /// Requests that have come and not ended.
    pub requests: u64,
    /// Requests, tokens, billionths of a dollar.
    pub reserved: [u64; Unit::ALL.len()],
}

impl UnderWay {
    /// What ends on one thread may be read before that it began on another: less than nothing is nothing.
    pub fn clamp(&mut self) {
        for figure in std::iter::once(&mut self.requests).chain(&mut self.reserved) {
            if *figure > u64::MAX / 2 {
                *figure = 0;
            }
        }
    }
}

/// As [`Totals::figures`] and its units.
#[derive(Debug, Default)]
pub(super) struct Figures {
    requests: AtomicU64,
    others: [AtomicU64; 7 + Units::KINDS.len()],
}

impl Figures {
    /// Requests come last, and are taken first: whoever sees a request sees all that it used.
    pub fn add(&self, totals: &Totals) {
        let ([requests, figures @ ..], units) = (totals.figures(), totals.usage.units.figures());
        for (sum, figure) in self.others.iter().zip(figures.into_iter().chain(units)) {
            if figure > 0 {
                sum.fetch_add(figure, Ordering::Relaxed);
            }
        }
        self.requests.fetch_add(requests, Ordering::Release);
    }

    pub fn take(&self) -> Totals {
        let requests = taken(&self.requests, Ordering::Acquire);
        let mut others = self.others.iter().map(|sum| taken(sum, Ordering::Relaxed));
        let mut figures = [0; 8];
        let [first, rest @ ..] = &mut figures;
        *first = requests;
        for (figure, sum) in rest.iter_mut().zip(&mut others) {
            *figure = sum;
        }
        let mut units = [0; Units::KINDS.len()];
        for (figure, sum) in units.iter_mut().zip(others) {
            *figure = sum;
        }
        Totals::of_figures(figures, units)
    }
}

/// Nothing is written where there is nothing.
fn taken(sum: &AtomicU64, order: Ordering) -> u64 {
    if sum.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    sum.swap(0, order)
}

/// The day for which is counted, and which set of figures it has: `began`, its length in seconds, and the set, in one word, so
/// that they are read together. 0 = none.
#[derive(Debug, Default)]
pub(super) struct Day(AtomicU64);

impl Day {
    /// The set of figures of the day.
    pub fn turn(&self) -> usize {
        usize::from(self.0.load(Ordering::Acquire) & 1 == 1)
    }

    /// The same, if it is that day.
    pub fn turn_at(&self, second: u64) -> Option<usize> {
        let word = self.0.load(Ordering::Acquire);
        let (began, length) = (word >> BEGAN, (word >> 1) & LONGEST);
        let is_today = second.checked_sub(began)? < length;
        is_today.then_some(usize::from(word & 1 == 1))
    }

    pub fn begin(&self, day: Option<(u64, u64)>) {
        let old = self.0.load(Ordering::Relaxed);
        let day = day.and_then(|(began, ends)| {
            let length = ends.checked_sub(began)?;
            let fits = length <= LONGEST && began >> (u64::BITS - BEGAN) == 0;
            fits.then_some((began << BEGAN) | (length << 1))
        });
        let word = day.unwrap_or(0);
        if word != old & !1 {
            self.0.store(word | ((old & 1) ^ 1), Ordering::Release);
        }
    }
}

/// Where the second stands at which a day began.
const BEGAN: u32 = 24;

/// Seconds that a day may have.
const LONGEST: u64 = (1 << (BEGAN - 1)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_known_by_its_seconds_and_another_one_has_the_other_set() {
        let day = Day::default();
        assert_eq!(day.turn_at(0), None);
        day.begin(Some((100, 200)));
        let first = day.turn_at(100).expect("it is that day");
        assert_eq!((day.turn_at(199), day.turn()), (Some(first), first));
        assert_eq!((day.turn_at(99), day.turn_at(200)), (None, None));
        day.begin(Some((100, 200)));
        assert_eq!(day.turn_at(150), Some(first), "the same day");
        day.begin(Some((200, 300)));
        assert_eq!(
            (day.turn_at(150), day.turn_at(250)),
            (None, Some(1 - first))
        );
        for none in [
            None,
            Some((5, 4)),
            Some((0, 1 << 30)),
            Some((1 << 50, (1 << 50) + 9)),
        ] {
            day.begin(none);
            assert_eq!(
                (day.turn_at(4), day.turn_at(1 << 50)),
                (None, None),
                "{none:?}"
            );
        }
    }
}

//! Figures that are counted without a lock, and the day for which they count.
//!
//! A share of a [`super::book`] counts for one day: the day of its counter when that was last locked. It has two sets
//! of figures, used in turn, so that a thread that read which day it is and was then delayed beyond midnight still
//! counts for the day before.
use std::sync::atomic::{AtomicU64, Ordering};

use super::spend::Totals;
use crate::outcome::Unit;
use crate::protocol::hub::units::Units;

/// What was counted since the last collection, and what is in flight.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Use on the day of the counter.
    pub today: Totals,
    /// Use on the counter's previous day.
    pub before: Totals,
    /// Requests that have not ended.
    pub under_way: UnderWay,
}

/// Requests that have not ended, and what is reserved for them, by [`Unit`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnderWay {
    /// Requests that were admitted and have not ended.
    pub requests: u64,
    /// Reserved requests, tokens and billionths of a dollar.
    pub reserved: [u64; Unit::ALL.len()],
}

impl UnderWay {
    /// Sets negative sums to zero. A sum is negative when the end of a request on one thread is read before its
    /// beginning on another.
    pub fn clamp(&mut self) {
        for figure in std::iter::once(&mut self.requests).chain(&mut self.reserved) {
            if *figure > u64::MAX / 2 {
                *figure = 0;
            }
        }
    }
}

/// The figures of [`Totals::figures`] and the units.
#[derive(Debug, Default)]
pub(super) struct Figures {
    requests: AtomicU64,
    others: [AtomicU64; 7 + Units::KINDS.len()],
}

impl Figures {
    /// Adds the requests last, and [`Self::take`] takes them first: a reader that sees a request sees all that it used.
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

/// Takes the sum out. A sum of 0 is not written to.
fn taken(sum: &AtomicU64, order: Ordering) -> u64 {
    if sum.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    sum.swap(0, order)
}

/// The day for which shares count: when it began, its length in seconds, and which set of figures is its own. All three
/// are in one word, so that they are read together. 0 = no day yet.
#[derive(Debug, Default)]
pub(super) struct Day(AtomicU64);

impl Day {
    /// The index of the set of figures of the day.
    pub fn turn(&self) -> usize {
        usize::from(self.0.load(Ordering::Acquire) & 1 == 1)
    }

    /// The index of the set, if `second` lies within the day.
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

/// The lowest bit of the second at which the day began.
const BEGAN: u32 = 24;

/// The most seconds that a day may have.
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

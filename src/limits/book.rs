//! One counter: with a lock for a subject with limits, without one for a subject without limits.
//!
//! A subject without limits need not be checked before a request is admitted, so the threads need not agree on
//! anything: each thread adds to a [`Share`] of its own. A reader (`GET /v1/usage`, the fleet, a following process)
//! adds up the shares under the lock of the counter. So a request does not write to memory that a request of another
//! thread writes to. Only a request that is settled on a day other than the counter's takes the lock, and thereby
//! begins the new day.
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

use super::counter::{Counter, Reserved};
use super::spend::seconds;
use super::subject::Used;
use super::tally::{Collected, Day, Figures};
use crate::outcome::Unit;

/// What one key, group, project or everyone has used. It outlives a configuration.
#[derive(Debug)]
pub(super) struct Book {
    counter: Mutex<Counter>,
    /// The day that the counter is in.
    day: Arc<Day>,
    /// One share for each thread, up to `SHARES`.
    shares: OnceLock<Box<[OnceLock<Arc<Share>>; SHARES]>>,
}

/// The locked counter, which includes everything that was counted without the lock.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    counter: MutexGuard<'a, Counter>,
    day: &'a Day,
}

impl Book {
    /// A book with this counter.
    pub fn of(counter: Counter) -> Self {
        Self {
            counter: Mutex::new(counter),
            day: Arc::default(),
            shares: OnceLock::new(),
        }
    }

    /// Locks the counter, even if a thread panicked while it held the lock: no update here can be observed half done.
    pub fn lock(&self) -> Locked<'_> {
        #[cfg(test)]
        LOCKS.with(|locks| locks.set(locks.get() + 1));
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(collected) = self.collect() {
            counter.collect(&collected);
        }
        Locked {
            counter,
            day: &self.day,
        }
    }

    /// The share in which this thread counts without the lock.
    pub fn share(self: &Arc<Self>) -> Arc<Share> {
        let shares = self.shares.get_or_init(Box::default);
        let slot = SLOT.with(|slot| *slot) % SHARES;
        let share = shares[slot].get_or_init(|| {
            Arc::new(Share {
                book: Arc::downgrade(self),
                day: Arc::clone(&self.day),
                figures: [Figures::default(), Figures::default()],
                requests: AtomicU64::new(0),
                reserved: [const { AtomicU64::new(0) }; Unit::ALL.len()],
            })
        });
        Arc::clone(share)
    }

    /// Takes out what was counted without the lock; `None` = nothing ever was. The caller holds the lock.
    fn collect(&self) -> Option<Collected> {
        let shares = self.shares.get()?;
        let mut collected = Collected::default();
        let turn = self.day.turn();
        for share in shares.iter().filter_map(OnceLock::get) {
            for (set, figures) in share.figures.iter().enumerate() {
                let sum = if set == turn {
                    &mut collected.today
                } else {
                    &mut collected.before
                };
                sum.add(&figures.take());
            }
            // A request that began on one thread may end on another: only the sums are meaningful.
            let under_way = &mut collected.under_way;
            let requests = share.requests.load(Ordering::Relaxed);
            under_way.requests = under_way.requests.wrapping_add(requests);
            for (sum, part) in under_way.reserved.iter_mut().zip(&share.reserved) {
                *sum = sum.wrapping_add(part.load(Ordering::Relaxed));
            }
        }
        collected.under_way.clamp();
        Some(collected)
    }
}

impl Deref for Locked<'_> {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        &self.counter
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Counter {
        &mut self.counter
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.day.begin(self.counter.day());
    }
}

/// What one thread has counted for one subject, in cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Share {
    book: Weak<Book>,
    day: Arc<Day>,
    figures: [Figures; 2],
    requests: AtomicU64,
    reserved: [AtomicU64; Unit::ALL.len()],
}

impl Share {
    /// Counts a request that was admitted.
    pub fn enter(&self, reserved: &Reserved) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.reserve(reserved, |amount| amount);
    }

    /// Ends a request.
    pub fn leave(&self) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the reservation of a request.
    pub fn release(&self, reserved: &Reserved) {
        self.reserve(reserved, u64::wrapping_neg);
    }

    /// Counts what a request used.
    pub fn settle(&self, reserved: &Reserved, used: &Used, wall: SystemTime) {
        self.release(reserved);
        let totals = used.totals();
        if let Some(set) = self.day.turn_at(seconds(wall)) {
            self.figures[set].add(&totals);
        } else if let Some(book) = self.book.upgrade() {
            // The first request of a day, or of a subject whose counter was never locked before.
            book.lock().add(&totals, wall);
        }
    }

    fn reserve(&self, reserved: &Reserved, change: fn(u64) -> u64) {
        for (unit, sum) in Unit::ALL.into_iter().zip(&self.reserved) {
            let amount = reserved.of(unit);
            if amount > 0 {
                sum.fetch_add(change(amount), Ordering::Relaxed);
            }
        }
    }
}

thread_local! {
    static SLOT: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The number of shares of one subject. If there are more threads, some use the same share, which is slower but equally
/// correct.
const SHARES: usize = 16;

#[cfg(test)]
thread_local! {
    /// How often this thread has locked a counter.
    pub(super) static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    use jiff::tz::TimeZone;

    use super::super::{
        AllSubjects, Caps, HandoverLog, Limit, Limits, Principal, Scope, Subject, Totals, nano_usd,
    };
    use crate::moment::Moment;
    use crate::protocol::hub::units::Units;
    use crate::protocol::hub::usage::Usage;

    const HOUR: Duration = Duration::from_hours(1);
    const PRINCIPAL: Principal = Principal {
        key: 0,
        project: Some(0),
    };

    /// 2026-11-30T12:00:00Z: the last day of a month.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 498_900
    }

    /// The limits of a key with a group and a project, all with the same caps.
    fn limits(caps: Caps, before: Option<&Limits>) -> Limits {
        let subject = |name: &str, group| Subject {
            name: name.into(),
            caps,
            group,
        };
        let all_subjects = AllSubjects {
            keys: vec![subject("key", Some(0))],
            groups: vec![subject("group", None)],
            projects: vec![subject("project", None)],
            global: Caps::default(),
        };
        Limits::new(&all_subjects, TimeZone::UTC, before)
    }

    /// Limits that no request comes near.
    fn high() -> Caps {
        Caps::default().with(Limit::UsdPerMonth, u64::MAX)
    }

    fn used() -> Used {
        Used {
            usage: Usage {
                input: 3,
                cache_read: 5,
                cache_write_5m: 7,
                cache_write_1h: 11,
                output: 13,
                reasoning: 2,
                units: Units {
                    images: 1,
                    audio_ms: 17,
                    characters: 19,
                    searches: 23,
                    video_ms: 31,
                },
            },
            nano_usd: 29,
        }
    }

    fn at(wall: SystemTime) -> Moment {
        Moment {
            now: Instant::now(),
            wall,
        }
    }

    fn request(limits: &Limits, wall: SystemTime) {
        let at = at(wall);
        let permit = limits.admit(PRINCIPAL, Used::default(), at);
        permit.expect("nothing is limited").settle(&used(), at);
    }

    fn times(count: u64) -> Totals {
        let Totals {
            usage, nano_usd, ..
        } = used().totals();
        let of = |figure: u64| figure * count;
        Totals {
            requests: count,
            usage: Usage {
                input: of(usage.input),
                cache_read: of(usage.cache_read),
                cache_write_5m: of(usage.cache_write_5m),
                cache_write_1h: of(usage.cache_write_1h),
                output: of(usage.output),
                reasoning: of(usage.reasoning),
                units: Units::of_figures(usage.units.figures().map(of)),
            },
            nano_usd: of(nano_usd),
        }
    }

    /// Day and month totals of the key, its group and its project.
    fn windows(limits: &Limits, wall: SystemTime) -> Vec<(Totals, Totals)> {
        let reports = limits.report(PRINCIPAL, at(wall));
        reports
            .iter()
            .map(|report| (report.day, report.month))
            .collect()
    }

    #[test]
    fn who_has_no_limits_is_counted_without_a_lock_and_to_the_last_figure() {
        let limits = limits(Caps::default(), None);
        request(&limits, noon());
        let before = LOCKS.get();
        for _ in 0..999 {
            request(&limits, noon());
        }
        assert_eq!(LOCKS.get(), before, "no lock was taken");
        assert_eq!(windows(&limits, noon()), [(times(1000), times(1000)); 3]);
        assert!(LOCKS.get() > before, "to read it takes some");
        let own = limits
            .process_spend(noon())
            .map(|own| (own.windows.day, own.ever));
        assert_eq!(own.collect::<Vec<_>>(), [(times(1000), times(1000)); 3]);
        // Each of the three subjects with limits is locked three times: on admission, when the request is settled, and
        // at its end.
        let limited = self::limits(high(), None);
        let before = LOCKS.get();
        request(&limited, noon());
        assert_eq!(LOCKS.get() - before, 9);
    }

    #[test]
    fn threads_count_apart_and_a_reader_sees_no_request_without_its_cost() {
        let limits = limits(Caps::default(), None);
        request(&limits, noon());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let before = LOCKS.get();
                    for _ in 0..500 {
                        request(&limits, noon());
                    }
                    assert_eq!(LOCKS.get(), before);
                });
            }
            for _ in 0..200 {
                for (day, _) in windows(&limits, noon()) {
                    assert!(day.nano_usd >= day.requests * used().nano_usd, "{day:?}");
                }
            }
        });
        assert_eq!(windows(&limits, noon()), [(times(4001), times(4001)); 3]);
    }

    #[test]
    fn a_thread_has_a_share_of_its_own() {
        let book = Arc::new(Book::of(Counter::new(TimeZone::UTC)));
        let mine = book.share();
        assert!(Arc::ptr_eq(&mine, &book.share()));
        let slot = || SLOT.with(|slot| *slot) % SHARES;
        let (theirs, other) = std::thread::scope(|scope| {
            let thread = scope.spawn(|| (book.share(), slot()));
            thread.join().expect("a share")
        });
        assert_eq!(Arc::ptr_eq(&mine, &theirs), slot() == other);
    }

    /// At midnight, at the end of a month, and with clocks that run ahead or are set back, counting without a lock
    /// leads to the same figures as counting with one.
    #[test]
    fn days_and_months_are_those_of_the_limited() {
        let (free, limited) = (limits(Caps::default(), None), limits(high(), None));
        let hours: [i64; 14] = [
            0,
            1,
            11,
            12,
            13,
            11,
            12,
            37,
            36,
            60,
            24 * 90,
            61,
            62,
            24 * 400,
        ];
        for (step, hour) in hours.into_iter().enumerate() {
            let wall = noon() + HOUR * u32::try_from(hour).expect("hours");
            for _ in 0..=step {
                request(&free, wall);
                request(&limited, wall);
            }
            // Half of the steps are not checked, so that nobody reads the counter after them.
            if step % 2 == 0 {
                assert_eq!(windows(&free, wall), windows(&limited, wall), "{step}");
            }
        }
        let ever = |limits: &Limits| {
            limits
                .process_spend(noon())
                .map(|own| own.ever)
                .collect::<Vec<_>>()
        };
        assert_eq!(ever(&free), ever(&limited));
        assert_eq!(ever(&free), [times(105); 3]);
    }

    #[test]
    fn who_slept_over_midnight_counts_for_the_day_before() {
        let limits = limits(Caps::default(), None);
        request(&limits, noon());
        let share = limits.keys.get(0).expect("a key").book().share();
        let set = share.day.turn_at(seconds(noon())).expect("a day");
        // The totals of the next day cannot be the same: that day is in another month.
        request(&limits, noon() + HOUR * 24);
        share.figures[set].add(&used().totals());
        assert_eq!(
            windows(&limits, noon() + HOUR * 24)[0],
            (times(1), times(1))
        );
        request(&limits, noon() + HOUR * 25);
        let set = share
            .day
            .turn_at(seconds(noon() + HOUR * 25))
            .expect("a day");
        request(&limits, noon() + HOUR * 48);
        share.figures[set].add(&used().totals());
        assert_eq!(
            windows(&limits, noon() + HOUR * 48)[0],
            (times(1), times(4))
        );
        let ever: Vec<u64> = limits
            .process_spend(noon())
            .map(|own| own.ever.requests)
            .collect();
        assert_eq!(ever, [6, 4, 4]);
    }

    #[test]
    fn a_limit_that_comes_by_a_reload_knows_what_was_used_and_what_still_is() {
        let free = limits(Caps::default(), None);
        let at = at(noon());
        let admit = |limits: &Limits| {
            let usage = Usage {
                output: 10,
                ..Usage::default()
            };
            let nano_usd = nano_usd(3.0);
            limits.admit(PRINCIPAL, Used { usage, nano_usd }, at)
        };
        let spent = |usd: f64| Used {
            nano_usd: nano_usd(usd),
            ..Used::default()
        };
        let (mut first, second) = (admit(&free).expect("free"), admit(&free).expect("free"));
        first.settle(&spent(2.0), at);
        let concurrent = Caps::default().with(Limit::Concurrency, 2);
        let refusal = admit(&limits(concurrent, Some(&free))).expect_err("both are under way");
        assert_eq!(
            (refusal.limit, refusal.scope),
            (Limit::Concurrency, Scope::Key)
        );
        // 2 dollars are spent and 3 dollars are reserved.
        let budget = |usd: f64| Caps::default().with(Limit::UsdPerDay, nano_usd(usd));
        assert!(admit(&limits(budget(7.9), Some(&free))).is_err());
        drop(admit(&limits(budget(8.0), Some(&free))).expect("it fits"));
        drop((first, second));
        let next = limits(
            concurrent.with(Limit::UsdPerDay, nano_usd(5.0)),
            Some(&free),
        );
        drop(admit(&next).expect("nothing is under way"));
        assert_eq!(windows(&next, noon())[0].0.nano_usd, nano_usd(2.0));
        // When the limits are removed, the use remains.
        let again = limits(Caps::default(), Some(&next));
        request(&again, noon());
        assert_eq!(windows(&again, noon())[2].0.nano_usd, nano_usd(2.0) + 29);
    }

    #[test]
    fn a_process_that_follows_knows_what_was_counted_without_a_lock() {
        let (old, new) = (
            limits(Caps::default(), None),
            limits(high().with(Limit::Concurrency, 1), None),
        );
        let at = at(noon());
        request(&old, noon());
        let held = old.admit(PRINCIPAL, Used::default(), at);
        let mut held = held.expect("nothing is limited");
        let (mut handover_log, first) = HandoverLog::begin(&old, at);
        new.recall(&first, true, at);
        assert_eq!(windows(&new, noon()), [(times(1), times(1)); 3]);
        assert!(new.admit(PRINCIPAL, Used::default(), at).is_err());
        held.settle(&used(), at);
        drop(held);
        new.recall(&handover_log.go_on(&old, at), false, at);
        assert_eq!(windows(&new, noon()), [(times(2), times(2)); 3]);
        assert!(new.admit(PRINCIPAL, Used::default(), at).is_ok());
        // A copy counts separately.
        let copy = old.shadow();
        request(&copy, noon());
        assert_eq!(windows(&copy, noon())[0].0, times(3));
        assert_eq!(windows(&old, noon())[0].0, times(2));
    }
}

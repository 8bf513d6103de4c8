//! What limits cost a request: `cargo bench --no-default-features --bench limits`.
//!
//! The aim for a key without limits is less than a microsecond from its admission to its settlement.
use std::time::{Instant, SystemTime};

use divan::{AllocProfiler, Bencher, black_box};
use jiff::tz::TimeZone;
use weir::limits::{AllSubjects, Caps, Limit, Limits, Subject, Used};
use weir::moment::Moment;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Every thread has a key of its own.
const THREADS: [usize; 2] = [1, 2];

#[divan::bench(threads = THREADS)]
fn without_limits(bencher: Bencher<'_, '_>) {
    through(bencher, Caps::default(), Caps::default());
}

#[divan::bench(threads = THREADS)]
fn limits_of_the_key(bencher: Bencher<'_, '_>) {
    through(bencher, all(), Caps::default());
}

#[divan::bench(threads = THREADS)]
fn limits_of_everyone(bencher: Bencher<'_, '_>) {
    through(bencher, all(), all());
}

/// A hundred thousand keys, carried over by a reload.
#[divan::bench(sample_count = 5)]
fn reload(bencher: Bencher<'_, '_>) {
    let keys: Vec<Subject> = (0..100_000)
        .map(|number| subject(&format!("key-{number}"), all()))
        .collect();
    let all_subjects = AllSubjects {
        keys,
        ..AllSubjects::default()
    };
    let make = |before: Option<&Limits>| Limits::new(&all_subjects, TimeZone::UTC, before);
    let before = make(None);
    bencher.bench_local(|| make(Some(black_box(&before))));
}

fn through(bencher: Bencher<'_, '_>, own: Caps, everyones: Caps) {
    let keys: Vec<Subject> = (0..THREADS.len())
        .map(|number| subject(&format!("key-{number}"), own))
        .collect();
    let all_subjects = AllSubjects {
        keys,
        global: everyones,
        ..AllSubjects::default()
    };
    let limits = Limits::new(&all_subjects, TimeZone::UTC, None);
    let (wall, used) = (SystemTime::now(), Used::default());
    let moment = || Moment {
        now: Instant::now(),
        wall,
    };
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread_local! {
        static KEY: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
    }
    bencher.bench(|| {
        let key = KEY.get().unwrap_or_else(|| {
            let key = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % THREADS.len();
            KEY.set(Some(key));
            key
        });
        let admitted = limits.admit(limits.principal(key, None), Used::default(), moment());
        let mut permit = admitted.expect("high limits");
        permit.settle(black_box(&used), moment());
    });
}

fn subject(name: &str, caps: Caps) -> Subject {
    Subject {
        name: name.into(),
        caps,
        group: None,
    }
}

/// Limits that nobody comes near.
fn all() -> Caps {
    let all = [
        (Limit::Requests, u32::MAX.into()),
        (Limit::Tokens, u64::MAX),
        (Limit::Concurrency, u32::MAX.into()),
        (Limit::UsdPerDay, u64::MAX),
        (Limit::UsdPerMonth, u64::MAX),
    ];
    all.into_iter()
        .fold(Caps::default(), |caps, (limit, most)| {
            caps.with(limit, most)
        })
}

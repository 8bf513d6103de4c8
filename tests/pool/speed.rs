//! What a choice costs. `cargo test --release --test pool speed -- --nocapture` prints it.
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir::config::Select;
use weir::pool::affinity::mix;
use weir::pool::{Pool, Want};

use crate::support::*;

#[test]
fn a_choice_among_five_accounts_costs_microseconds_at_most() {
    for select in [
        Select::Weighted,
        Select::LeastBusy,
        Select::Random,
        Select::Failover,
    ] {
        for with_session in [false, true] {
            let mut list = accounts(&["a", "b", "c", "d", "e"]);
            for account in &mut list {
                account.models = models(&[("claude-*", None)]);
            }
            let (pool, now) = build(list, select);
            let cost = measure(&pool, with_session, now);
            println!("{select:?}, session {with_session}: {cost:?} a request");
            // Generous: unoptimised builds on busy machines run this too.
            assert!(cost < Duration::from_micros(200), "{cost:?}");
        }
    }
}

fn measure(pool: &Pool, with_session: bool, now: Instant) -> Duration {
    let begin = Instant::now();
    for number in 0..ROUNDS {
        let want = Want {
            session: with_session.then(|| weir::pool::affinity::Session(mix(number.into()))),
            draw: mix(number.into()),
            ..want()
        };
        let mut pick = pool.pick(&want, now).expect("an account");
        pick.lease.committed(now);
        pick.lease.completed(now);
        drop(Arc::clone(&pick.model));
    }
    begin.elapsed() / ROUNDS
}

const ROUNDS: u32 = 20_000;

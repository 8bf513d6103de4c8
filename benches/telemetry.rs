//! What a settled request costs: `cargo bench --no-default-features --bench telemetry`.
//!
//! The aim for `record` is less than a microsecond, and no allocation once a series exists.
use std::time::{Duration, SystemTime};

use divan::{AllocProfiler, Bencher, black_box};
use weir::outcome::{Affinity, AttemptRecord, End, FailureClass, Outcome, UsageSource};
use weir::pricing::PriceTable;
use weir::protocol::hub::usage::Usage;
use weir::protocol::{Dialect, UpstreamDialect};
use weir::telemetry::access_log::line;
use weir::telemetry::metrics::{Live, Metrics};
use weir::telemetry::recent::Recent;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(threads = [1, 2])]
fn record(bencher: Bencher<'_, '_>) {
    let (metrics, outcome) = (Metrics::new("version", "revision"), outcome());
    metrics.record(&outcome);
    bencher.bench(|| metrics.record(black_box(&outcome)));
}

#[divan::bench]
fn record_dated_model(bencher: Bencher<'_, '_>) {
    let (metrics, mut outcome) = (Metrics::new("version", "revision"), outcome());
    outcome.model_served = Some("claude-sonnet-4-5-20250929".to_owned());
    metrics.record(&outcome);
    bencher.bench(|| metrics.record(black_box(&outcome)));
}

/// A request that is over goes into the ring of the console, full as it is.
#[divan::bench(threads = [1, 2])]
fn ring(bencher: Bencher<'_, '_>) {
    let recent = Recent::new(5_000);
    let outcome = Outcome {
        headers: Some(
            "user-agent: claude-cli/2.1\n"
                .repeat(20)
                .into_bytes()
                .into(),
        ),
        ..outcome()
    };
    for _ in 0..5_000 {
        recent.push(outcome.clone(), SystemTime::UNIX_EPOCH);
    }
    bencher
        .with_inputs(|| outcome.clone())
        .bench_values(|outcome| recent.push(outcome, SystemTime::UNIX_EPOCH));
}

#[divan::bench]
fn access_line(bencher: Bencher<'_, '_>) {
    let (outcome, mut out) = (outcome(), Vec::with_capacity(4096));
    bencher.bench_local(|| {
        out.clear();
        line(black_box(&outcome), SystemTime::UNIX_EPOCH, &mut out);
    });
}

#[divan::bench]
fn cost(bencher: Bencher<'_, '_>) {
    let (prices, usage) = (PriceTable::new(&[]), usage());
    bencher.bench(|| {
        prices.cost(
            black_box("claude-sonnet-4-5-20250929"),
            &usage,
            Some("standard"),
        )
    });
}

#[divan::bench]
fn render(bencher: Bencher<'_, '_>) {
    let metrics = Metrics::new("version", "revision");
    metrics.record(&outcome());
    bencher.bench(|| metrics.render(&Live::default()));
}

fn usage() -> Usage {
    Usage {
        input: 1200,
        cache_read: 80_000,
        cache_write_5m: 3000,
        cache_write_1h: 0,
        output: 700,
        reasoning: 300,
        ..Usage::default()
    }
}

/// A stream with one failover. Without a configuration its names are all `other`, which costs what finding them does.
fn outcome() -> Outcome {
    let attempt = |failure| AttemptRecord {
        account: "claude-a".into(),
        failure,
        cause: None,
        after: Duration::ZERO,
        took: Duration::from_millis(900),
    };
    Outcome {
        request_id: "req_0123456789abcdef0123456789abcdef".to_owned(),
        key: Some("team-a".into()),
        client_dialect: Some(Dialect::Anthropic),
        upstream_dialect: Some(UpstreamDialect::Anthropic),
        method: "POST".to_owned(),
        path: "/v1/messages".to_owned(),
        client_ip: Some([192, 0, 2, 1].into()),
        model_asked: Some("claude-sonnet-4-5".to_owned()),
        model_served: Some("claude-sonnet-4-5".to_owned()),
        route: Some(0),
        pool: Some("claude".into()),
        account: Some("claude-a".into()),
        attempts: vec![attempt(Some(FailureClass::Throttled)), attempt(None)],
        affinity: Some(Affinity::Hit),
        status: 200,
        stream: true,
        usage: Some(usage()),
        usage_source: Some(UsageSource::Reported),
        cost_usd: Some(0.0312),
        time_to_first_token: Some(Duration::from_millis(800)),
        duration: Duration::from_secs(9),
        overhead: Duration::from_micros(70),
        bytes_in: 300_000,
        bytes_out: 40_000,
        ..Outcome::new(End::Complete)
    }
}

//! A month of answers, and the invoice for it: computed by hand in whole billionths of a dollar, and by the limits, the ledger, the
//! metrics and `weir reconcile`. In its middle the process begins anew.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prometheus::IntCounter;
use weir::config;
use weir::limits::ledger::{self, Attribution, Dimension, Ledger};
use weir::limits::{Limits, Used, nano_usd};
use weir::moment::Moment;
use weir::outcome::{End, Outcome, UsageSource};
use weir::pricing::PriceTable;
use weir::protocol::hub::usage::{Extras, Tools, Usage};
use weir::telemetry::Telemetry;
use weir::telemetry::metrics::Live;

/// What the vendors' pages say, in billionths of a dollar for one token: input, cache read, two cache writes, output; the tier
/// with which half is paid; and for a search of the web. Sources as in `src/catalog/rows`.
struct Priced {
    model: &'static str,
    /// Input, cache read, cache write of five minutes and of one hour, output.
    rates: [u64; 5],
    /// From how many tokens of the prompt on other rates hold.
    long: Option<(u64, [u64; 5])>,
    half: &'static str,
    search: u64,
}

const MODELS: [Priced; 5] = [
    Priced {
        model: "claude-sonnet-4-5",
        rates: [3_000, 300, 3_750, 6_000, 15_000],
        long: None,
        half: "batch",
        search: 10_000_000,
    },
    Priced {
        model: "claude-haiku-5-5",
        rates: [100, 10, 125, 200, 500],
        long: Some((100_000, [500, 50, 625, 1_000, 2_500])),
        half: "batch",
        search: 10_000_000,
    },
    Priced {
        model: "gpt-5.5",
        rates: [5_000, 500, 5_000, 5_000, 30_000],
        long: Some((272_000, [10_000, 1_000, 10_000, 10_000, 45_000])),
        half: "flex",
        search: 10_000_000,
    },
    Priced {
        model: "gpt-4o-mini",
        rates: [150, 75, 150, 150, 600],
        long: None,
        half: "batch",
        search: 10_000_000,
    },
    Priced {
        model: "grok-4.7",
        rates: [2_000, 500, 2_000, 2_000, 6_000],
        long: Some((200_000, [4_000, 1_000, 4_000, 4_000, 12_000])),
        half: "",
        search: 0,
    },
];

/// Numbers that are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// One answer: whose, of which model, what it used, and what it costs by hand.
struct Drawn {
    key: usize,
    priced: &'static Priced,
    usage: Usage,
    tier: Option<&'static str>,
    searches: u64,
    nano: u64,
}

fn draw(draws: &mut Draws) -> Drawn {
    let priced = &MODELS[draws.below(MODELS.len() as u64) as usize];
    let long = draws.below(8) == 0;
    let usage = Usage {
        // Even numbers, so that half of a price is whole.
        input: 2 * draws.below(if long { 200_000 } else { 2_000 }),
        cache_read: 2 * draws.below(30_000),
        cache_write_5m: 2 * draws.below(3_000),
        cache_write_1h: 2 * draws.below(300),
        output: 2 * draws.below(4_000),
        reasoning: 0,
        ..Usage::default()
    };
    let tier = (draws.below(5) == 0 && !priced.half.is_empty()).then_some(priced.half);
    let searches = draws.below(3);
    let rates = match &priced.long {
        Some((above, rates)) if usage.prompt() > *above => rates,
        _ => &priced.rates,
    };
    let counts = [
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
    ];
    let tokens: u64 = counts
        .iter()
        .zip(rates)
        .map(|(count, rate)| count * rate)
        .sum();
    let tokens = if tier.is_some() { tokens / 2 } else { tokens };
    Drawn {
        key: draws.below(KEYS.len() as u64) as usize,
        priced,
        usage,
        tier,
        searches,
        nano: tokens + searches * priced.search,
    }
}

const KEYS: [&str; 3] = ["team-a", "team-b", "batch"];

const REQUESTS: u64 = 4_000;

/// 2026-10-01T00:00:00Z.
const BEGIN: u64 = 1_790_812_800;

fn configuration() -> config::Config {
    let mut text =
        "version: 1\naccounts: [{ name: a, provider: anthropic, key: { env: A } }]\nkeys:\n"
            .to_owned();
    for name in KEYS {
        writeln!(
            text,
            "  - {{ name: {name}, key: {{ env: {name} }}, group: g }}"
        )
        .expect("a String");
    }
    text += "groups: [{ name: g, limits: { usd_per_month: 1000000 } }]\nlog: { access: off }\n";
    let environment = |name: &str| Some(format!("a secret of some length: {name}"));
    config::parse(
        "weir.yaml",
        &text
            .replace("env: team-", "env: TEAM_")
            .replace("env: batch", "env: BATCH"),
        &environment,
    )
    .unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn moment(wall: SystemTime) -> Moment {
    Moment {
        now: Instant::now(),
        wall,
    }
}

fn day(wall: SystemTime) -> String {
    let moment = jiff::Timestamp::try_from(wall).expect("a time");
    moment.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

fn open(settings: &config::Ledger, limits: &Limits, wall: SystemTime) -> Ledger {
    let failures = IntCounter::new("failures", "of the ledger").expect("a name");
    Ledger::open(settings, limits, failures, wall).expect("a ledger")
}

/// What an outcome of such an answer is, for the metrics.
fn outcome(drawn: &Drawn, usd: f64) -> Outcome {
    let mut outcome = Outcome::new(End::Complete);
    outcome.status = 200;
    outcome.key = Some(KEYS[drawn.key].into());
    outcome.account = Some("a".into());
    outcome.model_served = Some(drawn.priced.model.to_owned());
    outcome.usage = Some(drawn.usage);
    outcome.usage_source = Some(UsageSource::Reported);
    outcome.cost_usd = Some(usd);
    outcome
}

/// The sum of a family in the text of a scrape, over the series with this label.
fn metric(text: &str, family: &str, label: &str) -> f64 {
    let lines = text
        .lines()
        .filter(|line| line.starts_with(family) && line.contains(label));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[test]
fn a_month_is_one_invoice_everywhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = config::Ledger {
        path: directory.path().join("ledger"),
        max_size: 64 << 20,
        keep: 36_500,
        max_history: 1 << 30,
    };
    let config = configuration();
    let telemetry = Telemetry::new(&config, SystemTime::UNIX_EPOCH).expect("no access log");
    let prices = PriceTable::new(&[]);
    let mut limits = Limits::of_config(&config, None);
    let mut draws = Draws(42);
    let mut by_day: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut by_key: BTreeMap<usize, u64> = BTreeMap::new();
    let mut total = 0;
    let mut wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN);
    let mut ledger = open(&settings, &limits, wall);
    for number in 0..REQUESTS {
        wall =
            SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN + number * 31 * 86_400 / REQUESTS);
        if number == REQUESTS / 2 {
            // The process ends and begins anew.
            assert!(ledger.flush(Duration::from_mins(1)));
            drop(ledger);
            limits = Limits::of_config(&config, None);
            ledger = open(&settings, &limits, wall);
        }
        let drawn = draw(&mut draws);
        let tools = Tools {
            web_searches: drawn.searches,
            ..Tools::default()
        };
        let extras = Extras {
            tools,
            ..Extras::default()
        };
        let usd = prices
            .bill(drawn.priced.model, &drawn.usage, drawn.tier, &extras)
            .expect("a price");
        let used = Used {
            usage: drawn.usage,
            nano_usd: nano_usd(usd),
        };
        assert_eq!(
            used.nano_usd, drawn.nano,
            "{} {:?} {:?}",
            drawn.priced.model, drawn.tier, drawn.usage
        );
        let at = moment(wall);
        let mut permit = limits
            .admit(limits.principal(drawn.key, None), Used::default(), at)
            .expect("a budget");
        permit.settle(&used, at);
        let who = Attribution {
            key: KEYS[drawn.key].into(),
            group: Some("g".into()),
            project: None,
            model: Some(Arc::from(drawn.priced.model)),
            account: Some("a".into()),
        };
        ledger.record(who, None, &used, wall);
        telemetry.settle(outcome(&drawn, used.nano_usd as f64 / 1e9), wall);
        *by_day
            .entry((day(wall), drawn.priced.model.to_owned()))
            .or_default() += drawn.nano;
        *by_key.entry(drawn.key).or_default() += drawn.nano;
        total += drawn.nano;
    }
    assert!(ledger.flush(Duration::from_mins(1)));

    for (key, expected) in &by_key {
        let reports = limits.report(limits.principal(*key, None), moment(wall));
        assert_eq!(reports[0].month.nano_usd, *expected, "{}", KEYS[*key]);
        assert_eq!(reports[1].month.nano_usd, total, "the group");
    }
    let first = "2026-10-01".parse().expect("a day");
    let last = "2026-10-31".parse().expect("a day");
    let rows = ledger::report(
        &settings.path,
        (first, last),
        &[Dimension::Day, Dimension::Model],
    )
    .expect("a history");
    let told: BTreeMap<(String, String), u64> = rows
        .into_iter()
        .map(|row| {
            (
                (row.names[0].clone(), row.names[1].clone()),
                row.totals.nano_usd,
            )
        })
        .collect();
    assert_eq!(told, by_day);
    let text = telemetry.render(&Live::default());
    for (key, expected) in &by_key {
        let label = format!("key=\"{}\"", KEYS[*key]);
        let usd = metric(&text, "weir_cost_usd_total{", &label);
        assert!(
            (usd - *expected as f64 / 1e9).abs() < 1e-6,
            "{label}: {usd}"
        );
    }

    // The vendor's own bill, in the form of its cost API: cents, as texts.
    let mut buckets = String::new();
    for ((day, model), nano) in by_day
        .iter()
        .filter(|((_, model), _)| model.starts_with("claude"))
    {
        let cents = *nano as f64 / 1e7;
        let comma = if buckets.is_empty() { "" } else { "," };
        write!(buckets, "{comma}{{\"starting_at\":\"{day}T00:00:00Z\",\"results\":[{{\"amount\":\"{cents:.7}\",\"model\":\"{model}\"}}]}}")
            .expect("a String");
    }
    let bill = directory.path().join("costs.json");
    std::fs::write(&bill, format!("{{\"data\":[{buckets}]}}")).expect("a file");
    let ended = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["reconcile", "--vendor", "anthropic", "--ledger"])
        .arg(&settings.path)
        .arg(&bill)
        .output()
        .expect("it runs");
    let table = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{table}");
    let lines: Vec<&str> = table.lines().skip(1).collect();
    assert!(lines.len() > 60, "{table}");
    for line in lines {
        assert!(line.ends_with("0.00%") && !line.contains("-0.01"), "{line}");
    }
}

//! Budgets of a fleet: what every host used counts on every host, through restarts, as a Prometheus knows it.
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::rig::prometheus::Prometheus;
use crate::rig::upstream::Request;
use crate::rig::{
    Call, KEY, Lines, PATIENCE, Upstream, Weir, Wire, account, accounts, eventually, sample,
};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// What the ten input tokens of a sample cost, in billionths of a dollar: no round number, so that a sum that is a
/// little wrong shows.
const COST: u64 = 123_456_789;

/// A proxy that Prometheus at `url` knows as `instance`.
fn host(upstream: &Upstream, url: &str, instance: &str, clients: &str) -> Weir {
    let account = accounts(&[account("a", &lines(), upstream, "")]);
    let noon = noon();
    Weir::start(&format!(
        "timezone: {noon}\nprices: [{{ model: \"*\", input: 12345.6789, output: 0, cache_read: 0 }}]\n\
         prometheus: {{ url: \"{url}\", instance_label: {instance}, poll: 1s }}\n{clients}\n{account}"
    ))
}

/// A time zone in which it is about noon: no story may see the end of a day.
fn noon() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let hour = since.expect("a clock").as_secs() / 3600 % 24;
    // The signs of these names are those of POSIX: GMT-12 is twelve hours ahead.
    if hour < 12 {
        format!("Etc/GMT-{}", 12 - hour)
    } else {
        format!("Etc/GMT+{}", hour - 12)
    }
}

fn call(weir: &Weir, method: &str, target: &str, key: &str) -> Call {
    let call = Call::new(weir.addr(), method, target).key(key);
    call.header("content-type", "application/json")
}

fn ask(weir: &Weir, key: &str) -> u16 {
    let call = call(weir, "POST", lines().path, key);
    call.body(lines().ask).send().status
}

/// What `GET /v1/usage` says of a scope.
fn used(weir: &Weir, key: &str, scope: &str) -> Value {
    let usage = call(weir, "GET", "/v1/usage", key).send().is(200).json();
    usage[scope].clone()
}

fn nano_usd(used: &Value) -> u64 {
    let money = used["today"]["usd"].as_f64().expect("a number");
    format!("{:.0}", money * 1e9).parse().expect("a number")
}

/// Waits until a host knows of so many requests of a scope, all hosts together.
#[track_caller]
fn until_known(weir: &Weir, key: &str, scope: &str, requests: u64) {
    eventually(&format!("{requests} requests are known"), || {
        let used = used(weir, key, scope);
        (nano_usd(&used) == requests * COST).then_some(())
    });
    check(weir, key, scope, requests);
}

/// All figures of a scope, those of the month too.
#[track_caller]
fn check(weir: &Weir, key: &str, scope: &str, requests: u64) {
    let used = used(weir, key, scope);
    assert_eq!(nano_usd(&used), requests * COST, "{used}");
    for window in ["today", "this_month"] {
        let window = &used[window];
        assert_eq!(window["requests"], requests, "{used}");
        assert_eq!(window["tokens"]["input"], requests * 10, "{used}");
        assert_eq!(window["tokens"]["output"], requests * 5, "{used}");
        assert_eq!(window["tokens"]["cache_read"], requests * 3, "{used}");
    }
}

/// Waits for further polls that are answered.
fn polls(weir: &Weir, count: f64) {
    let answered = || weir.metric("weir_prometheus_polls_total", &[("outcome", "ok")]);
    let before = answered();
    eventually("Prometheus is polled", || {
        (answered() >= before + count).then_some(())
    });
}

#[test]
fn a_budget_is_of_all_hosts_together_and_survives_restarts_and_the_loss_of_prometheus() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let upstream = Upstream::json(200, lines().answer);
    let clients = format!(
        "keys:\n  - {{ name: team, key: \"{KEY}\", limits: {{ usd_per_day: 1 }} }}\n  - {{ name: free, key: another-key-of-a-client }}"
    );
    let start = |instance: &str| {
        let weir = host(&upstream, &prometheus.url(), instance, &clients);
        prometheus.scrape(instance, &weir);
        weir
    };
    let (mut first, second) = (start("edge-1"), start("edge-2"));
    for _ in 0..5 {
        assert_eq!(ask(&first, KEY), 200);
    }
    until_known(&second, KEY, "key", 5);
    let more = (0..10).take_while(|_| ask(&second, KEY) == 200).count() as u64;
    assert!((1..=3).contains(&more), "{more} more fit a dollar");
    let all = 5 + more;
    until_known(&first, KEY, "key", all);
    let refused = first.ask(&lines()).send().is(429);
    assert!(
        refused.text().contains("key `team` has "),
        "{}",
        refused.text()
    );
    assert!(
        refused.text().contains(" its budget of 1 USD per day"),
        "{}",
        refused.text()
    );
    for weir in [&first, &second] {
        weir.until_metric("weir_prometheus_self_scraped", &[], 1.0);
        // Nothing is counted a second time, however often it is scraped and polled.
        polls(weir, 3.0);
        check(weir, KEY, "key", all);
    }

    for _ in 0..2 {
        drop(first);
        first = start("edge-1");
        // From the first request on, and to the last billionth.
        assert_eq!(ask(&first, KEY), 429);
        check(&first, KEY, "key", all);
        first.until_metric("weir_prometheus_self_scraped", &[], 1.0);
        polls(&first, 2.0);
        check(&first, KEY, "key", all);
    }
    polls(&second, 2.0);
    check(&second, KEY, "key", all);

    prometheus.kill();
    for weir in [&first, &second] {
        weir.until_metric("weir_prometheus_up", &[], 0.0);
        assert!(weir.metric("weir_prometheus_last_success_timestamp_seconds", &[]) > 1.7e9);
        assert_eq!(ask(weir, KEY), 429);
        check(weir, KEY, "key", all);
        for served in 1..=3 {
            assert_eq!(ask(weir, "another-key-of-a-client"), 200);
            check(weir, "another-key-of-a-client", "key", served);
        }
    }

    prometheus.restart();
    for weir in [&first, &second] {
        weir.until_metric("weir_prometheus_up", &[], 1.0);
        until_known(weir, "another-key-of-a-client", "key", 6);
        check(weir, KEY, "key", all);
    }
}

#[test]
fn a_group_remembers_keys_that_are_gone_and_runs_that_lived_for_one_scrape() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let upstream = Upstream::json(200, lines().answer);
    let clients = |name: &str| {
        format!(
            "keys: [{{ name: {name}, key: \"{KEY}\", group: research }}]\ngroups: [{{ name: research }}]"
        )
    };
    let watcher = host(&upstream, &prometheus.url(), "edge-2", &clients("watcher"));
    for run in 1..=3 {
        let key = clients(&format!("team-{run}"));
        let weir = host(&upstream, &prometheus.url(), "edge-1", &key);
        // Spent before it was ever scraped: the first sample of this run is no zero.
        assert_eq!(ask(&weir, KEY), 200);
        prometheus.scrape("edge-1", &weir);
        until_known(&watcher, KEY, "group", run);
        check(&weir, KEY, "group", run);
        check(&weir, KEY, "key", 1);
    }
    check(&watcher, KEY, "key", 0);
}

#[test]
fn a_ledger_and_prometheus_know_of_the_same_and_it_counts_once() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = dir.path().join("ledger");
    let clients = format!(
        "keys: [{{ name: team, key: \"{KEY}\" }}]\nledger: {{ path: \"{}\" }}",
        ledger.display()
    );
    let alone = format!("keys: [{{ name: team, key: \"{KEY}\" }}]");
    let url = prometheus.url();
    let other = host(&upstream, &url, "edge-2", &alone);
    let first = host(&upstream, &url, "edge-1", &clients);
    prometheus.scrape("edge-1", &first);
    prometheus.scrape("edge-2", &other);
    for weir in [&first, &first, &first, &other] {
        assert_eq!(ask(weir, KEY), 200);
    }
    until_known(&other, KEY, "key", 4);
    until_known(&first, KEY, "key", 4);
    drop(first);

    let first = host(&upstream, &url, "edge-1", &clients);
    check(&first, KEY, "key", 4);
    // Of this run Prometheus never hears: only the ledger knows what it used.
    assert_eq!(ask(&first, KEY), 200);
    polls(&first, 2.0);
    check(&first, KEY, "key", 5);
    drop(first);
    let first = host(&upstream, &url, "edge-1", &clients);
    check(&first, KEY, "key", 5);
    polls(&first, 2.0);
    check(&first, KEY, "key", 5);
}

#[test]
fn a_month_of_runs_that_are_long_over_is_read_back() {
    // A run a day for 40 days, each of one request; the first value of each is none.
    let now = SystemTime::now();
    let day = Duration::from_hours(24);
    let ends: Vec<SystemTime> = (1..=40).rev().map(|days| now - day * days).collect();
    let mut history = String::new();
    for (metric, value) in [
        ("weir_window_cost_usd", COST as f64 / 1e9),
        ("weir_window_requests", 1.0),
    ] {
        writeln!(history, "# TYPE {metric} gauge").expect("text");
        for (run, end) in ends.iter().enumerate() {
            let instance = format!("edge-{}", run % 3);
            let end = end.duration_since(UNIX_EPOCH).expect("a clock").as_secs();
            for (at, value) in [(end - 3600, 0.0), (end, value)] {
                writeln!(
                    history,
                    "{metric}{{scope=\"key\",name=\"team\",window=\"month\",run_id=\"{run}\",instance=\"{instance}\"}} {value} {at}"
                )
                .expect("text");
            }
        }
    }
    let Some(prometheus) = Prometheus::start_with(&history) else {
        return;
    };
    let zone = TimeZone::get(&noon()).expect("a time zone");
    let (_, begins) = weir::limits::spend::begins(now, &zone).expect("a date");
    let begins = UNIX_EPOCH + Duration::from_secs(begins);
    let expected = ends.iter().filter(|end| **end >= begins).count() as u64;
    let upstream = Upstream::json(200, lines().answer);
    let clients = format!("keys: [{{ name: team, key: \"{KEY}\" }}]");
    let weir = host(&upstream, &prometheus.url(), "edge-1", &clients);
    weir.until_metric("weir_prometheus_up", &[], 1.0);
    let used = used(&weir, KEY, "key");
    let (month, today) = (&used["this_month"], &used["today"]);
    assert_eq!(month["requests"], expected, "{used}");
    let money = month["usd"].as_f64().expect("a number");
    assert_eq!(format!("{:.0}", money * 1e9), (expected * COST).to_string());
    assert_eq!(today["requests"], 0, "{used}");
}

#[test]
fn tokens_of_other_hosts_fill_the_minute() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let upstream = Upstream::json(200, lines().answer);
    let clients = |limits: &str| format!("keys: [{{ name: team, key: \"{KEY}\"{limits} }}]");
    let url = prometheus.url();
    let limited = host(
        &upstream,
        &url,
        "edge-1",
        &clients(", limits: { tpm: 10000 }"),
    );
    let free = host(&upstream, &url, "edge-2", &clients(""));
    prometheus.scrape("edge-2", &free);
    for _ in 0..20 {
        assert_eq!(ask(&free, KEY), 200);
    }
    // Twenty requests of 18 tokens.
    eventually("the tokens are known", || {
        let used = used(&limited, KEY, "key");
        (used["limits"]["tpm"]["used"] == 360).then_some(())
    });
    polls(&limited, 3.0);
    assert_eq!(used(&limited, KEY, "key")["limits"]["tpm"]["used"], 360);
    assert_eq!(ask(&limited, KEY), 200);
    assert_eq!(used(&limited, KEY, "key")["limits"]["tpm"]["used"], 378);
}

/// Polls a Prometheus that does `play`; the poll is counted, and disturbs nobody.
#[track_caller]
fn check_answer(outcome: &str, play: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) {
    let upstream = Upstream::json(200, lines().answer);
    let prometheus = Upstream::start(play);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let url = prometheus.url();
    let weir = Weir::start(&format!(
        "prometheus: {{ url: \"{url}\", poll: 1s, timeout: 4s }}\n{account}"
    ));
    weir.ask(&lines()).send().is(200);
    eventually(&format!("{outcome} is counted"), || {
        let polls = weir.metric("weir_prometheus_polls_total", &[("outcome", outcome)]);
        (polls >= 1.0).then_some(())
    });
    let up = weir.metric("weir_prometheus_up", &[]);
    assert_eq!(up > 0.5, outcome == "ok", "{outcome}");
    weir.ask(&lines()).send().is(200);
}

#[test]
fn a_prometheus_that_answers_nonsense_disturbs_nobody_and_is_counted() {
    let says =
        |status, body: &'static str| move |_: &Request, wire: &mut Wire| wire.json(status, body);
    let vector = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let error = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples"}"#;
    check_answer("ok", says(200, vector));
    check_answer("malformed", says(200, matrix));
    check_answer("malformed", says(200, "<html>a login page</html>"));
    check_answer("refused", says(302, ""));
    check_answer("refused", says(422, error));
    check_answer("unreachable", |_, wire| wire.reset());
    check_answer("timeout", |_, wire| {
        wire.closes_within(PATIENCE);
    });
    // Longer than anything that is read, and without an end in sight.
    check_answer("malformed", |_, wire| {
        wire.stream();
        let mebibyte = "x".repeat(1 << 20);
        (0..66).for_each(|_| wire.chunk(&mebibyte));
        wire.closes_within(PATIENCE);
    });
}

#[test]
fn a_key_that_a_reload_brings_knows_at_once_what_others_used() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let upstream = Upstream::json(200, lines().answer);
    let url = prometheus.url();
    let clients = format!("keys: [{{ name: late, key: \"{KEY}\" }}]");
    let other = host(&upstream, &url, "edge-2", &clients);
    prometheus.scrape("edge-2", &other);
    assert_eq!(ask(&other, KEY), 200);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let with = |keys: &str| {
        let noon = noon();
        // Polled so rarely that only the reload can be what asks.
        format!(
            "timezone: {noon}\nprometheus: {{ url: \"{url}\", poll: 5m }}\nkeys: [{keys}]\n{account}"
        )
    };
    eventually("Prometheus knows", || {
        let query = "weir_window_requests%7Bname%3D%22late%22%7D";
        let answer = prometheus.get(&format!("/api/v1/query?query={query}"));
        answer.text().contains("edge-2").then_some(())
    });
    let weir = Weir::start(&with("{ name: early, key: the-key-of-someone-else }"));
    weir.until_metric("weir_prometheus_up", &[], 1.0);
    weir.rewrite(&with(&format!("{{ name: late, key: \"{KEY}\" }}")));
    weir.until_metric("weir_config_generation", &[], 2.0);
    until_known(&weir, KEY, "key", 1);
}

#[test]
fn the_credential_is_sent_and_a_reload_takes_the_server_away() {
    let upstream = Upstream::json(200, lines().answer);
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let prometheus = Upstream::json(200, empty);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let url = prometheus.url();
    let weir = Weir::start(&format!(
        "prometheus: {{ url: \"{url}/base/\", token: the-token-of-prometheus, matchers: {{ job: weir }} }}\n{account}"
    ));
    weir.until_metric("weir_prometheus_up", &[], 1.0);
    for request in prometheus.requests() {
        let authorization = request.headers.get("authorization");
        assert_eq!(authorization, Some("Bearer the-token-of-prometheus"));
        assert!(
            request.target.starts_with("/base/api/v1/query?query="),
            "{}",
            request.target
        );
        assert!(
            request.target.contains("job%3D%22weir%22"),
            "{}",
            request.target
        );
    }
    weir.rewrite(&account);
    eventually("nothing is said of a Prometheus", || {
        let metrics = weir.admin("GET", "/metrics").send();
        (!metrics.text().contains("\nweir_prometheus_up ")).then_some(())
    });
    let asked = prometheus.count();
    weir.ask(&lines()).send().is(200);
    assert_eq!(prometheus.count(), asked);
}

//! The books add up whatever happens: the access log, `GET /v1/usage`, the metrics and the ledger say the same tokens and the same
//! dollars, to the billionth.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::rig::process::{command, run};
use crate::rig::{ALL, Answer, KEY, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

/// Another key of the same project and group.
pub const OTHER: &str = "sk-weir-another-key-of-the-same-project-0000";

/// A dollar a token; two keys in one group and one project.
fn yaml(ledger: &Path, limits: &str, entries: &[String]) -> String {
    let prices = "[{ model: \"*\", input: 1000000, output: 1000000 }]";
    priced(ledger, prices, limits, entries)
}

/// At these prices.
pub fn priced(ledger: &Path, prices: &str, limits: &str, entries: &[String]) -> String {
    format!(
        "ledger: {{ path: \"{}\" }}\n\
         keys:\n  - {{ name: team, key: \"{KEY}\", group: g, project: moon, limits: {{ usd_per_month: 100000000 }} }}\n  \
         - {{ name: second, key: \"{OTHER}\", group: g, project: moon }}\n\
         groups: [{{ name: g }}]\n\
         projects: [{{ name: moon, limits: {{ {limits} }} }}]\n\
         prices: {prices}\n{}",
        ledger.display(),
        accounts(entries)
    )
}

/// Tokens and billionths of a dollar.
pub type Sum = (u64, u64);

fn add(sum: &mut Sum, more: Sum) {
    sum.0 += more.0;
    sum.1 += more.1;
}

pub fn nano(usd: &Value) -> u64 {
    (usd.as_f64().unwrap_or(0.0) * 1e9).round() as u64
}

/// Waits until `requests` are in the access log, and compares everything. By key.
#[track_caller]
pub fn add_up(weir: &Weir, ledger: &Path, requests: usize) -> BTreeMap<String, Sum> {
    let lines = eventually("all lines", || {
        let lines: Vec<Value> = weir
            .lines()
            .into_iter()
            .filter(|line| line["path"] != "/v1/usage")
            .collect();
        (lines.len() >= requests).then_some(lines)
    });
    assert_eq!(lines.len(), requests);
    let mut logged: BTreeMap<String, Sum> = BTreeMap::new();
    let mut all = Sum::default();
    for line in &lines {
        let kinds = [
            "input",
            "cache_read",
            "cache_write_5m",
            "cache_write_1h",
            "output",
        ];
        let tokens = kinds
            .iter()
            .filter_map(|kind| line["tokens"][*kind].as_u64())
            .sum();
        let sum = (tokens, nano(&line["cost_usd"]));
        add(
            logged
                .entry(line["key"].as_str().unwrap_or("none").to_owned())
                .or_default(),
            sum,
        );
        add(&mut all, sum);
    }
    for (name, key) in [("team", KEY), ("second", OTHER)] {
        let expected = logged.get(name).copied().unwrap_or_default();
        let usage: Value = weir.get("/v1/usage").key(key).send().is(200).json();
        let of = |scope: &str| -> Sum {
            let totals = &usage[scope]["this_month"];
            (
                totals["total_tokens"].as_u64().expect("a number"),
                nano(&totals["usd"]),
            )
        };
        assert_eq!(of("key"), expected, "{name}: {usage} {lines:?}");
        assert_eq!(
            (of("group"), of("project")),
            (all, all),
            "{usage} {lines:?}"
        );
    }
    weir.until_metric(
        "weir_project_tokens_total",
        &[("project", "moon")],
        all.0 as f64,
    );
    let path = ledger.to_str().expect("text");
    let told = eventually("the ledger", || {
        let arguments = [
            "usage", "--ledger", path, "--json", "--since", "2d", "--by", "key",
        ];
        let ended = run(&mut command(&arguments));
        let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        (told["total"]["nano_usd"].as_u64() == Some(all.1)).then_some(told)
    });
    for row in told["rows"].as_array().expect("rows") {
        let name = row["key"].as_str().expect("a name");
        let expected = logged.get(name).copied().unwrap_or_default();
        assert_eq!(row["nano_usd"].as_u64(), Some(expected.1), "{told}");
    }
    logged
}

fn one(lines: &Lines, upstream: &Upstream, ledger: &Path, limits: &str) -> Weir {
    Weir::start(&yaml(ledger, limits, &[account("a", lines, upstream, "")]))
}

#[test]
fn a_client_may_leave_after_any_event() {
    for lines in ALL.map(sample) {
        let events = lines.events();
        let count = events.len();
        // So many events are sent of the answer to each request, one more every time; then it stands still.
        let upstream = Upstream::start(move |request, wire| {
            wire.stream();
            events
                .iter()
                .take(request.number + 1)
                .for_each(|event| wire.chunk(event));
            wire.closes_within(Duration::from_secs(20));
        });
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let weir = one(&lines, &upstream, &ledger, "");
        for number in 0..count {
            let left = weir.ask_stream(&lines).open();
            upstream.until(number + 1);
            // What has been sent is on its way to the client, or is held.
            std::thread::yield_now();
            drop(left);
        }
        let logged = add_up(&weir, &ledger, count);
        let (tokens, _) = logged["team"];
        // Each prompt is paid for; nobody pays for more than there was, by a generous estimate.
        let most = 80 * count as u64;
        assert!(
            (count as u64..most).contains(&tokens),
            "{:?}: {tokens}",
            lines.dialect
        );
    }
}

#[test]
fn usage_that_comes_twice_is_booked_once() {
    let lines = sample(Dialect::OpenaiChat);
    let usage = lines.closing[2];
    for events in [
        // On the last chunk with a choice, and again; and three times the same.
        vec![
            lines.closing[1].replace("\"stop\"}]", "\"stop\"}],\"usage\":{\"prompt_tokens\":13,\"completion_tokens\":5,\"total_tokens\":18}"),
            usage.to_owned(),
        ],
        vec![lines.closing[1].to_owned(), usage.to_owned(), usage.to_owned(), usage.to_owned()],
    ] {
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            for event in lines.opening {
                wire.chunk(event);
            }
            wire.chunk(lines.closing[0]);
            for event in &events {
                wire.chunk(event);
            }
            wire.chunk("data: [DONE]\n\n");
            wire.end();
        });
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let weir = one(&lines, &upstream, &ledger, "");
        weir.ask_stream(&lines).send().is(200);
        assert_eq!(add_up(&weir, &ledger, 1)["team"].0, 18);
        // A client of another dialect gets a translation of it.
        let other = sample(Dialect::Anthropic);
        weir.ask_stream(&other).send().is(200);
        assert_eq!(add_up(&weir, &ledger, 2)["team"].0, 36);
    }
}

#[test]
fn a_retry_at_another_account_is_booked_once_to_the_one_that_answered() {
    let lines = sample(Dialect::Anthropic);
    let failing = Upstream::start(|request, wire| match request.number % 3 {
        0 => wire.json(500, "{}"),
        // Usage that an answer states before it breaks off, unseen by the client.
        1 => {
            wire.stream();
            wire.chunk(lines.opening[0]);
            wire.reset();
        }
        _ => wire.reset(),
    });
    let working = Upstream::json(200, lines.answer);
    let streams = Upstream::start(move |_, wire| {
        wire.stream();
        lines.events().iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    for (second, stream) in [(&working, false), (&streams, true)] {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let entries = [
            account("bad", &lines, &failing, ", priority: 0"),
            account("good", &lines, second, ", priority: 1"),
        ];
        let weir = Weir::start(&yaml(&ledger, "", &entries));
        for _ in 0..3 {
            let ask = if stream {
                weir.ask_stream(&lines)
            } else {
                weir.ask(&lines)
            };
            ask.send().is(200);
            weir.tell("/admin/accounts/bad/reset").is(200);
        }
        assert_eq!(add_up(&weir, &ledger, 3)["team"].0, 3 * 18);
        for line in weir.lines() {
            assert_eq!(line["account"].as_str().unwrap_or("good"), "good", "{line}");
        }
    }
}

#[test]
fn fifty_at_once_do_not_race_past_the_budget_of_their_project() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    // Each costs 18 dollars and reserves some more, of 200.
    let weir = one(&lines, &upstream, &ledger, "usd_per_day: 200");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |number: usize| {
            let call = weir
                .ask(&lines)
                .key(if number.is_multiple_of(2) { KEY } else { OTHER });
            scope.spawn(move || call.send().status)
        };
        let asked: Vec<_> = (0..50).map(ask).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().expect("an answer"))
            .collect()
    });
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 429)),
        "{statuses:?}"
    );
    let logged = add_up(&weir, &ledger, 50);
    let spent: u64 = logged.values().map(|(_, nano)| nano).sum();
    assert_eq!(spent, served as u64 * 18_000_000_000);
    assert!(spent <= 200_000_000_000, "{spent}");
    assert!(served >= 3, "{statuses:?}");
    assert_eq!(upstream.count(), served);
}

#[test]
fn a_reload_in_the_middle_changes_no_running_bill_and_a_restart_loses_none() {
    let lines = sample(Dialect::Anthropic);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |request, wire| {
        if request.number > 0 {
            return wire.json(200, lines.answer);
        }
        wire.stream();
        for event in lines.opening {
            wire.chunk(event);
        }
        let wait = wait.lock().expect("no panic");
        wait.recv_timeout(Duration::from_secs(20)).expect("a word");
        lines.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let text = yaml(&ledger, "", &[account("a", &lines, &upstream, "")]);
    let mut weir = Weir::start(&text);
    let mut open = weir.ask_stream(&lines).open();
    while !open.event().expect("an event").contains("Hel") {}
    weir.rewrite(&text.replace("input: 1000000, output: 1000000", "input: 7, output: 7"));
    weir.tell("/admin/reload").is(200);
    go.send(()).expect("it waits");
    open.rest().is(200);
    let first = add_up(&weir, &ledger, 1)["team"];
    assert_eq!(first, (18, 18_000_000_000));
    weir.ask(&lines).send().is(200);
    assert_eq!(add_up(&weir, &ledger, 2)["team"], (36, 18_000_126_000));
    weir.drain();
    weir.join().expect("it served");
    let again = Weir::start(&text);
    let usage: Value = again.get("/v1/usage").send().is(200).json();
    for scope in ["key", "group", "project"] {
        let month = &usage[scope]["this_month"];
        assert_eq!(
            (&month["total_tokens"], nano(&month["usd"])),
            (&36.into(), 18_000_126_000),
            "{usage}"
        );
    }
}

/// What a server states for a whole answer of Chat, and what is booked: `None` = the estimate.
#[test]
fn figures_of_any_kind_are_booked_or_refused_but_never_wrong() {
    let lines = sample(Dialect::OpenaiChat);
    let stated = |usage: &str| {
        let from = lines.answer.find("\"usage\":").expect("a usage");
        format!("{}\"usage\":{usage}}}", &lines.answer[..from])
    };
    for (usage, expected) in [
        (
            r#"{"prompt_tokens":13.0,"completion_tokens":5.0,"total_tokens":18.0}"#,
            Some(18),
        ),
        (r#"{"prompt_tokens":1.3e1,"completion_tokens":5}"#, Some(18)),
        (
            r#"{"prompt_tokens":13,"completion_tokens":5,"total_tokens":99999}"#,
            None,
        ),
        (
            r#"{"prompt_tokens":13,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":13}}"#,
            Some(18),
        ),
        // More of the prompt was cached than there was: the figures cannot be, but their sum can.
        (
            r#"{"prompt_tokens":13,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":500}}"#,
            None,
        ),
        (r#"{"prompt_tokens":-13,"completion_tokens":5}"#, None),
        (
            r#"{"prompt_tokens":13,"completion_tokens":18446744073709551615}"#,
            None,
        ),
        (r#"{"prompt_tokens":13,"completion_tokens":1e400}"#, None),
        (r#"{"prompt_tokens":null,"completion_tokens":null}"#, None),
        ("[]", None),
        (r#""13""#, None),
        ("null", None),
    ] {
        let body = stated(usage);
        let upstream = Upstream::start(move |_, wire| wire.json(200, &body));
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let weir = one(&lines, &upstream, &ledger, "");
        let answer: Answer = weir.ask(&lines).send();
        // An answer that is no JSON for everybody may be refused; then nothing of it is booked.
        if answer.status != 200 {
            add_up(&weir, &ledger, 1);
            continue;
        }
        let booked = add_up(&weir, &ledger, 1)["team"].0;
        match expected {
            Some(expected) => assert_eq!(booked, expected, "{usage}"),
            None => assert!((1..700).contains(&booked), "{usage}: {booked}"),
        }
    }
}

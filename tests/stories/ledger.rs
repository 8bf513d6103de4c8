//! The ledger: a restart forgets nothing.
use std::path::Path;

use serde_json::Value;

use crate::rig::process::{command, run};
use crate::rig::{KEY, Lines, Process, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// A key with a budget of 1 USD per day at 1 USD for 50 tokens, and its ledger.
fn yaml(upstream: &Upstream, ledger: &Path) -> String {
    format!(
        "ledger: {{ path: \"{}\" }}\n\
         keys: [{{ name: team, key: \"{KEY}\", group: g, limits: {{ usd_per_day: 1 }} }}]\n\
         prices: [{{ model: \"claude-*\", input: 20000, output: 20000 }}]\n{}",
        ledger.display(),
        accounts(&[account("a", &lines(), upstream, "")])
    )
}

fn is_spent(usage: &Value) {
    for scope in ["key", "group"] {
        for span in ["today", "this_month"] {
            let totals = &usage[scope][span];
            assert_eq!(
                (&totals["requests"], &totals["total_tokens"]),
                (&2.into(), &36.into()),
                "{usage}"
            );
            assert!(
                (totals["usd"].as_f64().expect("a number") - 0.72).abs() < 1e-9,
                "{usage}"
            );
        }
    }
}

#[test]
fn a_restart_forgets_no_budget() {
    let upstream = Upstream::json(200, lines().answer);
    let directory = tempfile::tempdir().expect("a directory");
    let yaml = yaml(&upstream, &directory.path().join("ledger"));
    let mut first = Weir::start(&yaml);
    // 18 tokens each: 0.36 USD. A third would go beyond what is left.
    let ask = lines().ask.replace("16", "1");
    for _ in 0..2 {
        first.post(lines().path, &ask).send().is(200);
    }
    first.drain();
    first.join().expect("it served");
    let second = Weir::start(&yaml);
    is_spent(&second.get("/v1/usage").send().is(200).json());
    let refused = second.ask(&lines()).send().is(429);
    assert!(
        refused
            .text()
            .contains("0.28 USD left of its budget of 1 USD per day"),
        "{}",
        refused.text()
    );
    assert_eq!(upstream.count(), 2);
}

#[test]
fn the_history_tells_who_used_what_without_a_prometheus() {
    let upstream = Upstream::json(200, lines().answer);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let yaml = yaml(&upstream, &ledger).replace("limits: { usd_per_day: 1 }", "project: moon");
    let report = |by: &str| -> Value {
        let path = ledger.to_str().expect("text");
        let ended = run(&mut command(&[
            "usage", "--ledger", path, "--json", "--since", "2d", "--by", by,
        ]));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("JSON")
    };
    for _ in 0..2 {
        let mut weir = Weir::start(&yaml);
        weir.ask(&lines()).send().is(200);
        weir.ask(&lines()).send().is(200);
        weir.drain();
        weir.join().expect("it served");
    }
    // An account that the ledger never heard of is named with those that it has.
    let bill = directory.path().join("bill.csv");
    std::fs::write(&bill, "date,model,cost_usd\n2026-11-01,gpt-5,1\n").expect("a file");
    let [path, bill] = [&ledger, &bill].map(|path| path.to_str().expect("text"));
    for (account, code) in [("a", 0), ("nope", 1)] {
        let given = ["reconcile", "--ledger", path, "--vendor", "openai", bill];
        let ended = run(&mut command(
            &[&given[..], &["--account", account]].concat(),
        ));
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let told = ended.stderr.contains("found `nope`") && ended.stderr.contains(": a");
        assert_eq!(told, code == 1, "{}", ended.stderr);
    }
    // One that is configured and has served nothing is there: all of its bill is drift.
    let config = directory.path().join("weir.yaml");
    let idle = yaml.replacen("name: a,", "name: idle,", 1);
    assert_ne!(idle, yaml);
    std::fs::write(&config, format!("version: 1\n{idle}")).expect("a file");
    for (account, code) in [("a", 0), ("idle", 0), ("nope", 1)] {
        let config = config.to_str().expect("text");
        let given = [
            "reconcile",
            "--ledger",
            path,
            "--vendor",
            "openai",
            bill,
            "-c",
            config,
        ];
        let ended = run(&mut command(
            &[&given[..], &["--account", account]].concat(),
        ));
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    }
    let told = report("key,group,project,account");
    let row = &told["rows"][0];
    for (name, value) in [
        ("key", "team"),
        ("group", "g"),
        ("project", "moon"),
        ("account", "a"),
    ] {
        assert_eq!(row[name], value, "{told}");
    }
    // 10 + 3 + 5 tokens each at 20,000 USD per million.
    assert_eq!(
        (&row["requests"], &row["nano_usd"]),
        (&4.into(), &1_440_000_000.into()),
        "{told}"
    );
    assert_eq!(
        (&row["input"], &row["cache_read"], &row["output"]),
        (&40.into(), &12.into(), &20.into())
    );
    assert_eq!(told["total"]["nano_usd"], row["nano_usd"]);
    let by_model = report("model");
    let model = by_model["rows"][0]["model"].as_str().expect("a name");
    assert!(model.starts_with("claude-"), "{by_model}");
    let nothing = run(&mut command(&["usage", "--ledger", "/nowhere/ledger"]));
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.stderr.contains("there is no history"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn sigterm_writes_what_was_used_last() {
    let upstream = Upstream::json(200, lines().answer);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let mut process = Process::start(&yaml(&upstream, &ledger));
    let ask = lines().ask.replace("16", "1");
    process.call("POST", lines().path).body(ask).send().is(200);
    process.signal("TERM");
    assert_eq!(process.exit().code(), Some(0));
    let text = std::fs::read_to_string(&ledger).expect("a file");
    let line: Value = serde_json::from_str(text.trim_end()).expect("one line");
    assert_eq!(
        (
            &line["key"],
            &line["group"],
            &line["requests"],
            &line["output"]
        ),
        (&"team".into(), &"g".into(), &1.into(), &5.into())
    );
    assert!(!text.contains(KEY), "{text}");
}

#[test]
fn a_ledger_that_cannot_be_opened_is_said_at_the_start() {
    let upstream = Upstream::json(200, lines().answer);
    let error = Weir::try_start(&yaml(&upstream, Path::new("/nowhere/ledger")));
    let error = error.err().expect("no such directory").to_string();
    assert!(
        error.starts_with("cannot open the ledger /nowhere/ledger: "),
        "{error}"
    );
}

#[test]
fn a_ledger_that_vanishes_fails_no_request() {
    let upstream = Upstream::json(200, lines().answer);
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    std::fs::create_dir(&home).expect("a directory");
    let weir = Weir::start(&yaml(&upstream, &home.join("ledger")));
    std::fs::remove_dir_all(&home).expect("it was there");
    let ask = lines().ask.replace("16", "1");
    for _ in 0..2 {
        weir.post(lines().path, &ask).send().is(200);
    }
    crate::rig::eventually("the failure is counted", || {
        (weir.metric("weir_ledger_failures_total", &[]) > 0.0).then_some(())
    });
    is_spent(&weir.get("/v1/usage").send().is(200).json());
    // Its directory is back: so that the end does not wait for it.
    std::fs::create_dir(&home).expect("a directory");
}

#[test]
fn a_prometheus_tells_what_a_fleet_used_by_day() {
    let sample = |run: &str, metric: &str, kind: &str, value: &str| {
        format!(
            r#"{{"metric":{{"__name__":"{metric}","run_id":"{run}","scope":"key","name":"team","kind":"{kind}"}},"value":[1,"{value}"]}}"#
        )
    };
    let samples = [
        sample("a", "weir_window_tokens", "input", "10"),
        sample("b", "weir_window_tokens", "input", "5"),
        sample("b", "weir_window_tokens", "output", "3"),
        sample("a", "weir_window_requests", "", "2"),
        sample("b", "weir_window_cost_usd", "", "0.000000001"),
        sample("b", "weir_window_tokens", "input", "7").replace("\"key\"", "\"group\""),
    ];
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        samples.join(",")
    );
    let prometheus = Upstream::start(move |request, wire| {
        assert!(request.target.starts_with("/base/api/v1/query?query="));
        assert_eq!(
            request.headers.get("authorization"),
            Some("Bearer of-the-test")
        );
        wire.json(200, &body);
    });
    let url = format!("{}/base", prometheus.url());
    let usage = |more: &[&str]| {
        let given = ["usage", "--prometheus", &url, "--token-env", "A_TOKEN"];
        run(command(&[&given[..], more].concat()).env("A_TOKEN", "of-the-test"))
    };
    let ended = usage(&["--since", "2d", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    // Two days, of which each has the same.
    let row = &told["rows"][0];
    assert_eq!(
        [
            &row["key"],
            &row["requests"],
            &row["input"],
            &row["output"],
            &row["nano_usd"]
        ],
        [
            &Value::from("team"),
            &4.into(),
            &30.into(),
            &6.into(),
            &2.into()
        ],
        "{told}"
    );
    let ended = usage(&["--since", "2d", "--by", "day,key", "--csv"]);
    assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stdout);
    let twice = usage(&["--since", "2d", "--by", "key,day,key", "--csv"]);
    assert_eq!((twice.code, twice.stdout.as_str()), (Some(1), ""));
    assert!(
        twice.stderr.contains("--by: found `key` twice"),
        "{}",
        twice.stderr
    );
    let ended = usage(&["--by", "project,model"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--ledger"), "{}", ended.stderr);
    let ended = run(&mut command(&[
        "usage",
        "--prometheus",
        "http://127.0.0.1:9",
    ]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(run(&mut command(&["usage"])).code, Some(2));
}

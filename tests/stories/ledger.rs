//! The ledger: a restart forgets nothing.
use std::path::Path;

use serde_json::Value;

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

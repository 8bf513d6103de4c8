//! `weir explain` and `POST /admin/explain`: what they say is what happens, and saying it changes nothing.
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::rig::process::{command, run_with};
use crate::rig::{
    ALL, Answer, KEY, Lines, TOKEN, Upstream, Weir, account, accounts, configuration, eventually,
    sample,
};
use crate::translation::{answering, only};
use weir::protocol::Dialect;

/// A question about a request of the key `team`.
fn question(path: &str, body: &str) -> String {
    let headers = r#"{"content-type":"application/json","anthropic-beta":"b-1"}"#;
    format!(r#"{{"path":"{path}","key":"team","headers":{headers},"body":{body}}}"#)
}

fn explain(weir: &Weir, question: &str) -> Answer {
    weir.admin("POST", "/admin/explain").body(question).send()
}

/// The report on the plain question of a dialect.
fn report(weir: &Weir, lines: &Lines) -> Value {
    explain(weir, &question(lines.path, lines.ask))
        .is(200)
        .json()
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    upstream: SaidUpstream<'a>,
}

#[derive(Deserialize)]
struct SaidUpstream<'a> {
    account: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[test]
fn what_is_explained_is_what_the_upstream_gets() {
    for (client, spoken) in ALL.map(sample).into_iter().flat_map(|client| {
        let spoken = ALL.map(sample).into_iter();
        spoken.map(move |spoken| (client, spoken))
    }) {
        let there = answering(spoken);
        let more = ", headers: { x-extra: secret-extra }";
        let weir = Weir::start(&accounts(&[only("a", &spoken, &there, more)]));
        let asks = [
            (client.path, client.ask),
            (client.stream_path, client.ask_stream),
        ];
        for (round, (path, body)) in asks.into_iter().enumerate() {
            let answer = explain(&weir, &question(path, body)).is(200);
            let said: Said<'_> = serde_json::from_slice(&answer.body).expect("a report");
            let said = said.upstream;
            assert_eq!(there.count(), round, "nobody is called");

            let beta = weir.post(path, body).header("anthropic-beta", "b-1");
            let served = beta.send().is(200);
            assert_eq!(served.account(), said.account);
            let got = there.requests().pop().expect("one request");
            assert_eq!(said.url, format!("{}{}", there.url(), got.target));
            assert_eq!(said.body.get(), String::from_utf8_lossy(&got.body));
            let masked = |name: &str, value: &str| {
                let shown = said.headers.iter().find(|(known, _)| known == name);
                let shown = shown.unwrap_or_else(|| panic!("{name} is not said"));
                assert!(shown.1 == value || shown.1 == "***", "{name}: {value}");
                shown.1 == "***"
            };
            let hidden = got
                .headers
                .0
                .iter()
                .filter(|(name, value)| masked(name, value));
            assert_eq!(hidden.count(), 2, "the credential and x-extra");
            assert_eq!(
                said.headers.len(),
                got.headers.0.len(),
                "nothing else is said"
            );
            assert!(!answer.text().contains("secret-"), "{}", answer.text());
        }
    }
}

#[test]
fn a_running_weir_tells_who_is_out_and_why() {
    let lines = sample(Dialect::Anthropic);
    let full = Upstream::start(|_, wire| {
        let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
        wire.answer(429, &[("retry-after", "600")], error);
    });
    let there = answering(lines);
    let weir = Weir::start(&accounts(&[
        account("a", &lines, &full, ""),
        account("b", &lines, &there, ", priority: 1"),
    ]));
    let before = report(&weir, &lines);
    assert_eq!(before["upstream"]["account"], "a", "{before}");
    assert_eq!(weir.ask(&lines).send().is(200).account(), "b");

    let after = report(&weir, &lines);
    assert_eq!(after["upstream"]["account"], "b", "{after}");
    let candidates = after["candidates"].as_array().expect("a list");
    let a = candidates
        .iter()
        .find(|candidate| candidate["account"] == "a");
    let excluded = &a.expect("considered")["excluded"];
    assert_eq!(excluded["reason"], "benched", "{after}");
    assert_eq!(excluded["class"], "throttled", "{after}");
    assert!(excluded["wait_seconds"].as_f64() > Some(500.0), "{after}");

    weir.tell("/admin/accounts/b/drain").is(200);
    let refused = report(&weir, &lines);
    assert_eq!(
        (&refused["served"], &refused["answer"]["status"]),
        (&json!(false), &json!(429))
    );
    let live = weir.ask(&lines).send().is(429);
    assert_eq!(refused["answer"]["body"]["error"], live.json()["error"]);
}

#[test]
fn asking_moves_nothing() {
    let lines = sample(Dialect::Anthropic);
    let there = answering(lines);
    let pool = "pools: [{ name: default, accounts: [a, b, c], select: round-robin }]\n";
    let entries = ["a", "b", "c"].map(|name| account(name, &lines, &there, ", limits: { rpm: 4 }"));
    let weir = Weir::start(&format!("{pool}{}", accounts(&entries)));
    let mut turns = Vec::new();
    for _ in 0..6 {
        let mut said: Vec<_> = (0..5)
            .map(|_| report(&weir, &lines)["upstream"]["account"].clone())
            .collect();
        said.dedup();
        let served = weir.ask(&lines).send().is(200).account().to_owned();
        assert_eq!(said, [json!(served)]);
        turns.push(served);
    }
    assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
    for name in ["a", "b", "c"] {
        // A place is given back just after the last byte has gone out.
        eventually("no place is taken", || {
            (weir.account(name)["in_flight"] == 0).then_some(())
        });
    }
    assert_eq!(there.count(), 6);
    assert!(weir.metric("weir_requests_total", &[]) < 6.5);
}

#[test]
fn a_spent_limit_refuses_here_as_it_does_there() {
    let lines = sample(Dialect::OpenaiChat);
    let there = answering(lines);
    let keys = format!("keys: [{{ name: team, key: \"{KEY}\", limits: {{ rpm: 1 }} }}]\n");
    let entry = accounts(&[account("a", &lines, &there, "")]);
    let weir = Weir::start(&format!("{keys}{entry}"));
    for _ in 0..3 {
        assert_eq!(report(&weir, &lines)["served"], true);
    }
    weir.ask(&lines).send().is(200);
    let said = report(&weir, &lines);
    let live = weir.ask(&lines).send().is(429).json();
    let words = |error: &Value| {
        let message = error["error"]["message"].as_str().expect("words");
        // The seconds that are left may differ.
        message.split(';').next().expect("a sentence").to_owned()
    };
    assert_eq!(words(&said["answer"]["body"]), words(&live), "{said}");
    let limits = said["limits"].as_array().expect("a list");
    let spent = limits.iter().find(|limit| limit["scope"] == "key team");
    assert_eq!(spent.expect("told")["used"], 1.0, "{said}");
    assert_eq!(there.count(), 1);
}

#[test]
fn it_is_a_way_of_reading_and_guarded_as_such() {
    let lines = sample(Dialect::Anthropic);
    let there = Upstream::start(|_, _| panic!("nobody is called"));
    let entry = accounts(&[account("a", &lines, &there, "")]);
    let open = Weir::start(&format!(
        "admin: {{ addr: \"0.0.0.0:0\", token: {TOKEN} }}\n{entry}"
    ));
    let ask = |weir: &Weir, body: &str| {
        let call = weir.admin("POST", "/admin/explain");
        call.body(body)
    };
    let good = question(lines.path, lines.ask);
    let refused = ask(&open, &good).send().is(401);
    assert!(!refused.text().contains("claude"), "{}", refused.text());
    ask(&open, &good).key("wrong").send().is(401);
    ask(&open, &good).key(TOKEN).send().is(200);

    let weir = Weir::start(&format!("server: {{ max_body: 64KiB }}\n{entry}"));
    ask(&weir, &good).send().is(200);
    weir.admin("GET", "/admin/explain").send().is(405);
    for (wrong, word) in [
        ("", "expected"),
        ("[]", "expected"),
        (r#"{"body":{},"nonsense":1}"#, "nonsense"),
        (r#"{"body":{}}"#, "`messages`"),
        (r#"{"key":"nobody","body":{"input":"x"}}"#, "team"),
        (r#"{"headers":{"a b":"x"},"body":{"input":"x"}}"#, "a b"),
        (
            r#"{"path":"messages","body":{"input":"x"}}"#,
            "/v1/messages",
        ),
    ] {
        let fault = ask(&weir, wrong).send().is(400);
        assert!(fault.text().contains(word), "{wrong}: {}", fault.text());
    }
    let long = lines.ask.replace("Hi", &"x".repeat(65 << 10));
    let report = ask(&weir, &question(lines.path, &long))
        .send()
        .is(200)
        .json();
    assert_eq!(report["answer"]["status"], 413, "{report}");
    let longer = lines.ask.replace("Hi", &"x".repeat(200 << 10));
    ask(&weir, &question(lines.path, &longer)).send().is(413);
    weir.is_well();
}

/// Everything that a transcript can show, with prices that no release changes.
const HOUSE: &str = r#"version: 1
listen: [{ addr: "127.0.0.1:0" }]
accounts:
  - { name: claude-a, provider: anthropic, key: secret-of-a, weight: 3, models: ["claude-*"] }
  - { name: claude-b, provider: anthropic, key: secret-of-b, models: ["claude-*"] }
  - name: chat
    provider: openai-compatible
    base_url: https://chat.example.com/v1
    key: secret-of-chat
    headers: { x-team: secret-team }
    limits: { rpm: 100 }
  - { name: spare, provider: openai-compatible, base_url: "https://spare.example.com/v1", key: secret-of-spare, weight: 0 }
pools:
  - { name: claude, accounts: [claude-a, claude-b], fallback: chat }
  - { name: chat, accounts: [chat, spare] }
routes:
  - { when: { model: "claude-*opus*" }, pool: claude }
  - { when: { model: "claude-*haiku*" }, pool: chat, model: small }
  - { when: { model: "claude-*" }, pool: claude }
keys:
  - { name: team, key: secret-of-team, group: research, limits: { rpm: 600, usd_per_day: 100 } }
  - { name: narrow, key: secret-of-narrow, pools: [claude] }
groups: [{ name: research, limits: { usd_per_month: 5000 } }]
prices: [{ model: small, input: 1, output: 2 }]
"#;

const ASK: &str = r#"{"model":"claude-haiku-4-5","max_tokens":64,"top_k":5,"system":"Be brief.","messages":[{"role":"user","content":"Hello"}]}"#;

fn house() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("weir.yaml");
    std::fs::write(&path, HOUSE).expect("a file");
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn the_documents_show_what_is_printed() {
    let (_dir, path) = house();
    let header = "x-api-key: secret-of-team";
    let ended = run_with(&mut command(&["explain", "-c", &path, "-H", header]), ASK);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let version = concat!("weir/", env!("CARGO_PKG_VERSION"));
    let printed = ended.stdout.replace(version, "weir/0.1.0");
    let shown = include_str!("../../docs/OPERATIONS.md").contains(&printed);
    assert!(
        shown,
        "docs/OPERATIONS.md shows something else than this:\n{printed}"
    );
}

#[test]
fn a_refusal_is_told_in_the_clients_words_and_ends_with_1() {
    let (_dir, path) = house();
    let ended = run_with(
        &mut command(&["explain", "-c", &path, "--key", "narrow"]),
        ASK,
    );
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for words in [
        "refused with 403",
        "routes[1], to pool chat",
        "permission_error",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    let ended = run_with(&mut command(&["explain", "-c", &path, "--json"]), ASK);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["answer"]["status"], 401, "{report}");
    let hint = report["answer"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("team, narrow"), "{hint}");
}

#[test]
fn a_wrong_question_is_2_and_a_bad_configuration_78() {
    let (dir, path) = house();
    for arguments in [
        &["--key", "nobody"][..],
        &["--path", "nowhere"],
        &["-H", "no colon"],
        &["--nonsense"],
    ] {
        let mut command = command(&[&["explain", "-c", &path], arguments].concat());
        let ended = run_with(&mut command, ASK);
        assert_eq!(ended.code, Some(2), "{arguments:?} {ended:?}");
        assert!(
            !ended.stderr.is_empty() && ended.stdout.is_empty(),
            "{ended:?}"
        );
    }
    let ended = run_with(&mut command(&["explain", "-c", &path]), "{}");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, HOUSE.replace("weight: 3", "weight: three")).expect("a file");
    let bad = bad.display().to_string();
    for path in [bad.as_str(), "/nowhere/weir.yaml"] {
        let ended = run_with(&mut command(&["explain", "-c", path]), ASK);
        assert_eq!(ended.code, Some(78), "{ended:?}");
    }
    let ended = run_with(&mut command(&["explain", "--help"]), "");
    assert!(
        ended.code == Some(0) && ended.stdout.contains("Exit codes"),
        "{ended:?}"
    );
}

#[test]
fn no_secret_of_a_configuration_is_printed() {
    let (_dir, path) = house();
    let gemini = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    let headers = [
        "-H",
        "authorization: Bearer secret-of-team",
        "-H",
        "cookie: secret-cookie",
    ];
    for (arguments, body) in [
        (&[][..], ASK),
        (&["--json"], ASK),
        (&["--json", "--path", "/v1/messages/batches"], ASK),
        (
            &[
                "--path",
                "/v1beta/models/claude-haiku-x:generateContent?key=secret-of-team",
            ],
            gemini,
        ),
        (&["--path", "/v1/nothing?key=secret-of-team"], gemini),
    ] {
        let mut command = command(&[&["explain", "-c", &path], &headers[..], arguments].concat());
        let ended = run_with(&mut command, body);
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains("secret-"), "{arguments:?} {text}");
        }
        assert!(!ended.stdout.is_empty(), "{ended:?}");
    }
}

#[test]
fn the_rigs_own_configuration_is_explained_too() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    let there = Upstream::start(|_, _| panic!("nobody is called"));
    let lines = sample(Dialect::Gemini);
    let yaml = configuration(dir.path(), &accounts(&[account("a", &lines, &there, "")]));
    let path = dir.path().join("weir.yaml");
    std::fs::write(&path, yaml).expect("a file");
    let path = path.display().to_string();
    let key = format!("x-goog-api-key: {KEY}");
    let arguments = [
        "explain", "-c", &path, "--header", &key, "--path", lines.path,
    ];
    let ended = run_with(&mut command(&arguments), lines.ask);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains(&format!("{}/v1beta/models/", there.url())),
        "{ended:?}"
    );
    assert!(
        !ended.stdout.contains(KEY) && !ended.stdout.contains(TOKEN),
        "{ended:?}"
    );
}

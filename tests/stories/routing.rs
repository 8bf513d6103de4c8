//! Which pool, and which account of it.
use std::collections::BTreeMap;

use crate::rig::{ALL, Call, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// Accounts of these names, with more YAML each, all at one upstream.
fn weir(entries: &[(&str, &str)], more: &str) -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines().answer);
    let entries: Vec<String> = entries
        .iter()
        .map(|(name, own)| account(name, &lines(), &upstream, own))
        .collect();
    let weir = Weir::start(&(accounts(&entries) + more));
    (upstream, weir)
}

fn serving(call: Call) -> String {
    call.send().is(200).account().to_owned()
}

/// How often each account served.
fn shares(weir: &Weir, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        *shares.entry(serving(weir.ask(&lines()))).or_default() += 1;
    }
    shares
}

#[test]
fn the_first_route_that_matches_wins() {
    let routes = r#"
pools:
  - { name: default, accounts: [d] }
  - { name: one, accounts: [a] }
  - { name: two, accounts: [b] }
routes:
  - { when: { model: "claude-haiku*" }, pool: one }
  - { when: { user_agent: "claude-cli/*", stream: false }, pool: one }
  - { when: { header: { x-team: "blue*" } }, pool: two }
  - { when: { key: guest }, pool: two }
  - { when: { group: students }, pool: one }
  - { when: { project: thesis }, pool: two }
keys:
  - { name: team, key: the-key-of-the-client, debug: true }
  - { name: guest, key: k-guest, debug: true }
  - { name: student, key: k-student, group: students, debug: true }
groups:
  - { name: students }
"#;
    let (_upstream, weir) = weir(&[("a", ""), ("b", ""), ("d", "")], routes);
    let ask = || weir.ask(&lines());
    let haiku = lines().ask.replace("sonnet", "haiku");
    assert_eq!(serving(weir.post(lines().path, haiku)), "a");
    assert_eq!(
        serving(ask().header("user-agent", "claude-cli/2.1 (x)")),
        "a"
    );
    assert_eq!(serving(ask().header("user-agent", "curl")), "d");
    assert_eq!(serving(ask().header("x-team", "blue-1")), "b");
    assert_eq!(serving(ask().header("x-team", "red")), "d");
    assert_eq!(serving(ask().key("k-guest")), "b");
    assert_eq!(serving(ask().key("k-student")), "a");
    assert_eq!(serving(ask().header("x-weir-project", "thesis")), "b");
    // Two conditions of one route must both hold.
    let stream = weir
        .ask_stream(&lines())
        .header("user-agent", "claude-cli/2.1");
    assert_eq!(serving(stream), "d");
    assert_eq!(serving(ask()), "d");
    weir.line(|line| line["route"] == 0 && line["pool"] == "one");
}

#[test]
fn a_route_by_dialect_and_accounts_by_what_they_speak() {
    let upstreams: Vec<_> = ALL
        .map(|dialect| Upstream::json(200, sample(dialect).answer))
        .into();
    let entries: Vec<String> = ALL
        .iter()
        .zip(&upstreams)
        .map(|(dialect, upstream)| account(dialect.as_str(), &sample(*dialect), upstream, ""))
        .collect();
    let weir = Weir::start(&accounts(&entries));
    for lines in ALL.map(sample) {
        assert_eq!(serving(weir.ask(&lines)), lines.dialect.as_str());
    }
    let routes = "pools:\n  - { name: default, accounts: [anthropic] }\n  - { name: google, accounts: [gemini] }\n\
                  routes:\n  - { when: { dialect: gemini }, pool: google }\n";
    let weir = Weir::start(&(accounts(&entries) + routes));
    assert_eq!(serving(weir.ask(&sample(Dialect::Gemini))), "gemini");
    assert_eq!(serving(weir.ask(&lines())), "anthropic");
}

#[test]
fn where_nobody_speaks_the_clients_dialect_the_answer_still_comes_in_it() {
    let upstream = Upstream::json(200, sample(Dialect::Gemini).answer);
    let weir = Weir::before(&upstream, &sample(Dialect::Gemini));
    let answer = weir.ask(&lines()).send().is(200).json();
    assert_eq!(
        (&answer["type"], &answer["content"][0]["text"]),
        (&"message".into(), &"Hello".into())
    );
    assert!(upstream.only().target.starts_with("/v1beta/models/claude"));
    weir.line(|line| line["client_dialect"] == "anthropic" && line["upstream_dialect"] == "gemini");
}

#[test]
fn weights_are_shares_and_0_is_only_for_those_who_ask_by_name() {
    let (_upstream, weir) = weir(&[("a", ", weight: 3"), ("b", ""), ("c", ", weight: 0")], "");
    let expected = BTreeMap::from([("a".to_owned(), 15), ("b".to_owned(), 5)]);
    assert_eq!(shares(&weir, 20), expected);
}

#[test]
fn a_lower_priority_number_is_preferred_while_it_can_serve() {
    let (_upstream, weir) = weir(
        &[("spare", ", priority: 5"), ("first", ", priority: -1")],
        "",
    );
    assert_eq!(shares(&weir, 5), BTreeMap::from([("first".to_owned(), 5)]));
    weir.tell("/admin/accounts/first/drain").is(200);
    assert_eq!(shares(&weir, 5), BTreeMap::from([("spare".to_owned(), 5)]));
}

#[test]
fn every_strategy_serves_and_keeps_its_word() {
    for (select, expected) in [
        ("weighted", Some([4, 4])),
        ("round-robin", Some([4, 4])),
        ("failover", Some([8, 0])),
        ("random", None),
        ("least-busy", None),
    ] {
        let pools = format!("pools:\n  - {{ name: default, select: {select} }}\n");
        let (_upstream, weir) = weir(&[("a", ""), ("b", "")], &pools);
        let shares = shares(&weir, 8);
        let count = |name| shares.get(name).copied().unwrap_or(0);
        let counts = [count("a"), count("b")];
        assert!(
            expected.is_none_or(|expected| expected == counts),
            "{select}: {counts:?}"
        );
    }
}

#[test]
fn a_model_goes_only_to_accounts_that_serve_it() {
    let (_upstream, weir) = weir(
        &[
            ("a", ", models: [\"claude-opus*\"]"),
            ("b", ", models: [\"claude-sonnet*\"]"),
        ],
        "",
    );
    assert_eq!(shares(&weir, 4), BTreeMap::from([("b".to_owned(), 4)]));
}

/// An answer of one session.
fn of_session(weir: &Weir, session: &str) -> Call {
    weir.ask(&lines())
        .header("x-claude-code-session-id", session)
}

fn sessions(weir: &Weir) -> Vec<String> {
    (0..12)
        .map(|number| serving(of_session(weir, &format!("session-{number}"))))
        .collect()
}

#[test]
fn a_session_keeps_its_account_also_across_reload_and_restart() {
    let entries = [("a", ""), ("b", ""), ("c", "")];
    let (upstream, first) = weir(&entries, "");
    let before = sessions(&first);
    let distinct: std::collections::BTreeSet<_> = before.iter().collect();
    assert!(distinct.len() > 1, "{before:?}");
    assert_eq!(sessions(&first), before);
    first.rewrite(
        &(accounts(&entries.map(|(name, own)| account(name, &lines(), &upstream, own)))
            + "retry: { max_attempts: 2 }\n"),
    );
    first.tell("/admin/reload").is(200);
    assert_eq!(sessions(&first), before);
    first.until_metric("weir_affinity_total", &[("result", "new")], 12.0);
    first.until_metric("weir_affinity_total", &[("result", "hit")], 24.0);
    let (_upstream, second) = weir(&entries, "");
    assert_eq!(sessions(&second), before, "another process agrees");
}

#[test]
fn losing_an_account_moves_only_its_own_sessions() {
    let (_upstream, weir) = weir(&[("a", ""), ("b", ""), ("c", "")], "");
    let before = sessions(&weir);
    weir.tell("/admin/accounts/a/drain").is(200);
    let after = sessions(&weir);
    for (before, after) in before.iter().zip(&after) {
        assert!(
            before == after || before == "a" && after != "a",
            "{before} → {after}"
        );
    }
    let moved = before.iter().filter(|name| *name == "a").count();
    assert!(moved > 0, "{before:?}");
    weir.until_metric(
        "weir_affinity_total",
        &[("result", "detour")],
        u32::try_from(moved).expect("few").into(),
    );
    weir.tell("/admin/accounts/a/enable").is(200);
    assert_eq!(sessions(&weir), before, "they return");
}

#[test]
fn a_session_is_found_wherever_clients_put_it() {
    let upstream = Upstream::json(200, sample(Dialect::OpenaiResponses).answer);
    let entries = ["a", "b", "c", "d"]
        .map(|name| account(name, &sample(Dialect::OpenaiResponses), &upstream, ""));
    let weir = Weir::start(&accounts(&entries));
    let path = sample(Dialect::OpenaiResponses).path;
    let by_header = |name: &str| serving(weir.post(path, "{\"model\":\"m\"}").header(name, "s-7"));
    let by_body = |body: &str| serving(weir.post(path, body));
    let expected = by_header("session_id");
    assert_eq!(by_header("session-id"), expected);
    assert_eq!(by_header("thread-id"), expected);
    assert_eq!(
        by_body("{\"model\":\"m\",\"prompt_cache_key\":\"s-7\"}"),
        expected
    );
    assert_eq!(
        by_body("{\"model\":\"m\",\"conversation\":\"s-7\"}"),
        expected
    );
    assert_eq!(
        by_body("{\"model\":\"m\",\"conversation\":{\"id\":\"s-7\"}}"),
        expected
    );
}

#[test]
fn a_claude_code_session_is_read_out_of_the_user_id() {
    let (_upstream, weir) = weir(&[("a", ""), ("b", ""), ("c", ""), ("d", "")], "");
    for session in ["s-1", "s-2", "s-3"] {
        let expected = serving(of_session(&weir, session));
        for id in [
            format!("user_0123_account__session_{session}"),
            format!("{{\\\"device_id\\\":\\\"d\\\",\\\"session_id\\\":\\\"{session}\\\"}}"),
        ] {
            let body =
                lines()
                    .ask
                    .replacen('{', &format!("{{\"metadata\":{{\"user_id\":\"{id}\"}},"), 1);
            assert_eq!(serving(weir.post(lines().path, body)), expected);
        }
    }
}

#[test]
fn a_response_is_continued_where_it_was_made() {
    let lines = sample(Dialect::OpenaiResponses);
    let upstream = Upstream::start(move |request, wire| {
        wire.json(
            200,
            lines
                .answer
                .replace("resp_1", &format!("resp_{}", request.number)),
        );
    });
    let entries = ["a", "b", "c", "d"].map(|name| account(name, &lines, &upstream, ""));
    let weir = Weir::start(&accounts(&entries));
    for _ in 0..6 {
        let made = weir.ask(&lines).send().is(200);
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let next = lines
            .ask
            .replacen('{', &format!("{{\"previous_response_id\":\"{id}\","), 1);
        let continued = weir.post(lines.path, next).send().is(200);
        assert_eq!(continued.account(), made.account());
        let read = weir.get(&format!("/v1/responses/{id}")).send().is(200);
        let line = weir.line(|line| line["path"] == format!("/v1/responses/{id}").as_str());
        assert_eq!(line["account"], made.account(), "{} {line}", read.status);
    }
}

/// Items that are named in place of being sent, and reasoning that is sealed, are understood only where they were made.
#[test]
fn what_a_response_holds_leads_to_the_account_that_made_it() {
    let lines = sample(Dialect::OpenaiResponses);
    let seal = |number: usize| format!("gAAAAA{}{number:04}", "x".repeat(200));
    let upstream = Upstream::start(move |request, wire| {
        let number = request.number;
        let sealed = seal(number);
        let response = format!(
            r#"{{"id":"resp_{number}","object":"response","created_at":1,"status":"completed","model":"m","output":[{{"type":"reasoning","id":"rs_{number}","summary":[],"encrypted_content":"{sealed}"}},{{"type":"message","id":"msg_{number}","role":"assistant","status":"completed","content":[{{"type":"output_text","text":"pong","annotations":[]}}]}}],"usage":{{"input_tokens":1,"output_tokens":1,"total_tokens":2}}}}"#
        );
        if String::from_utf8_lossy(&request.body).contains("\"stream\":true") {
            let created = response.replace("completed", "in_progress");
            wire.events(&[
                &format!("event: response.created\ndata: {{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{created}}}\n\n"),
                &format!("event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":1,\"content_index\":0,\"item_id\":\"msg_{number}\",\"delta\":\"pong\"}}\n\n"),
                &format!("event: response.completed\ndata: {{\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{response}}}\n\n"),
            ]);
        } else {
            wire.json(200, response);
        }
    });
    let entries = ["a", "b", "c", "d"].map(|name| account(name, &lines, &upstream, ""));
    let weir = Weir::start(&accounts(&entries));
    for round in 0..12 {
        let stream = round % 2 == 1;
        let made = weir
            .post(
                lines.path,
                format!(r#"{{"model":"m","stream":{stream},"input":"Hi"}}"#),
            )
            .send()
            .is(200);
        let number = upstream.count() - 1;
        let sealed = seal(number);
        let item = match round % 3 {
            0 => format!(r#"{{"type":"item_reference","id":"msg_{number}"}}"#),
            1 => format!(r#"{{"type":"item_reference","id":"rs_{number}"}}"#),
            _ => format!(r#"{{"type":"reasoning","summary":[],"encrypted_content":"{sealed}"}}"#),
        };
        let next =
            format!(r#"{{"model":"m","input":[{item},{{"role":"user","content":"go on"}}]}}"#);
        let continued = weir.post(lines.path, next).send().is(200);
        assert_eq!(continued.account(), made.account(), "{item}");
    }
}

/// What nobody remembers is searched for, at two more accounts at most, and then remembered.
#[test]
fn what_is_not_known_at_one_account_is_asked_of_two_more() {
    let lines = sample(Dialect::OpenaiResponses);
    let upstream = Upstream::start(move |request, wire| {
        let text = format!(
            "{} {}",
            request.target,
            String::from_utf8_lossy(&request.body)
        );
        let owns = request.headers.get("authorization") == Some("Bearer secret-of-c");
        let missing = |what: &str, code: &str| {
            format!(
                r#"{{"error":{{"message":"{what} not found.","type":"invalid_request_error","param":"input","code":{code}}}}}"#
            )
        };
        if text.contains("nowhere") {
            wire.json(
                404,
                missing("The model `m` at item_1234567 was", "\"model_not_found\""),
            );
        } else if text.contains("file-777000") {
            wire.json(404, missing("No such File object: file-777000", "null"));
        } else if owns {
            wire.json(200, lines.answer);
        } else if text.contains("encrypted_content") {
            wire.json(
                400,
                missing(
                    "The encrypted content gAAA... could not be verified; it was",
                    "\"invalid_encrypted_content\"",
                ),
            );
        } else if text.contains("rs_123456") {
            wire.json(400, missing("Item with id 'rs_123456'", "null"));
        } else if text.contains("resp_123456") {
            wire.json(
                400,
                missing(
                    "Previous response with id 'resp_123456'",
                    "\"previous_response_not_found\"",
                ),
            );
        } else if text.contains("file-654321") {
            wire.json(404, missing("No such File object: file-654321", "null"));
        } else {
            wire.json(404, missing("No such File object: file-123456", "null"));
        }
    });
    let entries = [("a", 0), ("b", 1), ("c", 2)]
        .map(|(name, at)| account(name, &lines, &upstream, &format!(", priority: {at}")));
    let weir = Weir::start(&format!("retry: {{ budget: 1 }}\n{}", accounts(&entries)));
    let post = |body: String| weir.post(lines.path, body);
    let sealed = "gAAAAA".to_owned() + &"y".repeat(100);
    let of_input = |item: &str| {
        post(format!(
            r#"{{"model":"m","input":[{item},{{"role":"user","content":"Hi"}}]}}"#
        ))
    };
    let file = r#"{"role":"user","content":[{"type":"input_file","file_id":"file-123456"}]}"#;
    let reasoning =
        format!(r#"{{"type":"reasoning","summary":[],"encrypted_content":"{sealed}"}}"#);
    let asks: [&dyn Fn() -> Call; 5] = [
        &|| of_input(r#"{"type":"item_reference","id":"rs_123456"}"#),
        &|| of_input(&reasoning),
        &|| of_input(file),
        &|| post(r#"{"model":"m","previous_response_id":"resp_123456","input":"Hi"}"#.to_owned()),
        &|| weir.call("DELETE", "/v1/files/file-654321"),
    ];
    for ask in asks {
        let before = upstream.count();
        let found = ask().send().is(200);
        assert_eq!(upstream.count(), before + 3, "{}", found.text());
        // The second time it is known where.
        ask().send().is(200);
        assert_eq!(upstream.count(), before + 4, "{}", found.text());
    }
    let before = upstream.count();
    for _ in 0..2 {
        of_input(file).send().is(200);
    }
    // What is not about anything that the client names is no reason to ask another.
    of_input(r#"{"role":"user","content":"nowhere"}"#)
        .send()
        .is(404);
    assert_eq!(upstream.count(), before + 3);
    // Nobody knows this one, and nobody is asked twice; the client reads what they say.
    let before = upstream.count();
    let missing = of_input(&file.replace("123456", "777000")).send().is(404);
    assert!(missing.text().contains("file-777000"), "{}", missing.text());
    assert_eq!(upstream.count(), before + 3);
    for name in ["a", "b", "c"] {
        let account = weir.account(name);
        assert_eq!(account["state"], "usable", "{account}");
    }
}

#[test]
fn by_key_every_request_of_a_key_keeps_its_account_and_none_means_none() {
    let pools = |affinity: &str| format!("pools:\n  - {{ name: default, affinity: {affinity} }}\n");
    let (_upstream, by_key) = weir(&[("a", ""), ("b", "")], &pools("key"));
    assert_eq!(shares(&by_key, 6).len(), 1);
    let (_upstream, none) = weir(&[("a", ""), ("b", "")], &pools("none"));
    let of_session: Vec<_> = (0..6).map(|_| serving(of_session(&none, "s-1"))).collect();
    assert!(
        of_session.iter().any(|name| *name != of_session[0]),
        "{of_session:?}"
    );
}

#[test]
fn when_a_pool_is_out_its_fallback_serves() {
    let pools = "pools:\n  - { name: default, accounts: [a], fallback: spare }\n  - { name: spare, accounts: [b] }\n";
    let (_upstream, weir) = weir(&[("a", ""), ("b", "")], pools);
    assert_eq!(serving(weir.ask(&lines())), "a");
    weir.tell("/admin/accounts/a/drain").is(200);
    assert_eq!(serving(weir.ask(&lines())), "b");
    weir.line(|line| line["pool"] == "spare");
}

#[test]
fn an_account_takes_no_more_at_once_than_its_limit() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::start(move |request, wire| {
        if request.number == 0 {
            let told = told.lock().expect("no panic");
            told.recv_timeout(std::time::Duration::from_secs(25))
                .expect("the second came");
        }
        wire.json(200, lines().answer);
    });
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &upstream, ", limits: { concurrency: 1 }"),
        account("b", &lines(), &upstream, ", priority: 1"),
    ]));
    let first = weir.ask(&lines()).start();
    upstream.until(1);
    assert_eq!(serving(weir.ask(&lines())), "b");
    tell.send(()).expect("the upstream waits");
    let first = crate::rig::client::Open::read(first)
        .expect("an answer")
        .rest();
    assert_eq!(first.is(200).account(), "a");
    eventually("it has room again", || {
        (serving(weir.ask(&lines())) == "a").then_some(())
    });
}

#[test]
fn an_account_with_weight_0_is_asked_by_name() {
    let lines = sample(Dialect::OpenaiChat);
    let [busy, idle] = [(); 2].map(|()| Upstream::json(200, lines.answer));
    let weir = Weir::start(&format!(
        "{}routes:\n  - {{ when: {{ model: \"gpt-5\", user_agent: \"trial/*\" }}, account: idle }}\n  - {{ when: {{ }} }}\n",
        accounts(&[
            account("busy", &lines, &busy, ""),
            account("idle", &lines, &idle, ", weight: 0"),
        ])
    ));
    assert_eq!(weir.ask(&lines).send().is(200).account(), "busy");
    let by_route = weir.ask(&lines).header("user-agent", "trial/1");
    assert_eq!(by_route.send().is(200).account(), "idle");
    let by_client = weir.ask(&lines).header("x-weir-account", "idle");
    assert_eq!(by_client.send().is(200).account(), "idle");
    let unknown = weir.ask(&lines).header("x-weir-account", "nobody");
    assert!(unknown.send().is(400).text().contains("nobody"));
    assert_eq!((busy.count(), idle.count()), (1, 2));
}

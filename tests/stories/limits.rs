//! Limits of keys, groups and everyone: never raced past, held to the last byte, said in the caller's dialect.
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use crate::rig::{ALL, KEY, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// One account in front of `upstream`, and this for the client key; `more` are further sections.
fn limited(lines: &Lines, upstream: &Upstream, key: &str, more: &str) -> String {
    let account = accounts(&[account("a", lines, upstream, "")]);
    format!("keys: [{{ name: team, key: \"{KEY}\", debug: true, {key} }}]\n{more}\n{account}")
}

/// `limits:` of the key in front of an upstream that answers at once.
fn start(limits: &str) -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines().answer);
    let yaml = limited(&lines(), &upstream, &format!("limits: {limits}"), "");
    let weir = Weir::start(&yaml);
    (upstream, weir)
}

/// An upstream whose streams wait for a word before they end.
fn in_two_acts() -> (Upstream, Sender<()>) {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |request, wire| {
        if !String::from_utf8_lossy(&request.body).contains("\"stream\":true") {
            return wire.json(200, lines().answer);
        }
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let wait = wait.lock().expect("no panic");
        if wait.recv_timeout(Duration::from_secs(25)).is_ok() {
            lines().closing.iter().for_each(|event| wire.chunk(event));
            wire.end();
        }
    });
    (upstream, go)
}

fn usage(weir: &Weir) -> Value {
    weir.get("/v1/usage").send().is(200).json()
}

#[test]
fn of_two_hundred_parallel_clients_exactly_a_hundred_pass() {
    let (upstream, weir) = start("{ rpm: 100 }");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|_| scope.spawn(|| weir.ask(&lines()).send().status))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("no panic"))
            .collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429)), (100, 100), "{statuses:?}");
    assert_eq!(upstream.count(), 100);
    let labels = [("scope", "key"), ("limit", "rpm")];
    weir.until_metric("weir_limit_rejections_total", &labels, 100.0);
    weir.until_metric("weir_requests_total", &[("outcome", "limited")], 100.0);
}

#[test]
fn a_429_says_which_limit_whose_and_when_in_the_dialect_of_the_caller() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::json(200, lines.answer);
        let weir = Weir::start(&limited(&lines, &upstream, "limits: { rpm: 1 }", ""));
        weir.ask(&lines).send().is(200);
        let refused = weir.ask_stream(&lines).send().is(429);
        let (kind, message) = lines.error(&refused.json());
        let expected = match lines.dialect {
            Dialect::Gemini => "RESOURCE_EXHAUSTED",
            _ => "rate_limit_error",
        };
        assert_eq!(kind, expected);
        assert!(
            message.starts_with("key `team` has used its 1 requests per minute; try again in "),
            "{message}"
        );
        let after: u64 = refused
            .header("retry-after")
            .and_then(|after| after.parse().ok())
            .expect("a number");
        assert!((1..=61).contains(&after), "{after}");
        assert_eq!(refused.header("x-should-retry"), None);
        if lines.dialect == Dialect::Gemini {
            let details = &refused.json()["error"]["details"];
            assert!(details.to_string().contains("retryDelay"), "{details}");
        }
        let line = weir.line(|line| line["status"] == 429);
        assert_eq!(
            (&line["limit"], &line["limit_scope"], &line["end"]),
            (&"rpm".into(), &"key".into(), &"refused".into()),
            "{line}"
        );
        assert_eq!(upstream.count(), 1);
    }
}

#[test]
fn every_answer_to_a_limited_key_says_how_its_limits_stand() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |request, wire| match request.number {
            0 => wire.answer(
                200,
                &[
                    ("content-type", "application/json"),
                    ("x-ratelimit-remaining-requests", "7654321"),
                    ("anthropic-ratelimit-requests-remaining", "7654321"),
                ],
                lines.answer,
            ),
            1 => wire.events(&lines.events()),
            _ => wire.answer(400, &[("x-ratelimit-limit-tokens", "7654321")], "{}"),
        });
        let limits = "limits: { rpm: 10, tpm: 100000 }";
        let weir = Weir::start(&limited(&lines, &upstream, limits, ""));
        let vendor = match lines.dialect {
            Dialect::Anthropic => "/v1/messages/batches",
            Dialect::OpenaiChat => "/v1/batches",
            Dialect::OpenaiResponses => "/v1/responses/resp_1",
            Dialect::Gemini => "/v1beta/files",
        };
        let answers = [
            (weir.ask(&lines).send().is(200), "9"),
            (weir.ask_stream(&lines).send().is(200), "8"),
            (weir.ask(&lines).send().is(400), "7"),
            (weir.get(vendor).send().is(400), "6"),
            // Neither of these came as far as to count.
            (weir.post(lines.path, "[]").send().is(400), "6"),
            (weir.get("/v1/usage").send().is(200), "6"),
        ];
        for (index, (answer, remaining)) in answers.iter().enumerate() {
            // On paths that every dialect shares, the headers of the client tell.
            let dialect = match (index, vendor) {
                (5, _) | (3, "/v1/batches") => Dialect::OpenaiChat,
                _ => lines.dialect,
            };
            let name = |which: &str, what: &str| match dialect {
                Dialect::Anthropic => format!("anthropic-ratelimit-{what}-{which}"),
                _ => format!("x-ratelimit-{which}-{what}"),
            };
            let header = |which, what| answer.header(&name(which, what)).unwrap_or_default();
            assert_eq!(header("limit", "requests"), "10", "{index}: {answer:?}");
            assert_eq!(
                header("remaining", "requests"),
                *remaining,
                "{index}: {answer:?}"
            );
            assert_eq!(header("limit", "tokens"), "100000");
            let reset = header("reset", "requests");
            match dialect {
                Dialect::Anthropic => assert!(reset.ends_with('Z') && reset.len() == 20, "{reset}"),
                _ => assert!(reset.ends_with('s'), "{reset}"),
            }
            assert!(!format!("{:?}", answer.headers).contains("7654321"));
        }
    }
}

#[test]
fn a_key_without_limits_gets_no_rate_limit_headers() {
    let lines = lines();
    let upstream = Upstream::json(200, lines.answer);
    let weir = Weir::before(&upstream, &lines);
    let answer = weir.ask(&lines).send().is(200);
    let headers = format!("{:?}", answer.headers);
    assert!(!headers.contains("ratelimit"), "{headers}");
}

#[test]
fn a_stream_holds_its_place_to_the_last_byte_and_a_client_that_leaves_frees_it() {
    let (upstream, go) = in_two_acts();
    let limits = "limits: { concurrency: 1 }";
    let weir = Weir::start(&limited(&lines(), &upstream, limits, ""));
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    let refused = weir.ask(&lines()).send().is(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(
        refused
            .text()
            .contains("has its 1 concurrent requests in flight"),
        "{}",
        refused.text()
    );
    go.send(()).expect("the upstream waits");
    assert!(open.rest().whole);
    // At once: whoever has the last byte may ask again.
    for _ in 0..20 {
        weir.ask(&lines()).send().is(200);
    }
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    weir.ask(&lines()).send().is(429);
    drop(open);
    eventually("the place is free", || {
        (weir.ask(&lines()).send().status == 200).then_some(())
    });
    let left = weir.line(|line| line["end"] == "client_gone");
    assert_eq!(left["status"], 200, "{left}");
    // 22 whole answers, and of the broken one what it had said of its usage or what was seen of it: the more of the two.
    let used = usage(&weir)["key"]["today"]["tokens"].clone();
    assert_eq!(
        (&used["input"], &used["cache_read"], &used["output"]),
        (&230.into(), &69.into(), &112.into())
    );
}

/// An upstream that says everything at once, and closes the stream only when it is told to.
fn slow_to_close(lines: &Lines) -> (Upstream, Sender<()>) {
    let (go, told) = channel();
    let told = Mutex::new(told);
    let events = lines.events();
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        for event in &events {
            wire.chunk(event);
        }
        let _ = told.lock().expect("one at a time").recv();
        wire.end();
    });
    (upstream, go)
}

#[test]
fn whoever_reads_the_last_event_finds_the_place_free_and_the_tokens_booked() {
    for dialect in [
        Dialect::Anthropic,
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
    ] {
        let lines = sample(dialect);
        let (upstream, go) = slow_to_close(&lines);
        let weir = Weir::start(&limited(
            &lines,
            &upstream,
            "limits: { concurrency: 1 }",
            "",
        ));
        let mut open = weir.ask_stream(&lines).open();
        for _ in lines.events() {
            open.event().expect("an event");
        }
        let usage = usage(&weir);
        assert_eq!(usage["key"]["limits"]["concurrency"]["used"], 0, "{usage}");
        assert_eq!(usage["key"]["today"]["total_tokens"], 18, "{usage}");
        go.send(()).expect("the upstream waits");
        assert!(open.rest().whole);
    }
}

#[test]
fn tokens_are_settled_with_what_was_really_used() {
    let (_upstream, weir) = start("{ tpm: 2000 }");
    // A kilobyte of prompt and 16 tokens of answer are reserved, 18 tokens are used.
    let prompt = "x".repeat(4000);
    let ask = lines().ask.replace("Hi", &prompt);
    let post = || weir.post(lines().path, &ask).send();
    for _ in 0..5 {
        post().is(200);
    }
    let stand = usage(&weir)["key"]["limits"]["tpm"].clone();
    assert_eq!(
        (&stand["used"], &stand["remaining"]),
        (&90.into(), &1910.into()),
        "{stand}"
    );
    // Far more than may be is let through alone, never beside others; also after Weir has learnt that these prompts are short.
    let large = lines().ask.replace("Hi", &"x".repeat(80_000));
    let refused = weir.post(lines().path, &large).send().is(429);
    assert!(
        refused.text().contains("2000 tokens per minute"),
        "{}",
        refused.text()
    );
}

/// What would be reserved for a request of the key.
fn reserved(weir: &Weir, lines: &Lines, ask: &str) -> u64 {
    let question = format!(
        r#"{{"path":"{}","key":"team","headers":{{"content-type":"application/json"}},"body":{ask}}}"#,
        lines.path
    );
    let told = weir.admin("POST", "/admin/explain").body(question);
    let told = told.send().is(200).json();
    let tokens = &told["request"]["reserved"]["tokens"];
    tokens.as_u64().unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn what_is_reserved_for_a_prompt_follows_from_what_its_model_counted_before() {
    let lines = sample(Dialect::OpenaiChat);
    let chinese = "今天早上我去了趟图书馆，想找几本关于城市规划的书。".repeat(40);
    let ask = lines
        .ask
        .replace("\"model\"", "\"max_completion_tokens\":10,\"model\"")
        .replace("Hi", &chinese);
    assert!(ask.contains("图书馆"), "{ask}");
    // A thousand characters: as UTF-8 three thousand bytes, escaped six thousand.
    let escaped = ask.chars().fold(String::new(), |text, char| match char {
        ' '..='~' => text + &char.to_string(),
        other => text + &format!("\\u{:04x}", other as u32),
    });
    let answer = lines
        .answer
        .replace("\"prompt_tokens\":13", "\"prompt_tokens\":1600");
    assert_ne!(answer, lines.answer);
    let upstream = Upstream::json(200, &answer.leak()[..]);
    let weir = Weir::start(&limited(&lines, &upstream, "limits: { tpm: 1000000 }", ""));
    let before = reserved(&weir, &lines, &ask);
    assert!((600..1300).contains(&before), "{before}");
    for _ in 0..24 {
        weir.post(lines.path, &ask).send().is(200);
    }
    for ask in [&ask, &escaped] {
        let after = reserved(&weir, &lines, ask);
        assert!((1450..1770).contains(&after), "{before}, {after}");
    }
}

#[test]
fn a_spent_budget_refuses_until_the_day_ends_and_says_not_to_retry() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    // 10 input tokens at 100, 3 cached at 100, 5 output at 200 USD per 1000: 2.3 USD a request.
    let prices = "prices: [{ model: gpt-5, input: 100000, output: 200000 }]";
    let limits = "limits: { usd_per_day: 200, usd_per_month: 1000 }";
    let weir = Weir::start(&limited(&lines, &upstream, limits, prices));
    let ask = lines
        .ask
        .replace("\"model\"", "\"max_completion_tokens\":900,\"model\"");
    // 180 USD and some are reserved; what was spent shrinks what may be reserved.
    let statuses: Vec<u16> = (0..12)
        .map(|_| weir.post(lines.path, &ask).send().status)
        .collect();
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..12).contains(&passed), "{statuses:?}");
    let refused = weir.post(lines.path, &ask).send().is(429);
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    let (kind, message) = lines.error(&refused.json());
    assert_eq!(kind, "insufficient_quota");
    assert!(message.contains("budget of 200 USD per day"), "{message}");
    assert!(refused.header("retry-after").is_some());
    let spent = &usage(&weir)["key"];
    let usd = spent["today"]["usd"].as_f64().expect("a number");
    assert!((usd - 2.3 * passed as f64).abs() < 1e-6, "{spent}");
    let labels = [("scope", "key"), ("limit", "usd_per_day")];
    weir.until_metric("weir_limit_rejections_total", &labels, 13.0 - passed as f64);
}

/// An account that asks its upstream for a dear model under a cheap name, in front of `upstream`.
fn renaming(lines: &Lines, upstream: &Upstream, limits: &str) -> String {
    let account = accounts(&[account(
        "a",
        lines,
        upstream,
        ", models: { gpt-5: dear-model }",
    )]);
    format!(
        "keys: [{{ name: team, key: \"{KEY}\", limits: {limits} }}]\nprices:\n  \
         - {{ model: dear-model, input: 10000, output: 20000 }}\n  - {{ model: \"*\", input: 1, output: 1 }}\n{account}"
    )
}

#[test]
fn a_model_that_is_renamed_does_not_lead_around_a_budget() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let weir = Weir::start(&renaming(&lines, &upstream, "{ usd_per_day: 0.8 }"));
    let ask = lines
        .ask
        .replace("\"model\"", "\"max_completion_tokens\":10,\"model\"");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| weir.post(lines.path, &ask).send().status))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("no panic"))
            .collect()
    });
    assert!(
        statuses.contains(&200) && statuses.contains(&429),
        "{statuses:?}"
    );
    let spent = usage(&weir);
    let usd = spent["key"]["today"]["usd"].as_f64().expect("a number");
    assert!(usd > 0.0 && usd <= 0.8, "{spent}");
    let budget = &spent["key"]["limits"]["usd_per_day"];
    assert!(budget["seconds_to_empty"].is_u64(), "{budget}");
}

#[test]
fn a_request_larger_than_the_whole_budget_is_refused_and_told_so() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let weir = Weir::start(&renaming(&lines, &upstream, "{ usd_per_month: 2 }"));
    let ask = lines
        .ask
        .replace("\"model\"", "\"max_completion_tokens\":1000,\"model\"");
    let refused = weir.post(lines.path, &ask).send().is(429);
    let text = refused.text();
    assert!(text.contains("this request alone may cost"), "{text}");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(
        refused.header("x-weir-budget-remaining-usd"),
        Some("2.000000")
    );
    let reset = refused.header("x-weir-budget-reset").expect("a moment");
    assert!(reset.ends_with("-01T00:00:00Z"), "{reset}");
    assert_eq!(upstream.count(), 0);
    let nothing = usage(&weir);
    let budget = &nothing["key"]["limits"]["usd_per_month"];
    assert_eq!(budget["seconds_to_empty"], Value::Null, "{budget}");
}

/// What multiplies an answer is reserved: each of these alone is larger than the budget, and one answer is not.
#[test]
fn what_multiplies_an_answer_is_reserved() {
    let (chat, messages) = (sample(Dialect::OpenaiChat), sample(Dialect::Anthropic));
    let gemini = sample(Dialect::Gemini);
    let upstream = Upstream::start(move |request, wire| {
        let target = request.target.as_str();
        wire.json(
            200,
            match target {
                _ if target.contains("/messages") => messages.answer,
                _ if target.contains(":generate") => gemini.answer,
                _ => chat.answer,
            },
        );
    });
    let entries = [(chat, "c"), (messages, "m"), (gemini, "g")];
    let entries = entries.map(|(lines, name)| account(name, &lines, &upstream, ""));
    let prices = "prices: [{ model: \"*\", input: 1, output: 1000, tiers: { fast: 6, priority: 3 }, regions: { us: 2 }, \
                  tools: { web_search: 10 } }]";
    let accounts = accounts(&entries);
    let ask = |body: &str, path: &str| {
        let weir = Weir::start(&format!(
            "keys: [{{ name: team, key: \"{KEY}\", limits: {{ usd_per_day: 0.019 }} }}]\n{prices}\n{accounts}"
        ));
        weir.post(path, body).send().status
    };
    let model = gemini.path;
    for (path, one, more) in [
        (chat.path, "", "\"n\":3,"),
        (
            chat.path,
            "\"service_tier\":\"flex\",",
            "\"service_tier\":\"priority\",",
        ),
        (
            messages.path,
            "\"speed\":\"standard\",",
            "\"speed\":\"fast\",",
        ),
        (messages.path, "", "\"inference_geo\":\"us\","),
        (
            messages.path,
            "",
            "\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":5}],",
        ),
    ] {
        let body = |more: &str| {
            format!(
                r#"{{{more}"model":"m","max_tokens":10,"messages":[{{"role":"user","content":"Hi"}}]}}"#
            )
        };
        assert_eq!(
            (ask(&body(one), path), ask(&body(more), path)),
            (200, 429),
            "{more}"
        );
    }
    let legacy = |more: &str| format!(r#"{{{more}"model":"m","max_tokens":10}}"#);
    for more in [
        r#""prompt":["a","b","c"],"#,
        r#""prompt":[[1],[2]],"n":2,"#,
        r#""prompt":"a","best_of":3,"#,
    ] {
        assert_eq!(ask(&legacy(more), "/v1/completions"), 429, "{more}");
    }
    assert_eq!(ask(&legacy(r#""prompt":[1,2,3],"#), "/v1/completions"), 200);
    let candidates = |count: u32| {
        format!(
            r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}],"generationConfig":{{"maxOutputTokens":10,"candidateCount":{count}}}}}"#
        )
    };
    assert_eq!(
        (ask(&candidates(1), model), ask(&candidates(3), model)),
        (200, 429)
    );
}

#[test]
fn what_is_free_stays_free_when_the_budget_is_spent() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let prices = "prices: [{ model: gpt-5, input: 100000, output: 100000 }]";
    let limits = "limits: { usd_per_day: 3, rpm: 8 }";
    let weir = Weir::start(&limited(&lines, &upstream, limits, prices));
    let ask = lines
        .ask
        .replace("\"model\"", "\"max_completion_tokens\":1,\"model\"");
    weir.post(lines.path, &ask).send().is(200);
    weir.post(lines.path, &ask).send().is(429);
    for path in ["/v1/files", "/v1/batches", "/v1/videos"] {
        weir.get(path).send().is(200);
    }
    weir.post("/v1/moderations", r#"{"input":"a heron"}"#)
        .send()
        .is(200);
    // Some vendors charge for it.
    let dear = format!(r#"{{"model":"gpt-5","input":"{}"}}"#, "a heron ".repeat(50));
    weir.post("/v1/moderations", dear).send().is(429);
    weir.post(
        "/v1/embeddings",
        format!(r#"{{"model":"gpt-5","input":"{}"}}"#, "a heron ".repeat(50)),
    )
    .send()
    .is(429);
    // They are requests all the same.
    for status in [200, 200, 200, 429] {
        weir.get("/v1/files").send().is(status);
    }
}

#[test]
fn a_picture_does_not_fill_the_limit_of_an_account() {
    let lines = sample(Dialect::OpenaiChat);
    // Answers when both are there.
    let both = std::sync::Barrier::new(2);
    let upstream = Upstream::start(move |_, wire| {
        both.wait();
        wire.json(200, lines.answer);
    });
    let entry = account("a", &lines, &upstream, ", limits: { tpm: 20000 }");
    let weir = Weir::start(&accounts(&[entry]));
    let picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ".repeat(1_500);
    let ask = format!(
        r#"{{"model":"gpt-5","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{picture}"}}}}]}}]}}"#
    );
    let statuses = std::thread::scope(|scope| {
        let clients = [(); 2].map(|()| scope.spawn(|| weir.post(lines.path, &ask).send().status));
        clients.map(|client| client.join().expect("no panic"))
    });
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn groups_and_everyone_share_a_limit() {
    let upstream = Upstream::json(200, lines().answer);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let weir = Weir::start(&format!(
        "keys:\n  - {{ name: one, key: \"{KEY}\", group: g }}\n  - {{ name: two, key: key-two, group: g }}\n  \
         - {{ name: three, key: key-three }}\ngroups: [{{ name: g, limits: {{ rpm: 3 }} }}]\nlimits: {{ rpm: 5 }}\n\
         anonymous: true\n{account}"
    ));
    let ask = |key: &str| weir.ask(&lines()).key(key).send();
    for key in [KEY, "key-two", "key-two"] {
        ask(key).is(200);
    }
    let refused = ask(KEY).is(429);
    assert!(
        refused.text().contains("group `g` has used its 3 requests"),
        "{}",
        refused.text()
    );
    // Those of the group stand lower than everyone's.
    assert_eq!(
        refused.header("anthropic-ratelimit-requests-limit"),
        Some("3")
    );
    ask("key-three").is(200);
    weir.ask(&lines()).without("authorization").send().is(200);
    for refused in [
        ask("key-three").is(429),
        weir.ask(&lines()).without("authorization").send().is(429),
    ] {
        assert!(
            refused
                .text()
                .contains("this proxy has used its 5 requests"),
            "{}",
            refused.text()
        );
    }
    weir.until_metric("weir_limit_rejections_total", &[("scope", "group")], 1.0);
    weir.until_metric("weir_limit_rejections_total", &[("scope", "global")], 2.0);
}

#[test]
fn a_project_has_limits_and_figures_of_its_own_and_only_some_keys_may_name_it() {
    let upstream = Upstream::json(200, lines().answer);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let weir = Weir::start(&format!(
        "keys:\n  - {{ name: free, key: \"{KEY}\" }}\n  - {{ name: bound, key: key-two, project: moon }}\n  \
         - {{ name: both, key: key-three, project: moon, projects: [moon, mars] }}\n\
         projects: [{{ name: moon, limits: {{ rpm: 2, usd_per_day: 100 }} }}, {{ name: mars }}]\n\
         prices: [{{ model: \"claude-*\", input: 1000, output: 2000, cache_read: 100 }}]\n{account}"
    ));
    let ask = |key: &str, project: Option<&str>| {
        let call = weir.ask(&lines()).key(key);
        match project {
            Some(project) => call.header("x-weir-project", project),
            None => call,
        }
        .send()
    };
    let refused = ask("key-two", Some("mars")).is(403);
    let (kind, message) = lines().error(&refused.json());
    assert_eq!(kind, "permission_error");
    assert!(
        message.contains("may not use the project \"mars\""),
        "{message}"
    );
    ask("key-two", Some("nonsense")).is(403);
    assert_eq!(upstream.count(), 0);
    ask("key-two", None).is(200);
    ask(KEY, Some("moon")).is(200);
    let spent = ask("key-three", None).is(429);
    assert!(
        spent
            .text()
            .contains("project `moon` has used its 2 requests"),
        "{}",
        spent.text()
    );
    ask("key-three", Some("mars")).is(200);
    ask(KEY, None).is(200);
    ask(KEY, Some("nonsense")).is(200);
    for (project, requests) in [("moon", 2.0), ("mars", 1.0)] {
        let labels = [("project", project), ("model", "claude-sonnet-4-5")];
        weir.until_metric("weir_project_requests_total", &labels, requests);
        weir.until_metric("weir_project_tokens_total", &labels, 18.0 * requests);
    }
    let mine = weir.get("/v1/usage").key("key-three").send().is(200).json();
    assert_eq!(
        (
            &mine["project"]["name"],
            &mine["project"]["today"]["requests"]
        ),
        (&"moon".into(), &2.into()),
        "{mine}"
    );
    let labels = [("scope", "project"), ("name", "moon"), ("window", "day")];
    let ratio = weir.metric("weir_budget_used_ratio", &labels);
    // 2 × (10 × 0.001 + 5 × 0.002 + 3 × 0.0001) of 100
    assert!((ratio - 0.000_406).abs() < 1e-9, "{ratio}");
    weir.until_metric("weir_limit_rejections_total", &[("scope", "project")], 1.0);
    let listed = |key: &str| -> Vec<(String, bool)> {
        let list = weir.get("/v1/projects").key(key).send().is(200).json();
        let list = list["data"].as_array().expect("a list").clone();
        list.iter()
            .map(|project| {
                (
                    project["id"].as_str().expect("a name").to_owned(),
                    project["default"] == true,
                )
            })
            .collect()
    };
    let moon = ("moon".to_owned(), true);
    assert_eq!(listed("key-two"), std::slice::from_ref(&moon));
    assert_eq!(listed("key-three"), [moon, ("mars".to_owned(), false)]);
    assert_eq!(listed(KEY).len(), 2);
}

#[test]
fn counting_tokens_is_free() {
    let upstream = Upstream::json(200, "{\"input_tokens\":7}");
    let limits = "limits: { rpm: 1, concurrency: 1, usd_per_day: 1 }";
    let weir = Weir::start(&limited(&lines(), &upstream, limits, ""));
    for _ in 0..5 {
        let answer = weir
            .post("/v1/messages/count_tokens", lines().ask)
            .send()
            .is(200);
        assert_eq!(
            answer.header("anthropic-ratelimit-requests-remaining"),
            Some("1")
        );
    }
    assert_eq!(usage(&weir)["key"]["today"]["requests"], 0);
}

#[test]
fn vendor_endpoints_count_as_requests() {
    let upstream = Upstream::json(200, "{}");
    let limits = "limits: { rpm: 2 }";
    let weir = Weir::start(&limited(&lines(), &upstream, limits, ""));
    for _ in 0..2 {
        weir.get("/v1/messages/batches").send().is(200);
    }
    let refused = weir.get("/v1/messages/batches").send().is(429);
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(upstream.count(), 2);
    eventually("both are over", || {
        (usage(&weir)["key"]["today"]["requests"] == 2).then_some(())
    });
}

#[test]
fn counters_survive_a_reload() {
    let (upstream, weir) = start("{ rpm: 2 }");
    weir.ask(&lines()).send().is(200);
    weir.rewrite(&limited(
        &lines(),
        &upstream,
        "limits: { rpm: 3 }",
        "timezone: Asia/Tokyo",
    ));
    weir.tell("/admin/reload").is(200);
    weir.until_metric("weir_config_generation", &[], 2.0);
    weir.ask(&lines()).send().is(200);
    weir.ask(&lines()).send().is(200);
    weir.ask(&lines()).send().is(429);
    let used = usage(&weir);
    assert_eq!(
        (&used["timezone"], &used["key"]["today"]["requests"]),
        (&"Asia/Tokyo".into(), &3.into())
    );
}

#[test]
fn a_request_that_nobody_could_serve_gives_its_tokens_back() {
    let upstream = Upstream::json(500, "{}");
    let limits = "limits: { tpm: 100000, concurrency: 1 }";
    let weir = Weir::start(&limited(&lines(), &upstream, limits, ""));
    for _ in 0..3 {
        weir.ask(&lines()).send().is(502);
    }
    eventually("nothing is held", || {
        let limits = usage(&weir)["key"]["limits"].clone();
        (limits["tpm"]["used"] == 0 && limits["concurrency"]["used"] == 0).then_some(())
    });
}

#[test]
fn usage_tells_a_key_of_itself_and_of_its_group_only() {
    let upstream = Upstream::json(200, lines().answer);
    let account = accounts(&[account("a", &lines(), &upstream, "")]);
    let weir = Weir::start(&format!(
        "keys:\n  - {{ name: one, key: \"{KEY}\", group: g, limits: {{ rpm: 60, usd_per_month: 10 }} }}\n  \
         - {{ name: two, key: key-two, group: g }}\n  - {{ name: three, key: key-three }}\n\
         prices: [{{ model: \"claude-*\", input: 1000, output: 2000, cache_read: 100 }}]\n{account}"
    ));
    weir.ask(&lines()).send().is(200);
    weir.ask(&lines()).key("key-two").send().is(200);
    let mine = usage(&weir);
    assert_eq!(mine["key"]["name"], "one");
    let today = &mine["key"]["today"];
    assert_eq!(
        (&today["requests"], &today["total_tokens"]),
        (&1.into(), &18.into()),
        "{mine}"
    );
    let tokens = &today["tokens"];
    assert_eq!(
        (&tokens["input"], &tokens["output"], &tokens["cache_read"]),
        (&10.into(), &5.into(), &3.into())
    );
    // 10 × 0.001 + 5 × 0.002 + 3 × 0.0001
    assert!(
        (today["usd"].as_f64().expect("a number") - 0.0203).abs() < 1e-9,
        "{mine}"
    );
    assert_eq!(mine["key"]["this_month"], *today);
    let month = &mine["key"]["limits"]["usd_per_month"];
    assert!(
        (month["remaining"].as_f64().expect("a number") - 9.9797).abs() < 1e-9,
        "{mine}"
    );
    assert!(
        month["resets_at"]
            .as_str()
            .is_some_and(|at| at.ends_with("-01T00:00:00Z")),
        "{mine}"
    );
    assert_eq!(mine["key"]["limits"]["rpm"]["remaining"], 59);
    assert_eq!(
        (&mine["group"]["name"], &mine["group"]["today"]["requests"]),
        (&"g".into(), &2.into())
    );
    assert!(!mine.to_string().contains("two"), "{mine}");
    let theirs = weir.get("/v1/usage").key("key-three").send().is(200).json();
    assert_eq!(
        (&theirs["group"], &theirs["key"]["today"]["requests"]),
        (&Value::Null, &0.into())
    );
    weir.get("/v1/usage")
        .without("authorization")
        .send()
        .is(401);
}

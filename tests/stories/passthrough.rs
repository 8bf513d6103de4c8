//! Same dialect on both sides: the bytes that came are the bytes that go, in both directions.
use crate::rig::{ALL, Call, KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// A body as no serialiser would write it.
fn odd(lines: &Lines) -> String {
    let body = lines.ask.replacen('{', "\r\n {\t\"zz_unknown\" : [1.0e+2, -0, {\"a\":null}] ,\n  \"\\u0061bc\":\"\\ud83d\\ude00 \\/ é\",", 1);
    format!("{} \n", body.replacen(':', " :\t", 3))
}

#[test]
fn a_request_reaches_the_upstream_byte_for_byte() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::json(200, lines.answer);
        let weir = Weir::before(&upstream, &lines);
        weir.post(lines.path, odd(&lines)).send().is(200);
        let sent = upstream.only();
        assert_eq!(String::from_utf8_lossy(&sent.body), odd(&lines));
        assert_eq!(
            (sent.method.as_str(), sent.target.as_str()),
            ("POST", lines.path)
        );
    }
}

#[test]
fn an_answer_reaches_the_client_byte_for_byte() {
    for lines in ALL.map(sample) {
        let answer: &str = odd(&Lines {
            ask: lines.answer,
            ..lines
        })
        .leak();
        let upstream = Upstream::json(200, answer);
        let weir = Weir::before(&upstream, &lines);
        assert_eq!(weir.ask(&lines).send().is(200).text(), answer);
    }
}

#[test]
fn a_stream_reaches_the_client_byte_for_byte() {
    for lines in ALL.map(sample) {
        let mut stream: String = ": a comment\n\nevent: unheard_of\r\ndata: {\"type\":\"unheard_of\"}\r\n\r\nid: 7\nretry: 10\n\n".into();
        stream += &lines.opening.concat();
        stream += &lines.closing[0].replace('\n', "\r\n");
        stream += ":\n\n";
        stream += &lines.closing[1..].concat();
        let bytes: &str = stream.leak();
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            // Cut without regard for lines or events.
            bytes
                .as_bytes()
                .chunks(7)
                .for_each(|piece| wire.chunk(piece));
            wire.end();
        });
        let weir = Weir::before(&upstream, &lines);
        let answer = weir.ask_stream(&lines).send().is(200);
        assert_eq!(answer.text(), bytes);
        assert!(answer.whole);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    }
}

#[test]
fn a_route_that_renames_the_model_changes_its_bytes_and_no_others() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let entry = account("a", &lines, &upstream, "");
    let weir = Weir::start(&format!(
        "{}routes:\n  - {{ when: {{ model: gpt-5 }}, pool: default, model: other-model }}\n",
        accounts(&[entry])
    ));
    weir.post(lines.path, odd(&lines)).send().is(200);
    let expected = odd(&lines).replace("gpt-5", "other-model");
    assert_eq!(String::from_utf8_lossy(&upstream.only().body), expected);
}

#[test]
fn an_account_that_names_its_models_otherwise_is_asked_in_its_words() {
    let lines = sample(Dialect::Gemini);
    let upstream = Upstream::json(200, lines.answer);
    let models = ", models: { \"gemini-*\": tuned-7 }";
    let weir = Weir::start(&accounts(&[account("a", &lines, &upstream, models)]));
    weir.ask(&lines).send().is(200);
    assert_eq!(
        upstream.only().target,
        "/v1beta/models/tuned-7:generateContent"
    );
}

fn to_anthropic(upstream: &Upstream) -> (Weir, Lines) {
    let lines = sample(Dialect::Anthropic);
    (Weir::before(upstream, &lines), lines)
}

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    let add = |call: Call, (name, value): &(&str, &str)| call.header(name, value);
    headers.iter().fold(call, add)
}

#[test]
fn headers_of_the_vendors_pass_and_the_clients_own_stay() {
    let upstream = Upstream::json(200, sample(Dialect::Anthropic).answer);
    let (weir, lines) = to_anthropic(&upstream);
    let pass = [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "context-1m-2025-08-07,new-2030-01-01"),
        ("anthropic-never-heard-of", "1"),
        ("openai-beta", "x=v1"),
        ("user-agent", "claude-cli/2.0"),
        ("x-stainless-lang", "js"),
        ("x-claude-code-session-id", "s-1"),
    ];
    let stay = [
        ("cookie", "session=private"),
        ("x-goog-api-key", KEY),
        ("api-key", KEY),
        ("x-forwarded-for", "192.0.2.7"),
        ("proxy-authorization", "Basic cHJpdmF0ZQ=="),
        ("x-weir-project", "private"),
        ("origin", "https://private.example"),
        ("connection", "x-hop"),
        ("x-hop", "private"),
    ];
    with(with(weir.ask(&lines), &pass), &stay).send().is(200);
    let sent = upstream.only();
    for (name, value) in pass {
        assert_eq!(sent.headers.get(name), Some(value), "{name}");
    }
    assert_eq!(sent.headers.get("x-api-key"), Some("secret-of-a"));
    assert_eq!(sent.headers.get("authorization"), None);
    let all = format!("{:?}", sent.headers);
    for word in [KEY, "private", "192.0.2.7"] {
        assert!(!all.contains(word), "{word} in {all}");
    }
}

#[test]
fn what_an_upstream_says_of_the_operator_stays_here() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(move |_, wire| {
        let headers = [
            ("content-type", "application/json"),
            ("set-cookie", "private=1"),
            ("anthropic-organization-id", "private"),
            ("request-id", "req_upstream"),
            ("x-request-id", "theirs"),
            ("anthropic-ratelimit-requests-remaining", "7"),
            ("anthropic-never-heard-of", "1"),
        ];
        wire.answer(200, &headers, lines.answer);
    });
    let (weir, lines) = to_anthropic(&upstream);
    let answer = weir
        .ask(&lines)
        .header("x-request-id", "mine-1")
        .send()
        .is(200);
    assert_eq!(answer.header("request-id"), Some("req_upstream"));
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    // The account's own limits say nothing about this client's.
    assert_eq!(
        answer.header("anthropic-ratelimit-requests-remaining"),
        None
    );
    assert_eq!(answer.header("anthropic-never-heard-of"), Some("1"));
    let all = format!("{:?}", answer.headers);
    assert!(!all.contains("private") && !all.contains("secret"), "{all}");
}

#[test]
fn the_query_is_kept_but_for_the_key_in_it() {
    let upstream = Upstream::json(200, sample(Dialect::Anthropic).answer);
    let (weir, lines) = to_anthropic(&upstream);
    let target = format!("{}?beta=true&key={KEY}&x=%20y", lines.path);
    weir.post(&target, lines.ask).send().is(200);
    assert_eq!(upstream.only().target, "/v1/messages?beta=true&x=%20y");
}

#[test]
fn every_answer_carries_a_request_id_and_a_sane_one_of_the_client_is_kept() {
    let upstream = Upstream::json(200, sample(Dialect::Anthropic).answer);
    let (weir, lines) = to_anthropic(&upstream);
    let id = |call: Call| call.send().header("x-request-id").map(str::to_owned);
    let made = id(weir.ask(&lines)).expect("an id");
    assert!(made.starts_with("req_"), "{made}");
    assert_ne!(id(weir.ask(&lines)), Some(made));
    assert_eq!(
        id(weir.ask(&lines).header("x-request-id", "a-1")),
        Some("a-1".into())
    );
    let insane = id(weir.ask(&lines).header("x-request-id", "a b\"}")).expect("an id");
    assert!(insane.starts_with("req_"), "{insane}");
    for call in [
        weir.get("/nothing"),
        weir.get("/health"),
        weir.get("/v1/models").key("wrong"),
    ] {
        assert!(id(call).is_some());
    }
    weir.line(|line| line["request_id"] == "a-1");
}

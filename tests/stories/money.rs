//! What is booked for an answer, one test a row of `docs/MONEY.md`: stated, estimated or partial, and everywhere the same.
use std::time::Duration;

use serde_json::Value;

use crate::rig::{ALL, KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// A dollar a token, so that the dollars are the tokens; a limit, so that prompts are estimated.
fn yaml(entries: &[String]) -> String {
    format!(
        "keys: [{{ name: team, key: \"{KEY}\", debug: true, limits: {{ usd_per_day: 1000000 }} }}]\n\
         prices: [{{ model: \"*\", input: 1000000, output: 1000000 }}]\n{}",
        accounts(entries)
    )
}

fn before(lines: &Lines, upstream: &Upstream, more: &str) -> Weir {
    Weir::start(&yaml(&[account("a", lines, upstream, more)]))
}

/// What the only request was booked with: prompt, answer and source; by the access log, the limits and the metrics alike.
#[track_caller]
fn booked(weir: &Weir) -> (u64, u64, String) {
    let line = weir.line(|line| !line["usage_source"].is_null());
    let count = |name: &str| line["tokens"][name].as_u64().unwrap_or(0);
    let kinds = ["input", "cache_read", "cache_write_5m", "cache_write_1h"];
    let prompt: u64 = kinds.iter().map(|kind| count(kind)).sum();
    let output = count("output");
    let usage: Value = weir.get("/v1/usage").send().is(200).json();
    let today = &usage["key"]["today"];
    assert_eq!(today["total_tokens"], prompt + output, "{usage} {line}");
    assert_eq!(
        today["usd"].as_f64(),
        line["cost_usd"].as_f64(),
        "{usage} {line}"
    );
    for kind in kinds
        .into_iter()
        .chain(["output"])
        .filter(|kind| count(kind) > 0)
    {
        weir.until_metric("weir_tokens_total", &[("kind", kind)], count(kind) as f64);
    }
    let cost = line["cost_usd"].as_f64().expect("a price");
    weir.until_metric("weir_cost_usd_total", &[("key", "team")], cost);
    let source = line["usage_source"].as_str().expect("a source").to_owned();
    weir.until_metric("weir_usage_source_total", &[("source", &source)], 1.0);
    (prompt, output, source)
}

#[track_caller]
fn is_near(found: u64, expected: u64, what: &str) {
    let (low, high) = (expected * 7 / 10, expected * 13 / 10 + 1);
    assert!(
        (low..=high).contains(&found),
        "{what}: {found} instead of {expected}"
    );
}

/// A text of about 200 tokens.
fn long_text() -> String {
    "The quick brown fox jumps over the lazy dog and runs away. ".repeat(16)
}

/// The answer of `lines` with a long text in place of `Hello`, without its usage.
fn silent(lines: &Lines) -> String {
    let mut body: Value = serde_json::from_str(lines.answer).expect("JSON");
    let object = body.as_object_mut().expect("an object");
    object.remove("usage");
    object.remove("usageMetadata");
    body.to_string().replace("Hello", &long_text())
}

#[test]
fn a_whole_answer_that_states_nothing_is_estimated() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |_, wire| wire.json(200, silent(&lines)));
        let weir = before(&lines, &upstream, "");
        weir.ask(&lines).send().is(200);
        let (prompt, output, source) = booked(&weir);
        assert_eq!(source, "estimated", "{:?}", lines.dialect);
        is_near(output, 208, &format!("{:?}", lines.dialect));
        assert!((5..80).contains(&prompt), "{:?}: {prompt}", lines.dialect);
    }
}

#[test]
fn zeros_are_no_statement() {
    let lines = sample(Dialect::OpenaiChat);
    let answer = lines.answer.replace("Hello", &long_text());
    let answer = answer.replace(
        r#""prompt_tokens":13,"completion_tokens":5,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":3}"#,
        r#""prompt_tokens":0,"completion_tokens":0,"total_tokens":0"#,
    );
    let upstream = Upstream::start(move |_, wire| wire.json(200, &answer));
    let weir = before(&lines, &upstream, "");
    weir.ask(&lines).send().is(200);
    let (_, output, source) = booked(&weir);
    assert_eq!(source, "estimated");
    is_near(output, 208, "zeros");
}

#[test]
fn a_translated_answer_that_states_nothing_is_estimated() {
    let (client, server) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let upstream = Upstream::start(move |_, wire| wire.json(200, silent(&server)));
    let weir = before(&server, &upstream, "");
    weir.ask(&client).send().is(200);
    let (_, output, source) = booked(&weir);
    assert_eq!(source, "estimated");
    is_near(output, 208, "translated");
}

#[test]
fn figures_that_cannot_be_are_refused_and_counted() {
    for figure in ["-7", "1099511627777", "\"12\"", "-0.5", "1e30"] {
        let lines = sample(Dialect::OpenaiChat);
        let answer = lines.answer.replace("Hello", &long_text());
        let answer = answer.replace(
            "\"completion_tokens\":5",
            &format!("\"completion_tokens\":{figure}"),
        );
        assert!(answer.contains(figure));
        let upstream = Upstream::start(move |_, wire| wire.json(200, &answer));
        let weir = before(&lines, &upstream, "");
        weir.ask(&lines).send().is(200);
        let (_, output, source) = booked(&weir);
        assert_eq!(source, "estimated", "{figure}");
        is_near(output, 208, figure);
        weir.until_metric("weir_usage_refused_total", &[("account", "a")], 1.0);
    }
}

#[test]
fn a_client_that_leaves_pays_for_what_came() {
    for lines in ALL.map(sample) {
        let piece = lines
            .opening
            .last()
            .expect("an event")
            .replace("Hel", &long_text());
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            let (_, opening) = lines.opening.split_last().expect("events");
            for event in opening {
                wire.chunk(event);
            }
            wire.chunk(&piece);
            wire.closes_within(Duration::from_secs(20));
        });
        let weir = before(&lines, &upstream, "");
        let mut open = weir.ask_stream(&lines).open();
        while let Some(event) = open.event() {
            if event.contains("quick brown fox") {
                break;
            }
        }
        drop(open);
        let (prompt, output, source) = booked(&weir);
        // Where the prompt was stated the rest of the figures is partial.
        let expected = match lines.dialect {
            Dialect::Anthropic | Dialect::Gemini => "partial",
            _ => "estimated",
        };
        assert_eq!(source, expected, "{:?}", lines.dialect);
        assert!((5..80).contains(&prompt), "{:?}: {prompt}", lines.dialect);
        is_near(output, 208, &format!("{:?}", lines.dialect));
    }
}

#[test]
fn an_upstream_that_breaks_off_is_paid_for_what_came() {
    let lines = sample(Dialect::Anthropic);
    let piece = lines.opening[2].replace("Hel", &long_text());
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines.opening[..2]
            .iter()
            .for_each(|event| wire.chunk(event));
        wire.chunk(&piece);
        wire.reset();
    });
    let weir = before(&lines, &upstream, "");
    weir.ask_stream(&lines).send().is(200);
    let (prompt, output, source) = booked(&weir);
    assert_eq!((prompt, source.as_str()), (13, "partial"));
    is_near(output, 208, "broken off");
}

/// What ends a stream with an error after 1000 tokens of prompt and 900 of output were stated.
fn failing(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Anthropic => &[
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":{\"input_tokens\":1000,\"cache_read_input_tokens\":0,\"output_tokens\":900}}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n",
        ],
        Dialect::OpenaiChat => &[
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":900,\"total_tokens\":1900}}\n\n",
        ],
        Dialect::OpenaiResponses => &[
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"failed\",\"model\":\"gpt-5\",\"output\":[],\"error\":{\"code\":\"server_error\",\"message\":\"x\"},\"usage\":{\"input_tokens\":1000,\"output_tokens\":900,\"total_tokens\":1900}}}\n\n",
        ],
        Dialect::Gemini => &[
            "data: {\"error\":{\"code\":500,\"message\":\"x\",\"status\":\"INTERNAL\"},\"usageMetadata\":{\"promptTokenCount\":1000,\"candidatesTokenCount\":900,\"totalTokenCount\":1900}}\n\n",
        ],
    }
}

#[test]
fn what_was_stated_before_an_error_counts_translated_or_not() {
    for server in ALL.map(sample) {
        // Between the two of OpenAI's nothing is translated.
        let is_openai = server.dialect == Dialect::OpenaiResponses;
        let clients = ALL.map(sample).into_iter();
        for client in clients.filter(|client| !is_openai || client.dialect != Dialect::OpenaiChat) {
            let upstream = Upstream::start(move |_, wire| {
                wire.events(&[server.opening, failing(server.dialect)].concat());
            });
            let weir = before(&server, &upstream, "");
            let pair = format!("{:?} to {:?}", server.dialect, client.dialect);
            let answer = weir.ask_stream(&client).send();
            assert_eq!(answer.status, 200, "{pair}");
            let (prompt, output, source) = booked(&weir);
            let what = format!("{pair}: {source}");
            assert_eq!((prompt, output), (1000, 900), "{what}");
            assert_ne!(source, "estimated", "{what}");
        }
    }
}

#[test]
fn a_usage_that_is_a_list_states_nothing() {
    for lines in ALL.map(sample) {
        let mut answer: Value = serde_json::from_str(lines.answer).expect("JSON");
        let name = match lines.dialect {
            Dialect::Gemini => "usageMetadata",
            _ => "usage",
        };
        answer[name] = serde_json::json!([1, 2, 3, 4]);
        let answer = answer.to_string().replace("Hello", &long_text());
        for client in [lines.dialect, other(lines.dialect)].map(sample) {
            let answer = answer.clone();
            let upstream = Upstream::start(move |_, wire| wire.json(200, &answer));
            let weir = before(&lines, &upstream, "");
            weir.ask(&client).send().is(200);
            let (_, output, source) = booked(&weir);
            let what = format!("{:?} to {:?}", lines.dialect, client.dialect);
            assert_eq!(source, "estimated", "{what}");
            is_near(output, 208, &what);
        }
    }
}

fn other(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::Anthropic => Dialect::OpenaiChat,
        _ => Dialect::Anthropic,
    }
}

#[test]
fn a_client_that_leaves_a_whole_answer_pays_for_what_came_of_it() {
    for server in ALL.map(sample) {
        for client in [server.dialect, other(server.dialect)].map(sample) {
            let answer = silent(&server);
            let upstream = Upstream::start(move |_, wire| {
                wire.raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
                wire.chunk(&answer[..answer.len() - 1]);
                wire.closes_within(Duration::from_secs(20));
            });
            let weir = before(&server, &upstream, "");
            let left = weir.ask(&client).start();
            upstream.until(1);
            // The answer is on its way, and nothing of it shows that it has come.
            std::thread::sleep(Duration::from_millis(500));
            drop(left);
            let (_, output, source) = booked(&weir);
            let what = format!("{:?} to {:?}", server.dialect, client.dialect);
            assert_eq!(source, "estimated", "{what}");
            is_near(output, 208, &what);
        }
    }
}

#[test]
fn a_usage_in_front_of_a_long_answer_is_found() {
    let long = "x".repeat(3 << 20);
    // What a text quotes, or an inner object has, is no usage of the answer.
    let quoted = r#"{\"usage\":{\"prompt_tokens\":7}}"#;
    for (path, ask, answer, expected) in [
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":"Hi"}"#,
            format!(
                r#"{{"model":"m","x":{{"usage":{{"prompt_tokens":9}}}},"y":"{quoted}","usage":{{"prompt_tokens":1000,"total_tokens":1000}},"data":[{{"embedding":"{long}"}}]}}"#
            ),
            (1000, 0),
        ),
        (
            "/v1/images/generations",
            r#"{"model":"gpt-image-1","prompt":"a fox"}"#,
            format!(
                r#"{{"created":1,"usage" : {{"input_tokens":50,"output_tokens":1000,"total_tokens":1050}},"data":[{{"b64_json":"{long}"}}]}}"#
            ),
            (50, 1000),
        ),
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}]}"#,
            format!(
                r#"{{"id":"c","object":"chat.completion","usage":{{"prompt_tokens":50,"completion_tokens":1000}},"choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant","content":"{long}"}}}}]}}"#
            ),
            (50, 1000),
        ),
    ] {
        let lines = sample(Dialect::OpenaiChat);
        let upstream = Upstream::start(move |_, wire| wire.json(200, &answer));
        let weir = before(&lines, &upstream, "");
        weir.post(path, ask).send().is(200);
        let (prompt, output, source) = booked(&weir);
        assert_eq!((prompt, output), expected, "{path}");
        assert_eq!(source, "reported", "{path}");
    }
}

#[test]
fn a_client_that_leaves_before_the_head_pays_for_its_prompt() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(|_, wire| {
        wire.closes_within(Duration::from_secs(20));
    });
    let weir = before(&lines, &upstream, "");
    let left = weir.ask(&lines).start();
    upstream.until(1);
    drop(left);
    let (prompt, output, source) = booked(&weir);
    assert_eq!((output, source.as_str()), (0, "estimated"));
    assert!((5..80).contains(&prompt), "{prompt}");
}

#[test]
fn an_attempt_that_failed_costs_nothing() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(500, "{}");
    let weir = before(&lines, &upstream, "");
    let answer = weir.ask(&lines).send();
    assert!(answer.status >= 500);
    let line = weir.line(|line| !line["status"].is_null());
    assert!(
        line["usage_source"].is_null() && line["cost_usd"].is_null(),
        "{line}"
    );
}

/// A Chat upstream that states usage as OpenAI does: only when asked, with `null` in all other chunks.
fn openai() -> Upstream {
    Upstream::start(|request, wire| {
        let lines = sample(Dialect::OpenaiChat);
        let asked = String::from_utf8_lossy(&request.body).contains("\"include_usage\":true");
        let events = lines.events();
        let events: Vec<String> = events
            .iter()
            .filter(|event| asked || !event.contains("prompt_tokens"))
            .map(|event| {
                if asked && !event.contains("prompt_tokens") {
                    event.replace("}]}\n\n", "}],\"usage\":null}\n\n")
                } else {
                    (*event).to_owned()
                }
            })
            .collect();
        wire.events(&events.iter().map(String::as_str).collect::<Vec<_>>());
    })
}

const ASKS: [&str; 4] = [
    r#"{"model":"gpt-5","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
    r#"{"model":"gpt-5","stream":true,"stream_options":null,"messages":[{"role":"user","content":"Hi"}]}"#,
    r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":false},"messages":[{"role":"user","content":"Hi"}]}"#,
    r#"{"model":"gpt-5","stream":true,"stream_options":{"include_obfuscation":false},"messages":[{"role":"user","content":"Hi"}]}"#,
];

#[test]
fn a_chat_stream_is_asked_for_its_usage_and_the_client_sees_none_of_it() {
    let lines = sample(Dialect::OpenaiChat);
    for ask in ASKS {
        let streams = ["ask", "as-sent"].map(|way| {
            let upstream = openai();
            let weir = before(&lines, &upstream, &format!(", stream_usage: {way}"));
            let answer = weir.post(lines.path, ask).send().is(200);
            let body = String::from_utf8(upstream.only().body).expect("text");
            assert_eq!(
                body.contains("\"include_usage\":true"),
                way == "ask",
                "{body}"
            );
            let (prompt, output, source) = booked(&weir);
            match way {
                "ask" => assert_eq!((prompt, output, source.as_str()), (13, 5, "reported")),
                _ => assert_eq!((body.as_str(), source.as_str()), (ask, "estimated")),
            }
            answer.text().to_owned()
        });
        assert_eq!(streams[0], streams[1], "{ask}");
    }
}

#[test]
fn a_client_that_asked_itself_gets_what_it_asked_for() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = openai();
    let weir = before(&lines, &upstream, "");
    let answer = weir.ask_stream(&lines).send().is(200);
    assert!(
        answer.text().contains("\"prompt_tokens\":13") && answer.text().contains("\"usage\":null")
    );
    assert_eq!(upstream.only().body, lines.ask_stream.as_bytes());
}

#[test]
fn an_upstream_that_refuses_to_be_asked_is_asked_again_without_and_remembered() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |request, wire| {
        if String::from_utf8_lossy(&request.body).contains("stream_options") {
            return wire.json(422, r#"{"detail":[{"loc":["body","stream_options"],"msg":"extra fields not permitted"}]}"#);
        }
        wire.events(&lines.events());
    });
    let weir = Weir::start(&format!(
        "retry: {{ max_attempts: 1 }}\n{}",
        yaml(&[account("a", &lines, &upstream, "")])
    ));
    for _ in 0..2 {
        let answer = weir.post(lines.path, ASKS[0]).send().is(200);
        assert_eq!(answer.text(), lines.events().concat());
    }
    // Asked, asked without, and the second request without from the start.
    assert_eq!(upstream.count(), 3);
    assert_eq!(weir.account("a")["state"], "usable");
    // A client that asks itself hears what the upstream says.
    weir.ask_stream(&lines).send().is(422);
    // A translated request is asked without, too.
    weir.ask_stream(&sample(Dialect::Anthropic)).send().is(200);
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn answers_that_come_compressed_are_read_and_passed_on_plain() {
    for lines in ALL.map(sample) {
        for client in [lines, sample(Dialect::Anthropic)] {
            let upstream = Upstream::start(move |request, wire| {
                assert_eq!(request.headers.get("accept-encoding"), Some("identity"));
                let streamed = request.number == 1;
                let (media, body) = if streamed {
                    ("text/event-stream", lines.events().concat())
                } else {
                    ("application/json", lines.answer.to_owned())
                };
                let coded = zstd::encode_all(&gzip(body.as_bytes())[..], 1).expect("memory");
                let headers = [("content-type", media), ("content-encoding", "gzip, zstd")];
                wire.answer(200, &headers, coded);
            });
            let weir = before(&lines, &upstream, "");
            let whole = weir.ask(&client).send().is(200);
            assert_eq!(whole.header("content-encoding"), None);
            assert!(whole.text().contains("Hello"), "{}", whole.text());
            let streamed = weir.ask_stream(&client).send().is(200);
            assert!(streamed.text().contains("Hel"), "{}", streamed.text());
            weir.until_metric("weir_usage_source_total", &[("source", "reported")], 2.0);
        }
    }
}

#[test]
fn an_error_that_comes_compressed_is_understood() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(|request, wire| {
        if request.number == 0 {
            let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#;
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ];
            return wire.answer(400, &headers, gzip(error.as_bytes()));
        }
        // What is no gzip at all is no answer, and an empty one is empty.
        let body: &[u8] = if request.number == 1 { b"{}" } else { b"" };
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        wire.answer(200, &headers, body);
    });
    let weir = before(&lines, &upstream, "");
    let answer = weir.ask(&lines).send().is(400);
    assert!(
        answer.text().contains("prompt is too long"),
        "{}",
        answer.text()
    );
    for _ in 0..2 {
        assert!(weir.ask(&lines).send().status >= 500);
    }
    weir.is_well();
}

#[test]
fn a_budget_that_ends_soon_leads_to_another_pool() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    // 18 tokens of a dollar each, of 100; a request reserves for a few more.
    let ask = lines.ask.replace("16", "1");
    let weir = Weir::start(&format!(
        "keys: [{{ name: team, key: \"{KEY}\", debug: true, group: g }}]\n\
         groups: [{{ name: g, limits: {{ usd_per_month: 100 }} }}]\n\
         prices: [{{ model: \"*\", input: 1000000, output: 1000000 }}]\n\
         pools: [{{ name: dear, accounts: [dear] }}, {{ name: cheap, accounts: [cheap] }}]\n\
         routes: [{{ when: {{ budget_used_over: 0.3 }}, pool: cheap }}, {{ when: {{ model: \"*\" }}, pool: dear }}]\n{}",
        accounts(&[
            account("dear", &lines, &upstream, ""),
            account("cheap", &lines, &upstream, "")
        ])
    ));
    for expected in ["dear", "dear", "cheap", "cheap"] {
        let answer = weir.post(lines.path, &ask).send().is(200);
        assert_eq!(answer.account(), expected);
    }
}

/// A response of this state, with its use once it is done.
fn response(state: &str) -> String {
    let usage = match state {
        "completed" | "incomplete" => {
            r#"{"input_tokens":13,"input_tokens_details":{"cached_tokens":3},"output_tokens":5,"total_tokens":18}"#
        }
        _ => "null",
    };
    // It is done, and states no use.
    let (state, output) = match state {
        "unstated" => (
            "completed",
            r#"{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"A heron stands in shallow water, and waits for a fish to come near.","annotations":[]}]}"#,
        ),
        state => (state, ""),
    };
    format!(
        r#"{{"id":"resp_1","object":"response","created_at":1,"status":"{state}","background":true,"error":null,"model":"gpt-5","output":[{output}],"usage":{usage}}}"#
    )
}

/// Makes responses in the background that are in these states each time that they are asked for, the last one for ever.
fn in_the_background(states: &'static [&'static str]) -> (Upstream, Weir) {
    let lines = sample(Dialect::OpenaiResponses);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |request, wire| {
        if request.method == "POST" && request.target == "/v1/responses" {
            return wire.json(200, response("queued"));
        }
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match states[number.min(states.len() - 1)] {
            "gone" => wire.json(404, "{}"),
            state => wire.json(200, response(state)),
        }
    });
    let entry = account("a", &lines, &upstream, "");
    let weir = Weir::start(&yaml(&[entry]));
    let ask = lines.ask.replacen('{', r#"{"background":true,"#, 1);
    weir.post(lines.path, ask).send().is(200);
    (upstream, weir)
}

/// Tokens of the key today.
fn today(weir: &Weir) -> u64 {
    let usage: Value = weir.get("/v1/usage").send().is(200).json();
    usage["key"]["today"]["total_tokens"]
        .as_u64()
        .expect("a number")
}

/// The line of a response that Weir itself asked for: after a minute.
fn asked_for(weir: &Weir) -> Value {
    let line = (0..900).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let mut lines = weir.lines().into_iter();
        lines.find(|line| line["via"] == "background")
    });
    line.expect("it asks after a minute")
}

#[test]
fn a_response_of_the_background_is_booked_once_when_it_is_done() {
    let states = &["in_progress", "completed"];
    let (_upstream, weir) = in_the_background(states);
    assert_eq!(today(&weir), 0);
    let get = || weir.get("/v1/responses/resp_1").send().is(200);
    assert!(get().text().contains("in_progress"));
    assert_eq!(today(&weir), 0);
    for _ in 0..3 {
        assert!(get().text().contains("completed"));
        assert_eq!(today(&weir), 18);
    }
    let (prompt, output, source) = booked(&weir);
    assert_eq!((prompt, output, source.as_str()), (13, 5, "reported"));
    let line = weir.line(|line| line["usage_source"] == "reported");
    assert_eq!(line["model_served"], "gpt-5", "{line}");
}

#[test]
fn a_response_of_the_background_that_fails_costs_nothing() {
    let (_upstream, weir) = in_the_background(&["failed", "completed"]);
    weir.get("/v1/responses/resp_1").send().is(200);
    // Whatever is said afterwards, it was not waited for any more.
    weir.get("/v1/responses/resp_1").send().is(200);
    assert_eq!(today(&weir), 0);
}

#[test]
fn a_response_of_the_background_that_states_no_use_is_estimated_once() {
    let (_upstream, weir) = in_the_background(&["unstated"]);
    for _ in 0..3 {
        weir.get("/v1/responses/resp_1").send().is(200);
    }
    let (prompt, output, source) = booked(&weir);
    assert_eq!(source, "estimated");
    assert!(
        prompt > 0 && (12..=20).contains(&output),
        "{prompt} {output}"
    );
    assert_eq!(today(&weir), prompt + output);

    let (_upstream, weir) = in_the_background(&["unstated"]);
    let line = asked_for(&weir);
    assert_eq!(line["usage_source"], "estimated", "{line}");
    assert_eq!(today(&weir), prompt + output);
}

#[test]
fn a_response_of_the_background_that_nobody_fetches_is_asked_for() {
    let (upstream, weir) = in_the_background(&["completed"]);
    let line = asked_for(&weir);
    assert_eq!(
        (&line["key"], &line["account"]),
        (&"team".into(), &"a".into())
    );
    let (prompt, output, source) = booked(&weir);
    assert_eq!((prompt, output, source.as_str()), (13, 5, "reported"));
    // It asked with the account's own key, and a client that comes later pays nothing more.
    let asked = upstream.requests();
    assert_eq!(
        asked.last().expect("a request").target,
        "/v1/responses/resp_1"
    );
    weir.get("/v1/responses/resp_1").send().is(200);
    assert_eq!(today(&weir), 18);
}

#[test]
fn a_response_of_the_background_outlives_a_restart() {
    let lines = sample(Dialect::OpenaiResponses);
    let upstream = Upstream::start(move |request, wire| {
        let state = if request.method == "POST" {
            "queued"
        } else {
            "completed"
        };
        wire.json(200, response(state));
    });
    let directory = tempfile::tempdir().expect("a directory");
    // Two accounts: only the one that makes it knows it.
    let other = Upstream::json(404, "{}");
    let yaml = format!(
        "ledger: {{ path: \"{}\" }}\n{}",
        directory.path().join("ledger").display(),
        yaml(&[
            account("a", &lines, &upstream, ", priority: 1"),
            account("b", &lines, &other, ", priority: 2"),
        ])
    );
    let mut weir = Weir::start(&yaml);
    let ask = lines.ask.replacen('{', r#"{"background":true,"#, 1);
    weir.post(lines.path, ask).send().is(200);
    weir.drain();
    weir.join().expect("it served");

    let mut weir = Weir::start(&yaml);
    assert_eq!(today(&weir), 0);
    for _ in 0..2 {
        let fetched = weir.get("/v1/responses/resp_1").send().is(200);
        assert!(fetched.text().contains("completed"));
        assert_eq!(today(&weir), 18);
    }
    let line = weir.line(|line| line["usage_source"] == "reported");
    assert_eq!(line["model_served"], "gpt-5", "{line}");
    weir.drain();
    weir.join().expect("it served");

    // It is booked for good.
    let weir = Weir::start(&yaml);
    assert_eq!(today(&weir), 18);
    weir.get("/v1/responses/resp_1").send();
    assert_eq!(today(&weir), 18);
}

/// An upstream with an answer of its own for what is beside generation.
fn beside(path: &'static str, ask: &str, answer: &'static str) -> Weir {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |request, wire| {
        assert_eq!(request.target, path);
        if answer.starts_with('{') {
            return wire.json(200, answer);
        }
        wire.stream();
        answer
            .split_inclusive("\n\n")
            .for_each(|event| wire.chunk(event));
        wire.end();
    });
    let weir = before(&lines, &upstream, "");
    let got = weir.post(path, ask).send().is(200);
    assert_eq!(got.text(), answer, "the bytes pass untouched");
    // What plays the upstream ends only after the figures are read.
    let line = weir.line(|line| line["path"] == path);
    assert_eq!(line["status"], 200);
    weir
}

#[test]
fn what_is_beside_generation_is_booked_by_the_usage_that_it_states() {
    let image = r#"{"model":"gpt-image-1","prompt":"a fox"}"#;
    for (path, ask, answer, expected) in [
        (
            "/v1/images/generations",
            image,
            r#"{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"total_tokens":4210,"input_tokens":50,"output_tokens":4160,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}"#,
            (50, 4160),
        ),
        (
            "/v1/images/generations",
            r#"{"model":"gpt-image-1","prompt":"a fox","stream":true}"#,
            "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\"}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\",\"usage\":{\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":50}}\n\n",
            (50, 50),
        ),
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":"Hi"}"#,
            r#"{"object":"list","data":[],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            (8, 0),
        ),
        (
            "/v1/rerank",
            r#"{"model":"jina-reranker","query":"a","documents":["b"]}"#,
            r#"{"model":"m","results":[],"usage":{"total_tokens":15}}"#,
            (15, 0),
        ),
    ] {
        let weir = beside(path, ask, answer);
        let (prompt, output, source) = booked(&weir);
        assert_eq!((prompt, output), expected, "{answer}");
        assert_eq!(source, "reported");
    }
}

#[test]
fn vectors_whose_answer_states_nothing_are_estimated() {
    for answer in [
        r#"{"object":"list","data":[]}"#,
        r#"{"object":"list","data":[],"usage":{"prompt_tokens":0,"total_tokens":0}}"#,
        r#"{"object":"list","data":[],"usage":null}"#,
        r#"{"object":"list","data":[],"usage":{"prompt_tokens":-4}}"#,
    ] {
        let ask = r#"{"model":"text-embedding-3-small","input":"Hi there, some words"}"#;
        let weir = beside("/v1/embeddings", ask, answer);
        let (prompt, output, source) = booked(&weir);
        assert!(
            (4..60).contains(&prompt) && output == 0,
            "{answer}: {prompt}"
        );
        assert_eq!(source, "estimated", "{answer}");
    }
}

#[test]
fn moderation_is_free_and_costs_nothing() {
    let ask = r#"{"model":"omni-moderation-latest","input":"Hi"}"#;
    let weir = beside("/v1/moderations", ask, r#"{"id":"m","results":[]}"#);
    assert_eq!(today(&weir), 0);
}

/// Gemini's answer, and the same as a stream: what it rests on stands in an event before the last.
#[test]
fn what_an_answer_of_gemini_rests_on_is_paid_whole_streamed_and_translated() {
    let gemini = sample(Dialect::Gemini);
    let usage =
        r#""usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10}"#;
    let answer = |grounding: &str, rest: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"Hello"}}]}},"index":0{grounding}{rest}}}],{usage},"modelVersion":"gemini-2.5-flash"}}"#
        )
    };
    for (grounding, usd) in [
        ("", 0.0),
        (
            r#","groundingMetadata":{"webSearchQueries":["a","b"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"a"}}]}"#,
            // Of this generation a prompt is paid for, however many queries it takes.
            0.001,
        ),
        (
            r#","groundingMetadata":{"groundingChunks":[{"maps":{"uri":"https://maps.example","title":"m","placeId":"p"}}]}"#,
            0.03,
        ),
        (
            r#","groundingMetadata":{"webSearchQueries":["a","b"],"groundingChunks":[{"maps":{"title":"m"}},{"web":{"uri":"https://a.example"}}]}"#,
            0.031,
        ),
    ] {
        let whole = answer(grounding, r#","finishReason":"STOP""#);
        let first = format!("data: {}\r\n\r\n", answer(grounding, ""));
        let last = format!("data: {}\r\n\r\n", answer("", r#","finishReason":"STOP""#));
        let upstream = Upstream::start(move |request, wire| {
            if request.target.contains("stream") {
                wire.events(&[&first, &first, &last]);
            } else {
                wire.json(200, &whole);
            }
        });
        let yaml = format!(
            "keys: [{{ name: team, key: \"{KEY}\" }}]\n\
             prices: [{{ model: \"*\", input: 0, output: 0, tools: {{ web_search: 1, maps: 30 }} }}]\n{}",
            accounts(&[account("a", &gemini, &upstream, "")])
        );
        for how in ["whole", "streamed", "translated"] {
            let weir = Weir::start(&yaml);
            match how {
                "whole" => weir.ask(&gemini).send().is(200),
                "streamed" => weir.ask_stream(&gemini).send().is(200),
                _ => {
                    let lines = sample(Dialect::Anthropic);
                    let ask = lines.ask.replace("claude-sonnet-4-5", "gemini-2.5-flash");
                    weir.post(lines.path, ask).send().is(200)
                }
            };
            let line = weir.line(|line| !line["usage_source"].is_null());
            let cost = line["cost_usd"].as_f64().unwrap_or_default();
            assert!((cost - usd).abs() < 1e-9, "{how} {grounding}: {line}");
        }
    }
}

#[test]
fn a_search_by_the_older_tool_has_its_own_price() {
    let lines = sample(Dialect::OpenaiResponses);
    for (tool, usd) in [
        ("web_search_preview", 0.05),
        ("web_search_preview_2025_03_11", 0.05),
        ("web_search", 0.002),
    ] {
        let call = r#"{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}"#;
        let mut body: Value = serde_json::from_str(lines.answer).expect("JSON");
        body["tools"] = serde_json::json!([{ "type": tool }]);
        let output = body["output"].as_array_mut().expect("items");
        for _ in 0..2 {
            output.insert(0, serde_json::from_str(call).expect("JSON"));
        }
        let body = body.to_string();
        let upstream = Upstream::start(move |_, wire| wire.json(200, &body));
        let weir = Weir::start(&format!(
            "keys: [{{ name: team, key: \"{KEY}\" }}]\n\
             prices: [{{ model: \"*\", input: 0, output: 0, tools: {{ web_search: 1, web_search_preview: 25 }} }}]\n{}",
            accounts(&[account("a", &lines, &upstream, "")])
        ));
        weir.ask(&lines).send().is(200);
        let line = weir.line(|line| !line["usage_source"].is_null());
        let cost = line["cost_usd"].as_f64().unwrap_or_default();
        assert!((cost - usd).abs() < 1e-9, "{tool}: {line}");
    }
}

//! Streams: when events go out, and in what company.
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::rig::{ALL, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// An upstream that sends the opening, and the rest only when it is told to.
fn in_two_acts(dialect: Dialect) -> (Upstream, Sender<()>) {
    let lines = sample(dialect);
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines.opening.iter().for_each(|event| wire.chunk(event));
        let wait = wait.lock().expect("no panic");
        wait.recv_timeout(Duration::from_secs(25))
            .expect("the first act was seen");
        lines.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    (upstream, go)
}

#[test]
fn an_event_is_forwarded_before_the_next_one_exists() {
    for lines in ALL.map(sample) {
        let (upstream, go) = in_two_acts(lines.dialect);
        let weir = Weir::before(&upstream, &lines);
        let mut open = weir.ask_stream(&lines).open();
        for event in lines.opening {
            assert_eq!(open.event().as_deref(), Some(*event));
        }
        go.send(()).expect("the upstream waits");
        let answer = open.rest();
        assert!(answer.whole);
        assert_eq!(answer.text(), lines.closing.concat());
        weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 1.0);
        for (kind, count) in [("input", 10.0), ("cache_read", 3.0), ("output", 5.0)] {
            weir.until_metric("weir_tokens_total", &[("kind", kind)], count);
        }
    }
}

#[test]
fn twenty_streams_at_once_do_not_wait_for_each_other() {
    let lines = sample(Dialect::Anthropic);
    let all_here = Arc::new(Barrier::new(20));
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines.opening.iter().for_each(|event| wire.chunk(event));
        // Nobody ends before everybody has begun.
        all_here.wait();
        lines.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let weir = Weir::before(&upstream, &lines);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let answer = weir.ask_stream(&lines).send().is(200);
                assert_eq!(answer.text(), lines.events().concat());
            });
        }
    });
    weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 20.0);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
}

#[test]
fn a_head_is_not_held_for_long_for_want_of_content() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        wire.chunk(lines.opening[0]);
        wire.closes_within(Duration::from_secs(25));
    });
    let weir = Weir::before(&upstream, &lines);
    let mut open = weir.ask_stream(&lines).open();
    assert_eq!(
        (open.status, open.event().as_deref()),
        (200, Some(lines.opening[0]))
    );
}

#[test]
fn a_complete_answer_does_not_wait_for_an_upstream_that_keeps_it_open() {
    for dialect in [
        Dialect::Anthropic,
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
    ] {
        let lines = sample(dialect);
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            lines.events().iter().for_each(|event| wire.chunk(event));
            wire.closes_within(Duration::from_secs(25));
        });
        let weir = Weir::before(&upstream, &lines);
        let answer = weir.ask_stream(&lines).send().is(200);
        assert_eq!(
            (answer.text(), answer.whole),
            (lines.events().concat().as_str(), true)
        );
        weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 1.0);
    }
}

#[test]
fn a_client_that_leaves_after_the_last_event_has_had_its_answer() {
    for dialect in [
        Dialect::Anthropic,
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
    ] {
        let lines = sample(dialect);
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            lines.events().iter().for_each(|event| wire.chunk(event));
            wire.closes_within(Duration::from_secs(25));
        });
        let weir = Weir::before(&upstream, &lines);
        let mut open = weir.ask_stream(&lines).open();
        // As SDKs do: they read to the last event, not to the end of the connection.
        lines
            .events()
            .iter()
            .for_each(|event| assert_eq!(open.event().as_deref(), Some(*event)));
        drop(open);
        weir.until_metric("weir_requests_total", &[], 1.0);
        weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 1.0);
    }
}

#[test]
fn gemini_without_sse_streams_one_json_array() {
    let lines = sample(Dialect::Gemini);
    let elements = lines
        .events()
        .iter()
        .map(|event| event.trim_start_matches("data: ").trim_end())
        .collect::<Vec<_>>();
    let array: &str = format!("[{}\r\n]\n", elements.join("\r\n,\n")).leak();
    let upstream = Upstream::start(move |_, wire| {
        wire.raw("HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ntransfer-encoding: chunked\r\n\r\n");
        array
            .as_bytes()
            .chunks(50)
            .for_each(|piece| wire.chunk(piece));
        wire.end();
    });
    let weir = Weir::before(&upstream, &lines);
    let path = lines.stream_path.split('?').next().expect("a path");
    let answer = weir.post(path, lines.ask_stream).send().is(200);
    assert_eq!(answer.text(), array);
    weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
}

#[test]
fn an_error_event_after_the_beginning_reaches_the_client_as_it_came() {
    let lines = sample(Dialect::Anthropic);
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let upstream = Upstream::start(move |_, wire| wire.events(&[lines.opening, &[error]].concat()));
    let other = Upstream::start(|_, _| panic!("nothing is retried after the first event"));
    let weir = Weir::start(&accounts(&[
        account("a", &lines, &upstream, ""),
        account("b", &lines, &other, ", priority: 1"),
    ]));
    let answer = weir.ask_stream(&lines).send().is(200);
    assert_eq!(answer.text(), lines.opening.concat() + error);
    weir.until_metric(
        "weir_stream_end_total",
        &[("reason", "upstream_error")],
        1.0,
    );
}

#[test]
fn a_large_plain_answer_passes_whole() {
    let lines = sample(Dialect::OpenaiChat);
    let large: &str = lines.answer.replace("Hello", &"x".repeat(3 << 20)).leak();
    let upstream = Upstream::json(200, large);
    let weir = Weir::before(&upstream, &lines);
    let answer = weir.ask(&lines).send().is(200);
    assert!(
        answer.text() == large && answer.whole,
        "{} bytes",
        answer.body.len()
    );
    // Its usage stands at its end.
    weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
}

#[test]
fn several_requests_share_a_clients_connection() {
    use std::io::Write;
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(move |request, wire| match request.number {
        1 => wire.events(&lines.events()),
        _ => wire.json(200, lines.answer),
    });
    let weir = Weir::before(&upstream, &lines);
    let mut stream = weir.ask(&lines).start();
    for call in [
        weir.ask_stream(&lines),
        weir.ask(&lines),
        weir.get("/nothing"),
        weir.ask(&lines),
    ] {
        let twin = stream.try_clone().expect("a second handle");
        crate::rig::client::Open::read(twin)
            .expect("an answer")
            .rest();
        stream
            .write_all(&call.bytes())
            .expect("weir keeps the connection");
    }
    let last = crate::rig::client::Open::read(stream)
        .expect("an answer")
        .rest();
    assert_eq!(last.is(200).text(), lines.answer);
}

#[test]
fn a_finished_stream_ends_in_time_although_its_upstream_keeps_pinging() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            lines.events().iter().for_each(|event| wire.chunk(event));
            for _ in 0..200 {
                wire.chunk(": ping\n\n");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let weir = Weir::before(&upstream, &lines);
        let began = Instant::now();
        let answer = weir.ask_stream(&lines).send().is(200);
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(4),
            "{:?} took {took:?}",
            lines.dialect
        );
        assert!(answer.text().starts_with(&lines.events().concat()));
        // No nginx in front may gather the events.
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        weir.until_metric("weir_requests_total", &[("outcome", "ok")], 1.0);
    }
}

/// Half a minute of silence is too long for a test: the first sign of life comes after a second.
fn patient(entries: &[String]) -> Weir {
    Weir::start(&format!(
        "keepalive: {{ before_head: 1s }}\n{}",
        accounts(entries)
    ))
}

#[test]
fn a_client_that_waits_for_a_head_hears_something_and_failover_goes_on() {
    for lines in [
        sample(Dialect::Anthropic),
        sample(Dialect::OpenaiChat),
        sample(Dialect::OpenaiResponses),
    ] {
        let failing = Upstream::start(|_, wire| {
            std::thread::sleep(Duration::from_millis(1_500));
            wire.json(500, r#"{"error":{"message":"down"}}"#);
        });
        let events = lines.events();
        let good = Upstream::start(move |_, wire| wire.events(&events));
        let weir = patient(&[
            account("a", &lines, &failing, ""),
            account("b", &lines, &good, ", priority: 1"),
        ]);
        let mut open = weir.ask_stream(&lines).open();
        assert_eq!(open.status, 200);
        let type_ = open
            .headers
            .get("content-type")
            .unwrap_or_default()
            .to_owned();
        assert!(type_.starts_with("text/event-stream"), "{type_}");
        assert!(open.headers.get("x-request-id").is_some());
        let first = open.event().expect("a ping");
        assert!(
            first == ": keep-alive\n\n" || first.contains("event: ping"),
            "{first}"
        );
        let rest = open.rest();
        assert_eq!(rest.text(), lines.events().concat());
        let line = weir.line(|line| line["status"] == 200);
        assert_eq!(line["attempts"].as_array().map(Vec::len), Some(2), "{line}");
        assert_eq!(line["outcome"], "ok", "{line}");
    }
}

#[test]
fn a_failure_after_the_first_sign_of_life_has_the_words_of_its_status() {
    let told = |lines: &Lines, status: u16, body: &'static str| {
        let upstream = Upstream::start(move |_, wire| {
            std::thread::sleep(Duration::from_millis(1_500));
            wire.json(status, body);
        });
        let weir = patient(&[account("a", lines, &upstream, "")]);
        let answer = weir.ask_stream(lines).send().is(200);
        let text = answer.text().to_owned();
        let data = text.rsplit("data: ").next().expect("an event");
        let data: serde_json::Value = serde_json::from_str(data.trim()).expect("JSON");
        (lines.error(&data), text)
    };
    let anthropic = sample(Dialect::Anthropic);
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#;
    let ((kind, _), text) = told(&anthropic, 529, overloaded);
    assert_eq!(kind, "overloaded_error");
    assert!(text.contains("event: error\n"), "{text}");
    let theirs = r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too many"}}"#;
    let (error, _) = told(&anthropic, 400, theirs);
    assert_eq!(
        error,
        (
            "invalid_request_error".into(),
            "max_tokens: too many".into()
        )
    );
    let chat = sample(Dialect::OpenaiChat);
    let (_, text) = told(
        &chat,
        401,
        r#"{"error":{"message":"bad key","code":"invalid_api_key"}}"#,
    );
    assert!(
        text.contains("\"error\":") && !text.contains("[DONE]"),
        "{text}"
    );
    assert!(!text.contains("bad key"), "{text}");
}

#[test]
fn before_the_head_there_is_silence_for_gemini_for_whole_answers_and_where_it_is_off() {
    let late = |lines: &Lines| {
        let answer = lines.answer;
        Upstream::start(move |_, wire| {
            std::thread::sleep(Duration::from_millis(1_500));
            wire.json(503, answer);
        })
    };
    let gemini = sample(Dialect::Gemini);
    let upstream = late(&gemini);
    let weir = patient(&[account("a", &gemini, &upstream, "")]);
    assert!(weir.ask_stream(&gemini).send().status >= 500);
    let lines = sample(Dialect::Anthropic);
    let upstream = late(&lines);
    let entry = account("a", &lines, &upstream, "");
    let weir = patient(std::slice::from_ref(&entry));
    assert!(weir.ask(&lines).send().status >= 500);
    let weir = Weir::start(&format!(
        "keepalive: {{ before_head: off }}\n{}",
        accounts(&[entry])
    ));
    assert!(weir.ask_stream(&lines).send().status >= 500);
}

/// `timeouts.total` ends an answer that goes on and on, with its dialect's own error event.
#[test]
fn an_answer_that_takes_too_long_in_all_is_ended() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            lines.opening.iter().for_each(|event| wire.chunk(event));
            let last = lines.opening[lines.opening.len() - 1];
            for _ in 0..100 {
                wire.chunk(last);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let entry = account("a", &lines, &upstream, ", timeouts: { total: 700ms }");
        let weir = Weir::start(&accounts(&[entry]));
        let began = Instant::now();
        let answer = weir.ask_stream(&lines).send();
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            lines.dialect
        );
        let text = answer.text();
        for mark in lines.marks {
            assert!(!text.contains(mark), "{mark}: {text}");
        }
        assert!(text.contains("error"), "{text}");
        weir.line(|line| line["end"] == "timeout");
    }
}

//! Ways of the world: what upstreams do that is legal, if not polite.
use std::io::Write;
use std::time::Duration;

use crate::rig::client::Open;
use crate::rig::{Lines, Process, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

#[track_caller]
fn serves(play: impl Fn(&mut crate::rig::Wire) + Send + Sync + 'static) -> crate::rig::Answer {
    let upstream = Upstream::start(move |_, wire| play(wire));
    let weir = Weir::before(&upstream, &lines());
    let answer = weir.ask(&lines()).send().is(200);
    assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    assert!(answer.whole);
    answer
}

#[test]
fn interim_answers_are_not_the_answer() {
    let answer = serves(|wire| {
        wire.raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n");
        wire.json(200, lines().answer);
    });
    assert_eq!(answer.text(), lines().answer);
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_a_502() {
    let upstream = Upstream::start(|_, wire| {
        wire.raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x01");
        wire.closes_within(Duration::from_secs(25));
    });
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(502);
    weir.is_well();
}

#[test]
fn an_answer_may_end_with_its_connection() {
    for version in ["1.0", "1.1"] {
        let answer = serves(move |wire| {
            wire.raw(format!("HTTP/{version} 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"));
            wire.raw(lines().answer);
            wire.close();
        });
        assert_eq!(answer.text(), lines().answer);
        let answer = serves(move |wire| {
            wire.raw(format!("HTTP/{version} 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"));
            lines().events().iter().for_each(|event| wire.raw(event));
            wire.close();
        });
        assert_eq!(answer.text(), lines().events().concat());
    }
}

#[test]
fn a_compressed_answer_that_nobody_asked_for_passes_as_it_is() {
    let packed: &[u8] = b"\x1f\x8b\x08not-even-gzip\xff";
    let answer = serves(move |wire| {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        wire.answer(200, &headers, packed);
    });
    assert_eq!(
        (answer.body.as_slice(), answer.header("content-encoding")),
        (packed, Some("gzip"))
    );
}

#[test]
fn bytes_after_the_end_of_a_stream_and_a_mark_before_it_do_no_harm() {
    let events: Vec<&str> = [&["\u{feff}"][..], &lines().events(), &[": goodbye\n\n"]].concat();
    let text = events.concat();
    let answer = serves(move |wire| wire.events(&events));
    assert_eq!(answer.text(), text);
}

#[test]
fn an_answer_that_nobody_asked_for_reaches_nobody() {
    const POISON: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\nPOISON";
    // In one piece with the answer. What arrives later, when the connection serves the next request already, no HTTP/1.1
    // client can tell from that one's answer.
    let upstream = Upstream::start(|_, wire| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            lines().answer.len()
        );
        wire.raw(format!("{head}{}{POISON}", lines().answer));
    });
    let weir = Weir::before(&upstream, &lines());
    for _ in 0..10 {
        assert_eq!(weir.ask(&lines()).send().is(200).text(), lines().answer);
        weir.until_metric("weir_inflight_requests", &[], 0.0);
    }
}

#[test]
fn a_redirect_is_no_answer_and_is_not_followed() {
    let elsewhere = Upstream::start(|_, _| panic!("a credential must not follow a redirect"));
    let target: &str = elsewhere.url().leak();
    let upstream = Upstream::start(move |_, wire| wire.answer(307, &[("location", target)], ""));
    let weir = Weir::before(&upstream, &lines());
    let answer = weir.ask(&lines()).send().is(502);
    assert_eq!(answer.header("location"), None);
}

#[test]
fn an_upstream_that_refuses_a_large_body_unread_is_heard() {
    const TOO_LARGE: &str =
        r#"{"type":"error","error":{"type":"request_too_large","message":"theirs"}}"#;
    let upstream = Upstream::hasty(|_, wire| {
        wire.answer(
            413,
            &[
                ("content-type", "application/json"),
                ("connection", "close"),
            ],
            TOO_LARGE,
        );
        // It hangs up only when the other side has.
        wire.closes_within(Duration::from_secs(25));
    });
    let weir = Weir::before(&upstream, &lines());
    let body = lines().ask.replace("Hi", &"x".repeat(20 << 20));
    let answer = weir.post(lines().path, body).send().is(413);
    assert_eq!(answer.text(), TOO_LARGE);
    assert_eq!(weir.account("a")["state"], "usable");
}

#[test]
fn requests_sent_in_one_breath_are_answered_in_order() {
    let upstream = Upstream::start(|request, wire| {
        let answer = lines()
            .answer
            .replace("msg_1", &format!("msg_{}", request.number));
        wire.json(200, answer);
    });
    let weir = Weir::before(&upstream, &lines());
    let mut stream = weir.get("/health").start();
    let both = [
        weir.ask(&lines()).bytes(),
        weir.ask(&lines()).bytes(),
        weir.get("/health").bytes(),
    ]
    .concat();
    stream.write_all(&both).expect("weir reads");
    let mut text = String::new();
    let mut reader = std::io::BufReader::new(stream);
    for _ in 0..4 {
        let (line, headers) = crate::rig::read_head(&mut reader).expect("an answer");
        assert_eq!(line, "HTTP/1.1 200 OK");
        let length = headers
            .get("content-length")
            .expect("a length")
            .parse()
            .expect("a number");
        let mut body = vec![0; length];
        std::io::Read::read_exact(&mut reader, &mut body).expect("a body");
        text += &String::from_utf8(body).expect("UTF-8");
    }
    let (first, second) = (text.find("msg_0"), text.find("msg_1"));
    assert!(first.is_some() && first < second, "{text}");
}

#[test]
fn a_client_that_wants_its_connection_closed_gets_it_closed() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    let stream = weir.ask(&lines()).header("connection", "close").start();
    let twin = stream.try_clone().expect("a second handle");
    let answer = Open::read(stream).expect("an answer").rest();
    assert_eq!(answer.text(), lines().answer);
    let rest = std::io::Read::read(&mut &twin, &mut [0; 1]).expect("an end");
    assert_eq!(rest, 0);
}

/// A second Weir as the upstream: it speaks TLS and HTTP/2.
#[test]
fn an_upstream_behind_tls_and_http_2_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    crate::http2::certificate(dir.path());
    let path = dir.path().display().to_string();
    let inner = Upstream::start(|request, wire| {
        if request.body.starts_with(lines().ask_stream.as_bytes()) {
            wire.events(&lines().events());
        } else {
            wire.json(200, lines().answer);
        }
    });
    let far = Weir::start(&format!(
        "listen: [{{ addr: \"127.0.0.1:0\", tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\" }} }}]\n{}",
        accounts(&[account("a", &lines(), &inner, "")])
    ));
    let url = format!("https://localhost:{}", far.addr().port());
    let key = crate::rig::KEY;
    let near = |trust: Option<&str>| {
        let yaml = format!(
            "accounts:\n  - {{ name: far, provider: anthropic, base_url: \"{url}\", key: {key} }}\n"
        );
        Process::start_with(&yaml, trust.map(|file| ("SSL_CERT_FILE", file)))
    };
    let trusting = near(Some(&format!("{path}/tls.crt")));
    let ask = |process: &Process, body: &str| process.call("POST", lines().path).body(body).send();
    assert_eq!(ask(&trusting, lines().ask).is(200).text(), lines().answer);
    assert_eq!(
        ask(&trusting, lines().ask_stream).is(200).text(),
        lines().events().concat()
    );
    let large = lines().ask.replace("Hi", &"x".repeat(3 << 20));
    ask(&trusting, &large).is(200);
    assert!(inner.requests()[2].body == large.as_bytes());
    let wary = near(None);
    assert_eq!(
        lines().error(&ask(&wary, lines().ask).is(502).json()).0,
        "api_error"
    );
    assert_eq!(inner.count(), 3);
}

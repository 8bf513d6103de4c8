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
    serves_as(false, play)
}

#[track_caller]
fn serves_as(
    stream: bool,
    play: impl Fn(&mut crate::rig::Wire) + Send + Sync + 'static,
) -> crate::rig::Answer {
    let upstream = Upstream::start(move |_, wire| play(wire));
    let weir = Weir::before(&upstream, &lines());
    let call = if stream {
        weir.ask_stream(&lines())
    } else {
        weir.ask(&lines())
    };
    let answer = call.send().is(200);
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
        let answer = serves_as(true, move |wire| {
            wire.raw(format!("HTTP/{version} 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"));
            lines().events().iter().for_each(|event| wire.raw(event));
            wire.close();
        });
        assert_eq!(answer.text(), lines().events().concat());
    }
}

#[test]
fn a_compressed_answer_that_cannot_be_read_is_none() {
    let upstream = Upstream::start(move |_, wire| {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        wire.answer(200, &headers, b"\x1f\x8b\x08not-even-gzip\xff".as_slice());
    });
    Weir::before(&upstream, &lines())
        .ask(&lines())
        .send()
        .is(502);
}

#[test]
fn bytes_after_the_end_of_a_stream_and_a_mark_before_it_do_no_harm() {
    let events: Vec<&str> = [&["\u{feff}"][..], &lines().events(), &[": goodbye\n\n"]].concat();
    let text = events.concat();
    let answer = serves_as(true, move |wire| wire.events(&events));
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

/// What a client reads of an upstream that answers in the wrong shape.
fn reads(
    lines: &Lines,
    stream: bool,
    play: impl Fn(&mut crate::rig::Wire) + Send + Sync + 'static,
) -> crate::rig::Answer {
    let upstream = Upstream::start(move |_, wire| play(wire));
    let weir = Weir::before(&upstream, lines);
    let call = if stream {
        weir.ask_stream(lines)
    } else {
        weir.ask(lines)
    };
    call.send()
}

#[test]
fn a_whole_answer_where_a_stream_was_asked_for_is_told_as_a_stream() {
    for dialect in [
        Dialect::Anthropic,
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
    ] {
        let lines = sample(dialect);
        let answer = reads(&lines, true, move |wire| wire.json(200, lines.answer)).is(200);
        let media = answer.header("content-type").unwrap_or_default();
        assert!(media.starts_with("text/event-stream"), "{dialect}: {media}");
        let last = match dialect {
            Dialect::Anthropic => "message_stop",
            Dialect::OpenaiChat => "[DONE]",
            _ => "response.completed",
        };
        assert!(answer.text().contains(last), "{dialect}: {}", answer.text());
    }
}

#[test]
fn a_stream_where_a_whole_answer_was_asked_for_is_gathered() {
    for lines in crate::rig::ALL.map(sample) {
        let events = lines.events();
        let answer = reads(&lines, false, move |wire| wire.events(&events)).is(200);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{}",
            lines.dialect
        );
        assert!(answer.json().is_object(), "{}", answer.text());
    }
}

#[test]
fn a_head_that_says_nothing_or_the_wrong_thing_is_not_believed() {
    for lines in crate::rig::ALL.map(sample) {
        for media in [
            "",
            "content-type: text/plain\r\n",
            "content-type: application/octet-stream\r\n",
        ] {
            let text = lines.events().concat();
            let head = format!(
                "HTTP/1.1 200 OK\r\n{media}content-length: {}\r\n\r\n",
                text.len()
            );
            let whole = text.clone();
            let answer = reads(&lines, true, move |wire| wire.raw(format!("{head}{text}"))).is(200);
            assert_eq!(answer.text(), whole, "{} {media}", lines.dialect);
            let media = answer.header("content-type").unwrap_or_default();
            assert!(media.starts_with("text/event-stream"), "{media}");
        }
    }
}

#[test]
fn another_dialect_in_the_wrong_shape_is_translated_all_the_same() {
    let (chat, anthropic) = (sample(Dialect::OpenaiChat), sample(Dialect::Anthropic));
    for stream in [true, false] {
        let upstream = Upstream::start(move |_, wire| {
            if stream {
                wire.json(200, chat.answer);
            } else {
                wire.events(&sample(Dialect::OpenaiChat).events());
            }
        });
        let weir = Weir::start(&accounts(&[account("a", &chat, &upstream, "")]));
        let call = if stream {
            weir.ask_stream(&anthropic)
        } else {
            weir.ask(&anthropic)
        };
        let answer = call.send().is(200);
        let word = if stream {
            "event: message_stop"
        } else {
            "\"type\":\"message\""
        };
        assert!(answer.text().contains(word), "{}", answer.text());
    }
}

#[test]
fn what_cannot_be_told_in_the_right_shape_is_named() {
    let upstream = Upstream::json(200, r#"{"hello":"world"}"#);
    let weir = Weir::before(&upstream, &lines());
    weir.ask_stream(&lines()).send().is(502);
    let line = weir.line(|line| line["status"] == 502);
    assert_eq!(line["attempts"][0]["cause"], "not_a_stream", "{line}");
    let upstream = Upstream::start(|_, wire| wire.events(&lines().events()[..2]));
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(502);
    let line = weir.line(|line| line["status"] == 502);
    assert_eq!(line["attempts"][0]["cause"], "unasked_stream", "{line}");
}

#[test]
fn an_echoed_credential_is_covered_in_heads_bodies_and_streams() {
    const KEY: &str = "secret-of-a";
    let covered = "*".repeat(KEY.len());
    let tells = |answer: crate::rig::Answer| {
        let headers = format!("{:?} {:?}", answer.header("x-debug"), answer.header("etag"));
        assert!(!headers.contains(KEY), "{headers}");
        assert!(!answer.text().contains(KEY), "{}", answer.text());
        answer
    };
    for status in [200, 400, 404, 422] {
        let said = match status {
            200 => lines()
                .answer
                .replace("\"id\":\"", &format!("\"id\":\"{KEY}")),
            _ => format!(
                r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"no {KEY} here"}}}}"#
            ),
        };
        let said: &'static str = said.leak();
        let upstream = Upstream::start(move |_, wire| {
            wire.answer(
                status,
                &[
                    ("content-type", "application/json"),
                    ("x-debug", KEY),
                    ("etag", "a-secret-of-a-b"),
                ],
                said,
            );
        });
        let weir = Weir::before(&upstream, &lines());
        let answer = tells(weir.ask(&lines()).send().is(status));
        assert_eq!(answer.text(), said.replace(KEY, &covered));
    }
    // In a stream, cut in the middle of it.
    let upstream = Upstream::start(|_, wire| {
        wire.stream();
        let text = lines().events().concat().replace("msg_1", KEY);
        let (one, two) = text.split_at(text.find(KEY).map_or(1, |at| at + 4));
        wire.chunk(one);
        std::thread::sleep(Duration::from_millis(50));
        wire.chunk(two);
        wire.end();
    });
    let weir = Weir::before(&upstream, &lines());
    let answer = tells(weir.ask_stream(&lines()).send().is(200));
    assert!(answer.text().contains("message_stop"), "{}", answer.text());
}

#[test]
fn an_organisation_is_the_accounts_business() {
    let upstream = Upstream::json(200, sample(Dialect::OpenaiChat).answer);
    let chat = sample(Dialect::OpenaiChat);
    let own = ", headers: { openai-project: ours }";
    let weir = Weir::start(&accounts(&[account("a", &chat, &upstream, own)]));
    weir.ask(&chat)
        .header("OpenAI-Organization", "org-theirs")
        .header("OpenAI-Project", "theirs")
        .header("OpenAI-Beta", "assistants=v2")
        .send()
        .is(200);
    let headers = upstream.only().headers;
    assert_eq!(headers.get("openai-organization"), None);
    assert_eq!(headers.get("openai-project"), Some("ours"));
    assert_eq!(headers.get("openai-beta"), Some("assistants=v2"));
}

//! Bad days that must be boring: each has its defined answer, and the process lives.
//!
//! Told elsewhere: the full disk in `telemetry`, the deleted configuration file in `reload`, two processes on one port in
//! `commands`, an upstream that speaks HTML in `failures`. A clock that jumps is no story: waits are measured by the
//! monotonic clock, and where the wall clock matters it is an argument. The unit tests set it back and far off:
//! `pool::hints` (a stated moment is never more than a month away), `limits`, the access line.
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::rig::client::Open;
use crate::rig::{ALL, Answer, Call, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// All four dialects in front of an upstream that must not be asked.
fn weir(more: &str) -> (Upstream, Weir) {
    let upstream = Upstream::start(|_, _| panic!("nothing goes upstream"));
    let entries = ALL.map(|dialect| account(dialect.as_str(), &sample(dialect), &upstream, ""));
    let weir = Weir::start(&(accounts(&entries) + more));
    (upstream, weir)
}

/// Refused with this status in the caller's dialect, in words that contain `word`.
#[track_caller]
fn refused(lines: &Lines, answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status, "{}", answer.status_and_body());
    let (kind, message) = lines.error(&answer.json());
    assert!(!kind.is_empty(), "{}", answer.text());
    assert!(message.contains(word), "{message}");
}

/// This body is a 400 in every dialect.
#[track_caller]
fn unreadable(body: &[u8], word: &str) {
    let (_upstream, weir) = weir("");
    for lines in ALL.map(sample) {
        refused(&lines, &weir.post(lines.path, body).send(), 400, word);
    }
    weir.is_well();
    weir.until_metric("weir_requests_total", &[("outcome", "refused")], 4.0);
}

#[test]
fn malformed_json() {
    unreadable(b"{\"model\": \"m\", \"x\": [1, 2}", "not valid JSON");
    unreadable(b"", "is empty");
    unreadable(b"[]", "not a JSON object");
    unreadable(b"{} {}", "not valid JSON");
}

#[test]
fn a_hundred_thousand_levels_of_nesting() {
    let body = format!(
        "{{\"model\":\"m\",\"x\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    unreadable(body.as_bytes(), "nested deeper");
}

#[test]
fn invalid_utf_8() {
    unreadable(b"{\"model\":\"m\",\"x\":\"\xff\xfe\"}", "UTF-8");
}

#[test]
fn a_body_of_33_mib() {
    let (_upstream, weir) = weir("");
    let lines = sample(Dialect::Anthropic);
    let call = weir
        .call("POST", lines.path)
        .header("content-length", &(33u64 << 20).to_string());
    let answer = call.send();
    refused(&lines, &answer, 413, "max_body");
    assert_eq!(lines.error(&answer.json()).0, "request_too_large");
    // Chunked, its size shows only on the way.
    let mut stream = weir
        .call("POST", lines.path)
        .header("transfer-encoding", "chunked")
        .start();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    // Weir stops reading at 32 MiB: then writing fails.
    let sent = (0..33)
        .take_while(|_| stream.write_all(&chunk).is_ok())
        .count();
    let answer = Open::read(stream).map(Open::rest);
    match answer {
        Some(answer) => refused(&lines, &answer, 413, "max_body"),
        // What was not read resets the connection, which may overtake the answer.
        None => assert!(sent >= 32, "{sent} MiB"),
    }
    weir.line(|line| line["status"] == 413 && line["bytes_in"] == 0);
    weir.until_metric("weir_requests_total", &[("outcome", "refused")], 2.0);
    weir.is_well();
}

#[test]
fn a_body_that_never_comes_holds_nothing_up() {
    let (_upstream, weir) = weir("");
    let lines = sample(Dialect::Anthropic);
    let stalled: Vec<TcpStream> = (0..50)
        .map(|_| {
            let call = weir
                .call("POST", lines.path)
                .header("content-length", "1000");
            let mut stream = call.start();
            stream.write_all(b"{\"model\":\"").expect("weir reads");
            stream
        })
        .collect();
    weir.until_metric("weir_inflight_requests", &[], 50.0);
    refused(
        &lines,
        &weir.post(lines.path, "{").send(),
        400,
        "not valid JSON",
    );
    drop(stalled);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    weir.until_metric("weir_requests_total", &[("outcome", "client_gone")], 50.0);
}

/// What weir answers to these bytes before it closes or waits for more.
fn raw(weir: &Weir, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(weir.addr()).expect("weir listens");
    stream
        .set_read_timeout(Some(crate::rig::PATIENCE))
        .expect("a living socket");
    let _ = stream.write_all(bytes);
    Open::read(stream).map(Open::rest)
}

#[test]
fn content_length_and_transfer_encoding_together_smuggle_nothing() {
    let (_upstream, weir) = weir("");
    let lines = sample(Dialect::Anthropic);
    let inner = "GET /v1/models HTTP/1.1\r\nhost: smuggled\r\n\r\n";
    for framing in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 500",
    ] {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n{framing}\r\n\r\n",
            lines.path,
            crate::rig::KEY
        );
        let mut stream = TcpStream::connect(weir.addr()).expect("weir listens");
        stream
            .set_read_timeout(Some(crate::rig::PATIENCE))
            .expect("a living socket");
        stream
            .write_all(format!("{head}0\r\n\r\n{inner}").as_bytes())
            .expect("weir reads");
        let mut answers = String::new();
        let _ = stream.read_to_string(&mut answers);
        assert!(answers.starts_with("HTTP/1.1 400"), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    }
    weir.is_well();
}

#[test]
fn two_lengths_that_differ_are_refused() {
    let (_upstream, weir) = weir("");
    let bytes = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{{}}{{}}",
        crate::rig::KEY
    );
    let answer = raw(&weir, bytes.as_bytes());
    assert!(
        answer.as_ref().is_none_or(|answer| answer.status == 400),
        "{answer:?}"
    );
    weir.is_well();
}

#[test]
fn a_header_of_a_megabyte() {
    let (_upstream, weir) = weir("");
    let call = weir
        .ask(&sample(Dialect::Anthropic))
        .header("x-large", &"x".repeat(1 << 20));
    let answer = Open::read(call.start()).map(Open::rest);
    assert!(
        answer
            .as_ref()
            .is_none_or(|answer| (400..500).contains(&answer.status)),
        "{answer:?}"
    );
    weir.is_well();
}

#[test]
fn what_is_no_http_at_all() {
    let (_upstream, weir) = weir("");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-x\r\n\r\n",
        b"GET\r\n\r\n",
        &[0; 5000],
    ] {
        let mut stream = TcpStream::connect(weir.addr()).expect("weir listens");
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    weir.is_well();
}

#[test]
fn an_unknown_model_is_a_404_that_says_where_to_look() {
    let upstream = Upstream::start(|_, _| panic!("nothing goes upstream"));
    let entries = ALL.map(|dialect| {
        account(
            dialect.as_str(),
            &sample(dialect),
            &upstream,
            ", models: [known]",
        )
    });
    let weir = Weir::start(&accounts(&entries));
    for lines in ALL.map(sample) {
        refused(&lines, &weir.ask(&lines).send(), 404, "/v1/models");
    }
}

#[test]
fn a_model_that_is_missing_or_no_text_is_named() {
    let (_upstream, weir) = weir("");
    for dialect in [
        Dialect::Anthropic,
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
    ] {
        let lines = sample(dialect);
        for body in [
            "{}",
            "{\"model\":7}",
            "{\"model\":\"\"}",
            "{\"model\":null}",
        ] {
            refused(&lines, &weir.post(lines.path, body).send(), 400, "`model`");
        }
        refused(
            &lines,
            &weir
                .post(lines.path, "{\"model\":\"m\",\"stream\":\"yes\"}")
                .send(),
            400,
            "`stream`",
        );
    }
}

#[test]
fn an_upstream_that_speaks_no_http_is_a_502() {
    let lines = sample(Dialect::OpenaiChat);
    for garbage in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 banana\r\n\r\n", "\0\0\0\0"] {
        let upstream = Upstream::start(move |_, wire| {
            wire.raw(garbage);
            wire.close();
        });
        let weir = Weir::before(&upstream, &lines);
        refused(&lines, &weir.ask(&lines).send(), 502, "upstream");
        weir.is_well();
    }
}

#[test]
fn an_upstream_whose_event_never_ends_is_cut_off() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        wire.chunk("data: ");
        let endless = vec![b'x'; 1 << 20];
        for _ in 0..200 {
            wire.chunk(&endless);
        }
        wire.closes_within(std::time::Duration::from_secs(25));
    });
    let weir = Weir::before(&upstream, &lines);
    let answer = weir.ask_stream(&lines).send();
    assert!(
        answer.status == 502 || answer.text().contains("error"),
        "{}",
        answer.status_and_body()
    );
    weir.is_well();
}

#[test]
fn a_client_that_never_finishes_its_head_is_alone_with_it() {
    let (_upstream, weir) = weir("");
    let mut stream = TcpStream::connect(weir.addr()).expect("weir listens");
    stream
        .write_all(b"POST /v1/messages HTTP/1.1\r\nhost:")
        .expect("weir reads");
    weir.is_well();
    drop(stream);
    Call::new(weir.addr(), "GET", "/health").send().is(200);
}

//! Answers that are there before the request is: who still sends must get to read them.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http2::curl;
use crate::rig::client::Open;
use crate::rig::{
    Call, Http2Upstream, Lines, Process, Say, Upstream, Weir, account, accounts, sample,
};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn weir() -> (Upstream, Weir) {
    let upstream = Upstream::start(|_, _| panic!("nothing goes upstream"));
    let entries = [
        account("a", &lines(), &upstream, ""),
        account("c", &sample(Dialect::OpenaiChat), &upstream, ""),
    ];
    let weir = Weir::start(&accounts(&entries));
    (upstream, weir)
}

/// Sends all of it, whatever happens, and only then reads: as most clients do.
fn stubborn(call: &Call, weir: &Weir, more: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(weir.addr()).expect("weir listens");
    stream
        .set_read_timeout(Some(crate::rig::PATIENCE))
        .expect("a living socket");
    let bytes = [&call.bytes(), more].concat();
    stream.write_all(&bytes).expect("weir takes it all");
    Open::read(stream).expect("an answer").rest().status
}

#[test]
fn a_wrong_key_with_a_large_body_is_a_401() {
    let (_upstream, weir) = weir();
    let body = lines().ask.replace("Hi", &"x".repeat(10 << 20));
    for _ in 0..3 {
        let call = weir.post(lines().path, &body).key("wrong");
        assert_eq!(stubborn(&call, &weir, b""), 401);
    }
    assert_eq!(stubborn(&weir.post("/nothing", &body), &weir, b""), 404);
}

#[test]
fn a_wrong_key_over_http_2_is_a_401() {
    let (_upstream, weir) = weir();
    let url = format!("http://{}{}", weir.addr(), lines().path);
    let file = weir.path("body");
    for size in [10, 1 << 20, 10 << 20] {
        std::fs::write(&file, "x".repeat(size)).expect("a file");
        let body = format!("@{}", file.display());
        for _ in 0..5 {
            let key = ["--http2-prior-knowledge", "-H", "x-api-key: wrong", &url];
            assert_eq!(curl(&key, &body).1, "2 401", "{size} bytes");
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_a_413_also_to_who_sends_it_all_first() {
    let (_upstream, weir) = weir();
    let body = vec![b' '; 33 << 20];
    for path in [lines().path, "/v1/embeddings"] {
        assert_eq!(stubborn(&weir.post(path, &body), &weir, b""), 413, "{path}");
        let chunks: Vec<&[u8]> = body.chunks(1 << 20).collect();
        let call = weir.call("POST", path).chunks(&chunks);
        assert_eq!(stubborn(&call, &weir, b""), 413, "{path}, chunked");
    }
    weir.is_well();
}

#[test]
fn a_refused_client_that_never_stops_sending_is_hung_up_on() {
    let (_upstream, weir) = weir();
    let call = weir
        .call("POST", lines().path)
        .key("wrong")
        .header("content-length", "1000000");
    let mut stream = call.start();
    stream.write_all(b"{\"model\":").expect("weir reads");
    let twin = stream.try_clone().expect("a second handle");
    assert_eq!(Open::read(twin).expect("an answer").rest().status, 401);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    // It ends, one way or the other; before this it would have waited for the rest for ever.
    let _ = stream.read_to_end(&mut Vec::new()).map_err(|error| {
        assert_ne!(
            error.kind(),
            std::io::ErrorKind::WouldBlock,
            "it is still open"
        );
    });
}

/// An upstream that refuses a request whose body it does not read: it is heard at once, and asked again for the next.
#[test]
fn an_upstream_that_answers_before_it_has_read_is_heard_at_once() {
    for (theirs, ours) in [(413, 413), (429, 429), (400, 400)] {
        let (told, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let upstream = Upstream::hasty(move |_, wire| {
            let kind = match theirs {
                413 => "request_too_large",
                429 => "rate_limit_error",
                _ => "invalid_request_error",
            };
            // An interim answer is none.
            wire.raw("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
            let body =
                format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"unread"}}}}"#);
            wire.answer(theirs, &[("content-type", "application/json")], body);
            // It neither reads nor hangs up before the test is over.
            let _ = wait.lock().expect("no panic").recv();
            wire.close();
        });
        let weir = Weir::before(&upstream, &lines());
        let body = lines().ask.replace("Hi", &"x".repeat(20 << 20));
        let began = Instant::now();
        let answer = weir.post(lines().path, body).send().is(ours);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        if theirs != 429 {
            assert!(answer.text().contains("unread"), "{}", answer.text());
        }
        drop(told);
        // The half-sent request is not taken for the beginning of the next one.
        assert_eq!(upstream.connections(), 1);
    }
}

/// A process before an upstream that speaks HTTP/2 behind TLS, which it trusts.
pub fn before_http_2(
    lines: &Lines,
    play: impl Fn(usize) -> Say + Send + Sync + 'static,
) -> (Http2Upstream, Process) {
    before_streams(lines, 100, play)
}

/// The same, with so many streams on a connection at most.
pub fn before_streams(
    lines: &Lines,
    streams: u32,
    play: impl Fn(usize) -> Say + Send + Sync + 'static,
) -> (Http2Upstream, Process) {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = Http2Upstream::of_streams(dir.path(), streams, play);
    let (provider, base) = match lines.dialect {
        Dialect::Anthropic => ("anthropic", ""),
        _ => ("openai", "/v1"),
    };
    let yaml = format!(
        "accounts:\n  - {{ name: a, provider: {provider}, base_url: \"{}{base}\", key: x }}\n",
        upstream.url()
    );
    let trusted = dir.path().join("ca.pem").display().to_string();
    let weir = Process::start_with(&yaml, [("SSL_CERT_FILE", &*trusted)]);
    (upstream, weir)
}

/// The state of the one account.
fn state(weir: &Process) -> String {
    let accounts = weir.admin("GET", "/status/accounts").send().json();
    accounts[0]["state"].as_str().unwrap_or_default().to_owned()
}

const TOO_LARGE: &str =
    r#"{"type":"error","error":{"type":"request_too_large","message":"unread"}}"#;
const SLOW_DOWN: &str =
    r#"{"type":"error","error":{"type":"rate_limit_error","message":"unread"}}"#;

/// Over HTTP/2 too: the window of the stream stays shut, and so nothing more could ever be sent.
#[test]
fn an_http_2_upstream_that_answers_before_it_has_read_is_heard_at_once() {
    for (say, ours) in [
        (Say::AtOnce(413, TOO_LARGE), 413),
        (Say::AtOnce(429, SLOW_DOWN), 429),
    ] {
        let lines = lines();
        let (upstream, weir) = before_http_2(&lines, move |number| match number {
            0 => say,
            _ => Say::AfterAll(200, sample(Dialect::Anthropic).answer),
        });
        let body = lines.ask.replace("Hi", &"x".repeat(20 << 20));
        let ask = |body: &str| weir.call("POST", lines.path).body(body).send();
        let answer = ask(&body).is(ours);
        if ours == 413 {
            assert!(answer.text().contains("unread"), "{}", answer.text());
            assert_eq!(state(&weir), "usable");
            // The connection goes on, and the whole of the next request passes.
            ask(&body).is(200);
            assert_eq!((upstream.connections(), upstream.requests()), (1, 2));
            assert_eq!(upstream.bodies(), [body.len()]);
        }
    }
}

/// A stream that an HTTP/2 upstream refuses unseen, and an answer that begins before the request has ended, cost nothing.
#[test]
fn an_http_2_upstream_that_refuses_a_stream_or_begins_early_gets_the_whole_request() {
    let lines = lines();
    let (upstream, weir) = before_http_2(&lines, |number| match number {
        0 => Say::Refused,
        _ => Say::Meanwhile(sample(Dialect::Anthropic).answer),
    });
    let body = lines.ask.replace("Hi", &"x".repeat(3 << 20));
    weir.call("POST", lines.path).body(&body).send().is(200);
    assert_eq!(upstream.requests(), 2);
    assert_eq!(upstream.bodies(), [body.len()]);
    assert_eq!(state(&weir), "usable");
}

const FULL: &str = r#"{"error":{"message":"no more files","type":"invalid_request_error"}}"#;

/// Sends half of a file and then nothing; what comes of that.
fn paused(call: Call) -> crate::rig::Answer {
    let call = call.header("content-type", "application/octet-stream");
    let mut stream = call.header("content-length", "4194304").start();
    stream.write_all(&vec![b'x'; 2 << 20]).expect("weir reads");
    Open::read(stream).expect("an answer").rest()
}

/// A client that pauses in the middle of a file hears what the upstream says meanwhile, although nothing more is sent to it.
#[test]
fn an_upstream_is_heard_while_the_client_of_an_upload_pauses() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::hasty(|_, wire| {
        // So that it is the pause in which it speaks.
        wire.swallow_some(1 << 20);
        wire.raw("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
        wire.answer(413, &[("content-type", "application/json")], FULL);
        wire.closes_within(Duration::from_secs(20));
    });
    let weir = Weir::before(&upstream, &chat);
    let answer = paused(weir.call("POST", "/v1/files")).is(413);
    assert!(answer.text().contains("no more files"), "{}", answer.text());
    assert_eq!(weir.account("a")["state"], "usable");
    weir.is_well();
    let (upstream, weir) = before_http_2(&chat, |_| Say::AtOnce(413, FULL));
    let answer = paused(weir.call("POST", "/v1/files")).is(413);
    assert!(answer.text().contains("no more files"), "{}", answer.text());
    assert_eq!((upstream.requests(), state(&weir).as_str()), (1, "usable"));
}

/// The same when the upstream hangs up: nobody waits for bytes that nobody wants.
#[test]
fn an_upstream_that_hangs_up_while_the_client_of_an_upload_pauses_is_told() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::hasty(|_, wire| {
        wire.swallow_some(1 << 20);
        wire.close();
    });
    let weir = Weir::before(&upstream, &chat);
    paused(weir.call("POST", "/v1/files")).is(502);
    assert_eq!(weir.account("a")["state"], "usable");
    weir.until_metric("weir_inflight_requests", &[], 0.0);
}

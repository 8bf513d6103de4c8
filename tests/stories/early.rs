//! Answers that are there before the request is: who still sends must get to read them.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http2::curl;
use crate::rig::client::Open;
use crate::rig::{Call, Lines, Upstream, Weir, account, accounts, sample};
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

//! Request bodies of every framing and coding reach the upstream whole and plain.
use std::io::{Read, Write};

use crate::rig::{Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiResponses)
}

fn start(more: &str) -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "{}{more}",
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    (upstream, weir)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("in memory")
}

#[track_caller]
fn arrived(upstream: &Upstream) {
    let sent = upstream.only();
    assert_eq!(String::from_utf8_lossy(&sent.body), lines().ask);
    let length = lines().ask.len().to_string();
    assert_eq!(sent.headers.get("content-length"), Some(length.as_str()));
    for gone in ["transfer-encoding", "content-encoding", "expect"] {
        assert_eq!(sent.headers.get(gone), None, "{gone}");
    }
    assert_eq!(sent.headers.get("accept-encoding"), Some("identity"));
}

#[test]
fn a_chunked_body_is_read_like_any_other() {
    let (upstream, weir) = start("");
    let pieces: Vec<&[u8]> = lines().ask.as_bytes().chunks(3).collect();
    weir.call("POST", lines().path)
        .chunks(&pieces)
        .send()
        .is(200);
    arrived(&upstream);
}

#[test]
fn gzip_and_zstd_are_decoded() {
    for (coding, body) in [
        ("gzip", gzip(lines().ask.as_bytes())),
        ("zstd", zstd(lines().ask.as_bytes())),
        ("identity", lines().ask.into()),
    ] {
        let (upstream, weir) = start("");
        let call = weir
            .post(lines().path, body)
            .header("content-encoding", coding);
        call.header("accept-encoding", "gzip, br").send().is(200);
        arrived(&upstream);
    }
}

#[test]
fn a_coding_that_is_not_understood_is_named() {
    let (upstream, weir) = start("");
    let answer = weir
        .post(lines().path, "x")
        .header("content-encoding", "br")
        .send()
        .is(400);
    let (kind, message) = lines().error(&answer.json());
    assert_eq!(kind, "invalid_request_error");
    assert!(
        message.contains("`br`") && message.contains("zstd"),
        "{message}"
    );
    let answer = weir
        .post(lines().path, "x")
        .header("content-encoding", "gzip")
        .send();
    answer.is(400);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_bomb_is_defused_at_max_body() {
    let (upstream, weir) = start("server: { max_body: 1MiB }\n");
    let large = vec![b' '; 64 << 20];
    for (coding, bomb) in [("gzip", gzip(&large)), ("zstd", zstd(&large))] {
        assert!(bomb.len() < 100_000, "a bomb is small");
        let answer = weir
            .post(lines().path, bomb)
            .header("content-encoding", coding)
            .send()
            .is(413);
        assert_eq!(lines().error(&answer.json()).0, "invalid_request_error");
    }
    assert_eq!(upstream.count(), 0);
    weir.is_well();
}

#[test]
fn who_expects_100_continue_gets_it_before_the_body_is_read() {
    let (upstream, weir) = start("");
    let length = lines().ask.len().to_string();
    let call = weir
        .call("POST", lines().path)
        .header("content-length", &length);
    let mut stream = call.header("expect", "100-continue").start();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
        .write_all(lines().ask.as_bytes())
        .expect("weir reads");
    let answer = crate::rig::client::Open::read(stream)
        .expect("an answer")
        .rest();
    assert_eq!(answer.is(200).text(), lines().answer);
    arrived(&upstream);
}

#[test]
fn who_expects_100_continue_for_too_much_is_refused_first() {
    let (_upstream, weir) = start("server: { max_body: 1KiB }\n");
    let call = weir
        .call("POST", lines().path)
        .header("content-length", "5000");
    call.header("expect", "100-continue").send().is(413);
}

#[test]
fn a_client_of_http_1_0_gets_an_answer_that_ends_with_its_connection() {
    let (_upstream, weir) = start("");
    let answer = weir.ask(&lines()).http_1_0().send().is(200);
    assert_eq!(answer.text(), lines().answer);
    let lines = lines();
    let upstream = Upstream::start(move |_, wire| wire.events(&lines.events()));
    let weir = Weir::before(&upstream, &lines);
    let answer = weir.ask_stream(&lines).http_1_0().send().is(200);
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.text(), lines.events().concat());
}

#[test]
fn bodies_beyond_the_memory_for_them_are_told_to_come_again() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        let _ = wait
            .lock()
            .expect("no panic")
            .recv_timeout(std::time::Duration::from_secs(25));
        wire.json(200, lines().answer);
    });
    let weir = Weir::start(&format!(
        "server: {{ max_buffered: 1MiB }}\n{}",
        crate::rig::accounts(&[crate::rig::account("a", &lines(), &upstream, "")])
    ));
    let large = lines().ask.replace("Hi", &"x".repeat(700 << 10));
    assert!(large.len() > 700 << 10);
    let first = weir.post(lines().path, &large).start();
    weir.until_metric("weir_buffered_bytes", &[], large.len() as f64);
    // Declared, and in chunks, which declare nothing.
    for call in [
        weir.post(lines().path, &large),
        weir.call("POST", lines().path).chunks(&[large.as_bytes()]),
    ] {
        let answer = call.send();
        assert!([503, 529].contains(&answer.status), "{}", answer.status);
        assert!(answer.header("retry-after").is_some());
        assert!(answer.text().contains("large"), "{}", answer.text());
    }
    // Small ones have room.
    let small = weir.ask(&lines()).start();
    upstream.until(2);
    (0..3).for_each(|_| go.send(()).expect("the upstream waits"));
    for stream in [first, small] {
        let open = crate::rig::client::Open::read(stream).expect("an answer");
        assert_eq!(open.rest().status, 200);
    }
    weir.until_metric("weir_buffered_bytes", &[], 0.0);
    weir.post(lines().path, &large).send().is(200);
}

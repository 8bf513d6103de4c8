//! Uploads that are stuck: an upstream that takes a part of a request and then nothing more, without a word.
//!
//! Such a request fails as soon as a write has taken too long, moves on once, and nobody else notices.
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use serde_json::Value;
use weir::protocol::Dialect;

use crate::rig::http2::{Http2Upstream, Say};
use crate::rig::process::Process;
use crate::rig::{Lines, Upstream, Weir, account, accounts, sample};

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// More than the sockets of this host hold.
fn large() -> String {
    lines().ask.replace("Hi", &"x".repeat(20 << 20))
}

/// An upstream that lists files, and takes nothing of a body but what its socket takes.
struct Deaf {
    /// It hangs up when this is dropped, which comes first.
    _held: Sender<()>,
    upstream: Upstream,
}

fn deaf() -> Deaf {
    let (held, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::hasty(move |request, wire| {
        if request.method == "GET" {
            wire.json(200, r#"{"data":[]}"#);
            return;
        }
        let _ = wait.lock().expect("no panic").recv();
        wire.close();
    });
    Deaf {
        _held: held,
        upstream,
    }
}

const HASTY: &str = ", timeouts: { write: 300ms, first_byte: 20s }";
const STUCK: [&str; 3] = ["a", "slow", "write_timeout"];

/// What each attempt says of itself: account, class, cause.
fn attempts(line: &Value) -> Vec<[String; 3]> {
    let attempts = line["attempts"].as_array().expect("attempts");
    let told = attempts.iter().map(|attempt| {
        ["account", "class", "cause"]
            .map(|name| attempt[name].as_str().unwrap_or_default().to_owned())
    });
    told.collect()
}

#[test]
fn it_moves_on_once_and_is_not_taken_for_an_idle_connection_that_had_closed() {
    let (deaf, sound) = (deaf(), Upstream::json(200, lines().answer));
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &deaf.upstream, HASTY),
        account("b", &lines(), &sound, ", priority: 1"),
    ]));
    // So that there is an idle connection.
    let list = weir
        .get("/v1/files")
        .header("anthropic-version", "2023-06-01");
    assert_eq!(list.send().is(200).account(), "a");
    assert_eq!(
        weir.post(lines().path, large()).send().is(200).account(),
        "b"
    );
    let line = weir.line(|line| line["account"] == "b");
    assert_eq!(attempts(&line)[0], STUCK, "{line}");
    assert_eq!((deaf.upstream.count(), sound.count()), (2, 1));
    assert_eq!(deaf.upstream.connections(), 1);
    weir.is_well();
}

#[test]
fn two_that_are_stuck_are_enough_and_the_third_is_not_asked() {
    let (deaf, sound) = ([deaf(), deaf()], Upstream::json(200, lines().answer));
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &deaf[0].upstream, HASTY),
        account(
            "b",
            &lines(),
            &deaf[1].upstream,
            &format!("{HASTY}, priority: 1"),
        ),
        account("c", &lines(), &sound, ", priority: 2"),
    ]));
    let answer = weir.post(lines().path, large()).send().is(504);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let line = weir.line(|line| line["status"] == 504);
    assert_eq!(attempts(&line).len(), 2, "{line}");
    assert_eq!(sound.count(), 0);
    assert!(weir.account("a")["last_failure"]["hint"].is_string());
}

/// What passes without being held cannot be sent again: its client is told.
#[test]
fn a_file_that_is_stuck_is_told_to_its_client() {
    let chat = sample(Dialect::OpenaiChat);
    let (deaf, sound) = (deaf(), Upstream::json(200, chat.answer));
    let weir = Weir::start(&accounts(&[
        account("a", &chat, &deaf.upstream, HASTY),
        account("b", &chat, &sound, ", priority: 1"),
    ]));
    let file = weir.post("/v1/files", vec![b'x'; 20 << 20]);
    file.header("content-type", "application/octet-stream")
        .send()
        .is(504);
    let line = weir.line(|line| line["status"] == 504);
    assert_eq!(attempts(&line), [STUCK], "{line}");
    assert_eq!((deaf.upstream.count(), sound.count()), (1, 0));
    weir.until_metric("weir_inflight_requests", &[], 0.0);
}

/// Over TLS and HTTP/2 it is the window that stays shut.
#[test]
fn over_http_2_it_is_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let deaf = Http2Upstream::of_streams(dir.path(), 100, |number| match number {
        0 => Say::AfterAll(200, sample(Dialect::Anthropic).answer),
        _ => Say::Nothing,
    });
    let sound = Upstream::json(200, lines().answer);
    let yaml = accounts(&[
        format!(
            "{{ name: a, provider: anthropic, base_url: \"{}\", key: x{HASTY} }}",
            deaf.url()
        ),
        account("b", &lines(), &sound, ", priority: 1"),
    ]);
    let trusted = dir.path().join("ca.pem").display().to_string();
    let weir = Process::start_with(&yaml, [("SSL_CERT_FILE", &*trusted)]);
    let ask = |body: &str| weir.call("POST", lines().path).body(body).send().is(200);
    assert_eq!(ask(lines().ask).account(), "a");
    assert_eq!(ask(&large()).account(), "b");
    assert_eq!((deaf.requests(), sound.count()), (2, 1));
    weir.says("write_timeout");
    assert_eq!(deaf.bodies(), [lines().ask.len()]);
}

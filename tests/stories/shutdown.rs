//! Stopping: what runs may finish, and the process says so with its exit code.
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::rig::{Lines, Process, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// An upstream whose streams end when they are told to.
fn patient() -> (Upstream, Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let wait = wait.lock().expect("no panic");
        // The sender is gone when the test is over.
        if wait.recv_timeout(Duration::from_secs(25)).is_ok() {
            lines().closing.iter().for_each(|event| wire.chunk(event));
            wire.end();
        }
    });
    (upstream, go)
}

fn yaml(upstream: &Upstream, server: &str) -> String {
    format!(
        "server: {server}\n{}",
        accounts(&[account("a", &lines(), upstream, "")])
    )
}

#[test]
fn sigterm_lets_a_running_stream_finish_and_exits_with_0() {
    let (upstream, go) = patient();
    let mut process = Process::start(&yaml(&upstream, "{ drain_delay: 0s }"));
    let mut open = process
        .call("POST", lines().path)
        .body(lines().ask_stream)
        .open();
    open.event().expect("the stream begins");
    process.signal("TERM");
    process.says("draining");
    assert_eq!(
        process.admin("GET", "/readyz").send().is(503).text(),
        "draining\n"
    );
    process.admin("GET", "/livez").send().is(200);
    assert!(!process.has_ended());
    go.send(()).expect("the upstream waits");
    let answer = open.rest();
    assert!(answer.whole && answer.text().ends_with(lines().closing[3]));
    assert_eq!(process.exit().code(), Some(0));
    assert!(process.log().contains("stopped"));
    let log = std::fs::read_to_string(process.dir().join("access.log")).expect("a log");
    assert!(log.contains("\"end\":\"complete\""), "{log}");
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let (upstream, _go) = patient();
    let mut process = Process::start(&yaml(&upstream, "{ drain_delay: 0s }"));
    let mut open = process
        .call("POST", lines().path)
        .body(lines().ask_stream)
        .open();
    open.event().expect("the stream begins");
    process.signal("TERM");
    process.says("draining");
    process.signal("TERM");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn sigint_drains_too_and_an_idle_process_ends_at_once() {
    let upstream = Upstream::json(200, lines().answer);
    let mut process = Process::start(&yaml(&upstream, "{}"));
    process
        .call("POST", lines().path)
        .body(lines().ask)
        .send()
        .is(200);
    process.signal("INT");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn new_connections_are_not_accepted_while_draining() {
    let (upstream, go) = patient();
    let mut weir = Weir::start(&yaml(&upstream, "{}"));
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    weir.drain();
    eventually("nobody listens", || {
        std::net::TcpStream::connect(weir.addr())
            .is_err()
            .then_some(())
    });
    assert!(!weir.has_ended());
    go.send(()).expect("the upstream waits");
    assert!(open.rest().whole);
    weir.join().expect("it served");
}

#[test]
fn when_the_drain_takes_too_long_streams_end_in_the_dialects_error() {
    let (upstream, _go) = patient();
    let mut weir = Weir::start(&yaml(&upstream, "{ drain_timeout: 300ms }"));
    let open = weir.ask_stream(&lines()).open();
    weir.drain();
    let answer = open.rest();
    let text = answer.text();
    assert!(
        text.starts_with(&lines().opening.concat()) && text.contains("event: error\n"),
        "{text}"
    );
    assert!(!text.contains("message_stop"), "{text}");
    weir.join().expect("it served");
    let line = weir.line(|line| line["status"] == 200);
    assert_eq!(
        (&line["end"], &line["outcome"]),
        (&"drained".into(), &"drained".into()),
        "{line}"
    );
    let id = line["request_id"].as_str().expect("an id");
    assert!(text.contains(id), "{id} in {text}");
    // The account has done nothing wrong.
    assert_eq!(
        line["attempts"][0]["class"],
        serde_json::Value::Null,
        "{line}"
    );
}

#[test]
fn sigterm_is_announced_before_it_is_obeyed() {
    let upstream = Upstream::json(200, lines().answer);
    let mut process = Process::start(&yaml(&upstream, "{ drain_delay: 2s }"));
    let began = std::time::Instant::now();
    process.signal("TERM");
    process.says("about to drain");
    process.admin("GET", "/readyz").send().is(503);
    // Nobody has looked elsewhere yet.
    process
        .call("POST", lines().path)
        .body(lines().ask)
        .send()
        .is(200);
    assert_eq!(process.exit().code(), Some(0));
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_second_sigterm_ends_the_announcement_too() {
    let upstream = Upstream::json(200, lines().answer);
    let mut process = Process::start(&yaml(&upstream, "{ drain_delay: 1h }"));
    process.signal("TERM");
    process.says("about to drain");
    process.signal("TERM");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn a_request_without_an_answer_when_the_drain_is_over_is_told_to_come_again() {
    let upstream = Upstream::start(|_, wire| {
        wire.closes_within(Duration::from_secs(25));
    });
    let mut weir = Weir::start(&yaml(&upstream, "{ drain_timeout: 300ms }"));
    let asking = weir.ask(&lines()).start();
    upstream.until(1);
    weir.drain();
    let answer = crate::rig::client::Open::read(asking)
        .expect("an answer")
        .rest()
        .is(529);
    assert!(answer.header("retry-after").is_some());
    assert!(answer.text().contains("restarted"), "{}", answer.text());
    weir.join().expect("it served");
    assert_eq!(
        weir.line(|line| line["status"] == 529)["outcome"],
        "drained"
    );
}

/// What curl got of many streams over one HTTP/2 connection, which a drain met in the middle: each whole.
#[test]
fn no_stream_of_http_2_loses_its_end_to_a_drain() {
    for round in 0..4 {
        let upstream = Upstream::start(|_, wire| wire.events(&lines().events()));
        let mut weir = Weir::start(&yaml(&upstream, "{}"));
        let url = format!("http://{}{}", weir.addr(), lines().path);
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "-sS",
            "--no-progress-meter",
            "--http2-prior-knowledge",
            "--parallel",
            "--parallel-immediate",
        ])
        .args([
            "--parallel-max",
            "64",
            "-w",
            "%{http_code} %{size_download} %{exitcode}\n",
        ])
        .args(["-H", &format!("authorization: Bearer {}", crate::rig::KEY)])
        .args(["-d", lines().ask_stream]);
        for _ in 0..64 {
            curl.args(["-o", "/dev/null", &url]);
        }
        let child = curl
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("curl exists");
        upstream.until(8 + round * 8);
        weir.drain();
        let said = child.wait_with_output().expect("curl ends");
        weir.join().expect("it served");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let size = lines().events().concat().len();
        let (mut whole, mut refused) = (0, 0);
        for line in said.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["200", bytes, "0"] if bytes == size.to_string() => whole += 1,
                // Never begun: the connection was closed to new streams first.
                ["000", "0", _] => refused += 1,
                _ => panic!("{line}"),
            }
        }
        assert_eq!(whole + refused, 64, "{said}");
        assert!(whole >= 8, "{said}");
        let ok = weir
            .lines()
            .iter()
            .filter(|line| line["outcome"] == "ok")
            .count();
        assert_eq!(ok, whole, "{said}");
    }
}

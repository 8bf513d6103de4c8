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
    let mut process = Process::start(&yaml(&upstream, "{}"));
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
    let mut process = Process::start(&yaml(&upstream, "{}"));
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
    assert_eq!(line["end"], "upstream_error", "{line}");
}

//! What runs now and which sessions there are: for those who may know, without a word of what was said.
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::{Lines, TOKEN, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

#[test]
fn a_request_is_shown_while_it_runs_and_its_session_afterwards() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let _ = wait
            .lock()
            .expect("no panic")
            .recv_timeout(Duration::from_secs(25));
        lines().closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let weir = Weir::start(&accounts(&[account("a", &lines(), &upstream, "")]));
    let look = |path: &str| weir.admin("GET", path).key(TOKEN).send().is(200).json();
    let session = "the-session-of-the-client";
    let ask = weir
        .ask_stream(&lines())
        .header("x-claude-code-session-id", session)
        .header("user-agent", "agent/1.0");
    let mut open = ask.open();
    open.event().expect("the stream begins");

    let running = look("/status/requests");
    assert_eq!(
        (&running["running"], &running["shown"]),
        (&1.into(), &1.into()),
        "{running}"
    );
    let one = &running["requests"][0];
    assert_eq!(
        (&one["key"], &one["account"]),
        (&"team".into(), &"a".into()),
        "{one}"
    );
    assert_eq!(
        (&one["stream"], &one["attempts"]),
        (&true.into(), &1.into()),
        "{one}"
    );
    assert_eq!(one["path"], lines().path);
    let hash = one["session"].as_str().expect("a session").to_owned();
    assert_eq!(hash.len(), 16);
    let sessions = look("/status/sessions");
    assert_eq!(sessions["sessions"][0]["running"], 1, "{sessions}");
    // Neither the client's own id of its session nor anything that was said.
    for text in [running.to_string(), sessions.to_string()] {
        assert!(
            !text.contains(session) && !text.contains("max_tokens"),
            "{text}"
        );
    }

    go.send(()).expect("the upstream waits");
    assert!(open.rest().whole);
    eventually("it is over", || {
        (look("/status/requests")["running"] == 0).then_some(())
    });
    let line = weir.line(|line| line["session"] == *hash);
    assert_eq!(line["user_agent"], "agent/1.0");
    let told = eventually("it is counted", || {
        let told = look("/status/sessions")["sessions"][0].clone();
        (told["running"] == 0).then_some(told)
    });
    assert_eq!(
        (&told["session"], &told["requests"]),
        (&hash.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told["accounts"], serde_json::json!(["a"]));
    assert_ne!(told["tokens"], 0);

    // Also on loopback, where figures are free.
    weir.admin("GET", "/status").send().is(200);
    for path in ["/status/requests", "/status/sessions"] {
        weir.admin("GET", path).send().is(401);
        weir.admin("POST", path).key(TOKEN).send().is(405);
    }
}

#[test]
fn who_has_left_is_shown_no_longer_and_a_refusal_leaves_no_trace() {
    let upstream = Upstream::start(|_, wire| {
        wire.closes_within(Duration::from_secs(25));
    });
    let weir = Weir::start(&accounts(&[account("a", &lines(), &upstream, "")]));
    let running = || {
        let call = weir.admin("GET", "/status/requests").key(TOKEN);
        call.send().is(200).json()["running"].clone()
    };
    let stream = weir.ask(&lines()).start();
    upstream.until(1);
    assert_eq!(running(), 1);
    drop(stream);
    eventually("it is gone", || (running() == 0).then_some(()));
    weir.ask(&lines()).without("authorization").send().is(401);
    eventually("it left no trace", || (running() == 0).then_some(()));
}

//! The admin plane: who may do what, and what its levers do.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::rig::{Lines, TOKEN, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn two() -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &upstream, ""),
        account("b", &lines(), &upstream, ", priority: 1"),
    ]));
    (upstream, weir)
}

const READS: [&str; 6] = [
    "/metrics",
    "/livez",
    "/readyz",
    "/status",
    "/status/config",
    "/status/accounts",
];

#[test]
fn on_loopback_reading_is_free_and_changing_needs_the_token() {
    let (_upstream, weir) = two();
    for path in READS {
        weir.admin("GET", path).send().is(200);
    }
    for path in ["/admin/reload", "/admin/accounts/a/drain"] {
        let refused = weir.admin("POST", path).send().is(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        weir.admin("POST", path).key("wrong").send().is(401);
        weir.tell(path).is(200);
    }
    assert_eq!(weir.account("a")["state"], "drained");
}

#[test]
fn without_a_configured_token_nothing_can_be_changed() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, "");
    let weir = Weir::start(&format!(
        "admin: {{ addr: \"127.0.0.1:0\" }}\n{}",
        accounts(&[entry])
    ));
    weir.admin("GET", "/metrics").send().is(200);
    weir.admin("POST", "/admin/reload").send().is(403);
    weir.admin("POST", "/admin/reload").key("").send().is(403);
}

#[test]
fn where_others_can_connect_even_reading_needs_the_token() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, "");
    let weir = Weir::start(&format!(
        "admin: {{ addr: \"0.0.0.0:0\", token: {TOKEN} }}\n{}",
        accounts(&[entry])
    ));
    for path in ["/metrics", "/status", "/status/config", "/status/accounts"] {
        weir.admin("GET", path).send().is(401);
        weir.admin("GET", path).key(TOKEN).send().is(200);
    }
    for probe in ["/livez", "/readyz"] {
        weir.admin("GET", probe).send().is(200);
    }
}

#[test]
fn what_a_page_of_another_site_sends_is_refused() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, "");
    let weir = Weir::start(&format!(
        "admin: {{ addr: \"127.0.0.1:0\", token: {TOKEN}, hosts: [weir.example.com] }}\n{}",
        accounts(&[entry])
    ));
    let ask = |method, path, host: &str| {
        let call = weir.admin(method, path).without("host");
        call.header("host", host).key(TOKEN)
    };
    // Its own name, which it lets point to 127.0.0.1.
    ask("GET", "/status", "evil.example").send().is(421);
    ask("POST", "/admin/reload", "evil.example:9090")
        .send()
        .is(421);
    ask("POST", "/admin/explain", "evil.example")
        .body("{}")
        .send()
        .is(421);
    for probe in ["/metrics", "/livez", "/readyz"] {
        ask("GET", probe, "evil.example").send().is(200);
    }
    ask("GET", "/status", "weir.example.com:443").send().is(200);
    ask("POST", "/admin/reload", "localhost").send().is(200);
    // Its own origin, openly.
    let foreign = ask("POST", "/admin/reload", "localhost:9090");
    foreign
        .header("origin", "https://evil.example")
        .send()
        .is(403);
    let own = ask("POST", "/admin/reload", "localhost:9090");
    own.header("origin", "http://localhost:9090").send().is(200);
}

#[test]
fn a_unix_socket_serves_it_too() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("admin.sock");
    let weir = Weir::start(&format!(
        "admin: {{ addr: \"unix:{}\", token: {TOKEN} }}\n{}",
        socket.display(),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let ask = |request: &str| {
        let mut stream = eventually("the socket is there", || UnixStream::connect(&socket).ok());
        stream.write_all(request.as_bytes()).expect("weir reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let get = ask("GET /status/accounts HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(
        get.starts_with("HTTP/1.1 200") && get.contains("\"usable\""),
        "{get}"
    );
    let post = ask("POST /admin/reload HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 401"), "{post}");
    let token = format!("authorization: Bearer {TOKEN}");
    let post = ask(&format!(
        "POST /admin/reload HTTP/1.1\r\nhost: x\r\n{token}\r\nconnection: close\r\n\r\n"
    ));
    assert!(
        post.starts_with("HTTP/1.1 200") && post.contains("unchanged"),
        "{post}"
    );
    weir.is_well();
}

#[test]
fn a_drained_account_gets_no_new_requests_until_it_is_enabled() {
    let (_upstream, weir) = two();
    let serving = || weir.ask(&lines()).send().is(200).account().to_owned();
    assert_eq!(serving(), "a");
    weir.tell("/admin/accounts/a/drain").is(200);
    assert_eq!(serving(), "b");
    weir.until_metric(
        "weir_account_state",
        &[("account", "a"), ("state", "drained")],
        1.0,
    );
    weir.tell("/admin/accounts/a/enable").is(200);
    assert_eq!(serving(), "a");
    weir.tell("/admin/accounts/nobody/drain").is(404);
    weir.tell("/admin/accounts/a/destroy").is(404);
}

#[test]
fn what_is_in_flight_at_a_drained_account_finishes() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        // The sender is gone when the story is over.
        if wait.lock().expect("no panic").recv().is_ok() {
            lines().closing.iter().for_each(|event| wire.chunk(event));
            wire.end();
        }
    });
    let weir = Weir::before(&upstream, &lines());
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    weir.tell("/admin/accounts/a/drain").is(200);
    let account = weir.account("a");
    assert_eq!(
        (&account["state"], &account["in_flight"]),
        (&"drained".into(), &1.into())
    );
    go.send(()).expect("the upstream waits");
    let answer = open.rest();
    assert!(answer.whole && answer.text().ends_with(lines().closing[3]));
    weir.until_metric("weir_account_inflight_requests", &[("account", "a")], 0.0);
    assert_eq!(weir.account("a")["state"], "drained");
}

#[test]
fn with_every_account_drained_it_is_not_ready_and_says_so() {
    let (_upstream, weir) = two();
    weir.tell("/admin/accounts/a/drain").is(200);
    weir.admin("GET", "/readyz").send().is(200);
    weir.tell("/admin/accounts/b/drain").is(200);
    weir.admin("GET", "/readyz").send().is(503);
    weir.get("/ready").send().is(503);
    weir.admin("GET", "/livez").send().is(200);
    let answer = weir.ask(&lines()).send();
    let answer = answer.is(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn a_reset_forgets_why_an_account_was_benched() {
    let upstream = Upstream::start(|request, wire| match request.number {
        0 => wire.answer(429, &[("retry-after", "3000")], "{}"),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(429);
    assert_eq!(weir.account("a")["state"], "benched");
    weir.ask(&lines()).send().is(429);
    assert_eq!(upstream.count(), 1);
    weir.tell("/admin/accounts/a/reset").is(200);
    weir.ask(&lines()).send().is(200);
}

#[test]
fn a_credential_that_was_refused_is_tried_again_after_enable() {
    let upstream = Upstream::start(|request, wire| match request.number {
        0 => wire.json(401, "{}"),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(502);
    weir.ask(&lines()).send().is(502);
    assert_eq!(upstream.count(), 1);
    weir.tell("/admin/accounts/a/enable").is(200);
    weir.ask(&lines()).send().is(200);
}

#[test]
fn the_wrong_method_or_path_is_said_and_no_secret_is() {
    let (_upstream, weir) = two();
    assert_eq!(
        weir.admin("GET", "/admin/reload")
            .send()
            .is(405)
            .header("allow"),
        Some("POST")
    );
    weir.tell("/metrics").is(405);
    weir.admin("DELETE", "/status").send().is(405);
    weir.admin("GET", "/nothing").send().is(404);
    for path in READS {
        let text = weir.admin("GET", path).send().text().to_owned();
        for secret in ["secret-of", TOKEN, crate::rig::KEY] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
}

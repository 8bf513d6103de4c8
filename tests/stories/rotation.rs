//! Rotating a credential by changing its file: no restart, no request lost, none with half of the change.
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::rig::{Lines, Upstream, Weir, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

#[test]
fn a_request_in_flight_keeps_the_credential_that_it_began_with() {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let failing = Upstream::start(move |request, wire| {
        if request.number == 0 {
            held.lock().expect("no panic").recv().expect("released");
        }
        wire.json(500, "{}");
    });
    let good = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("key");
    std::fs::write(&file, "first\n").expect("a file");
    let entry = |name: &str, url: String, priority: u32| {
        format!(
            "  - {{ name: {name}, provider: openai-compatible, base_url: \"{url}/v1\", key: {{ file: \"{}\" }}, priority: {priority} }}\n",
            file.display()
        )
    };
    let weir = Weir::start(&format!(
        "accounts:\n{}{}",
        entry("a", failing.url(), 0),
        entry("b", good.url(), 1)
    ));
    let keys = || -> Vec<String> {
        let sent = good.requests().into_iter();
        sent.filter_map(|request| request.headers.get("authorization").map(str::to_owned))
            .collect()
    };
    std::thread::scope(|scope| {
        let early = scope.spawn(|| weir.ask(&lines()).send().is(200));
        failing.until(1);
        std::fs::write(&file, "second\n").expect("a file");
        eventually("the new key is used", || {
            weir.ask(&lines()).send().is(200);
            keys().contains(&"Bearer second".to_owned()).then_some(())
        });
        let before = keys().len();
        release.send(()).expect("the upstream waits");
        assert_eq!(early.join().expect("an answer").account(), "b");
        assert_eq!(keys()[before..], ["Bearer first"]);
    });
    assert_eq!(weir.status("/status/config")["generation"], 2);
}

#[test]
fn a_changed_client_secret_fetches_another_token() {
    let endpoint = Upstream::start(|request, wire| {
        let number = request.number;
        wire.json(200, format!(r#"{{"access_token":"token-{number}"}}"#));
    });
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, "first\n").expect("a file");
    let weir = Weir::start(&format!(
        "accounts:\n  - {{ name: a, provider: openai-compatible, base_url: \"{}/v1\", auth: {{ oauth2: {{ token_url: \"{}\", client_id: c, client_secret: {{ file: \"{}\" }}, client_auth: body }} }} }}\n",
        upstream.url(),
        endpoint.url(),
        file.display()
    ));
    weir.ask(&lines()).send().is(200);
    std::fs::write(&file, "second\n").expect("a file");
    eventually("the new token is used", || {
        weir.ask(&lines()).send().is(200);
        let last = upstream.requests().pop()?;
        (last.headers.get("authorization") == Some("Bearer token-1")).then_some(())
    });
    let asked = endpoint.requests();
    let sent = |number: usize| String::from_utf8_lossy(&asked[number].body).into_owned();
    assert!(sent(0).ends_with("client_secret=first"), "{}", sent(0));
    assert!(sent(1).ends_with("client_secret=second"), "{}", sent(1));
}

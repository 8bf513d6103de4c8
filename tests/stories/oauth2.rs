//! Accounts whose credential is an access token: fetched ahead of need, by one refresh at a time, and never shown.
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use crate::rig::proxies::Proxy;
use crate::rig::upstream::Request;
use crate::rig::{Lines, PATIENCE, Process, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn chat() -> Lines {
    sample(Dialect::OpenaiChat)
}

/// Grants `token-0`, `token-1` and so on, each for an hour.
fn granting() -> Upstream {
    Upstream::start(|request, wire| wire.json(200, grant(request.number, 3600)))
}

fn grant(number: usize, lifetime: u64) -> String {
    format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{lifetime}}}"#)
}

/// An entry of `accounts:` like [`account`], with tokens from `endpoint` in place of a key.
fn tokened(name: &str, upstream: &Upstream, endpoint: &Upstream, more: &str) -> String {
    let oauth2 = format!(
        "auth: {{ oauth2: {{ token_url: \"{}/oauth2/token?v=2\", client_id: my-client, client_secret: \"secret & more\", scopes: [\"api://x/.default\"] }} }}",
        endpoint.url()
    );
    account(name, &chat(), upstream, more).replace(&format!("key: \"secret-of-{name}\""), &oauth2)
}

fn bearer(request: &Request) -> &str {
    request.headers.get("authorization").expect("a credential")
}

#[test]
fn requests_carry_a_token_that_is_asked_for_as_rfc_6749_says() {
    let endpoint = granting();
    let upstream = Upstream::json(200, chat().answer);
    let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
    assert_eq!(weir.ask(&chat()).send().is(200).text(), chat().answer);
    weir.ask(&chat()).send().is(200);
    let asked = endpoint.only();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/oauth2/token?v=2")
    );
    assert_eq!(
        asked.headers.get("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(bearer(&asked), "Basic bXktY2xpZW50OnNlY3JldCslMjYrbW9yZQ==");
    assert_eq!(
        asked.body,
        b"grant_type=client_credentials&scope=api%3A%2F%2Fx%2F.default"
    );
    let sent = upstream.requests();
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter()
            .all(|request| bearer(request) == "Bearer token-0")
    );
    weir.until_metric("weir_token_refreshes_total", &[("outcome", "ok")], 1.0);
}

#[test]
fn a_token_is_renewed_before_it_expires_without_a_request() {
    let endpoint = Upstream::start(|request, wire| {
        let lifetime = if request.number < 2 { 2 } else { 3600 };
        wire.json(200, grant(request.number, lifetime));
    });
    let upstream = Upstream::json(200, chat().answer);
    let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
    endpoint.until(3);
    eventually("the last token is used", || {
        weir.ask(&chat()).send().is(200);
        let last = upstream.requests().pop()?;
        (bearer(&last) == "Bearer token-2").then_some(())
    });
    let left = weir.account("a")["access_token"]["expires_at"].clone();
    assert!(left.is_string(), "{left}");
}

#[test]
fn fifty_requests_without_a_token_cause_one_refresh() {
    let (release, held) = channel();
    let held = Mutex::new(held);
    let endpoint = Upstream::start(move |request, wire| {
        held.lock().expect("no panic").recv().expect("released");
        wire.json(200, grant(request.number, 3600));
    });
    let upstream = Upstream::json(200, chat().answer);
    let entry = tokened("a", &upstream, &endpoint, ", timeouts: { connect: 60s }");
    let weir = Weir::start(&accounts(&[entry]));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| weir.ask(&chat()).send().status))
            .collect();
        weir.until_metric("weir_inflight_requests", &[], 50.0);
        assert_eq!(upstream.count(), 0);
        release.send(()).expect("the endpoint waits");
        for asked in asking {
            assert_eq!(asked.join().expect("an answer"), 200);
        }
    });
    assert_eq!((endpoint.count(), upstream.count()), (1, 50));
}

/// What the token endpoint of `a` answers, and why `a` is out then.
#[track_caller]
fn fails_over(status: u16, body: &'static str, reason: &str) {
    let mended = Arc::new(AtomicBool::new(false));
    let theirs = mended.clone();
    let endpoint = Upstream::start(move |request, wire| {
        if theirs.load(Ordering::SeqCst) {
            wire.json(200, grant(request.number, 3600));
        } else {
            wire.json(status, body);
        }
    });
    let upstream = Upstream::json(200, chat().answer);
    let weir = Weir::start(&accounts(&[
        tokened("a", &upstream, &endpoint, ""),
        account("b", &chat(), &upstream, ", priority: 1"),
    ]));
    assert_eq!(weir.ask(&chat()).send().is(200).account(), "b");
    assert_eq!(bearer(&upstream.only()), "Bearer secret-of-b");
    weir.until_metric("weir_failovers_total", &[("reason", reason)], 1.0);
    let why = weir.account("a")["access_token"]["last_error"].clone();
    assert!(
        why.as_str().is_some_and(|why| !why.contains("secret")),
        "{why}"
    );
    // The endpoint of the upstream is not to blame: `b` is behind the same one.
    assert_eq!(weir.account("b")["state"], "usable");
    mended.store(true, Ordering::SeqCst);
    weir.tell("/admin/accounts/a/enable").is(200);
    eventually("the account serves again", || {
        (weir.ask(&chat()).send().is(200).account() == "a").then_some(())
    });
}

#[test]
fn refused_credentials_put_the_account_out_and_others_serve() {
    fails_over(
        401,
        r#"{"error":"invalid_client","error_description":"secret & more is wrong"}"#,
        "auth",
    );
}

#[test]
fn a_broken_token_endpoint_puts_the_account_out_and_others_serve() {
    fails_over(503, "<html>", "transport");
}

#[test]
fn a_silent_token_endpoint_holds_nobody_longer_than_a_connection_may_take() {
    let endpoint = Upstream::start(|_, wire| {
        wire.closes_within(PATIENCE);
    });
    let upstream = Upstream::json(200, chat().answer);
    let weir = Weir::start(&accounts(&[
        tokened("a", &upstream, &endpoint, ", timeouts: { connect: 100ms }"),
        account("b", &chat(), &upstream, ", priority: 1"),
    ]));
    assert_eq!(weir.ask(&chat()).send().is(200).account(), "b");
    weir.until_metric("weir_failovers_total", &[("reason", "transport")], 1.0);
    assert_eq!(endpoint.count(), 1);
}

#[test]
fn without_another_account_the_client_is_told_and_no_address_is() {
    let endpoint = Upstream::json(400, r#"{"error":"invalid_scope"}"#);
    let upstream = Upstream::start(|_, _| panic!("nothing to authorize with"));
    let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
    let answer = weir.ask(&chat()).send();
    assert!(
        (502..=503).contains(&answer.status),
        "{}",
        answer.status_and_body()
    );
    for hidden in [
        endpoint.url(),
        "invalid_scope".to_owned(),
        "my-client".to_owned(),
    ] {
        assert!(!answer.text().contains(&hidden), "{}", answer.text());
    }
    assert_eq!(weir.account("a")["reason"], "auth");
    weir.is_well();
}

/// Refuses every token but `good`.
fn choosy(good: &'static str, lines: Lines) -> Upstream {
    Upstream::start(move |request, wire| {
        if bearer(request) == good {
            wire.json(200, lines.answer);
        } else {
            let body = format!(
                r#"{{"error":{{"message":"{} is no good"}}}}"#,
                bearer(request)
            );
            wire.json(401, body);
        }
    })
}

#[test]
fn a_refused_token_is_replaced_once_and_the_client_does_not_notice() {
    // The client's own dialect, and a translated one.
    for lines in [chat(), sample(Dialect::Anthropic)] {
        let endpoint = granting();
        let upstream = choosy("Bearer token-1", chat());
        let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
        let answer = weir.ask(&lines).send().is(200);
        assert_eq!(answer.header("x-weir-attempts"), Some("1"));
        assert!(answer.text().contains("Hello"), "{}", answer.text());
        assert_eq!((endpoint.count(), upstream.count()), (2, 2));
        assert_eq!(weir.account("a")["state"], "usable");
    }
}

#[test]
fn an_account_whose_new_token_is_refused_too_is_out() {
    let endpoint = granting();
    let upstream = choosy("Bearer secret-of-b", chat());
    let weir = Weir::start(&accounts(&[
        tokened("a", &upstream, &endpoint, ""),
        account("b", &chat(), &upstream, ", priority: 1"),
    ]));
    let answer = weir.ask(&chat()).send().is(200);
    assert_eq!(answer.account(), "b");
    assert_eq!((endpoint.count(), upstream.count()), (2, 3));
    let account = weir.account("a");
    assert_eq!(
        (&account["state"], &account["reason"]),
        (&"benched".into(), &"auth".into())
    );
}

#[test]
fn a_replaced_refresh_token_is_the_one_that_is_sent_next() {
    let endpoint = Upstream::start(|request, wire| {
        let number = request.number;
        wire.json(200, format!(
            r#"{{"access_token":"token-{number}","expires_in":3600,"refresh_token":"refresh-{}"}}"#,
            number + 1
        ));
    });
    let upstream = choosy("Bearer token-1", chat());
    let entry = tokened("a", &upstream, &endpoint, "").replace(
        "client_secret: \"secret & more\"",
        "refresh_token: refresh-0",
    );
    let weir = Weir::start(&accounts(&[entry]));
    weir.ask(&chat()).send().is(200);
    let sent: Vec<_> = endpoint
        .requests()
        .into_iter()
        .map(|asked| asked.body)
        .collect();
    let expected = |number: usize| {
        format!(
            "grant_type=refresh_token&refresh_token=refresh-{number}&client_id=my-client&scope=api%3A%2F%2Fx%2F.default"
        )
    };
    assert_eq!(sent, [expected(0).into_bytes(), expected(1).into_bytes()]);
}

#[test]
fn a_service_account_signs_what_it_asks_with() {
    let endpoint = granting();
    let upstream = Upstream::json(200, chat().answer);
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/config/files/service-account.json"
    );
    let url = endpoint.url();
    let oauth2 = format!(
        "auth: {{ oauth2: {{ service_account: {{ file: \"{file}\" }}, token_url: \"{url}/token\" }} }}"
    );
    let entry = account("a", &chat(), &upstream, "").replace("key: \"secret-of-a\"", &oauth2);
    let weir = Weir::start(&accounts(&[entry]));
    weir.ask(&chat()).send().is(200);
    assert_eq!(bearer(&upstream.only()), "Bearer token-0");
    let form = String::from_utf8(endpoint.only().body).expect("text");
    let assertion = form
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap_or_else(|| panic!("{form}"));
    assert_eq!(assertion.split('.').count(), 3, "{form}");
}

#[test]
fn a_reload_keeps_the_token_unless_its_settings_change() {
    let endpoint = granting();
    let upstream = Upstream::json(200, chat().answer);
    let entry = tokened("a", &upstream, &endpoint, "");
    let weir = Weir::start(&accounts(std::slice::from_ref(&entry)));
    weir.ask(&chat()).send().is(200);
    let reload = |entry: &str| {
        weir.rewrite(&accounts(&[entry.to_owned()]));
        weir.tell("/admin/reload").is(200);
        weir.ask(&chat()).send().is(200);
        bearer(&upstream.requests().pop().expect("a request")).to_owned()
    };
    assert_eq!(
        reload(&entry.replacen("name: a,", "name: a, weight: 2,", 1)),
        "Bearer token-0"
    );
    assert_eq!(endpoint.count(), 1);
    assert_eq!(
        reload(&entry.replace("my-client", "another")),
        "Bearer token-1"
    );
}

#[test]
fn the_token_endpoint_is_reached_through_the_egress_of_the_account() {
    let proxy = Proxy::http(false);
    let endpoint = granting();
    let upstream = Upstream::json(200, chat().answer);
    let egress = format!(", egress: \"http://{}\"", proxy.addr);
    let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, &egress)]));
    weir.ask(&chat()).send().is(200);
    let heard = proxy.heard().join("\n");
    for way in [&endpoint, &upstream] {
        assert!(heard.contains(&way.addr().to_string()), "{heard}");
    }
}

#[test]
fn vendor_endpoints_get_the_token_too() {
    let endpoint = granting();
    let upstream = choosy("Bearer token-1", chat());
    let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
    // A token that was withdrawn is replaced, and the request goes once more.
    weir.get("/v1/files").send().is(200);
    weir.post("/v1/files", "{}").send().is(200);
    assert_eq!(endpoint.count(), 2);
}

/// A token endpoint that answers what it is told to, for as long as it is told nothing else.
fn said(answers: &'static str) -> (Upstream, Sender<&'static str>) {
    let (say, told) = channel();
    let state = Mutex::new((answers, told));
    let endpoint = Upstream::start(move |_, wire| {
        let mut state = state.lock().expect("no panic");
        while let Ok(next) = state.1.try_recv() {
            state.0 = next;
        }
        wire.json(200, state.0);
    });
    (endpoint, say)
}

#[test]
fn no_answer_of_a_token_endpoint_does_harm() {
    let huge: &'static str =
        Box::leak(format!(r#"{{"access_token":"{}"}}"#, "x".repeat(1 << 20)).into());
    for bad in [
        "",
        "[]",
        "null",
        r#"{"access_token":7}"#,
        r#"{"access_token":"a\nb: c"}"#,
        huge,
    ] {
        let (endpoint, say) = said(bad);
        let upstream = Upstream::json(200, chat().answer);
        let weir = Weir::start(&accounts(&[tokened("a", &upstream, &endpoint, "")]));
        weir.ask(&chat()).send().is(502);
        assert_eq!(upstream.count(), 0);
        say.send(r#"{"access_token":"fine"}"#).expect("it listens");
        weir.tell("/admin/accounts/a/reset").is(200);
        eventually("the account serves", || {
            (weir.ask(&chat()).send().status == 200).then_some(())
        });
        assert_eq!(bearer(&upstream.only()), "Bearer fine");
    }
}

#[test]
fn nothing_that_is_secret_is_told_anywhere() {
    let (say, told) = channel();
    let told = Mutex::new(told);
    let endpoint = Upstream::start(move |request, wire| {
        match request.number {
        0 => wire.json(400, r#"{"error":"invalid_grant","error_description":"canary-secret canary-refresh-0"}"#),
        number => wire.json(200, format!(
            r#"{{"access_token":"canary-token-{number}","expires_in":3600,"refresh_token":"canary-refresh-{number}"}}"#
        )),
    }
    });
    // What it is sent comes back in its errors.
    let upstream = Upstream::start(move |request, wire| {
        let status = told.lock().expect("no panic").recv().expect("a status");
        let body = format!(
            r#"{{"error":{{"message":"no: {}","type":"server_error"}}}}"#,
            bearer(request)
        );
        wire.json(status, body);
    });
    let entry = tokened("a", &upstream, &endpoint, "").replace(
        "client_secret: \"secret & more\"",
        "client_secret: canary-secret, refresh_token: canary-refresh-0",
    );
    let process = Process::start(&format!(
        "log: {{ level: trace, access: stdout, bodies: true }}\n{}",
        accounts(&[entry])
    ));
    process.says("invalid_grant");
    let mut seen = String::new();
    let mut look = |text: &str| seen.push_str(text);
    for verb in ["reset", "enable"] {
        let path = format!("/admin/accounts/a/{verb}");
        look(
            process
                .admin("POST", &path)
                .key(crate::rig::TOKEN)
                .send()
                .is(200)
                .text(),
        );
    }
    endpoint.until(2);
    for status in [500, 401, 400] {
        say.send(status).expect("it listens");
    }
    for _ in 0..2 {
        let answer = process.call("POST", chat().path).body(chat().ask).send();
        // A client's own fault comes back as the upstream worded it; the log masks that, too.
        if answer.status >= 500 {
            look(answer.text());
        }
    }
    for path in ["/status", "/status/accounts", "/status/config", "/metrics"] {
        look(process.admin("GET", path).send().is(200).text());
    }
    eventually("both answers are logged", || {
        (process.log().matches("answer body").count() == 2).then_some(())
    });
    look(&process.log());
    assert!(seen.contains("weir_token_refreshes_total"), "{seen}");
    for part in ["canary-secret", "canary-refresh", "canary-token"] {
        assert!(!seen.contains(part), "{part} in {seen}");
    }
}

//! The console: who may sign in, what each role may do, what the live view shows, and what a page of another site cannot.
use crate::rig::{
    Answer, Call, Lines, TOKEN, Upstream, Weir, account, accounts, eventually, sample,
};
use sha2::{Digest as _, Sha256};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn hex(token: &str) -> String {
    Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// With a viewer, an operator and an admin, whose tokens are their names.
fn weir(upstream: &Upstream, more: &str) -> Weir {
    let tokens: Vec<String> = ["viewer", "operator", "admin"]
        .iter()
        .map(|role| format!("{{ name: {role}-1, sha256: {}, role: {role} }}", hex(role)))
        .collect();
    Weir::start(&format!(
        "admin: {{ addr: \"127.0.0.1:0\", token: {TOKEN}, tokens: [{}]{more} }}\n{}",
        tokens.join(", "),
        accounts(&[account("a", &lines(), upstream, "")])
    ))
}

fn from_page(call: Call) -> Call {
    call.without("host")
        .header("host", "localhost:9090")
        .header("origin", "http://localhost:9090")
        .header("x-weir-console", "1")
}

fn sign_in(weir: &Weir, token: &str) -> Answer {
    from_page(weir.admin("POST", "/admin/api/v1/session"))
        .body(format!("{{\"token\":\"{token}\"}}"))
        .send()
}

fn cookie(answer: &Answer) -> String {
    let header = answer.header("set-cookie").expect("a cookie");
    assert!(
        header.contains("HttpOnly") && header.contains("SameSite=Strict"),
        "{header}"
    );
    header.split(';').next().unwrap_or_default().to_owned()
}

#[test]
fn each_role_may_do_what_it_may_and_nothing_more() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "");
    let allowed: [(&str, &str, [u16; 3]); 9] = [
        ("GET", "now", [200, 200, 200]),
        ("GET", "requests", [200, 200, 200]),
        ("GET", "keys", [200, 200, 200]),
        ("GET", "config", [200, 200, 200]),
        ("GET", "audit", [403, 403, 200]),
        ("POST", "accounts/a/drain", [403, 200, 200]),
        ("POST", "accounts/a/enable", [403, 200, 200]),
        ("POST", "reload", [403, 200, 200]),
        ("POST", "config/check", [403, 403, 200]),
    ];
    for (method, path, expected) in allowed {
        let path = format!("/admin/api/v1/{path}");
        for (token, status) in ["viewer", "operator", "admin"].iter().zip(expected) {
            let call = weir.admin(method, &path).key(token);
            call.body(r#"{"text":"version: 1"}"#).send().is(status);
        }
        weir.admin(method, &path).send().is(401);
        weir.admin(method, &path)
            .key(TOKEN)
            .body(r#"{"text":""}"#)
            .send()
            .is(200);
    }
    // The old paths are the same levers.
    weir.admin("POST", "/admin/accounts/a/drain")
        .key("viewer")
        .send()
        .is(403);
    weir.admin("POST", "/admin/accounts/a/drain")
        .key("operator")
        .send()
        .is(200);
    assert_eq!(weir.account("a")["state"], "drained");
}

#[test]
fn a_session_ends_when_it_is_signed_out_and_no_other_site_can_use_it() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "");
    let cookie = cookie(&sign_in(&weir, "operator").is(200));
    let drain = || {
        weir.admin("POST", "/admin/api/v1/accounts/a/drain")
            .header("cookie", &cookie)
    };
    weir.admin("GET", "/admin/api/v1/now")
        .header("cookie", &cookie)
        .send()
        .is(200);
    drain().send().is(403);
    drain().header("x-weir-console", "1").send().is(403);
    let foreign = drain().header("x-weir-console", "1");
    foreign
        .header("origin", "https://evil.example")
        .send()
        .is(403);
    assert_eq!(weir.account("a")["state"], "usable");
    from_page(drain()).send().is(200);
    assert_eq!(weir.account("a")["state"], "drained");
    let out = from_page(weir.admin("DELETE", "/admin/api/v1/session")).header("cookie", &cookie);
    out.send().is(200);
    weir.admin("GET", "/admin/api/v1/now")
        .header("cookie", &cookie)
        .send()
        .is(401);
}

#[test]
fn changes_are_written_down_and_so_are_wrong_tokens() {
    let upstream = Upstream::json(200, lines().answer);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("audit.jsonl");
    let weir = weir(&upstream, &format!(", audit: {}", file.display()));
    weir.admin("POST", "/admin/api/v1/accounts/a/drain")
        .key("operator")
        .send()
        .is(200);
    weir.admin("POST", "/admin/api/v1/accounts/nobody/drain")
        .key("operator")
        .send()
        .is(404);
    let began = std::time::Instant::now();
    sign_in(&weir, "wrong").is(401);
    assert!(began.elapsed().as_millis() >= 250, "a wrong token waits");
    let began = std::time::Instant::now();
    sign_in(&weir, "admin").is(200);
    assert!(began.elapsed().as_millis() < 5000, "a right one does not");
    let rows = weir
        .admin("GET", "/admin/api/v1/audit")
        .key("admin")
        .send()
        .is(200)
        .json();
    let rows = rows["rows"].as_array().expect("rows");
    let actions: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["action"].as_str())
        .collect();
    assert_eq!(actions, ["sign_in", "sign_in.refused", "account.drain"]);
    let drain = &rows[2];
    assert_eq!(
        (
            &drain["who"],
            &drain["subject"],
            &drain["from"],
            &drain["to"]
        ),
        (
            &"operator-1".into(),
            &"a".into(),
            &"usable".into(),
            &"drained".into()
        )
    );
    let text = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(text.lines().count(), 3);
    assert!(!text.contains("wrong"), "{text}");
}

#[test]
fn the_last_requests_are_found_by_what_they_were() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "");
    let id = weir
        .ask(&lines())
        .send()
        .is(200)
        .header("x-request-id")
        .expect("an id")
        .to_owned();
    weir.call("POST", lines().path)
        .key("unknown")
        .body(lines().ask)
        .send()
        .is(401);
    let ask = |query: &str| {
        weir.admin("GET", &format!("/admin/api/v1/requests{query}"))
            .key("viewer")
            .send()
    };
    let all = eventually("both are settled", || {
        let all = ask("").is(200).json();
        (all["rows"].as_array().is_some_and(|rows| rows.len() == 2)).then_some(all)
    });
    assert_eq!(all["stats"]["matched"], 2);
    let fine = ask("?f=outcome:ok+account:a").is(200).json();
    assert_eq!(
        (&fine["stats"]["matched"], &fine["rows"][0]["request_id"]),
        (&1.into(), &id.as_str().into())
    );
    assert_eq!(
        ask("?f=outcome:unauthenticated").is(200).json()["stats"]["matched"],
        1
    );
    assert!(
        ask("?f=kye:a")
            .is(400)
            .text()
            .contains("there is no `kye:`")
    );
    let one = ask(&format!("/{id}")).is(200).json();
    assert_eq!(one["account"], "a");
    let headers = one["headers"].as_str().expect("headers");
    assert!(
        headers.contains("x-api-key: ***") || headers.contains("authorization: ***"),
        "{headers}"
    );
    assert!(
        headers.contains("host: ") && all["rows"][0]["headers"].is_null(),
        "{headers}"
    );
    let who = weir
        .admin("GET", "/admin/api/v1/session")
        .key("viewer")
        .send();
    let listen = &who.is(200).json()["listen"][0];
    assert_eq!(
        (&listen["host"], &listen["tls"]),
        (&"127.0.0.1".into(), &false.into())
    );
    assert!(
        ask("/req_gone")
            .is(404)
            .text()
            .contains("no longer in memory")
    );
    let now = weir
        .admin("GET", "/admin/api/v1/now")
        .key("viewer")
        .send()
        .is(200)
        .json();
    assert_eq!(
        (&now["accounts"][0]["word"], &now["serving"]["usable"]),
        (&"usable".into(), &1.into())
    );
}

#[test]
fn rows_arrive_as_they_end_and_a_stream_goes_on_where_it_broke() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "");
    let follow = |query: &str| {
        weir.admin("GET", &format!("/admin/api/v1/requests?follow&{query}"))
            .key("viewer")
            .open()
    };
    let mut stream = follow("f=outcome:ok");
    assert_eq!(stream.status, 200);
    assert!(stream.event().expect("hello").starts_with("event: hello"));
    weir.ask(&lines()).send().is(200);
    let rows = |stream: &mut crate::rig::client::Open| loop {
        let event = stream.event().expect("an event");
        if event.starts_with("event: rows") {
            return event;
        }
    };
    let first = rows(&mut stream);
    assert!(
        first.contains("id: 2") && first.contains("\"skipped\":0"),
        "{first}"
    );
    drop(stream);
    weir.ask(&lines()).send().is(200);
    let mut again = follow("f=outcome:ok&since=2");
    let second = rows(&mut again);
    assert!(
        second.contains("id: 3") && second.contains("\"seq\":2"),
        "{second}"
    );
    weir.admin("GET", "/admin/api/v1/requests?follow")
        .send()
        .is(401);
}

#[test]
fn the_pages_hold_nothing_and_run_nothing_foreign() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "");
    let page = weir.admin("GET", "/console/live/req_1").send().is(200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    let tag = page.header("etag").expect("a tag").to_owned();
    weir.admin("GET", "/console")
        .header("if-none-match", &tag)
        .header("connection", "close")
        .send()
        .is(304);
    for file in ["main.js", "now.js", "live.js"] {
        weir.admin("GET", &format!("/console/assets/{file}"))
            .send()
            .is(200);
    }
    weir.admin("GET", "/console")
        .header("origin", "https://evil.example")
        .send()
        .is(403);
}

#[test]
fn the_holder_of_a_key_sees_its_own_use_and_errors_and_nothing_else() {
    let upstream = Upstream::start(|request, wire| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("unwell") {
            wire.json(
                500,
                r#"{"type":"error","error":{"type":"api_error","message":"broken"}}"#,
            );
        } else {
            wire.json(200, lines().answer);
        }
    });
    let keys = "keys: [{ name: mine, key: \"the-key-of-the-holder\" }, { name: another, key: \"the-key-of-the-other\" }]\n";
    let yaml = format!(
        "{keys}{}",
        accounts(&[account("secret-account", &lines(), &upstream, "")])
    );
    let weir = Weir::start(&format!("me: true\n{yaml}"));
    let page = weir.get("/me").without("authorization").send().is(200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    assert!(
        page.header("content-type")
            .expect("a type")
            .starts_with("text/html")
    );
    for file in ["/me/me.js", "/me/me.css"] {
        weir.get(file).without("authorization").send().is(200);
    }
    let ask = |key: &str, text: &str| {
        let body = lines().ask.replace("Hi", text);
        weir.post(lines().path, body).key(key).send()
    };
    assert_eq!(lines().ask.matches("Hi").count(), 1, "{}", lines().ask);
    ask("the-key-of-the-holder", "Hello").is(200);
    assert!(ask("the-key-of-the-holder", "unwell").status >= 500);
    assert!(ask("the-key-of-the-other", "unwell").status >= 500);
    let recent = |key: &str| weir.get("/me/recent").key(key).send();
    let told = crate::rig::eventually("the error is told", || {
        let told = recent("the-key-of-the-holder").is(200);
        (told.json()["rows"].as_array().map(Vec::len) == Some(1)).then_some(told)
    });
    assert_eq!(told.json()["rows"][0]["outcome"], "upstream_error");
    assert!(!told.text().contains("secret-account") && !told.text().contains("broken"));
    recent("a-wrong-key").is(401);
    weir.get("/me/recent")
        .without("authorization")
        .send()
        .is(401);
    let known = |method: &str, path: &str| weir.call(method, path).key("the-key-of-the-holder");
    known("POST", "/me").send().is(405);
    known("GET", "/me/../admin").send().is(400);
    // Off by default, as if it were not there.
    let weir = Weir::start(&yaml);
    for path in ["/me", "/me/me.js"] {
        weir.get(path).without("authorization").send().is(404);
    }
    weir.get("/me/recent")
        .key("the-key-of-the-holder")
        .send()
        .is(404);
}

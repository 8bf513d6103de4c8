//! Accounts, keys, groups and projects that are made through the admin plane.
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use weir::protocol::Dialect;

use crate::rig::{Answer, Lines, TOKEN, Upstream, Weir, account, accounts, sample};

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn hex(token: &str) -> String {
    Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// With an operator and an admin, whose tokens are their names, and a directory to write to.
fn yaml(upstream: &Upstream) -> String {
    let tokens: Vec<String> = ["viewer", "operator", "admin"]
        .iter()
        .map(|role| format!("{{ name: {role}-1, sha256: {}, role: {role} }}", hex(role)))
        .collect();
    format!(
        "admin: {{ addr: \"127.0.0.1:0\", token: {TOKEN}, tokens: [{}], fragments: conf.d }}\n{}",
        tokens.join(", "),
        accounts(&[account("a", &lines(), upstream, "")])
    )
}

fn tell(weir: &Weir, method: &str, path: &str, body: &Value) -> Answer {
    weir.admin(method, &format!("/admin/api/v1/{path}"))
        .key("admin")
        .body(body.to_string())
        .send()
}

fn get(weir: &Weir, path: &str) -> Value {
    let call = weir.admin("GET", &format!("/admin/api/v1/{path}"));
    call.key("viewer").send().is(200).json()
}

fn ask(weir: &Weir, key: &str) -> Answer {
    weir.ask(&lines())
        .without("authorization")
        .without("x-api-key")
        .header("x-api-key", key)
        .send()
}

fn file(weir: &Weir, name: &str) -> String {
    std::fs::read_to_string(weir.path(&format!("conf.d/{name}"))).expect("a file")
}

#[test]
fn a_key_is_made_shown_once_changed_rotated_and_revoked() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&yaml(&upstream));
    let made = tell(
        &weir,
        "POST",
        "keys",
        &json!({ "name": "team-c", "group": "research", "limits": { "rpm": 100 } }),
    )
    .is(201);
    let key = made.json()["key"].as_str().expect("a key").to_owned();
    ask(&weir, &key).is(200);
    // On disk is its digest only, for the owner of the process only; who made it stands beside it.
    let text = file(&weir, "keys.yaml");
    assert!(!text.contains(&key) && text.contains(&hex(&key)), "{text}");
    assert!(text.contains("admin-1"), "{text}");
    let mode = std::fs::metadata(weir.path("conf.d/keys.yaml")).expect("a file");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let shown = get(&weir, "keys/team-c");
    assert_eq!(shown["made"], "here");
    assert_eq!(shown["settings"]["sha256"], "***");
    assert_eq!(shown["settings"]["limits"]["rpm"], 100);
    // What is shown can be sent back: the key stays.
    let mut settings = shown["settings"].clone();
    settings["models"] = json!(["claude-*"]);
    tell(&weir, "PUT", "keys/team-c", &settings).is(200);
    ask(&weir, &key).is(200);
    tell(
        &weir,
        "PATCH",
        "keys/team-c",
        &json!({ "models": ["gpt-*"], "limits": null }),
    )
    .is(200);
    assert!(get(&weir, "keys/team-c")["settings"]["limits"].is_null());
    assert_ne!(
        ask(&weir, &key).status,
        200,
        "another model than it may ask for"
    );
    tell(&weir, "PATCH", "keys/team-c", &json!({ "models": null })).is(200);
    let rotated = tell(&weir, "POST", "keys/team-c/rotate", &json!({})).is(200);
    let second = rotated.json()["key"].as_str().expect("a key").to_owned();
    ask(&weir, &key).is(401);
    ask(&weir, &second).is(200);
    tell(
        &weir,
        "PATCH",
        "keys/team-c",
        &json!({ "expires": "2020-01-01T00:00:00Z" }),
    )
    .is(200);
    ask(&weir, &second).is(401);
    tell(&weir, "DELETE", "keys/team-c", &json!({})).is(200);
    tell(&weir, "DELETE", "keys/team-c", &json!({})).is(404);
    assert_eq!(get(&weir, "fragments")["lists"]["keys"]["names"], json!([]));
    // Every change, with what it was, and no secret in it.
    let rows = weir
        .admin("GET", "/admin/api/v1/audit")
        .key("admin")
        .send()
        .is(200);
    let told = rows.json()["rows"].clone();
    let words: Vec<&str> = told
        .as_array()
        .expect("rows")
        .iter()
        .rev()
        .filter_map(|row| row["action"].as_str())
        .collect();
    assert_eq!(
        words,
        [
            "key.create",
            "key.change",
            "key.change",
            "key.change",
            "key.rotate",
            "key.change",
            "key.revoke"
        ]
    );
    assert!(
        told[0]["from"]
            .as_str()
            .expect("what it was")
            .contains("2020-01-01")
    );
    let said = rows.text();
    assert!(!said.contains(&key) && !said.contains(&hex(&key)) && !said.contains(&second));
}

#[test]
fn only_an_admin_changes_anything_and_each_refusal_says_why() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&yaml(&upstream));
    for role in ["viewer", "operator"] {
        for (method, path) in [
            ("POST", "keys"),
            ("PUT", "keys/x"),
            ("PATCH", "accounts/a"),
            ("DELETE", "accounts/a"),
            ("POST", "accounts/a/rotate"),
        ] {
            let call = weir.admin(method, &format!("/admin/api/v1/{path}"));
            call.key(role).body("{}").send().is(403);
        }
    }
    for (method, path, body, status, why) in [
        (
            "POST",
            "keys",
            json!({ "name": "x", "lmits": {} }),
            422,
            "did you mean `limits`",
        ),
        (
            "POST",
            "keys",
            json!({ "name": "x", "key": { "env": "PATH" } }),
            422,
            "belongs into the configuration itself",
        ),
        (
            "POST",
            "keys",
            json!({ "name": "x", "pools": ["nowhere"] }),
            422,
            "nowhere",
        ),
        (
            "POST",
            "keys",
            json!({ "name": "" }),
            400,
            "expected a `name`",
        ),
        ("POST", "keys", json!([1]), 400, "JSON object"),
        ("POST", "groups", json!({ "name": "g\n- h" }), 422, "found"),
        ("PUT", "keys/nobody", json!({}), 404, "no key of that name"),
        ("DELETE", "accounts/a", json!({}), 409, "change it there"),
        (
            "POST",
            "accounts",
            json!({ "name": "a", "provider": "anthropic", "key": "sk" }),
            409,
            "change it there",
        ),
        (
            "POST",
            "accounts",
            json!({ "name": "b", "provider": "anthropic", "key": { "file": "/etc/hostname" } }),
            422,
            "kept in a file of its own",
        ),
        ("PUT", "session", json!({}), 405, "takes"),
    ] {
        let answer = tell(&weir, method, path, &body).is(status);
        assert!(
            answer.text().contains(why),
            "{method} {path}: {}",
            answer.text()
        );
    }
    // Nothing of all that was written, and no secret is left behind.
    assert!(!weir.path("conf.d/keys.yaml").exists());
    let left = std::fs::read_dir(weir.path("conf.d/secrets")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    ask(&weir, crate::rig::KEY).is(200);
}

#[test]
fn an_account_is_tested_before_it_is_saved_and_its_key_is_kept_apart() {
    let upstream = Upstream::start(|request, wire| {
        let known = request.headers.get("x-api-key") == Some("sk-right-1")
            || request.headers.get("x-api-key") == Some("sk-right-2")
            || request.target.contains("/v1/messages");
        let (status, body) = if known {
            (200, r#"{"data":[{"id":"claude-haiku-4-5"}]}"#)
        } else {
            (
                401,
                r#"{"error":{"type":"authentication_error","message":"invalid x-api-key sk-wrong"}}"#,
            )
        };
        wire.json(status, body);
    });
    let weir = Weir::start(&yaml(&upstream));
    let settings = |key: &str| json!({ "name": "b", "provider": "anthropic", "base_url": upstream.url(), "key": key });
    let refused = tell(&weir, "POST", "accounts", &settings("sk-wrong")).is(422);
    assert!(
        refused.text().contains("refused") && !refused.text().contains("sk-wrong"),
        "{}",
        refused.text()
    );
    assert!(!weir.path("conf.d/accounts.yaml").exists());
    // What would be, and what the test says, without anything being written.
    let dry = tell(&weir, "POST", "accounts?dry_run", &settings("sk-right-1"))
        .is(200)
        .json();
    assert_eq!(
        (&dry["result"], &dry["test"][0]["result"]),
        (&json!("dry_run"), &json!("fine"))
    );
    assert!(!weir.path("conf.d/accounts.yaml").exists());
    tell(&weir, "POST", "accounts", &settings("sk-right-1")).is(201);
    assert_eq!(weir.account("b")["state"], "usable");
    let secrets = || -> Vec<String> {
        let files = std::fs::read_dir(weir.path("conf.d/secrets")).expect("a directory");
        files
            .map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"))
            .collect()
    };
    assert_eq!(secrets(), ["sk-right-1"]);
    assert!(!file(&weir, "accounts.yaml").contains("sk-right"));
    tell(&weir, "POST", "accounts/b/rotate", &json!({})).is(400);
    tell(
        &weir,
        "POST",
        "accounts/b/rotate",
        &json!({ "key": "sk-wrong" }),
    )
    .is(422);
    tell(
        &weir,
        "POST",
        "accounts/b/rotate",
        &json!({ "key": "sk-right-2" }),
    )
    .is(200);
    // The one before stays as long as its backup does.
    tell(&weir, "PATCH", "accounts/b", &json!({ "weight": 2 })).is(200);
    assert_eq!(secrets(), ["sk-right-2"]);
    tell(
        &weir,
        "PATCH",
        "accounts/b?test=false",
        &json!({ "key": "sk-wrong" }),
    )
    .is(200);
    tell(&weir, "DELETE", "accounts/b", &json!({})).is(200);
    let gone = weir.status("/status/accounts");
    assert_eq!(gone.as_array().expect("a list").len(), 1);
}

#[test]
fn nobody_overwrites_what_another_has_changed_meanwhile() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&yaml(&upstream));
    let first = tell(&weir, "POST", "groups", &json!({ "name": "g" })).is(201);
    let tag = first.header("etag").expect("a revision").to_owned();
    let change = |tag: &str| {
        let call = weir.admin("PATCH", "/admin/api/v1/groups/g").key("admin");
        call.header("if-match", tag)
            .body(r#"{"limits":{"rpm":5}}"#)
            .send()
    };
    change(&tag).is(200);
    let late = change(&tag).is(412);
    assert!(late.text().contains("read it again"), "{}", late.text());
    let fresh = weir
        .admin("GET", "/admin/api/v1/groups/g")
        .key("admin")
        .send()
        .is(200);
    change(fresh.header("etag").expect("a revision")).is(200);
    // A file that somebody else has written stays as it is.
    std::fs::write(
        weir.path("conf.d/projects.yaml"),
        "projects: [{ name: p }]\n",
    )
    .expect("a file");
    let refused = tell(&weir, "POST", "projects", &json!({ "name": "q" })).is(409);
    assert!(
        refused.text().contains("projects.yaml:1"),
        "{}",
        refused.text()
    );
    assert_eq!(file(&weir, "projects.yaml"), "projects: [{ name: p }]\n");
    assert!(get(&weir, "fragments")["lists"]["projects"]["fault"].is_string());
    // A fault of the operator's own file is told, and nothing is written on top of it.
    let text = std::fs::read_to_string(weir.file()).expect("a file");
    std::fs::write(weir.file(), text.replace("accounts:", "acounts:")).expect("a file");
    let refused = tell(&weir, "POST", "groups", &json!({ "name": "h" })).is(422);
    assert!(refused.text().contains("acounts"), "{}", refused.text());
    assert!(!file(&weir, "groups.yaml").contains("\"h\""));
}

#[test]
fn without_a_directory_nothing_can_be_changed_and_it_says_which_line_would_help() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&yaml(&upstream).replace(", fragments: conf.d", ""));
    let told = get(&weir, "fragments");
    assert_eq!(told["writable"], false);
    let refused = tell(&weir, "POST", "keys", &json!({ "name": "x" })).is(409);
    for text in [told["why"].as_str().expect("why"), refused.text()] {
        assert!(
            text.contains("fragments: DIR") && text.contains("weir.yaml"),
            "{text}"
        );
    }
    assert_eq!(get(&weir, "accounts/a")["made"], "configuration");
}

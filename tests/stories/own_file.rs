//! What an admin may change through the plane besides the lists: the operator's file, where that is allowed; and see: bodies.
use serde_json::{Value, json};

use crate::rig::{Answer, KEY, TOKEN, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn start(more: &str) -> (Upstream, Weir) {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let yaml = format!("{more}{}", accounts(&[account("a", &lines, &upstream, "")]));
    let weir = Weir::start(&yaml);
    (upstream, weir)
}

fn api(weir: &Weir, method: &str, path: &str) -> crate::rig::Call {
    weir.admin(method, &format!("/admin/api/v1/{path}"))
        .key(TOKEN)
}

fn put(weir: &Weir, text: &str, revision: &str) -> Answer {
    let body = json!({ "text": text }).to_string();
    let call = api(weir, "PUT", "config").header("if-match", &format!("\"{revision}\""));
    call.header("content-type", "application/json")
        .body(body)
        .send()
}

#[test]
fn the_operators_file_is_written_only_where_that_is_allowed() {
    let (_upstream, weir) = start("");
    api(&weir, "GET", "config/file").send().is(403);
    put(&weir, "version: 1\n", "x").is(403);
    assert_eq!(weir.status("/status/config")["edit"], false);
}

#[test]
fn the_operators_file_is_checked_written_and_loaded() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_upstream, weir) = start("console: { edit: true }\n");
    std::fs::set_permissions(weir.file(), std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let read: Value = api(&weir, "GET", "config/file").send().is(200).json();
    let (text, revision) = (read["text"].as_str(), read["revision"].as_str());
    let (text, revision) = (text.expect("a text"), revision.expect("a revision"));
    assert!(text.contains(KEY), "it is the file as it is");
    // A text with a fault, one that would lock everybody out, and one that was thought out on another file.
    let faulty = put(&weir, &format!("{text}nonsense: 1\n"), revision).is(422);
    assert!(faulty.text().contains("nonsense"), "{}", faulty.text());
    let admin: String = text
        .lines()
        .filter(|line| !line.starts_with("admin:"))
        .map(|line| format!("{line}\n"))
        .collect();
    put(&weir, &admin, revision).is(422);
    put(&weir, text, "0123456789abcdef").is(412);
    assert_eq!(std::fs::read_to_string(weir.file()).expect("a file"), text);
    // A right one is in force at once; the one before stays beside it.
    let changed = format!("{text}retry: {{ max_attempts: 2 }}\n");
    let said: Value = put(&weir, &changed, revision).is(200).json();
    assert_eq!(said["result"], "applied", "{said}");
    assert_eq!(
        std::fs::read_to_string(weir.file()).expect("a file"),
        changed
    );
    let backup = std::fs::read_to_string(weir.path("weir.yaml.bak")).expect("a backup");
    assert_eq!(backup, text);
    let mode = std::fs::metadata(weir.file())
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    let status = weir.status("/status/config");
    assert_eq!(status["applied_hash"], status["disk_hash"]);
    let audit = api(&weir, "GET", "audit").send().is(200);
    let audit = audit.text();
    assert!(
        audit.contains("config.write") && audit.contains(revision),
        "{audit}"
    );
    weir.is_well();
}

#[test]
fn an_admin_sees_bodies_while_they_are_logged() {
    let (_upstream, weir) = start("");
    let lines = sample(Dialect::Anthropic);
    let answer = weir.ask(&lines).send().is(200);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    api(&weir, "GET", &format!("requests/{id}/bodies"))
        .send()
        .is(409);

    let dir = "log: { bodies: true, access: off }\n";
    let (_upstream, weir) = start(dir);
    let ask = lines.ask.replacen(
        "\"Hi",
        "\"sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA Hi",
        1,
    );
    let answer = weir.post(lines.path, &ask).send().is(200);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    let path = format!("requests/{id}/bodies");
    let kept = eventually("the bodies are kept", || {
        let kept = api(&weir, "GET", &path).send();
        let kept: Value = (kept.status == 200).then(|| kept.json())?;
        (!kept["answer"].is_null()).then_some(kept)
    });
    assert!(
        kept["request"]
            .as_str()
            .is_some_and(|body| body.contains("max_tokens")),
        "{kept}"
    );
    assert!(
        kept["answer"]
            .as_str()
            .is_some_and(|body| body.contains("Hello")),
        "{kept}"
    );
    assert!(!kept.to_string().contains("sk-ant-api03-AAAA"), "{kept}");
    // Nobody without a token, and nobody else's.
    weir.admin("GET", &format!("/admin/api/v1/{path}"))
        .send()
        .is(401);
    api(&weir, "GET", "requests/req_unknown/bodies")
        .send()
        .is(404);
}

#[test]
fn a_pool_is_made_changed_and_taken_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let admin = format!(
        "admin: {{ addr: 127.0.0.1:0, token: {TOKEN}, fragments: \"{}\" }}\npools: [{{ name: default, accounts: [a] }}]\n",
        directory.path().join("conf.d").display()
    );
    let weir = Weir::start(&format!(
        "{admin}{}",
        accounts(&[
            account("a", &lines, &upstream, ""),
            account("b", &lines, &upstream, "")
        ])
    ));
    let send = |method: &str, path: &str, body: &str| {
        let call = api(&weir, method, path).header("content-type", "application/json");
        call.body(body).send()
    };
    send(
        "POST",
        "pools",
        r#"{"name":"spare","accounts":["b"],"select":"failover"}"#,
    )
    .is(201);
    send("POST", "pools", r#"{"name":"spare","accounts":["b"]}"#).is(409);
    send("POST", "pools", r#"{"name":"wrong","accounts":["nobody"]}"#).is(422);
    send("PATCH", "pools/spare", r#"{"fallback":"default"}"#).is(200);
    let listed: Value = api(&weir, "GET", "pools").send().is(200).json();
    let rows = listed["rows"].as_array().expect("rows");
    let spare = rows
        .iter()
        .find(|row| row["name"] == "spare")
        .expect("a pool");
    assert_eq!(
        (&spare["select"], &spare["fallback"], &spare["usable"]),
        (&"failover".into(), &"default".into(), &1.into()),
        "{listed}"
    );
    send("DELETE", "pools/spare", "").is(200);
    let listed: Value = api(&weir, "GET", "pools").send().is(200).json();
    assert_eq!(listed["rows"].as_array().map(Vec::len), Some(1), "{listed}");
}

//! `weir import`: what becomes of the configurations of other gateways, and that the result serves.
use std::fs;
use std::path::Path;

use weir::protocol::Dialect;

use crate::rig::process::{command, run};
use crate::rig::proxies::Proxy;
use crate::rig::{Call, Process, Upstream, sample};

/// Kinds, with their files in `tests/goldens/import`.
const KINDS: &[(&str, &str)] = &[
    ("litellm", "litellm.yaml"),
    ("one-api", "one-api.json"),
    ("claude-relay-service", "claude-relay-service.json"),
    ("ccr", "ccr.json"),
    ("claude-proxy", "claude-proxy.json"),
];

/// The other's file with the address of an upstream in it.
fn file(dir: &Path, name: &str, upstream: &str) -> String {
    let golden = Path::new("tests/goldens/import").join(name);
    let text = fs::read_to_string(&golden).expect("a golden file");
    let path = dir.join(name);
    fs::write(&path, text.replace("UPSTREAM", upstream)).expect("a file");
    path.display().to_string()
}

/// Both texts, or the recorded ones that they have to be.
fn compare(name: &str, found: &str) {
    let path = Path::new("tests/goldens/import").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).expect("a golden file");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "run with UPDATE_GOLDEN=1: {}",
        path.display()
    );
}

#[test]
fn each_kind_becomes_what_is_recorded_and_passes_the_check() {
    for (kind, name) in KINDS {
        let dir = tempfile::tempdir().expect("a directory");
        let source = file(dir.path(), name, "10.0.0.9:8000");
        let made = dir.path().join("weir.yaml").display().to_string();
        let ended = run(&mut command(&["import", kind, &source, "--output", &made]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let here = format!("{}/", dir.path().display());
        let yaml = fs::read_to_string(&made).expect("it was written");
        let said = format!("{}\n---\n{}", yaml, ended.stderr).replace(&here, "");
        compare(&format!("{kind}.out"), &said);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&made).expect("a file").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "it holds secrets");
        let ended = run(&mut command(&[
            "check",
            "--allow-missing-secrets",
            "-c",
            &made,
        ]));
        assert_eq!(ended.code, Some(0), "{kind}: {ended:?}");
        // It is not written over.
        let ended = run(&mut command(&["import", kind, &source, "--output", &made]));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        // Without `--output` the same goes to standard output.
        let ended = run(&mut command(&["import", kind, &source]));
        assert_eq!(ended.stdout, yaml);
    }
}

/// The imported configuration asks the upstream of the file, with the key of the file, for the model of the file.
#[test]
fn what_was_imported_serves() {
    let variables = [
        "AZURE_API_KEY_EU",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "OPENROUTER_API_KEY",
        "KEY_OPENAI",
        "KEY_SEALED",
        "KEY_ALICE",
        "KEY_ACCOUNT",
        "KEY_OPENAI___",
        "CCR_KEY",
        "WEIR_KEY",
    ];
    let asked = [
        (
            "litellm",
            Dialect::OpenaiChat,
            "local",
            "sk-1234",
            "Qwen/Qwen3-32B",
            None,
        ),
        (
            "one-api",
            Dialect::OpenaiChat,
            "local",
            "the-key",
            "qwen3",
            Some("Bearer sk-own"),
        ),
        (
            "ccr",
            Dialect::OpenaiChat,
            "anything",
            "the-key",
            "qwen3",
            Some("Bearer ollama"),
        ),
        (
            "claude-relay-service",
            Dialect::Anthropic,
            "claude-sonnet-4-5",
            "the-key",
            "claude-sonnet-4-5",
            Some("sk-ant-console"),
        ),
        (
            "claude-proxy",
            Dialect::Anthropic,
            "claude-sonnet-5",
            "the-key",
            "claude-sonnet-5",
            Some("sk-"),
        ),
    ];
    for (kind, dialect, model, key, upstream_model, credential) in asked {
        let lines = sample(dialect);
        let upstream = Upstream::json(200, lines.answer);
        let dir = tempfile::tempdir().expect("a directory");
        let name = KINDS
            .iter()
            .find(|(name, _)| *name == kind)
            .expect("a kind")
            .1;
        let source = file(
            dir.path(),
            name,
            upstream.url().trim_start_matches("http://"),
        );
        let ended = run(&mut command(&["import", kind, &source]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // The proxy on the way has a port of its own here.
        let proxy = Proxy::socks5(true);
        let way = format!("\"socks5://user:p%40ss@{}\"", proxy.addr);
        let named = "\"socks5://u:p%40ss@127.0.0.1:1080\"";
        assert_eq!(
            ended.stdout.contains(named),
            *kind == *"claude-relay-service"
        );
        let text = ended.stdout.replace(named, &way);
        // Its own address would be taken on a machine that runs the other gateway, too.
        let yaml: String = text
            .lines()
            .filter(|line| !line.starts_with("listen:"))
            .fold(String::new(), |text, line| text + line + "\n");
        let process = Process::start_with(&yaml, variables.map(|name| (name, "the-key")));
        let body = format!(
            r#"{{"model":"{model}","max_tokens":9,"messages":[{{"role":"user","content":"Hi"}}]}}"#
        );
        let call = Call::new(process.addr(), "POST", lines.path).key(key);
        call.header("content-type", "application/json")
            .body(&body)
            .send()
            .is(200);
        let request = upstream.requests().pop().expect("it was asked");
        let sent: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(sent["model"], upstream_model, "{kind}");
        if let Some(credential) = credential {
            let found = ["authorization", "x-api-key"]
                .iter()
                .filter_map(|name| request.headers.get(name));
            assert!(
                found.into_iter().any(|value| value.starts_with(credential)),
                "{kind}: {request:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_imported_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = |kind: &str, text: &str| {
        let path = dir.path().join("file");
        fs::write(&path, text).expect("a file");
        let ended = run(&mut command(&["import", kind, &path.display().to_string()]));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(1), ""),
            "{kind}: {ended:?}"
        );
        ended.stderr
    };
    let sealed = r#"{"metadata":{"decrypted":false},"data":{"apiKeys":[]}}"#;
    assert!(said("claude-relay-service", sealed).contains("encrypted"));
    let clean = r#"{"metadata":{"sanitized":true,"decrypted":true},"data":{}}"#;
    assert!(said("claude-relay-service", clean).contains("sanitised"));
    for kind in [
        "ccr",
        "claude-proxy",
        "claude-relay-service",
        "litellm",
        "one-api",
    ] {
        for text in [
            "",
            "[]",
            "{}",
            "{",
            "\u{0}",
            "[1, \"a\", null]",
            "{\"data\": 3, \"upstream\": 7, \"Providers\": \"x\", \"model_list\": {}}",
        ] {
            assert!(
                said(kind, text).contains("cannot be converted"),
                "{kind} {text}"
            );
        }
    }
    let ended = run(&mut command(&["import", "litellm", "/nowhere"]));
    assert!(
        ended.code == Some(1) && ended.stderr.contains("/nowhere cannot be read"),
        "{ended:?}"
    );
}

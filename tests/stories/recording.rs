//! `weir run --record`: exchanges become cases, which `weir replay` runs again.
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::process::{Ended, Process, bounded, command, run};
use crate::rig::{
    Call, KEY, PATIENCE, TOKEN, Upstream, account, accounts, configuration, eventually, sample,
};
use weir::cases::Case;
use weir::protocol::Dialect;

/// `weir run --record` with this configuration, in the folder `cases` of its directory.
fn recording(yaml: &str) -> Process {
    let dir = tempfile::tempdir().expect("a directory");
    let command = recorder(dir.path(), yaml, &dir.path().join("cases"));
    Process::spawn(command, dir)
}

fn recorder(dir: &Path, yaml: &str, cases: &Path) -> std::process::Command {
    std::fs::write(dir.join("token"), TOKEN).expect("a file");
    let file = dir.join("weir.yaml");
    std::fs::write(&file, configuration(dir, yaml)).expect("a file");
    let mut command = command(&["run", "-c"]);
    command.arg(file).arg("--record").arg(cases);
    command
}

fn status(weir: &Process) -> Value {
    weir.admin("GET", "/status").send().is(200).json()["recording"].clone()
}

/// Waits until so many cases are there.
#[track_caller]
fn until_cases(weir: &Process, count: u64) {
    eventually(&format!("{count} cases are recorded"), || {
        (status(weir)["cases"] == count).then_some(())
    });
}

/// The cases of a directory: text by name.
fn cases(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for folder in ["passthrough", "translate"] {
        for entry in std::fs::read_dir(directory.join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("text");
            found.insert(path, text);
        }
    }
    found
}

fn replay(directory: &Path) -> Ended {
    run(command(&["replay"]).arg(directory))
}

/// An account that speaks Chat.
fn yaml(upstream: &Upstream) -> String {
    accounts(&[account("chat", &sample(Dialect::OpenaiChat), upstream, "")])
}

/// An upstream of Chat that says what it was told and by whom.
fn chat() -> Upstream {
    Upstream::start(|request, wire| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let credential = request.headers.get("authorization").expect("a credential");
        let asked = body["messages"][0]["content"].as_str().unwrap_or_default();
        let mut text = format!("You said {asked}");
        if asked.contains(KEY) {
            text.push_str(&format!(" with {credential}"));
        }
        if asked.contains("nonsense") {
            let error = json!({ "error": { "message": "the messages are nonsense", "type": "invalid_request_error" } });
            return wire.json(400, error.to_string());
        }
        if body["stream"] != true {
            let answer = json!({
                "id": "c1", "object": "chat.completion", "created": 1, "model": body["model"],
                "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
                    "role": "assistant", "content": text,
                    "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } }],
                } }],
                "usage": { "prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14 },
            });
            return wire.json(200, answer.to_string());
        }
        wire.stream();
        let chunk = |delta: Value, finish: Value| {
            let chunk = json!({
                "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
            });
            format!("data: {chunk}\n\n")
        };
        wire.chunk(chunk(
            json!({ "role": "assistant", "content": text }),
            Value::Null,
        ));
        if asked.contains("for ever") {
            wire.closes_within(PATIENCE);
            return;
        }
        if asked.contains("breaks off") {
            return wire.close();
        }
        for piece in ["{\"ci", "ty\":\"Oslo\"}"] {
            let call = json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": piece } });
            wire.chunk(chunk(json!({ "tool_calls": [call] }), Value::Null));
        }
        wire.chunk(chunk(json!({}), json!("tool_calls")));
        wire.chunk("data: [DONE]\n\n");
        wire.end();
    })
}

fn messages(weir: &Process, text: &str, stream: bool) -> Call {
    let tool = json!({ "name": "weather", "input_schema": { "type": "object", "properties": { "city": { "type": "string" } } } });
    let body = json!({
        "model": "m", "max_tokens": 99, "stream": stream, "tools": [tool],
        "messages": [{ "role": "user", "content": text }],
    });
    weir.call("POST", "/v1/messages").body(body.to_string())
}

#[test]
fn exchanges_become_cases_that_run_again() {
    let upstream = chat();
    let weir = recording(&yaml(&upstream));
    let line = weir.says("exchanges are recorded");
    assert!(line.contains("cases") && line.contains("WARN"), "{line}");

    // A key of the client's in its prompt, and one of somebody else's: the upstream repeats both, and its own.
    let keys = format!("{KEY} and sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    messages(&weir, &keys, false).send().is(200);
    messages(&weir, "hello", true).send().is(200);
    messages(&weir, "this breaks off", true).send().is(200);
    messages(&weir, "this is nonsense", false).send().is(400);
    let responses = json!({ "model": "m", "stream": true, "input": "hello" });
    weir.call("POST", "/v1/responses")
        .body(responses.to_string())
        .send()
        .is(200);
    let gemini =
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] }).to_string();
    for verb in [
        "generateContent",
        "streamGenerateContent",
        "streamGenerateContent?alt=sse",
    ] {
        let path = format!("/v1beta/models/some-model:{verb}");
        weir.call("POST", &path).body(&gemini).send().is(200);
    }
    for stream in [false, true] {
        let body = json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": keys }] });
        weir.call("POST", "/v1/chat/completions")
            .body(body.to_string())
            .send()
            .is(200);
    }
    let mut open = messages(&weir, "go on for ever", true).open();
    while open
        .event()
        .is_some_and(|event| !event.contains("You said"))
    {}
    drop(open);
    until_cases(&weir, 11);

    // What is no exchange with an upstream is counted, and told apart.
    weir.call("GET", "/v1/models").send().is(200);
    messages(&weir, "", false)
        .key("a-key-of-nobody's")
        .send()
        .is(401);
    let refused = eventually("a refusal is counted", || {
        let count = status(&weir)["skipped"]["refused"].clone();
        (count != 0).then_some(count)
    });
    assert_eq!(refused, 1);
    let status = status(&weir);
    assert_eq!(status["cases"], 11, "{status}");
    assert_eq!(status["stopped"], Value::Null, "{status}");

    let directory = weir.dir().join("cases");
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let found = cases(&directory);
    assert_eq!(found.len(), 11, "{:?}", found.keys());
    let mut bytes = 0;
    for (path, text) in &found {
        assert_eq!(mode(path), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        for secret in [KEY, "AAAAAAAA", "secret-of-chat"] {
            assert!(!text.contains(secret), "{}: {text}", path.display());
        }
        bytes += text.len();
        // The reader of the goldens takes it as it is.
        let run = Case::read(text.as_bytes()).and_then(|case| case.run());
        assert_eq!(String::from_utf8_lossy(&run.expect("it runs")), *text);
    }
    assert_eq!(status["bytes"], bytes);
    let has = |name: &str, part: &str| {
        let found = found.iter().any(|(path, text)| {
            let file = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            file.starts_with(name) && text.contains(part)
        });
        assert!(found, "{name} with {part}");
    };
    has(
        "anthropic_to_chat_answer_",
        "You said *** and sk-*** with Bearer ***",
    );
    has("anthropic_to_chat_answer_", "\"type\": \"tool_use\"");
    has("anthropic_to_chat_stream_", "You said hello");
    has(
        "anthropic_to_chat_stream_",
        "\nended: upstream_eof\nrequest_id: ",
    );
    has("anthropic_to_chat_stream_", "\nended: client_gone\n");
    has("anthropic_to_chat_error_", "----- upstream error\n400\n{");
    has("responses_to_chat_stream_", "event: response.completed");
    has(
        "gemini_to_chat_stream_",
        "\nalias: some-model\naccount: chat\ndelivery: array\n",
    );
    has("gemini_to_chat_stream_", "delivery: events\n");
    has("gemini_to_chat_answer_", "delivery: whole\n");
    has("answer_chat_", "openai-chat answer\n=== stream\n{");
    has("stream_chat_", "openai-chat stream\n=== stream\ndata: {");

    let ended = replay(&directory);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.ends_with("11 cases: 11 as recorded\n"),
        "{ended:?}"
    );

    // A report whose client got something else than the translators make of it now.
    let (path, text) = found
        .iter()
        .find(|(_, text)| text.contains("event: message_stop"))
        .expect("a case");
    let other = text.replace("event: message_stop", "event: message_halt");
    std::fs::write(path, other).expect("a case");
    let ended = replay(&directory);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let out = &ended.stdout;
    assert!(
        out.contains("differs  translate/anthropic_to_chat_stream_"),
        "{out}"
    );
    assert!(out.contains("\n  - event: message_halt\n"), "{out}");
    assert!(out.contains("\n  + event: message_stop\n"), "{out}");
    assert!(
        out.ends_with("11 cases: 10 as recorded, 1 different\n"),
        "{out}"
    );
}

#[test]
fn the_attempt_is_recorded_whose_answer_the_client_got() {
    let broken = Upstream::json(
        500,
        r#"{"type":"error","error":{"type":"api_error","message":"boom"}}"#,
    );
    let upstream = chat();
    let both = [
        account("own", &sample(Dialect::Anthropic), &broken, ""),
        account("chat", &sample(Dialect::OpenaiChat), &upstream, ""),
    ];
    let weir = recording(&accounts(&both));
    messages(&weir, "hello", false).send().is(200);
    until_cases(&weir, 1);
    assert_eq!(broken.count(), 1, "its own dialect was asked first");
    let found = cases(&weir.dir().join("cases"));
    let text = found.values().next().expect("a case");
    assert!(
        text.contains("\naccount: chat\n") && !text.contains("boom"),
        "{text}"
    );
}

#[test]
fn a_directory_with_cases_keeps_them_and_a_killed_process_leaves_none_half_written() {
    let upstream = chat();
    let dir = tempfile::tempdir().expect("a directory");
    let directory = dir.path().join("cases");
    let mut before: BTreeMap<PathBuf, String> = BTreeMap::new();
    for count in 1..=2 {
        let own = tempfile::tempdir().expect("a directory");
        let weir = Process::spawn(recorder(own.path(), &yaml(&upstream), &directory), own);
        for _ in 0..5 {
            messages(&weir, "hello", false).send().is(200);
        }
        until_cases(&weir, 5 * count);
        // Some of these are being written when it is killed.
        for _ in 0..5 {
            messages(&weir, "hello", false).send().is(200);
        }
        weir.signal("KILL");
        weir.ends();
        let now = cases(&directory);
        for (path, text) in &before {
            assert_eq!(now.get(path), Some(text), "{}", path.display());
        }
        for path in now
            .keys()
            .filter(|path| path.extension().is_some_and(|ending| ending == "part"))
        {
            std::fs::remove_file(path).expect("what was not whole has a name of its own");
        }
        let whole: Vec<PathBuf> = now.keys().filter(|path| path.exists()).cloned().collect();
        // The next one counts from here.
        for path in whole
            .iter()
            .filter(|path| !before.contains_key(*path))
            .skip(5)
        {
            std::fs::remove_file(path).expect("there");
        }
        before = cases(&directory);
        assert_eq!(before.len() as u64, 5 * count);
        assert_eq!(replay(&directory).code, Some(0));
    }
}

#[test]
fn where_nothing_can_be_recorded_nothing_is_started() {
    let upstream = chat();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for path in [&file, &file.join("below"), Path::new("/proc/weir-cases")] {
        let ended = run(&mut recorder(dir.path(), &yaml(&upstream), path));
        // As for a log that cannot be opened.
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let said = format!("weir: cannot record exchanges in {}: ", path.display());
        assert!(ended.stderr.contains(&said), "{ended:?}");
    }
}

#[test]
fn a_directory_that_goes_away_stops_the_recording_and_not_the_traffic() {
    let upstream = chat();
    let weir = recording(&yaml(&upstream));
    std::fs::remove_dir_all(weir.dir().join("cases")).expect("there");
    messages(&weir, "hello", false).send().is(200);
    weir.says("recording has stopped; the traffic goes on");
    messages(&weir, "hello", true).send().is(200);
    let status = status(&weir);
    assert!(
        status["stopped"]
            .as_str()
            .is_some_and(|why| why.starts_with("a case cannot be written")),
        "{status}"
    );
}

#[test]
fn a_case_that_the_disk_cannot_hold_stops_the_recording_and_leaves_no_half() {
    let upstream = chat();
    let dir = tempfile::tempdir().expect("a directory");
    let directory = dir.path().join("cases");
    let started = recorder(dir.path(), &yaml(&upstream), &directory);
    let weir = Process::spawn(bounded(&started, 128), dir);
    messages(&weir, "hello", false).send().is(200);
    until_cases(&weir, 1);

    for stream in [true, false] {
        let text = format!("hello {}", "x".repeat(100_000));
        let answer = messages(&weir, &text, stream).send().is(200);
        assert!(
            answer.text().contains("message_stop") || !stream,
            "the whole answer"
        );
        weir.says("recording has stopped; the traffic goes on");
    }
    messages(&weir, "hello", true).send().is(200);
    let status = status(&weir);
    assert_eq!(status["cases"], 1, "{status}");
    assert!(
        status["stopped"]
            .as_str()
            .is_some_and(|why| why.starts_with("a case cannot be written: File too large")),
        "{status}"
    );
    let found = cases(&directory);
    assert_eq!(found.len(), 1, "{:?}", found.keys());
    let ended = replay(&directory);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.ends_with("1 case: 1 as recorded\n"),
        "{ended:?}"
    );
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let upstream = chat();
    let weir = Process::start(&yaml(&upstream));
    messages(&weir, "hello", false).send().is(200);
    assert_eq!(status(&weir), Value::Null);
    assert!(!weir.log().contains("record"), "{}", weir.log());
}

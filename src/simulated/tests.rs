//! The rules of the simulated upstream. One door, [`Rig`]; the grammars of the streams are in `grammar`.
mod grammar;

use super::fault::Fault;
use super::*;

/// A simulated upstream and the number of its next request.
struct Rig {
    simulated: Simulated,
    number: u64,
}

/// What a client saw.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    before: Vec<Step>,
    status: u16,
    headers: Vec<String>,
    body: String,
    /// Every step that is no bytes.
    rest: Vec<Step>,
    writes: usize,
}

impl Rig {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let simulated = Simulated::new(settings);
        Self {
            simulated,
            number: 0,
        }
    }

    fn script(&mut self, method: &Method, target: &str, key: &str, body: &str) -> Script {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key.parse().expect("a header value"));
        let request = Request {
            method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
        };
        let number = self.number;
        self.number += 1;
        self.simulated.answer(request, number, 1_700_000_000)
    }

    fn post(&mut self, target: &str, body: &str) -> Seen {
        play(self.script(&Method::POST, target, "k-a", body))
    }

    /// An Anthropic request with this prompt.
    fn ask(&mut self, prompt: &str, stream: bool) -> Seen {
        self.post("/v1/messages", &messages(prompt, stream))
    }

    fn stats(&mut self) -> Value {
        parse(&play(self.script(&Method::GET, "/sim/stats", "", "")).body)
    }

    fn control(&mut self, message: &str) -> u16 {
        self.post("/sim/control", message).status
    }
}

/// Plays a script in memory; nothing waits.
fn play(script: Script) -> Seen {
    let mut body = Vec::new();
    let mut rest = Vec::new();
    let mut writes = 0;
    for step in script.steps {
        match step {
            Step::Send(bytes) => {
                writes += 1;
                body.extend_from_slice(&bytes);
            }
            other => rest.push(other),
        }
    }
    let headers = script.headers.iter();
    let headers =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
    Seen {
        before: script.before,
        status: script.status,
        headers: headers.collect(),
        body: String::from_utf8(body).expect("UTF-8"),
        rest,
        writes,
    }
}

fn messages(prompt: &str, stream: bool) -> String {
    json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 100_000,
        "stream": stream,
        "messages": [{"role": "user", "content": prompt}],
    })
    .to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The text of a whole Anthropic message.
fn text(seen: &Seen) -> String {
    parse(&seen.body)["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The `event:` lines of a stream.
fn events(seen: &Seen) -> Vec<&str> {
    seen.body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect()
}

#[test]
fn an_answer_says_what_it_was_asked_without_the_directives() {
    let mut rig = Rig::new();
    assert_eq!(
        text(&rig.ask("hello [[sim chunk=1]] there", false)),
        "You said: hello  there"
    );
    assert_eq!(
        text(&rig.ask("[[sim text=\"two words\"]]", false)),
        "two words"
    );
}

#[test]
fn an_answer_has_exactly_the_tokens_that_were_asked_for() {
    for tokens in [0, 1, 7, 1000] {
        let seen = Rig::new().ask(&format!("häßlich [[sim output-tokens={tokens}]]"), false);
        assert_eq!(parse(&seen.body)["usage"]["output_tokens"], tokens);
        assert_eq!(text(&seen).len().div_ceil(4), tokens);
    }
}

#[test]
fn only_what_comes_after_the_models_last_turn_matters() {
    let body = |tail: Value| {
        let mut messages = vec![
            json!({"role": "user", "content": "call f {\"a\": 1} [[sim status=500]]"}),
            json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}),
        ];
        messages.push(json!({"role": "user", "content": tail}));
        json!({"model": "m", "max_tokens": 10_000, "messages": messages,
               "tools": [{"name": "f", "input_schema": {"type": "object"}}]})
        .to_string()
    };
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12 degrees"}]},
                        {"type": "text", "text": "<system-reminder>be kind</system-reminder>"}]);
    let seen = Rig::new().post("/v1/messages", &body(result));
    assert_eq!(seen.status, 200);
    assert_eq!(text(&seen), "The tool answered: 12 degrees");
}

#[test]
fn a_marked_prefix_is_written_once_and_then_read() {
    let body = |messages: Value| {
        json!({"model": "m", "max_tokens": 9, "messages": messages,
               "system": [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]})
        .to_string()
    };
    let usage =
        |messages| parse(&Rig::new().post("/v1/messages", &body(messages)).body)["usage"].clone();
    let user = json!({"role": "user", "content": "hello"});
    let first = usage(json!([user]));
    assert_ne!(first["cache_creation_input_tokens"], 0);
    assert_eq!(first["cache_read_input_tokens"], 0);
    let second = usage(json!([user, {"role": "assistant", "content": "hi"}, user]));
    assert_eq!(second["cache_creation_input_tokens"], 0);
    assert_ne!(second["cache_read_input_tokens"], 0);
}

#[test]
fn a_stream_is_the_same_bytes_however_it_is_written() {
    let prompt = |knobs: &str| format!("häßlich [[sim output-tokens=200]] [[sim {knobs}]]");
    let length = prompt("gather=00").len();
    let play = |knobs: &str| {
        // Equal lengths: the usage in the answer depends on the length of the prompt.
        let prompt = format!("{:length$}", prompt(knobs));
        let seen = Rig::new().post("/v1/chat/completions", &messages(&prompt, true));
        (seen.writes, seen.body)
    };
    let (many, whole) = play("gather=0");
    let (few, gathered) = play("gather=9999");
    let (pieces, cut) = play("cut=1");
    assert_eq!(whole, gathered);
    assert_eq!(whole, cut);
    assert!(few < many && many < pieces);
    assert_eq!(pieces, whole.len());
}

#[test]
fn a_delay_lies_between_chunks_and_before_the_head() {
    let seen = Rig::new().ask(
        "[[sim output-tokens=12 head-delay=1s first-delay=2s chunk-delay=30ms]]",
        true,
    );
    let wait = |milliseconds| Step::Wait(std::time::Duration::from_millis(milliseconds));
    assert_eq!(seen.before, [wait(1000)]);
    assert_eq!(seen.rest, [wait(2000), wait(30), wait(30), wait(30)]);
}

#[test]
fn every_fault_shows_as_the_vendor_says_it() {
    let check = |target: &str, body: &str, status: u16, pointer: &str, value: Value| {
        let seen = Rig::new().post(target, body);
        assert_eq!(seen.status, status, "{body}");
        assert_eq!(
            parse(&seen.body).pointer(pointer),
            Some(&value),
            "{}",
            seen.body
        );
    };
    let anthropic = |prompt: &str| messages(prompt, true);
    let gemini = |prompt: &str| json!({"contents": [{"parts": [{"text": prompt}]}]}).to_string();
    let generate = "/v1beta/models/m:generateContent";
    check(
        "/v1/messages",
        &anthropic("[[sim status=529]]"),
        529,
        "/error/type",
        json!("overloaded_error"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim error=auth]]"),
        401,
        "/error/type",
        json!("authentication_error"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim error=server status=200]]"),
        200,
        "/type",
        json!("error"),
    );
    check(
        "/v1/chat/completions",
        &anthropic("[[sim error=quota]]"),
        429,
        "/error/type",
        json!("insufficient_quota"),
    );
    check(
        "/v1/chat/completions",
        &anthropic("[[sim error=overloaded]]"),
        503,
        "/error/code",
        json!("server_is_overloaded"),
    );
    check(
        generate,
        &gemini("[[sim status=429 retry-after=37]]"),
        429,
        "/error/details/0/retryDelay",
        json!("37s"),
    );
    check(
        generate,
        &gemini("[[sim error=overloaded]]"),
        503,
        "/error/status",
        json!("UNAVAILABLE"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim nonsense=1]]"),
        400,
        "/error/type",
        json!("invalid_request_error"),
    );
    check(
        "/v1/messages",
        "{",
        400,
        "/error/type",
        json!("invalid_request_error"),
    );
    check(
        "/v1/messages",
        r#"{"model":"m","messages":[]}"#,
        400,
        "/error/message",
        json!("max_tokens: Field required"),
    );
}

#[test]
fn a_retry_hint_is_only_on_a_failure() {
    let mut rig = Rig::new();
    let refused = rig.ask(
        "[[sim status=429 retry-after=1500ms should-retry=false]]",
        true,
    );
    for header in [
        "retry-after: 2",
        "retry-after-ms: 1500",
        "x-should-retry: false",
    ] {
        assert!(
            refused.headers.iter().any(|have| have == header),
            "{header}"
        );
    }
    let fine = rig.ask("[[sim retry-after=3]]", true);
    assert!(
        !fine
            .headers
            .iter()
            .any(|header| header.starts_with("retry"))
    );
}

#[test]
fn html_comes_instead_of_json() {
    let seen = Rig::new().ask("[[sim html]]", true);
    assert_eq!(seen.status, 502);
    assert!(seen.body.starts_with("<html>"));
    assert!(
        seen.headers
            .iter()
            .any(|header| header == "content-type: text/html")
    );
}

#[test]
fn a_fault_may_come_before_the_head() {
    for (knob, step) in [
        ("reset", Step::Reset),
        ("close", Step::Truncate),
        ("stall", Step::Stall),
    ] {
        let seen = Rig::new().ask(&format!("[[sim {knob}]]"), false);
        assert_eq!(seen.before, [step]);
    }
}

#[test]
fn a_stream_breaks_after_the_events_that_were_asked_for() {
    let check = |knob: &str, names: &[&str], rest: &[Step]| {
        let seen = Rig::new().ask(&format!("[[sim output-tokens=40 {knob}]]"), true);
        assert_eq!(events(&seen), names, "{knob}");
        assert_eq!(seen.rest, rest, "{knob}");
    };
    let start = ["message_start", "content_block_start", "ping"];
    check("reset-after=0", &[], &[Step::Reset]);
    check("truncate-after=1", &start[..1], &[Step::Truncate]);
    check("eof-after=1", &start[..1], &[]);
    check("stall-after=1", &start[..1], &[Step::Stall]);
    check("error-after=0", &["error"], &[]);
    check("error-after=1", &["message_start", "error"], &[]);
    let whole = Rig::new().ask("[[sim output-tokens=40]]", true);
    let mut names = events(&whole);
    assert_eq!(names.pop(), Some("message_stop"));
    check("eof-after=last", &names, &[]);
    check("reset-after=last", &names, &[Step::Reset]);
}

#[test]
fn a_plain_answer_breaks_in_its_middle() {
    let whole = Rig::new().ask("[[sim truncate-after=9]]", false);
    let length = Rig::new().script(
        &Method::POST,
        "/v1/messages",
        "",
        &messages("[[sim truncate-after=9]]", false),
    );
    assert_eq!(whole.rest, [Step::Truncate]);
    assert_eq!(
        length.length,
        Some(whole.body.len() as u64 * 2 + length.length.unwrap_or(0) % 2)
    );
    let error = Rig::new().ask("[[sim error-after=3]]", false);
    assert_eq!(
        (error.status, &parse(&error.body)["type"]),
        (200, &json!("error"))
    );
}

#[test]
fn every_nth_request_fails() {
    let mut rig = Rig::new();
    let statuses: Vec<_> = (0..6)
        .map(|_| rig.ask("[[sim status=500 every=3]]", true).status)
        .collect();
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
}

#[test]
fn one_credential_can_have_a_bad_day() {
    let mut rig = Rig::new();
    let status = |rig: &mut Rig, key| {
        rig.script(
            &Method::POST,
            "/v1/messages",
            key,
            &messages("hello", false),
        )
        .status
    };
    assert_eq!(
        rig.control(r#"{"fail": [{"key": "k-a", "status": 429, "retry_after": 5}]}"#),
        200
    );
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (429, 200)
    );
    assert_eq!(
        rig.control(r#"{"fail": [{"key": "k-a", "statsu": 429}]}"#),
        400
    );
    assert_eq!(
        rig.control(r#"{"set": {"error": "overloaded"}, "fail": []}"#),
        200
    );
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (529, 529)
    );
    assert_eq!(rig.control(r#"{"reset": true}"#), 200);
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (200, 200)
    );
}

#[test]
fn headers_turn_knobs_too() {
    let mut headers = HeaderMap::new();
    headers.insert("x-sim-status", "529".parse().expect("a header value"));
    let body = messages("hello", false);
    let request = Request {
        method: &Method::POST,
        path: "/v1/messages",
        query: "beta=true",
        headers: &headers,
        body: body.as_bytes(),
    };
    let simulated = Simulated::new(Settings::default());
    assert_eq!(simulated.answer(request, 0, 0).status, 529);
}

#[test]
fn only_listed_credentials_and_models_are_served() {
    let mut rig = Rig::with(Settings {
        keys: vec!["k-a".to_owned()],
        only_listed_models: true,
        ..Settings::default()
    });
    assert_eq!(rig.ask("hello", false).status, 200);
    assert_eq!(
        rig.post(
            "/v1/messages",
            &messages("x", false).replace("claude", "cloud")
        )
        .status,
        404
    );
    assert_eq!(
        rig.script(&Method::GET, "/v1/models", "k-b", "").status,
        401
    );
}

#[test]
fn counters_tell_complete_broken_and_cancelled_answers_apart() {
    let mut rig = Rig::new();
    rig.ask("[[sim output-tokens=100 cache-read=7]]", true);
    rig.ask("[[sim reset-after=3]]", true);
    rig.ask("[[sim status=500]]", false);
    let mut left = rig.script(
        &Method::POST,
        "/v1/messages",
        "k-b",
        &messages("[[sim output-tokens=9999]]", true),
    );
    assert!(matches!(left.steps.next(), Some(Step::Send(_))));
    assert_eq!(rig.stats()["open_streams"], 1);
    drop(left);
    let stats = rig.stats();
    assert_eq!(stats["requests"], 4);
    assert_eq!(stats["open_streams"], 0);
    assert_eq!(
        (&stats["complete"], &stats["broken"], &stats["cancelled"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        stats["by_key"],
        json!({"k-a": {"200": 2, "500": 1}, "k-b": {"200": 1}})
    );
    assert_eq!(stats["tokens"]["cache_read"], 7);
    let output = stats["tokens"]["output"].as_u64().expect("a count");
    assert!((100..9999).contains(&output), "{output}");
}

#[test]
fn the_upstream_can_say_what_reached_it() {
    let seen = Rig::new().post(
        "/v1/messages?beta=true",
        &messages("[[sim echo-headers]]", false),
    );
    let echo = parse(&text(&seen));
    assert_eq!(echo["headers"], json!({"x-api-key": "k-a"}));
    assert_eq!(echo["query"], "beta=true");
    assert_eq!(
        echo["body"]["length"],
        messages("[[sim echo-headers]]", false).len()
    );
}

#[test]
fn vendor_endpoints_have_the_right_shape() {
    let check = |method: Method, target: &str, body: &str, pointer: &str, value: Value| {
        let seen = play(Rig::new().script(&method, target, "k-a", body));
        assert_eq!(
            parse(&seen.body).pointer(pointer),
            Some(&value),
            "{target}: {}",
            seen.body
        );
    };
    let (get, post) = (|| Method::GET, || Method::POST);
    check(get(), "/v1/models", "", "/data/0/type", json!("model"));
    check(
        get(),
        "/v1beta/models",
        "",
        "/models/0/name",
        json!("models/claude-opus-5-5"),
    );
    check(get(), "/v1/models/gpt-4o", "", "/id", json!("gpt-4o"));
    check(
        get(),
        "/v1/models/none",
        "",
        "/error/type",
        json!("not_found_error"),
    );
    check(get(), "/health", "", "/status", json!("ok"));
    check(
        post(),
        "/v1/embeddings",
        r#"{"model":"e","input":["a","b"]}"#,
        "/data/1/index",
        json!(1),
    );
    check(post(), "/v1/files", "12345", "/bytes", json!(5));
    check(get(), "/v1/files/file-1", "", "/id", json!("file-1"));
    check(
        post(),
        "/v1/messages/batches",
        "{}",
        "/type",
        json!("message_batch"),
    );
    check(get(), "/v1/messages/batches/b1", "", "/id", json!("b1"));
    check(
        post(),
        "/v1/responses/input_tokens",
        r#"{"model":"m","input":"x"}"#,
        "/object",
        json!("response.input_tokens"),
    );
    check(
        post(),
        "/v1/models/m:countTokens",
        r#"{"contents":[]}"#,
        "/totalTokens",
        json!(4),
    );
    check(
        post(),
        "/v1/nothing",
        "{}",
        "/error/type",
        json!("not_found_error"),
    );
}

/// The one place where a knob is defined is the match in `knobs.rs`; the manual must have the same.
#[test]
fn every_knob_is_in_the_manual() {
    let manual = include_str!("../../docs/SIMULATED.md");
    let source = include_str!("knobs.rs");
    let defined = source.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.starts_with(" => put")
            .then_some(name)
            .or_else(|| rest.ends_with("=> put(").then_some(name))
    });
    let defined: Vec<_> = defined.collect();
    assert!(defined.len() > 30, "{defined:?}");
    let documented: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '=']).next())
        .collect();
    for name in &defined {
        assert!(
            documented.contains(name),
            "docs/SIMULATED.md lacks `{name}`"
        );
    }
    for fault in Fault::ALL {
        assert!(
            manual.contains(&format!("`{}`", fault.name())),
            "docs/SIMULATED.md lacks `{}`",
            fault.name()
        );
    }
}

//! What a request costs that is large in an odd place: little more than its bytes, whatever they are.
use crate::rig::process::Process;
use crate::rig::{Lines, Upstream, account, accounts, sample};
use weir::protocol::Dialect;

const MIB: usize = 1 << 20;

/// `unit` again and again, without the comma at the end.
fn again(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
        .trim_end_matches(',')
        .to_owned()
}

/// KiB of the process's memory, by this name: now, or the most that there was.
fn memory(weir: &Process, name: &str) -> usize {
    let path = format!("/proc/{}/status", weir.id());
    let text = std::fs::read_to_string(path).expect("Linux tells");
    let line = text.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

/// Asks with each of these in a process of its own: target, content type, body; the status of the answer. Together they take
/// no more memory than `mib` beside what was there.
fn cost(mib: usize, told: &str, cases: &[(&str, &str, String, u16)]) {
    let chat: Lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, chat.answer);
    let yaml = accounts(&[account("a", &chat, &upstream, "")])
        + "keys: [{ name: k, key: a-secret-of-a-key, models: [m] }]\n";
    for (target, kind, body, status) in cases {
        let weir = Process::start(&yaml);
        let ask = |target: &str, kind: &str, body: &str| {
            let call = weir.call("POST", target).key("a-secret-of-a-key");
            call.header("content-type", kind).body(body).send()
        };
        let small = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
        ask("/v1/chat/completions", JSON, small).is(200);
        let before = memory(&weir, "VmRSS");
        let answer = ask(target, kind, body);
        let head = &body[..body.len().min(80)];
        assert_eq!(answer.status, *status, "{target} {head}: {}", answer.text());
        assert!(
            answer.text().contains(told),
            "{target} {head}: {}",
            answer.text()
        );
        assert!(answer.text().len() < 2000, "{target} {head}");
        let most = memory(&weir, "VmHWM").saturating_sub(before) / 1024;
        assert!(most <= mib, "{most} MiB for {target} {head}");
    }
}

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data; boundary=B";
const CHAT: &str = "/v1/chat/completions";

/// A name of a model is held as it came, and scanned: 31 MiB of it are those, and nothing else.
#[test]
fn a_name_of_31_mib_costs_no_more_than_its_scan() {
    let (plain, escapes) = ("m".repeat(31 * MIB), again("\\u006d", 31 * MIB));
    let messages = r#""messages":[{"role":"user","content":"Hi"}]"#;
    let form = format!(
        "--B\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{plain}\r\n--B--\r\n"
    );
    let json = |target, body| (target, JSON, body, 400);
    cost(
        48,
        "256 bytes",
        &[
            json(CHAT, format!("{{\"model\":\"{plain}\",{messages}}}")),
            json(CHAT, format!("{{{messages},\"model\":\"{escapes}\"}}")),
            json(
                "/v1/messages",
                format!("{{\"model\":\"{plain}\",\"max_tokens\":1,{messages}}}"),
            ),
            json(
                "/v1/responses",
                format!("{{\"model\":\"{plain}\",\"input\":\"Hi\"}}"),
            ),
            json(
                "/v1/embeddings",
                format!("{{\"model\":\"{plain}\",\"input\":\"Hi\"}}"),
            ),
            json(
                CHAT,
                format!("{{\"model\":\"m\",{messages},\"models\":[\"{plain}\"]}}"),
            ),
            json(
                CHAT,
                format!("{{\"model\":\"m\",{messages},\"models\":\"{escapes}\"}}"),
            ),
            json(
                CHAT,
                format!("{{\"model\":\"m\",{messages},\"preset\":\"{plain}\"}}"),
            ),
            ("/v1/audio/transcriptions", FORM, form, 400),
        ],
    );
}

/// What is small and comes a million times is refused where each would be remembered.
#[test]
fn a_million_of_something_costs_little_more_than_its_bytes() {
    let bytes = 12 * MIB;
    let messages = r#""messages":[{"role":"user","content":"Hi"}]"#;
    let many = |name: &str, unit: &str| {
        let list = again(unit, bytes);
        let body = format!("{{\"model\":\"m\",{messages},\"{name}\":[{list}]}}");
        (CHAT, JSON, body, 400)
    };
    let members = format!("{{\"model\":\"m\",{messages},{}}}", again("\"\":0,", bytes));
    let within = format!(
        "{{\"model\":\"m\",{messages},\"tools\":[{{{}}}]}}",
        again("\"\":0,", bytes)
    );
    let parts = again("{\"text\":\"\"},", bytes);
    let parts = format!("{{\"contents\":[{{\"role\":\"user\",\"parts\":[{parts}]}}]}}");
    let stops = again("\"\",", bytes);
    let stops =
        format!("{{\"model\":\"m\",\"max_tokens\":1,{messages},\"stop_sequences\":[{stops}]}}");
    let gemini = "/v1beta/models/m:generateContent";
    cost(
        48,
        "",
        &[
            many("models", "0,"),
            many("models", "\"m\","),
            many("fallbacks", "{},"),
            many("tools", "{},"),
            many("plugins", "[],"),
            (CHAT, JSON, members, 400),
            (CHAT, JSON, within, 400),
            (gemini, JSON, parts, 400),
            ("/v1/messages", JSON, stops, 400),
        ],
    );
}

/// A name that is too long is refused wherever it may stand, by everybody's key.
#[test]
fn a_name_of_257_bytes_is_refused_wherever_it_stands() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, chat.answer);
    let weir = crate::rig::Weir::before(&upstream, &chat);
    let (long, fits) = ("n".repeat(257), "n".repeat(256));
    let form = |name: &str| {
        format!("--B\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{name}\r\n--B--\r\n")
    };
    let ask = |target: &str, kind: &str, body: String| {
        let call = weir
            .call("POST", target)
            .header("content-type", kind)
            .body(body);
        let answer = call.send();
        (answer.status, answer.text().to_owned())
    };
    let messages = r#""messages":[{"role":"user","content":"Hi"}]"#;
    for (name, refused) in [(&long, true), (&fits, false)] {
        let cases = [
            (
                CHAT.to_owned(),
                JSON,
                format!("{{\"model\":\"{name}\",{messages}}}"),
            ),
            (
                CHAT.to_owned(),
                JSON,
                format!("{{\"model\":\"m\",{messages},\"models\":[\"m\",\"{name}\"]}}"),
            ),
            (
                CHAT.to_owned(),
                JSON,
                format!("{{\"model\":\"m\",{messages},\"fallbacks\":[{{\"model\":\"{name}\"}}]}}"),
            ),
            (
                format!("/v1beta/models/{name}:generateContent"),
                JSON,
                r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#.to_owned(),
            ),
            (
                format!("/v1beta/models/{name}:streamGenerateContent"),
                JSON,
                r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#.to_owned(),
            ),
            (
                format!("/openai/deployments/{name}/chat/completions"),
                JSON,
                format!("{{{messages}}}"),
            ),
            ("/v1/audio/transcriptions".to_owned(), FORM, form(name)),
        ];
        for (target, kind, body) in cases {
            let (status, text) = ask(&target, kind, body);
            let told = text.contains("256 bytes");
            assert_eq!(told, refused, "{target}: {status} {text}");
            assert_eq!(status == 400, refused, "{target}: {status} {text}");
        }
    }
    assert_eq!(weir.account("a")["state"], "usable");
}

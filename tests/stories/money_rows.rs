//! What every dialect and provider states, row by row of `docs/MONEY.md`: whole and streamed, for a client of the same dialect and of
//! another one, and for one that leaves. What is booked is computed by hand, in billionths of a dollar, and is the same everywhere.
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::books::{add_up, nano, priced};
use crate::rig::{Upstream, Weir, account, eventually, sample};
use weir::protocol::Dialect;
use weir::protocol::Dialect::{Anthropic, Gemini, OpenaiChat, OpenaiResponses};

/// Billionths of a dollar for one token: input 1000, from the cache 100, written to it 1250 and 2000, output 5000.
const PRICES: &str = r#"[{ model: "advisor-*", input: 10, cache_read: 1, output: 50 }, { model: "*", input: 1, cache_read: 0.1, cache_write_5m: 1.25, cache_write_1h: 2, output: 5,
    tiers: { batch: 0.5, flex: 0.5, priority: 2, fast: 6 }, regions: { us: 1.1 },
    tools: { web_search: 10, web_search_preview: 25, file_search: 2.5, code_session: 30, maps: 20 },
    media: { audio_input: 4, image_input: 3, audio_output: 20, image_output: 30 } }]"#;

/// One row.
struct Row {
    /// Members beside the usage, of the whole answer.
    beside: &'static str,
    usage: &'static str,
    /// Input, from the cache, written to it for five minutes and for an hour, output.
    tokens: [u64; 5],
    nano: u64,
}

const fn row(usage: &'static str, tokens: [u64; 5], nano: u64) -> Row {
    Row {
        beside: "{}",
        usage,
        tokens,
        nano,
    }
}

const fn beside(beside: &'static str, usage: &'static str, tokens: [u64; 5], nano: u64) -> Row {
    Row {
        beside,
        usage,
        tokens,
        nano,
    }
}

const PLAIN: [u64; 5] = [10, 0, 0, 0, 4];
const CACHED: [u64; 5] = [10, 100, 0, 0, 4];
const WRITTEN: [u64; 5] = [10, 100, 30, 10, 4];

const ANTHROPIC: [Row; 13] = [
    row(r#"{"input_tokens":10,"output_tokens":4}"#, PLAIN, 30_000),
    row(
        r#"{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":40,"output_tokens":4}"#,
        [10, 100, 40, 0, 4],
        90_000,
    ),
    row(
        r#"{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":10},"output_tokens":4}"#,
        WRITTEN,
        97_500,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"service_tier":"priority"}"#,
        PLAIN,
        60_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"service_tier":"standard","speed":"fast"}"#,
        PLAIN,
        180_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"inference_geo":"us"}"#,
        PLAIN,
        33_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":9}}"#,
        PLAIN,
        30_030_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":20},{"type":"message","input_tokens":10,"output_tokens":4}]}"#,
        [110, 0, 0, 0, 24],
        230_000,
    ),
    // A compaction that writes to the cache for an hour, and what its split does not cover.
    row(
        r#"{"input_tokens":10,"cache_read_input_tokens":100,"output_tokens":4,"iterations":[{"type":"compaction","input_tokens":0,"output_tokens":0,"cache_creation_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":10}}]}"#,
        WRITTEN,
        97_500,
    ),
    // What an advisor writes costs what its own model costs, by a name without a price as much as the answer.
    row(
        r#"{"input_tokens":10,"output_tokens":4,"iterations":[{"type":"message","input_tokens":10,"output_tokens":4},{"type":"advisor_message","model":"advisor-1","input_tokens":100,"output_tokens":20,"cache_read_input_tokens":0,"cache_creation_input_tokens":0}]}"#,
        [110, 0, 0, 0, 24],
        2_030_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"speed":"fast","iterations":[{"type":"compaction","input_tokens":10,"output_tokens":4},{"type":"advisor_message","model":"advisor-1","input_tokens":100},{"type":"advisor_message","model":"advisor-1","output_tokens":20}]}"#,
        [120, 0, 0, 0, 28],
        2_360_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"iterations":[{"type":"advisor_message","model":7,"input_tokens":100,"output_tokens":20}]}"#,
        [110, 0, 0, 0, 24],
        230_000,
    ),
    // A detail of another shape does not hide the sums.
    row(
        r#"{"input_tokens":10,"output_tokens":4,"cache_creation":[],"server_tool_use":"","output_tokens_details":7,"iterations":{}}"#,
        PLAIN,
        30_000,
    ),
];

const CHAT: [Row; 20] = [
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}"#,
        PLAIN,
        30_000,
    ),
    row(
        r#"{"prompt_tokens":110,"completion_tokens":4,"total_tokens":114,"prompt_tokens_details":{"cached_tokens":100}}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"prompt_tokens":150,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":40,"cache_write_tokens_details":{"ttl_12h_tokens":10}}}"#,
        WRITTEN,
        97_500,
    ),
    // DeepSeek, Moonshot.
    row(
        r#"{"prompt_tokens":110,"completion_tokens":4,"prompt_cache_hit_tokens":100,"prompt_cache_miss_tokens":10}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"prompt_tokens":110,"completion_tokens":4,"cached_tokens":100}"#,
        CACHED,
        40_000,
    ),
    // xAI counts reasoning beside the answer, OpenAI in it.
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":6}}"#,
        [10, 0, 0, 0, 10],
        60_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"completion_tokens_details":{"reasoning_tokens":3}}"#,
        PLAIN,
        30_000,
    ),
    // Gemini hides its thoughts in the total; others count there what was cached, or sound, or nothing that can be.
    row(
        r#"{"prompt_tokens":20,"completion_tokens":424,"total_tokens":1016}"#,
        [20, 0, 0, 0, 996],
        5_000_000,
    ),
    row(
        r#"{"prompt_tokens":110,"completion_tokens":4,"total_tokens":214,"prompt_tokens_details":{"cached_tokens":100}}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":3264,"prompt_audio_seconds":0}"#,
        PLAIN,
        30_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":-1}"#,
        PLAIN,
        30_000,
    ),
    beside(
        r#"{"service_tier":"flex"}"#,
        r#"{"prompt_tokens":10,"completion_tokens":4}"#,
        PLAIN,
        15_000,
    ),
    beside(
        r#"{"service_tier":"priority"}"#,
        r#"{"prompt_tokens":10,"completion_tokens":4}"#,
        PLAIN,
        60_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"service_tier":"flex"}"#,
        PLAIN,
        15_000,
    ),
    // OpenRouter, with a key of one's own too; xAI; Perplexity.
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"cost":0.000123456,"cost_details":{"upstream_inference_cost":null}}"#,
        PLAIN,
        123_456,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"cost":1e-6,"is_byok":true,"cost_details":{"upstream_inference_cost":2e-6}}"#,
        PLAIN,
        3_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"cost_in_usd_ticks":12345670}"#,
        PLAIN,
        1_234_567,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"cost":{"total_cost":0.005}}"#,
        PLAIN,
        5_000_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"audio_tokens":6},"completion_tokens_details":{"audio_tokens":2}}"#,
        PLAIN,
        78_000,
    ),
    row(
        r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":[],"completion_tokens_details":"","cost_details":7}"#,
        PLAIN,
        30_000,
    ),
];

const RESPONSES: [Row; 12] = [
    row(
        r#"{"input_tokens":10,"output_tokens":4,"total_tokens":14}"#,
        PLAIN,
        30_000,
    ),
    row(
        r#"{"input_tokens":110,"input_tokens_details":{"cached_tokens":100},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":3}}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"input_tokens":150,"input_tokens_details":{"cached_tokens":100,"cache_write_tokens":40,"cache_write_tokens_details":{"ttl_12h_tokens":10}},"output_tokens":4}"#,
        WRITTEN,
        97_500,
    ),
    beside(
        r#"{"service_tier":"flex"}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        15_000,
    ),
    beside(
        r#"{"output":[{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},{"type":"web_search_call","id":"ws_2","status":"completed","action":{"type":"search","query":"r"}}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        20_030_000,
    ),
    beside(
        r#"{"tools":[{"type":"web_search_preview"}],"output":[{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        25_030_000,
    ),
    beside(
        r#"{"output":[{"type":"file_search_call","id":"fs_1","status":"completed","queries":["q"],"results":null}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        2_530_000,
    ),
    beside(
        r#"{"output":[{"type":"code_interpreter_call","id":"ci_1","status":"completed","container_id":"c_1","code":"1","outputs":null},{"type":"code_interpreter_call","id":"ci_2","status":"completed","container_id":"c_1","code":"2","outputs":null}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        30_030_000,
    ),
    // Another container is another session.
    beside(
        r#"{"output":[{"type":"code_interpreter_call","id":"ci_1","status":"completed","container_id":"c_1","code":"1","outputs":null},{"type":"code_interpreter_call","id":"ci_2","status":"completed","container_id":"c_2","code":"2","outputs":null},{"type":"code_interpreter_call","id":"ci_3","status":"completed","container_id":"c_1","code":"3","outputs":null}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        60_030_000,
    ),
    beside(
        r#"{"output":[{"type":"code_interpreter_call","id":"ci_1","status":"completed","code":"1"},{"type":"code_interpreter_call","id":"ci_2","status":"completed","container_id":7,"code":"2"}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        30_030_000,
    ),
    // To open a page that was found, or to look into it, is no search; what says nothing is one.
    beside(
        r#"{"output":[{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},{"type":"web_search_call","id":"ws_2","status":"completed","action":{"type":"open_page","url":"https://a.example"}},{"type":"web_search_call","id":"ws_3","status":"completed","action":{"type":"find_in_page","url":"https://a.example","pattern":"p"}},{"type":"web_search_call","id":"ws_4","status":"completed"}]}"#,
        r#"{"input_tokens":10,"output_tokens":4}"#,
        PLAIN,
        20_030_000,
    ),
    row(
        r#"{"input_tokens":10,"output_tokens":4,"input_tokens_details":"","output_tokens_details":[]}"#,
        PLAIN,
        30_000,
    ),
];

const GEMINI: [Row; 14] = [
    row(
        r#"{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14}"#,
        PLAIN,
        30_000,
    ),
    row(
        r#"{"promptTokenCount":110,"cachedContentTokenCount":100,"candidatesTokenCount":4}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"promptTokenCount":10,"candidatesTokenCount":4,"thoughtsTokenCount":6}"#,
        [10, 0, 0, 0, 10],
        60_000,
    ),
    row(
        r#"{"promptTokenCount":10,"toolUsePromptTokenCount":5,"candidatesTokenCount":4}"#,
        [15, 0, 0, 0, 4],
        35_000,
    ),
    row(
        r#"{"promptTokenCount":10,"candidatesTokenCount":4,"serviceTier":"flex"}"#,
        PLAIN,
        15_000,
    ),
    // This model's cache costs the same on cheaper tiers.
    row(
        r#"{"promptTokenCount":110,"cachedContentTokenCount":100,"candidatesTokenCount":4,"trafficType":"ON_DEMAND_FLEX"}"#,
        CACHED,
        25_000,
    ),
    row(
        r#"{"promptTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":6}],"candidatesTokenCount":4}"#,
        PLAIN,
        48_000,
    ),
    row(
        r#"{"promptTokenCount":10,"candidatesTokenCount":4,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":3}]}"#,
        PLAIN,
        105_000,
    ),
    row(
        r#"{"promptTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"IMAGE","tokenCount":6}],"candidatesTokenCount":4}"#,
        PLAIN,
        42_000,
    ),
    // Sound that was read from a cache leaves the text of the prompt what it is; of both, the rest is sound.
    row(
        r#"{"promptTokenCount":110,"cachedContentTokenCount":100,"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":100}],"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":100}],"candidatesTokenCount":4}"#,
        CACHED,
        40_000,
    ),
    row(
        r#"{"promptTokenCount":110,"cachedContentTokenCount":100,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":40},{"modality":"AUDIO","tokenCount":40},{"modality":"IMAGE","tokenCount":20}],"promptTokensDetails":[{"modality":"TEXT","tokenCount":45},{"modality":"AUDIO","tokenCount":43},{"modality":"IMAGE","tokenCount":22}],"candidatesTokenCount":4}"#,
        CACHED,
        53_000,
    ),
    row(
        r#"{"promptTokenCount":10,"toolUsePromptTokenCount":5,"toolUsePromptTokensDetails":[{"modality":"IMAGE","tokenCount":3},{"modality":"AUDIO","tokenCount":2}],"candidatesTokenCount":4}"#,
        [15, 0, 0, 0, 4],
        47_000,
    ),
    // Of this generation a grounded prompt is paid for once.
    beside(
        r#"{"groundingMetadata":{"webSearchQueries":["a","b"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"a"}}]}}"#,
        r#"{"promptTokenCount":10,"candidatesTokenCount":4}"#,
        PLAIN,
        10_030_000,
    ),
    row(
        r#"{"promptTokenCount":10,"candidatesTokenCount":4,"promptTokensDetails":"","candidatesTokensDetails":{"a":1}}"#,
        PLAIN,
        30_000,
    ),
];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn merge(object: &mut Value, more: &Value) {
    let members: Map<String, Value> = more.as_object().expect("an object").clone();
    let object = object.as_object_mut().expect("an object");
    for (name, value) in members {
        match (object.get_mut(&name), value) {
            (Some(Value::Array(list)), Value::Array(items)) => {
                items
                    .into_iter()
                    .rev()
                    .for_each(|item| list.insert(0, item));
            }
            (_, value) => {
                object.insert(name, value);
            }
        }
    }
}

/// Puts what the row states into one body: a whole answer, or the event of a stream that has a usage.
fn state(dialect: Dialect, row: &Row, body: &mut Value) {
    let (mut usage, beside) = (parsed(row.usage), parsed(row.beside));
    match dialect {
        Anthropic if body.get("message").is_some() => {
            // Only the last count of the answer is the whole one.
            usage["output_tokens"] = json!(1);
            usage
                .as_object_mut()
                .expect("an object")
                .remove("iterations");
            body["message"]["usage"] = usage;
        }
        Anthropic => {
            if body.get("usage").is_some() {
                body["usage"] = usage;
            }
        }
        OpenaiChat => {
            merge(body, &beside);
            if body.get("usage").is_some() {
                body["usage"] = usage;
            }
        }
        OpenaiResponses => {
            let response = match body.get("response") {
                None => body,
                Some(_) => &mut body["response"],
            };
            if response.get("usage").is_some() {
                response["usage"] = usage;
                merge(response, &beside);
            }
        }
        Gemini => {
            if body["usageMetadata"].get("candidatesTokenCount").is_some() {
                merge(&mut body["candidates"][0], &beside);
                body["usageMetadata"] = usage;
            } else {
                body["usageMetadata"]["promptTokenCount"] = usage["promptTokenCount"].clone();
            }
        }
    }
}

fn stated(dialect: Dialect, row: &Row, event: &str) -> String {
    let at = event.find("data: ").expect("data") + "data: ".len();
    let Ok(mut body) = serde_json::from_str(event[at..].trim()) else {
        return event.to_owned();
    };
    state(dialect, row, &mut body);
    format!("{}{body}\n\n", &event[..at])
}

/// Whole, streamed, and streamed to a client that leaves.
fn prove(upstream: Dialect, client: Dialect, row: &Row) {
    let (server, client) = (sample(upstream), sample(client));
    let mut whole = parsed(server.answer);
    state(upstream, row, &mut whole);
    let whole = whole.to_string();
    let of = |events: &[&str]| -> Vec<String> {
        let events = events.iter();
        events.map(|event| stated(upstream, row, event)).collect()
    };
    let (opening, closing) = (of(server.opening), of(server.closing));
    let played = Upstream::start(move |request, wire| {
        if request.number == 0 {
            return wire.json(200, &whole);
        }
        wire.stream();
        for event in &opening {
            wire.chunk(event);
        }
        if request.number == 2 {
            wire.closes_within(Duration::from_secs(20));
            return;
        }
        for event in &closing {
            wire.chunk(event);
        }
        wire.end();
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &server, &played, "");
    let weir = Weir::start(&priced(&ledger, PRICES, "", &[entry]));
    // The model is the upstream's own, whoever asks: its terms are those of the table.
    let own = parsed(server.ask)["model"]
        .as_str()
        .unwrap_or("gemini-2.5-flash")
        .to_owned();
    let ask = |stream: bool| {
        let (path, body) = if stream {
            (client.stream_path, client.ask_stream)
        } else {
            (client.path, client.ask)
        };
        let mut body = parsed(body);
        if body.get("model").is_some() {
            body["model"] = json!(own);
        }
        weir.post(path, body.to_string())
    };
    let what = format!(
        "{upstream} to {}: {} {}",
        client.dialect, row.usage, row.beside
    );

    ask(false).send().is(200);
    is_booked(&weir, 1, row, &what);
    ask(true).send().is(200);
    is_booked(&weir, 2, row, &what);
    let mut open = ask(true).open();
    while let Some(event) = open.event() {
        if event.contains("Hel") {
            break;
        }
    }
    drop(open);
    let left = line(&weir, 3);
    let count = |kind: &str| left["tokens"][kind].as_u64().unwrap_or(0);
    match upstream {
        // The prompt was stated before the client left.
        Anthropic => {
            assert_eq!(left["usage_source"], "partial", "{what}");
            assert_eq!(count("cache_read"), row.tokens[1], "{what}");
        }
        Gemini => assert_eq!(left["usage_source"], "partial", "{what}"),
        OpenaiChat | OpenaiResponses => {
            assert_eq!(left["usage_source"], "estimated", "{what}");
        }
    }
    assert!((1..80).contains(&count("output")), "{what}: {left}");
    add_up(&weir, &ledger, 3);
}

fn line(weir: &Weir, number: usize) -> Value {
    eventually("its line", || {
        let lines = weir.lines().into_iter();
        let mut lines = lines.filter(|line| line["path"] != "/v1/usage");
        lines.nth(number - 1)
    })
}

fn is_booked(weir: &Weir, number: usize, row: &Row, what: &str) {
    let line = line(weir, number);
    let kinds = [
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
    ];
    let tokens = kinds.map(|kind| line["tokens"][kind].as_u64().unwrap_or(0));
    assert_eq!(line["usage_source"], "reported", "{what}: {line}");
    assert_eq!(tokens, row.tokens, "{what}: {line}");
    assert_eq!(nano(&line["cost_usd"]), row.nano, "{what}: {line}");
}

fn prove_all(upstream: Dialect, rows: &[Row], other: Dialect) {
    for row in rows {
        prove(upstream, upstream, row);
        // A translated request brings no tool of the provider's but the newer search of the web.
        let own = [
            "web_search_preview",
            "file_search_call",
            "code_interpreter_call",
        ];
        if !own.iter().any(|tool| row.beside.contains(tool)) {
            prove(upstream, other, row);
        }
    }
}

#[test]
fn every_row_of_anthropic_is_booked() {
    prove_all(Anthropic, &ANTHROPIC, OpenaiChat);
}

#[test]
fn every_row_of_chat_is_booked() {
    prove_all(OpenaiChat, &CHAT, Anthropic);
}

#[test]
fn every_row_of_responses_is_booked() {
    prove_all(OpenaiResponses, &RESPONSES, Anthropic);
}

#[test]
fn every_row_of_gemini_is_booked() {
    prove_all(Gemini, &GEMINI, OpenaiChat);
}

/// A sound of a second and a half, sixteen thousand samples a second.
fn sound() -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend_from_slice(&16_000_u32.to_le_bytes());
    file.extend_from_slice(&32_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&48_000_u32.to_le_bytes());
    file.resize(file.len() + 48_000, 7);
    file
}

fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

/// What is sold by the piece: what is asked, what is answered, and what is booked: pictures, milliseconds of sound, characters,
/// searches, tokens, billionths of a dollar.
struct Piece {
    path: &'static str,
    ask: Vec<u8>,
    answer: &'static str,
    units: [u64; 4],
    tokens: u64,
    nano: u64,
    source: &'static str,
}

fn piece(
    (path, ask, answer): (&'static str, &[u8], &'static str),
    units: [u64; 4],
    (tokens, nano): (u64, u64),
    source: &'static str,
) -> Piece {
    Piece {
        path,
        ask: ask.to_vec(),
        answer,
        units,
        tokens,
        nano,
        source,
    }
}

const HEARD: &str = "/v1/audio/transcriptions";
const SPOKEN: &str = "/v1/audio/speech";
const DRAWN: &str = "/v1/images/generations";
const RANKED: &str = "/v1/rerank";
const IMAGEN: &str = "/v1beta/models/imagen-4.0-generate-001:predict";

fn pieces() -> Vec<Piece> {
    let transcript = |format: &'static str| {
        form(&[
            ("file", &sound()),
            ("model", b"whisper-1"),
            ("response_format", format.as_bytes()),
        ])
    };
    vec![
        // A minute costs 0.006.
        piece(
            (
                HEARD,
                &transcript("json"),
                r#"{"text":"a","usage":{"type":"duration","seconds":9}}"#,
            ),
            [0, 9_000, 0, 0],
            (0, 900_000),
            "reported",
        ),
        piece(
            (
                HEARD,
                &transcript("verbose_json"),
                r#"{"task":"transcribe","duration":"8.47","text":"a","segments":[]}"#,
            ),
            [0, 8_470, 0, 0],
            (0, 847_000),
            "reported",
        ),
        piece(
            (
                HEARD,
                &transcript("verbose_json"),
                r#"{"duration":8.47,"text":"a","usage":{"type":"duration","seconds":9}}"#,
            ),
            [0, 9_000, 0, 0],
            (0, 900_000),
            "reported",
        ),
        // What says nothing is as long as the recording was; so is a translation.
        piece(
            (
                HEARD,
                &transcript("srt"),
                "1\n00:00:00,000 --> 00:00:01,000\na\n",
            ),
            [0, 1_500, 0, 0],
            (0, 150_000),
            "estimated",
        ),
        piece(
            ("/v1/audio/translations", &transcript("text"), "a\n"),
            [0, 1_500, 0, 0],
            (0, 150_000),
            "estimated",
        ),
        piece(
            (
                HEARD,
                &transcript("json"),
                r#"{"text":"a","usage":{"type":"duration","seconds":-9}}"#,
            ),
            [0, 1_500, 0, 0],
            (0, 150_000),
            "estimated",
        ),
        // As a browser records, without a length in its head.
        piece(
            (
                HEARD,
                &form(&[
                    ("file", include_bytes!("../sounds/live.webm")),
                    ("model", b"whisper-1"),
                    ("response_format", b"text"),
                ]),
                "a\n",
            ),
            [0, 3_501, 0, 0],
            (0, 350_100),
            "estimated",
        ),
        // Sold by the token: input 1, output 5.
        piece(
            (
                HEARD,
                &form(&[("model", b"by-token"), ("file", &sound())]),
                r#"{"text":"a","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":2,"total_tokens":16}}"#,
            ),
            [0, 1_500, 0, 0],
            (16, 24_000),
            "reported",
        ),
        // A million characters cost 15.
        piece(
            (
                SPOKEN,
                r#"{"model":"tts-1","input":"Hällo","voice":"alloy"}"#.as_bytes(),
                "\x01 sound",
            ),
            [0, 0, 5, 0],
            (0, 75_000),
            "estimated",
        ),
        // A picture costs 0.04, one of high quality 0.08, a high one in that quality 0.12.
        piece(
            (
                DRAWN,
                br#"{"model":"dall-e-3","prompt":"a fox"}"#,
                r#"{"created":1,"data":[{"url":"https://a.example/1"}]}"#,
            ),
            [1, 0, 0, 0],
            (0, 40_000_000),
            "reported",
        ),
        piece(
            (
                DRAWN,
                br#"{"model":"dall-e-3","prompt":"a fox","quality":"hd","size":"1024x1792"}"#,
                r#"{"created":1,"data":[{"url":"https://a.example/1"}]}"#,
            ),
            [1, 0, 0, 0],
            (0, 120_000_000),
            "reported",
        ),
        // Two of the three that were asked for.
        piece(
            (
                DRAWN,
                br#"{"model":"dall-e-3","prompt":"a fox","n":3,"quality":"hd"}"#,
                r#"{"created":1,"data":[{"url":"a"},{"url":"b"}]}"#,
            ),
            [2, 0, 0, 0],
            (0, 160_000_000),
            "reported",
        ),
        piece(
            (
                "/v1/images/edits",
                &form(&[
                    ("model", b"dall-e-3"),
                    ("n", b"2"),
                    ("size", b"1024x1792"),
                    ("image", b"?"),
                ]),
                r#"{"created":1}"#,
            ),
            [2, 0, 0, 0],
            (0, 160_000_000),
            "estimated",
        ),
        piece(
            (
                DRAWN,
                br#"{"model":"by-token","prompt":"a fox"}"#,
                r#"{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14}}"#,
            ),
            [1, 0, 0, 0],
            (14, 30_000),
            "reported",
        ),
        piece(
            (
                IMAGEN,
                br#"{"instances":[{"prompt":"a fox"}],"parameters":{"sampleCount":2}}"#,
                r#"{"predictions":[{"bytesBase64Encoded":"AAAA","mimeType":"image/png"},{"bytesBase64Encoded":"AAAA"}]}"#,
            ),
            [2, 0, 0, 0],
            (0, 80_000_000),
            "reported",
        ),
        piece(
            (
                IMAGEN,
                br#"{"instances":[{"prompt":"a fox"}]}"#,
                r#"{"predictions":[{"raiFilteredReason":"?"}]}"#,
            ),
            [4, 0, 0, 0],
            (0, 160_000_000),
            "estimated",
        ),
        // A thousand searches cost 2.
        piece(
            (
                RANKED,
                br#"{"model":"rerank-v3.5","query":"a","documents":["b"]}"#,
                r#"{"id":"r","results":[],"meta":{"api_version":{"version":"1"},"billed_units":{"search_units":3}}}"#,
            ),
            [0, 0, 0, 3],
            (0, 6_000_000),
            "reported",
        ),
        piece(
            (
                RANKED,
                br#"{"model":"by-token","query":"a","documents":["b"]}"#,
                r#"{"object":"list","results":[],"usage":{"total_tokens":30}}"#,
            ),
            [0; 4],
            (30, 30_000),
            "reported",
        ),
        piece(
            (
                "/v1/embeddings",
                br#"{"model":"by-token","texts":["a"]}"#,
                r#"{"embeddings":[[1]],"meta":{"billed_units":{"input_tokens":3}}}"#,
            ),
            [0; 4],
            (3, 3_000),
            "reported",
        ),
    ]
}

/// As [`PRICES`] by the token, and by the piece where that is told apart by the name.
const PIECES: &str = r#"[{ model: by-token, input: 1, output: 5 },
    { model: "*", units: { image: 0.04, images: { hd: 0.08, 1024x1792: 0.08, "hd 1024x1792": 0.12 }, audio_minute: 0.006,
    characters: 15, searches: 2 } }]"#;

#[test]
fn what_is_sold_by_the_piece_is_booked_by_the_piece() {
    for row in pieces() {
        let what = format!("{} {}", row.path, row.answer);
        let answer = row.answer;
        let upstream = Upstream::start(move |_, wire| {
            if answer.starts_with('{') {
                return wire.json(200, answer);
            }
            let length = answer.len();
            wire.raw(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: {length}\r\n\r\n{answer}"
            ));
        });
        let lines = sample(if row.path.contains("predict") {
            Gemini
        } else {
            OpenaiChat
        });
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let entry = account("a", &lines, &upstream, "");
        let weir = Weir::start(&priced(&ledger, PIECES, "", &[entry]));
        let media = if row.ask.starts_with(b"{") {
            "application/json"
        } else {
            "multipart/form-data; boundary=b"
        };
        let call = weir.call("POST", row.path).body(&row.ask);
        let said = call.header("content-type", media).send().is(200);
        assert_eq!(said.text(), row.answer, "bytes pass untouched");
        let line = line(&weir, 1);
        let kinds = ["images", "audio_ms", "characters", "searches"];
        let units = kinds.map(|kind| line["units"][kind].as_u64().unwrap_or(0));
        assert_eq!(units, row.units, "{what}: {line}");
        let tokens = ["input", "output"].map(|kind| line["tokens"][kind].as_u64().unwrap_or(0));
        assert_eq!(tokens[0] + tokens[1], row.tokens, "{what}: {line}");
        assert_eq!(nano(&line["cost_usd"]), row.nano, "{what}: {line}");
        assert_eq!(line["usage_source"], row.source, "{what}: {line}");
        add_up(&weir, &ledger, 1);
        let used: Value = weir.get("/v1/usage").send().is(200).json();
        let path = ledger.to_str().expect("text");
        let told = crate::rig::process::run(&mut crate::rig::process::command(&[
            "usage", "--ledger", path, "--json", "--since", "2d",
        ]));
        let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
        for (kind, count) in kinds.into_iter().zip(row.units) {
            let today = &used["key"]["this_month"]["units"][kind];
            assert_eq!(today.as_u64(), Some(count), "{what}: {used}");
            assert_eq!(told["total"][kind].as_u64(), Some(count), "{what}: {told}");
            if count > 0 {
                let labels = [("key", "team"), ("kind", kind)];
                weir.until_metric("weir_units_total", &labels, count as f64);
            }
        }
    }
}

#[test]
fn what_is_sold_by_the_piece_is_reserved_before_it_is_made() {
    let upstream =
        Upstream::start(|_, wire| wire.json(200, r#"{"created":1,"data":[{"url":"a"}]}"#));
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, PIECES, "usd_per_day: 0.1", &[entry]));
    let drawn = |count: u64, more: &str| {
        let body = format!(r#"{{"model":"m","prompt":"a fox","n":{count}{more}}}"#);
        weir.post("/v1/images/generations", body).send()
    };
    // Three of them cost 0.12, and so does one; a sound of a second and a half costs little, and too many words too much.
    drawn(3, "").is(429);
    drawn(1, r#","quality":"hd","size":"1024x1792""#).is(429);
    let spoken = format!(r#"{{"model":"m","input":"{}"}}"#, "a".repeat(8_000));
    weir.post("/v1/audio/speech", spoken).send().is(429);
    assert_eq!(upstream.count(), 0, "nothing was asked for");
    let heard = form(&[("file", &sound()), ("model", b"m")]);
    let call = weir.call("POST", "/v1/audio/transcriptions").body(heard);
    call.header("content-type", "multipart/form-data; boundary=b")
        .send()
        .is(200);
    drawn(2, "").is(200);
    // One was made of the two: 0.04 of the 0.1 are spent, and less than a thousandth for the sound.
    drawn(1, "").is(200);
    drawn(1, "").is(429);
    assert_eq!(upstream.count(), 3);
}

/// Whoever leaves before the head pays for what the vendor makes all the same; a failure costs nothing.
#[test]
fn who_leaves_pays_for_the_piece_and_a_failure_costs_nothing() {
    let upstream = Upstream::start(|request, wire| {
        if request.number == 0 {
            return wire.json(
                400,
                r#"{"error":{"message":"no","type":"invalid_request_error"}}"#,
            );
        }
        wire.closes_within(Duration::from_secs(20));
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, PIECES, "", &[entry]));
    let call = || weir.post("/v1/audio/speech", r#"{"model":"tts-1","input":"Hello"}"#);
    call().send().is(400);
    let failed = line(&weir, 1);
    assert!(
        failed["cost_usd"].is_null() && failed["units"].is_null(),
        "{failed}"
    );
    let open = call().start();
    upstream.until(2);
    drop(open);
    let left = line(&weir, 2);
    assert_eq!(nano(&left["cost_usd"]), 75_000, "{left}");
    assert_eq!(left["units"]["characters"], 5, "{left}");
    assert_eq!(left["usage_source"], "estimated", "{left}");
    add_up(&weir, &ledger, 2);
}

/// The document names the test of every row, and they exist.
#[test]
fn the_document_names_tests_that_exist() {
    let document = include_str!("../../docs/MONEY.md");
    let sources = concat!(
        include_str!("money.rs"),
        include_str!("money_rows.rs"),
        include_str!("background.rs"),
    );
    let files = ["limits.rs", "ledger.rs", "batches.rs", "counting.rs"];
    let mut rows = 0;
    let (table, _) = document
        .split_once("## Which members")
        .expect("the first table");
    for row in table.lines().filter(|row| row.starts_with("| ")) {
        let Some(last) = row.trim_end_matches('|').rsplit('|').next() else {
            continue;
        };
        for name in last.split('`').skip(1).step_by(2) {
            let exists = sources.contains(&format!("fn {name}()"))
                || files.contains(&name)
                || name == "tests/stories/money.rs"
                || name == "exchange::background";
            let is_test = name.contains('_') && name.len() > 20 && !name.contains('.');
            assert!(exists || !is_test, "{name}");
            rows += usize::from(is_test);
        }
    }
    assert!(rows > 15, "{rows}");
}

/// What states no prompt, or zeros after it was stated, and what a server states elsewhere.
#[test]
fn a_prompt_that_is_left_out_is_not_free() {
    let anthropic = |start: &str, delta: &str| {
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{start}}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
             event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"Hello\"}}}}\n\n\
             event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
             event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\"usage\":{delta}}}\n\n\
             event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
        )
    };
    let chat = |usage: &str, more: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"Hello\"}},\"finish_reason\":null}}]}}\n\n\
             data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]{more}}}\n\n\
             data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{usage}}}\n\n\
             data: [DONE]\n\n"
        )
    };
    // The prompt that is booked; `None` = an estimate of some tokens.
    let stated = r#"{"input_tokens":10,"cache_read_input_tokens":100,"output_tokens":1}"#;
    for (dialect, other, stream, prompt) in [
        (
            Anthropic,
            OpenaiChat,
            anthropic(
                stated,
                r#"{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":4}"#,
            ),
            Some([10, 100]),
        ),
        (
            Anthropic,
            OpenaiChat,
            anthropic(
                stated,
                r#"{"input_tokens":90,"cache_read_input_tokens":20,"output_tokens":4}"#,
            ),
            Some([90, 20]),
        ),
        // The end says nothing: the answer is estimated, and the prompt is known.
        (
            Anthropic,
            OpenaiChat,
            anthropic(stated, "\"?\""),
            Some([10, 100]),
        ),
        (
            Anthropic,
            OpenaiChat,
            anthropic("null", r#"{"output_tokens":4}"#),
            None,
        ),
        (
            OpenaiChat,
            Anthropic,
            chat(r#"{"completion_tokens":4}"#, ""),
            None,
        ),
        (
            OpenaiChat,
            Anthropic,
            chat(
                r#"{"prompt_tokens":0,"completion_tokens":4,"total_tokens":4}"#,
                "",
            ),
            None,
        ),
        (
            OpenaiChat,
            OpenaiChat,
            chat(
                "null",
                r#","x_groq":{"id":"g","usage":{"prompt_tokens":10,"completion_tokens":4}}"#,
            ),
            Some([10, 0]),
        ),
    ] {
        for client in [dialect, other] {
            let (server, client) = (sample(dialect), sample(client));
            let played = stream.clone();
            let upstream = Upstream::start(move |_, wire| {
                wire.stream();
                wire.chunk(&played);
                wire.end();
            });
            let directory = tempfile::tempdir().expect("a directory");
            let ledger = directory.path().join("ledger");
            let entry = account("a", &server, &upstream, ", stream_usage: as-sent");
            let entry = if dialect == OpenaiChat {
                entry
            } else {
                account("a", &server, &upstream, "")
            };
            let weir = Weir::start(&priced(&ledger, PRICES, "", &[entry]));
            weir.ask_stream(&client).send().is(200);
            let line = line(&weir, 1);
            let count = |kind: &str| line["tokens"][kind].as_u64().unwrap_or(0);
            let found = [count("input"), count("cache_read")];
            let cut = stream.contains("\"?\"");
            assert_eq!(count("output"), if cut { 2 } else { 4 }, "{stream}: {line}");
            if let Some(expected) = prompt {
                assert_eq!(found, expected, "{stream}: {line}");
                let source = if cut { "partial" } else { "reported" };
                assert_eq!(line["usage_source"], source, "{line}");
            } else {
                assert!((5..80).contains(&found[0]), "{stream}: {line}");
                assert_eq!(line["usage_source"], "estimated", "{line}");
            }
            add_up(&weir, &ledger, 1);
        }
    }
}

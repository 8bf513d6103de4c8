//! What the same-dialect path costs: scanning a request, reading a stream along.
//!
//! `cargo bench --no-default-features --bench protocol`. The scan stands beside what it can be compared with on the same
//! bytes: copying them, checking their UTF-8, skipping through them with `serde_json`.
use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use weir::protocol::Dialect;
use weir::protocol::json::{self, Draft, Pointer};
use weir::protocol::passthrough::Tap;
use weir::protocol::regroup::{Regroup, Unit};
use weir::protocol::sse;
use weir::protocol::system::Addition;

fn main() {
    divan::main();
}

#[divan::bench]
fn body_copy(bencher: Bencher<'_, '_>) {
    let body = agent_body();
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| black_box(&body).clone());
}

#[divan::bench]
fn body_utf8(bencher: Bencher<'_, '_>) {
    let body = agent_body();
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| std::str::from_utf8(black_box(&body)).map(str::len));
}

#[divan::bench]
fn body_ignored_by_serde(bencher: Bencher<'_, '_>) {
    let body = agent_body();
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| serde_json::from_slice::<IgnoredAny>(black_box(&body)).is_ok());
}

#[divan::bench]
fn body_scan(bencher: Bencher<'_, '_>) {
    let body = agent_body();
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| json::scan(black_box(&body)));
}

#[divan::bench]
fn body_scan_pretty(bencher: Bencher<'_, '_>) {
    let value: Value = serde_json::from_slice(&agent_body()).expect("valid");
    let body = serde_json::to_vec_pretty(&value).expect("serializes");
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| json::scan(black_box(&body)));
}

#[divan::bench]
fn body_scan_and_rename(bencher: Bencher<'_, '_>) {
    let body = Bytes::from(agent_body());
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let members = json::scan(&body).expect("valid");
        json::rename(&body, &members, "another-model")
    });
}

/// What a client adapter does to a request: edits at the top and deep inside, a system prompt, and the second scan.
#[divan::bench]
fn body_scan_and_rewrite(bencher: Bencher<'_, '_>) {
    let body = Bytes::from(agent_body());
    let pointer = |text| Pointer::parse(text).expect("a pointer");
    let (deep, top) = (pointer("/metadata/labels/a"), pointer("/max_tokens"));
    let addition = Addition {
        prepend: Some("Answer in English.".to_owned()),
        append: None,
    };
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let members = json::scan(&body).expect("valid");
        let mut draft = Draft::new(&body, &members);
        draft.set(&top, Bytes::from_static(b"8192"));
        draft.set(&deep, Bytes::from_static(b"1"));
        addition.apply(Dialect::Anthropic, &mut draft);
        let body = draft.finish().expect("edited");
        json::scan(&body).map(|members| members.len())
    });
}

#[divan::bench]
fn body_small_scan(bencher: Bencher<'_, '_>) {
    let body = br#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"Say hello to the world."}],"max_tokens":64,"temperature":0.2,"stream":true,"user":"u-1"}"#;
    bencher
        .counter(BytesCount::of_slice(body))
        .bench(|| json::scan(black_box(body)));
}

/// One event of text, read whole: the frame alone, then the frame and its tap.
#[divan::bench(args = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI])]
fn event_frame(bencher: Bencher<'_, '_>, sample: &Sample) {
    let chunk = sample.chunk();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(sse::Frames::new)
        .bench_refs(|frames| {
            let mut seen = 0;
            let cut = frames.push(black_box(&chunk), |frame| seen += frame.data.len());
            (cut, seen)
        });
}

#[divan::bench(args = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI])]
fn event_tap(bencher: Bencher<'_, '_>, sample: &Sample) {
    let chunk = sample.chunk();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| sample.begun())
        .bench_refs(|tap| tap.relay(black_box(&chunk)));
}

/// The same, one event per read, as it comes at the speed of a model.
#[divan::bench(args = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI])]
fn event_tap_singly(bencher: Bencher<'_, '_>, sample: &Sample) {
    let event = Bytes::from_static(sample.event.as_bytes());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| sample.begun())
        .bench_refs(|tap| {
            for _ in 0..EVENTS {
                let _ = black_box(tap.relay(black_box(&event)));
            }
        });
}

/// Events of text, regrouped by sentence.
#[divan::bench(args = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI])]
fn event_regrouped(bencher: Bencher<'_, '_>, sample: &Sample) {
    let chunk = sample.chunk();
    let mut stage = Regroup::new(sample.dialect, Unit::Sentence);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        stage.push(black_box(&chunk));
        stage.take()
    });
}

/// A new tap: what every stream pays once.
#[divan::bench(args = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI])]
fn tap_new(sample: &Sample) -> Tap {
    Tap::new(black_box(sample.dialect))
}

/// A stream in the middle of its text.
struct Sample {
    dialect: Dialect,
    /// What comes before: the answer has begun after it.
    start: &'static str,
    event: &'static str,
}

impl Sample {
    fn chunk(&self) -> Bytes {
        Bytes::from(self.event.repeat(EVENTS))
    }

    fn begun(&self) -> Tap {
        let mut tap = Tap::new(self.dialect);
        tap.push(self.start.as_bytes()).expect("a short frame");
        assert!(tap.committed());
        tap
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.dialect.fmt(f)
    }
}

const EVENTS: usize = 1000;

const ANTHROPIC: Sample = Sample {
    dialect: Dialect::Anthropic,
    start: "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    event: "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" a few words\"}}\n\n",
};

const CHAT: Sample = Sample {
    dialect: Dialect::OpenaiChat,
    start: "data: {\"id\":\"chatcmpl-Bz1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"}}]}\n\n",
    event: "data: {\"id\":\"chatcmpl-Bz1kYwYgZ3\",\"object\":\"chat.completion.chunk\",\"created\":1763625600,\"model\":\"gpt-5-mini-2025-08-07\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" words\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"Xk2v9\"}\n\n",
};

const RESPONSES: Sample = Sample {
    dialect: Dialect::OpenaiResponses,
    start: "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":2,\"output_index\":0,\"item\":{}}\n\n",
    event: "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":17,\"item_id\":\"msg_68af4030baa48193b0b43b4c2a176a1a\",\"output_index\":0,\"content_index\":0,\"delta\":\" words\",\"logprobs\":[],\"obfuscation\":\"x8hKq2\"}\n\n",
};

const GEMINI: Sample = Sample {
    dialect: Dialect::Gemini,
    start: "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}],\"role\":\"model\"},\"index\":0}]}\r\n\r\n",
    event: "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"some forty words of text in one piece, since Gemini sends more at once than the others do\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 5000,\"candidatesTokenCount\": 100,\"totalTokenCount\": 5800,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 5000}],\"thoughtsTokenCount\": 700},\"modelVersion\": \"gemini-2.5-pro\",\"responseId\": \"mLqhaJ\"}\r\n\r\n",
};

/// About 300 KB, in the proportions of a coding agent's request: tool schemas, and turns of prose, code and tool
/// results, whose line ends and quotes are escaped.
fn agent_body() -> Vec<u8> {
    let tools: Vec<Value> = (0..30)
        .map(|number| {
            json!({
                "name": format!("tool_{number}"),
                "description": "Reads a file from the local file system.\n\nUsage:\n- The path must be absolute.\n".repeat(8),
                "input_schema": {
                    "type": "object",
                    "properties": {
                        "file_path": { "type": "string", "description": "The absolute path of the file" },
                        "offset": { "type": "integer", "minimum": 0, "description": "The line to start from" },
                        "flags": { "type": "array", "items": { "type": "string", "enum": ["a", "b", "c"] } },
                    },
                    "required": ["file_path"],
                    "additionalProperties": false,
                },
            })
        })
        .collect();
    let code = "    let members = scan(body)?;\n    if members.is_empty() {\n        return Err(\"empty\");\n    }\n";
    let mut messages = Vec::new();
    for turn in 0..60 {
        messages.push(json!({ "role": "assistant", "content": [
            { "type": "text", "text": "I will read the file first, then change what the test complains about.".repeat(3) },
            { "type": "tool_use", "id": format!("toolu_{turn:020}"), "name": "tool_3", "input": { "file_path": "/src/lib.rs", "offset": turn } },
        ] }));
        messages.push(json!({ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": format!("toolu_{turn:020}"), "content": code.repeat(36) },
        ] }));
    }
    let body = json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 32000,
        "system": [{ "type": "text", "text": "You are a coding agent. Be brief. ".repeat(300), "cache_control": { "type": "ephemeral" } }],
        "tools": tools,
        "messages": messages,
        "metadata": { "user_id": "{\"device_id\":\"x\",\"session_id\":\"y\"}" },
        "stream": true,
    });
    body.to_string().into_bytes()
}

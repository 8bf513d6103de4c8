//! What translation costs: a text delta in each direction, and the request of a long conversation.
//!
//! `cargo bench --no-default-features --bench translate`. The request stands beside reading the same bytes into a document tree
//! and printing them again.
use std::hint::black_box;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use serde_json::{Value, json};
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::target::{Quirks, Target};
use weir::protocol::translate::{self, Translator};
use weir::protocol::{Dialect, models};

fn main() {
    divan::main();
}

#[divan::bench]
fn text_deltas_from_chat_to_anthropic(bencher: Bencher<'_, '_>) {
    let head = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"gpt-4o-2024-11-20\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
    stream(bencher, Dialect::Anthropic, Dialect::OpenaiChat, "", head);
}

#[divan::bench]
fn text_deltas_from_anthropic_to_chat(bencher: Bencher<'_, '_>) {
    let head = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n";
    stream(
        bencher,
        Dialect::OpenaiChat,
        Dialect::Anthropic,
        head,
        delta,
    );
}

#[divan::bench]
fn request_from_anthropic_to_chat(bencher: Bencher<'_, '_>) {
    let body = conversation();
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let request = translate::decode(Dialect::Anthropic, black_box(&body)).expect("a request");
        translator(&request, Dialect::OpenaiChat).1
    });
}

#[divan::bench]
fn request_parsed_and_printed_by_serde(bencher: Bencher<'_, '_>) {
    let body = conversation();
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        serde_json::from_slice::<Value>(black_box(&body))
            .expect("JSON")
            .to_string()
    });
}

fn stream(bencher: Bencher<'_, '_>, client: Dialect, upstream: Dialect, head: &str, delta: &str) {
    let asked = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let request = translate::decode(client, asked.as_bytes()).expect("a request");
    let deltas = delta.repeat(DELTAS);
    bencher
        .counter(ItemsCount::new(DELTAS))
        .with_inputs(|| {
            let (mut translator, _) = translator(&request, upstream);
            let mut out = BytesMut::with_capacity(1 << 20);
            translator.push(head.as_bytes(), &mut out);
            (translator, out)
        })
        .bench_refs(|(translator, out)| {
            for chunk in deltas.as_bytes().chunks(delta.len()) {
                translator.push(black_box(chunk), out);
            }
        });
}

fn translator(
    request: &weir::protocol::hub::request::Request,
    upstream: Dialect,
) -> (Translator, Vec<u8>) {
    let capabilities = models::capabilities("gpt-4o");
    let target = Target {
        model: "gpt-4o",
        capabilities: &capabilities,
        quirks: &Quirks::OPENAI,
        account: "",
    };
    let stamp = Stamp {
        created: 1,
        seed: 2,
    };
    let (translator, encoded) =
        Translator::new(request, upstream, &target, stamp).expect("translatable");
    (translator, encoded.body)
}

/// An agent's conversation of about 300 KB.
fn conversation() -> Vec<u8> {
    let mut messages = vec![json!({ "role": "user", "content": "Fix the bug." })];
    for turn in 0..60 {
        let id = format!("toolu_{turn}");
        messages.push(json!({ "role": "assistant", "content": [
            { "type": "text", "text": "I look at the next file." },
            { "type": "tool_use", "id": id, "name": "Read", "input": { "path": format!("src/file_{turn}.rs") } },
        ] }));
        let file = "    let value = compute(\"input\")?; // why\n".repeat(115);
        messages.push(json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": file }] }));
    }
    let schema = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
    let tools = json!([{ "name": "Read", "description": "Reads a file.", "input_schema": schema }]);
    let body = json!({ "model": "m", "max_tokens": 32_000, "messages": messages, "tools": tools });
    body.to_string().into_bytes()
}

/// Deltas of one stream.
const DELTAS: usize = 1_000;

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

/// One token at a time, as it comes at the speed of a model: from every upstream to a client of every other dialect.
#[divan::bench(args = pairs())]
fn text_deltas(bencher: Bencher<'_, '_>, pair: Pair) {
    let (head, delta) = text(pair.upstream);
    stream(bencher, pair.client, pair.upstream, head, delta);
}

#[divan::bench(args = pairs())]
fn request(bencher: Bencher<'_, '_>, pair: Pair) {
    let body = conversation(pair.client);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let request = translate::decode(pair.client, black_box(&body)).expect("a request");
        translator(&request, pair.upstream).1
    });
}

#[divan::bench]
fn request_parsed_and_printed_by_serde(bencher: Bencher<'_, '_>) {
    let body = conversation(Dialect::Anthropic);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        serde_json::from_slice::<Value>(black_box(&body))
            .expect("JSON")
            .to_string()
    });
}

fn stream(bencher: Bencher<'_, '_>, client: Dialect, upstream: Dialect, head: &str, delta: &str) {
    let asked = match client {
        Dialect::Gemini => r#"{"contents":[{"parts":[{"text":"x"}]}]}"#,
        Dialect::OpenaiResponses => r#"{"model":"m","input":"x"}"#,
        _ => r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
    };
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

/// What comes before the text of a stream, and one delta of it.
fn text(upstream: Dialect) -> (&'static str, &'static str) {
    match upstream {
        Dialect::Anthropic => (
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n",
        ),
        Dialect::Gemini => (
            "",
            "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" token\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 12,\"candidatesTokenCount\": 7,\"totalTokenCount\": 19,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 12}]},\"modelVersion\": \"gemini-3-flash\",\"responseId\": \"r\"}\n\n",
        ),
        Dialect::OpenaiChat => (
            "",
            "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"gpt-4o-2024-11-20\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
        ),
        Dialect::OpenaiResponses => (
            "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":2,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\" token\",\"logprobs\":[],\"obfuscation\":\"aB3x\"}\n\n",
        ),
    }
}

/// A client of one dialect and an upstream of another.
#[derive(Clone, Copy)]
struct Pair {
    client: Dialect,
    upstream: Dialect,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.upstream, self.client)
    }
}

fn pairs() -> impl Iterator<Item = Pair> {
    Dialect::ALL.into_iter().flat_map(|client| {
        let others = Dialect::ALL
            .into_iter()
            .filter(move |upstream| *upstream != client);
        others.map(move |upstream| Pair { client, upstream })
    })
}

/// An agent's conversation of about 300 KB.
fn conversation(client: Dialect) -> Vec<u8> {
    let file = "    let value = compute(\"input\")?; // why\n".repeat(115);
    let mut turns = vec![match client {
        Dialect::Gemini => json!({ "role": "user", "parts": [{ "text": "Fix the bug." }] }),
        _ => json!({ "role": "user", "content": "Fix the bug." }),
    }];
    for turn in 0..60 {
        let id = format!("toolu_{turn}");
        let said = "I look at the next file.";
        let args = json!({ "path": format!("src/file_{turn}.rs") });
        turns.extend(match client {
            Dialect::Anthropic => vec![
                json!({ "role": "assistant", "content": [
                    { "type": "text", "text": said }, { "type": "tool_use", "id": id, "name": "Read", "input": args },
                ] }),
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": file }] }),
            ],
            Dialect::Gemini => vec![
                json!({ "role": "model", "parts": [{ "text": said }, { "functionCall": { "id": id, "name": "Read", "args": args } }] }),
                json!({ "role": "user", "parts": [{ "functionResponse": { "id": id, "name": "Read", "response": { "output": file } } }] }),
            ],
            Dialect::OpenaiChat => vec![
                json!({ "role": "assistant", "content": said, "tool_calls": [
                    { "id": id, "type": "function", "function": { "name": "Read", "arguments": args.to_string() } },
                ] }),
                json!({ "role": "tool", "tool_call_id": id, "content": file }),
            ],
            Dialect::OpenaiResponses => vec![
                json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": said }] }),
                json!({ "type": "function_call", "call_id": id, "name": "Read", "arguments": args.to_string() }),
                json!({ "type": "function_call_output", "call_id": id, "output": file }),
            ],
        });
    }
    let schema = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
    let (name, about) = ("Read", "Reads a file.");
    let body = match client {
        Dialect::Anthropic => {
            json!({ "model": "m", "max_tokens": 32_000, "messages": turns, "tools": [
            { "name": name, "description": about, "input_schema": schema },
        ] })
        }
        Dialect::Gemini => json!({ "contents": turns, "tools": [{ "functionDeclarations": [
            { "name": name, "description": about, "parametersJsonSchema": schema },
        ] }] }),
        Dialect::OpenaiChat => json!({ "model": "m", "messages": turns, "tools": [
            { "type": "function", "function": { "name": name, "description": about, "parameters": schema } },
        ] }),
        Dialect::OpenaiResponses => json!({ "model": "m", "input": turns, "tools": [
            { "type": "function", "name": name, "description": about, "parameters": schema },
        ] }),
    };
    body.to_string().into_bytes()
}

/// Deltas of one stream.
const DELTAS: usize = 1_000;

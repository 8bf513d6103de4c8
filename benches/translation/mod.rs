//! What the benchmarks of translation have in common: every pair of dialects, a delta of each, a long conversation.
use bytes::BytesMut;
use serde_json::json;
use weir::catalog;
use weir::protocol::Dialect;
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::request::Request;
use weir::protocol::hub::target::{PromptCache, Quirks, Target};
use weir::protocol::translate::{self, Translator};

/// A stream of `pair` that has begun, and room for what comes.
pub fn begun(pair: Pair) -> (Translator, BytesMut) {
    let asked = match pair.client {
        Dialect::Gemini => r#"{"contents":[{"parts":[{"text":"x"}]}]}"#,
        Dialect::OpenaiResponses => r#"{"model":"m","input":"x"}"#,
        _ => r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
    };
    let request = translate::decode(pair.client, asked.as_bytes()).expect("a request");
    let (mut translator, _) = translator(&request, pair.upstream);
    let mut out = BytesMut::with_capacity(1 << 20);
    translator.push(text(pair.upstream).0.as_bytes(), &mut out);
    (translator, out)
}

/// One text delta of this upstream.
pub fn delta(upstream: Dialect) -> &'static str {
    text(upstream).1
}

pub fn translator(request: &Request, upstream: Dialect) -> (Translator, Vec<u8>) {
    let capabilities = catalog::capabilities("gpt-4o");
    let target = Target {
        model: "gpt-4o",
        capabilities: &capabilities,
        quirks: &Quirks::OPENAI,
        account: "",
        prompt_cache: PromptCache::Auto,
    };
    let stamp = Stamp {
        created: 1,
        seed: 2,
        stored: false,
    };
    let (translator, encoded) =
        Translator::new(request, upstream.upstream(), &target, stamp).expect("translatable");
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
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub client: Dialect,
    pub upstream: Dialect,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.upstream, self.client)
    }
}

pub fn pairs() -> impl Iterator<Item = Pair> {
    Dialect::ALL.into_iter().flat_map(|client| {
        let others = Dialect::ALL
            .into_iter()
            .filter(move |upstream| *upstream != client);
        others.map(move |upstream| Pair { client, upstream })
    })
}

/// An agent's conversation of about 300 KB.
pub fn conversation(client: Dialect) -> Vec<u8> {
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
pub const DELTAS: usize = 1_000;

//! The vendors' other endpoints, as far as a test of plain proxying needs them: right in shape, empty in content.
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Request;
use super::endpoint::Vendor;
use super::fault::{Failure, Fault};
use super::generation_request::read;
use super::ids::id;
use crate::dialect::Dialect;

/// Answers one of them.
pub(super) fn answer(
    vendor: &Vendor<'_>,
    request: &Request<'_>,
    models: &[String],
    number: u64,
    created: i64,
) -> Result<Value, Failure> {
    Ok(match vendor {
        Vendor::Models(dialect) => list(*dialect, models, created),
        Vendor::Model(dialect, name) => match models.iter().find(|model| model == name) {
            Some(name) => model(*dialect, name, created),
            None => {
                return Err(Failure::new(
                    Fault::NotFound,
                    Some(format!("model: {name}")),
                ));
            }
        },
        Vendor::Embeddings => embeddings(request.body)?,
        Vendor::Upload => {
            let mut file = file(&id("file-", number, 0), created);
            if let Some(members) = file.as_object_mut() {
                members.insert("bytes".to_owned(), json!(request.body.len()));
                members.insert("sha256".to_owned(), json!(sha256(request.body)));
            }
            file
        }
        Vendor::Files => json!({"object": "list", "data": [file(FILE, created)], "has_more": false,
                                "first_id": FILE, "last_id": FILE}),
        Vendor::File(id) => file(id, created),
        Vendor::FileContent(id) => json!({"id": id, "content": "simulated"}),
        Vendor::CreateBatch => batch(&id("msgbatch_", number, 0), created),
        Vendor::Batches => json!({"data": [batch(BATCH, created)], "has_more": false,
                                  "first_id": BATCH, "last_id": BATCH}),
        Vendor::Batch(id) => batch(id, created),
    })
}

/// What reached the upstream, for tests of what a proxy in between did to it.
pub(super) fn echo(request: &Request<'_>) -> String {
    let mut headers = serde_json::Map::new();
    for name in request.headers.keys() {
        let mut values: Vec<_> = request
            .headers
            .get_all(name)
            .iter()
            .map(|value| json!(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        };
        headers.insert(name.as_str().to_owned(), value);
    }
    json!({
        "method": request.method.as_str(),
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "body": {"length": request.body.len(), "sha256": sha256(request.body)},
    })
    .to_string()
}

fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn list(dialect: Dialect, models: &[String], created: i64) -> Value {
    let data: Vec<_> = models
        .iter()
        .map(|name| model(dialect, name, created))
        .collect();
    match dialect {
        Dialect::Anthropic => json!({
            "data": data,
            "has_more": false,
            "first_id": models.first(),
            "last_id": models.last(),
        }),
        Dialect::Gemini => json!({"models": data}),
        // Codex reads `models`, the SDKs read `data`.
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            json!({"object": "list", "data": data, "models": []})
        }
    }
}

fn model(dialect: Dialect, name: &str, created: i64) -> Value {
    match dialect {
        Dialect::Anthropic => json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": timestamp(created),
            "lifecycle": "active",
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
        }),
        Dialect::Gemini => json!({
            "name": format!("models/{name}"),
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => json!({
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "simulated",
        }),
    }
}

/// One vector of eight numbers per input, made from its hash; as base64 when the SDK asks for it.
fn embeddings(body: &[u8]) -> Result<Value, Failure> {
    let request: EmbeddingsRequest = read(body)?;
    let inputs = match request.input {
        Value::Array(inputs) if inputs.iter().all(Value::is_number) => vec![Value::Array(inputs)],
        Value::Array(inputs) => inputs,
        input => vec![input],
    };
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let data: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let digest = Sha256::digest(input.to_string());
            let vector: Vec<f32> = digest
                .iter()
                .take(8)
                .map(|byte| f32::from(*byte) / 256.0)
                .collect();
            let embedding = if base64 {
                let bytes: Vec<u8> = vector
                    .iter()
                    .flat_map(|number| number.to_le_bytes())
                    .collect();
                json!(STANDARD.encode(&bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = (body.len() as u64).div_ceil(4);
    Ok(json!({
        "object": "list",
        "data": data,
        "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

#[derive(Deserialize)]
struct EmbeddingsRequest {
    model: String,
    input: Value,
    encoding_format: Option<String>,
}

fn file(id: &str, created: i64) -> Value {
    json!({
        "id": id,
        "object": "file",
        "type": "file",
        "bytes": 9,
        "size_bytes": 9,
        "created_at": created,
        "filename": "simulated.jsonl",
        "mime_type": "application/jsonl",
        "purpose": "batch",
        "status": "processed",
    })
}

fn batch(id: &str, created: i64) -> Value {
    json!({
        "id": id,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": timestamp(created),
        "expires_at": timestamp(created + 86_400),
        "ended_at": null,
        "archived_at": null,
        "cancel_initiated_at": null,
        "results_url": null,
    })
}

/// RFC 3339.
pub(super) fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_string()
}

const FILE: &str = "file-simulated";
const BATCH: &str = "msgbatch_simulated";

//! What a model accepts, as the configuration has it: it shows in what the upstream is asked and in what clients are told.
use serde_json::{Value, json};

use crate::rig::{Weir, accounts, sample};
use crate::translation::{answering, only};
use weir::protocol::Dialect;

const ASK: &str = r#"{"model":"claude-opus-4-5","messages":[{"role":"user","content":"Hi"}],"temperature":0.5,"top_p":0.9,"stop":["END"],"reasoning_effort":"high"}"#;

/// What an Anthropic upstream is asked for a Chat client.
fn asked(capabilities: &str) -> Value {
    let (chat, anthropic) = (sample(Dialect::OpenaiChat), sample(Dialect::Anthropic));
    let there = answering(anthropic);
    let weir = Weir::start(&(accounts(&[only("a", &anthropic, &there, "")]) + capabilities));
    weir.post(chat.path, ASK).send().is(200);
    serde_json::from_slice(&there.only().body).expect("JSON")
}

#[test]
fn an_override_changes_what_the_upstream_is_asked() {
    let before = asked("");
    assert_eq!(before["max_tokens"], 64_000);
    assert_eq!(before["stop_sequences"], json!(["END"]));
    assert_eq!(before["output_config"]["effort"], "high", "{before}");
    let after = asked(
        "capabilities:\n  - { model: \"claude-opus-*\", max_output_tokens: 777, sampling: none, stop_sequences: 0, reasoning_efforts: [low] }\n",
    );
    assert_eq!(after["max_tokens"], 777);
    assert_eq!(after["output_config"]["effort"], "low", "{after}");
    for gone in ["stop_sequences", "temperature", "top_p"] {
        assert!(after.get(gone).is_none(), "{gone}: {after}");
    }
    let of_another = asked("capabilities:\n  - { model: \"gpt-*\", max_output_tokens: 777 }\n");
    assert_eq!(of_another, before);
}

#[test]
fn the_first_entry_that_gives_a_field_decides_it() {
    let asked = asked(
        "capabilities:\n  - { model: \"*opus*\", max_output_tokens: 1000 }\n  - { model: \"claude-*\", max_output_tokens: 2000, stop_sequences: 0 }\n",
    );
    assert_eq!(asked["max_tokens"], 1000);
    assert!(asked.get("stop_sequences").is_none(), "{asked}");
}

#[test]
fn clients_are_told_what_a_model_accepts() {
    let anthropic = sample(Dialect::Anthropic);
    let there = answering(anthropic);
    let models = ", models: { mine: claude-opus-4-5 }";
    let capabilities = "capabilities:\n  - { model: claude-opus-4-5, max_output_tokens: 777, supports_tool_choice: false }\n";
    let weir = Weir::start(&(accounts(&[only("a", &anthropic, &there, models)]) + capabilities));
    let told = weir.get("/v1/models/capabilities").send().is(200).json();
    let mine = &told["data"][0];
    assert_eq!(mine["id"], "mine");
    let expected = json!({
        "context_window": 200_000,
        "max_output_tokens": 777,
        "sampling": "one",
        "stop_sequences": 8191,
        "reasoning_modes": ["budget", "off"],
        "reasoning_efforts": ["low", "medium", "high"],
        "reasoning_by_default": false,
        "reasoning_hidden": false,
        "reasoning_bound_to_account": false,
        "supports_tool_choice": false,
        "supports_response_schema": true,
        "supports_assistant_prefill": true,
        "supports_mid_conversation_system": false,
        "supports_cache_breakpoints": false,
        "tools_need_responses": false,
    });
    assert_eq!(mine["capabilities"], expected);
}

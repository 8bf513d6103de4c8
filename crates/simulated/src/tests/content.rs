//! What an answer says, and how it is paced.
use serde_json::{Value, json};

use super::{Rig, messages, parse, text};
use crate::Step;

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

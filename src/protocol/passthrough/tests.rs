//! Streams that are odd and nevertheless say what they mean.
use super::*;

/// The ending, and the tokens of the prompt and of the answer.
type Read = (Ending, Option<(u64, u64)>);

fn read(dialect: Dialect, events: &[&str]) -> Read {
    let stream: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let mut tap = Tap::new(dialect);
    tap.push(stream.as_bytes()).expect("short frames");
    let ending = tap.finish().ending;
    let usage = tap.usage().map(|stated| stated.usage);
    (ending, usage.map(|usage| (usage.prompt(), usage.output)))
}

const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USED: &str = r#"{"choices":[],"usage":{"prompt_tokens":101,"completion_tokens":57}}"#;

#[test]
fn chat_that_is_odd_is_read_like_a_translated_one() {
    let whole = (Ending::Complete, Some((101, 57)));
    for (events, wanted) in [
        (&[TEXT, STOP, USED][..], whole),
        (
            &[
                r#"{"choices":[{"index":"0","delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"index":"0","delta":{},"finish_reason":"stop"}]}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                r#"{"choices":[{"index":-1,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                r#"{"choices":[{"index":300,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                r#"{"choices":[{"delta":{},"finish_reason":null,"finish_reason":"stop"}]}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"x":NaN}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                r#"{"choices":[{"delta":{},"finish\u005freason":"stop"}]}"#,
                USED,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                STOP,
                r#"{"choices":[],"usage":null,"usage":{"prompt_tokens":101,"completion_tokens":57}}"#,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                STOP,
                r#"{"choices":[],"usage":{"prompt_tokens":1,"prompt_tokens":101,"completion_tokens":57}}"#,
            ],
            whole,
        ),
        (&[TEXT, STOP, USED, r#"{"choices":[],"usage":{}}"#], whole),
        (
            &[
                TEXT,
                STOP,
                USED,
                r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                STOP,
                USED,
                r#"{"choices":[],"usage":{"completion_tokens":57}}"#,
            ],
            whole,
        ),
        (
            &[
                TEXT,
                r#"{"choices":[{"delta":{},"finish_reason":"null"}]}"#,
                USED,
            ],
            (Ending::Truncated, Some((101, 57))),
        ),
        (
            &[TEXT, r#"{"x":NaN,"error":{"message":"no"}}"#],
            (Ending::Failed, None),
        ),
        (
            &[
                TEXT,
                r#"{"choices":null,"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#,
            ],
            (Ending::Failed, None),
        ),
        (
            &[
                TEXT,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"base_resp":{"status_code":0,"status_msg":""}}"#,
                USED,
            ],
            whole,
        ),
    ] {
        assert_eq!(read(Dialect::OpenaiChat, events), wanted, "{events:?}");
    }
}

#[test]
fn gemini_that_is_odd_is_read_like_a_translated_one() {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0}]}"#;
    let stop = r#"{"candidates":[{"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":101,"candidatesTokenCount":57}}"#;
    let whole = (Ending::Complete, Some((101, 57)));
    for (events, wanted) in [
        (&[text, stop][..], whole),
        (
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":"0"}]}"#,
                stop,
            ],
            whole,
        ),
        (
            &[
                text,
                r#"{"candidates":[{"finishReason":null,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":101,"candidatesTokenCount":57}}"#,
            ],
            whole,
        ),
        (
            &[
                text,
                stop,
                r#"{"candidates":[{"content":{"parts":[{"text":""}]},"index":0}]}"#,
            ],
            whole,
        ),
        (
            &[
                text,
                stop,
                r#"{"candidates":[{"content":{"parts":[{"text":"more"}]},"index":0}]}"#,
            ],
            (Ending::Truncated, Some((101, 57))),
        ),
        (
            &[
                text,
                r#"{"candidates":[{"finish_reason":"STOP"}],"usage_metadata":{"prompt_token_count":101,"candidates_token_count":57}}"#,
            ],
            whole,
        ),
        (
            &[text, stop, r#"{"usageMetadata":{"promptTokenCount":101}}"#],
            whole,
        ),
        (
            &[
                text,
                r#"[{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}]"#,
            ],
            (Ending::Failed, None),
        ),
        (
            &[
                text,
                r#"{"candidates":[null,{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":101,"candidatesTokenCount":57}}"#,
            ],
            whole,
        ),
    ] {
        assert_eq!(read(Dialect::Gemini, events), wanted, "{events:?}");
    }
}

#[test]
fn the_others_are_read_so_too() {
    let used = |name: &str| {
        format!(
            r#"{{"type":"response.{name}","response":{{"id":"r","usage":null,"usage":{{"input_tokens":101,"output_tokens":57}}}}}}"#
        )
    };
    for name in ["completed", "incomplete", "done"] {
        let read = read(Dialect::OpenaiResponses, &[&used(name)]);
        assert_eq!(read, (Ending::Complete, Some((101, 57))), "{name}");
    }
    let start = r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":101,"output_tokens":1}}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1,"output_tokens":57}}"#;
    let read = read(
        Dialect::Anthropic,
        &[start, delta, r#"{"type":"message_stop"}"#],
    );
    assert_eq!(read, (Ending::Complete, Some((101, 57))));
}

#[test]
fn a_whole_answer_states_its_usage_where_it_likes() {
    for (dialect, body) in [
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{}],"usage":{"prompt_tokens":101,"completion_tokens":57}}"#,
        ),
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{}],"usage":{"prompt_tokens":1,"prompt_tokens":101,"completion_tokens":57}}"#,
        ),
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{}],"x_groq":{"usage":{"prompt_tokens":101,"completion_tokens":57}}}"#,
        ),
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{"usage":{"prompt_tokens":101,"completion_tokens":57}}],"usage":null}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"candidates":[{}],"usage_metadata":{"prompt_token_count":101,"candidates_token_count":57}}"#,
        ),
    ] {
        let usage = read_answer(dialect, body.as_bytes())
            .usage
            .expect(body)
            .usage;
        assert_eq!((usage.prompt(), usage.output), (101, 57), "{body}");
    }
}

#[test]
fn an_error_in_plain_text_is_one() {
    for dialect in Dialect::ALL {
        let mut tap = Tap::new(dialect);
        tap.push(b"event: error\ndata: out of memory\n\n")
            .expect("a short frame");
        assert_eq!(tap.finish().ending, Ending::Failed, "{dialect}");
        let error = tap.error().expect("an error");
        assert_eq!(error.message, "out of memory", "{dialect}");
    }
}

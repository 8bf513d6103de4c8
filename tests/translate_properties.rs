//! What holds for every stream, whatever the upstream says and however its bytes are cut.
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::target::{Quirks, Target};
use weir::protocol::translate::{self, Terminal, Translator};
use weir::protocol::{Dialect, models};

mod grammar;

/// What a model says, apart from any dialect.
#[derive(Clone, Debug)]
enum Saying {
    Call { slot: usize, args: Value },
    Text(String),
    Thought(String),
}

fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let args = proptest::collection::vec(("[a-z]{1,4}", ".{0,12}"), 0..3).prop_map(|members| {
        members
            .into_iter()
            .map(|(key, value)| (key, json!(value)))
            .collect::<Value>()
    });
    let saying = prop_oneof![
        "[^\u{0}]{1,16}".prop_map(Saying::Text),
        ".{1,16}".prop_map(Saying::Thought),
        args.prop_map(|args| Saying::Call { slot: 0, args }),
    ];
    proptest::collection::vec(saying, 0..8).prop_map(|mut sayings| {
        let mut calls = 0;
        for saying in &mut sayings {
            if let Saying::Call { slot, .. } = saying {
                *slot = calls;
                calls += 1;
            }
        }
        sayings
    })
}

/// The sayings as Chat streams them; the fragments of neighbouring calls interleave.
fn as_chat(sayings: &[Saying], cut: usize) -> String {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "model": "m", "choices": [choice] })
        )
    };
    let mut stream = chunk(json!({ "role": "assistant", "content": "" }), Value::Null);
    let mut tails: Vec<(usize, String)> = Vec::new();
    let flush = |tails: &mut Vec<(usize, String)>, stream: &mut String| {
        for (slot, tail) in tails.drain(..) {
            let call = json!([{ "index": slot, "function": { "arguments": tail } }]);
            stream.push_str(&chunk(json!({ "tool_calls": call }), Value::Null));
        }
    };
    for saying in sayings {
        match saying {
            Saying::Text(text) => {
                flush(&mut tails, &mut stream);
                stream.push_str(&chunk(json!({ "content": text }), Value::Null));
            }
            Saying::Thought(text) => {
                flush(&mut tails, &mut stream);
                stream.push_str(&chunk(json!({ "reasoning_content": text }), Value::Null));
            }
            Saying::Call { slot, args } => {
                let args = args.to_string();
                let at = (0..=cut.min(args.len()))
                    .rev()
                    .find(|at| args.is_char_boundary(*at))
                    .unwrap();
                let call = json!([{
                    "index": slot, "id": format!("call_{slot}"), "type": "function",
                    "function": { "name": format!("tool_{slot}"), "arguments": args[..at] },
                }]);
                stream.push_str(&chunk(json!({ "tool_calls": call }), Value::Null));
                tails.push((*slot, args[at..].to_owned()));
            }
        }
    }
    flush(&mut tails, &mut stream);
    stream.push_str(&chunk(json!({}), json!("stop")));
    let usage = json!({ "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 });
    stream
        + &format!(
            "data: {}\n\ndata: [DONE]\n\n",
            json!({ "choices": [], "usage": usage })
        )
}

/// The sayings as Anthropic streams them.
fn as_anthropic(sayings: &[Saying], cut: usize) -> String {
    let event = |mut data: Value, kind: &str| {
        data["type"] = json!(kind);
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let usage = json!({ "input_tokens": 12, "output_tokens": 1 });
    let mut stream = event(
        json!({ "message": { "id": "m", "model": "c", "content": [], "usage": usage } }),
        "message_start",
    );
    for (index, saying) in sayings.iter().enumerate() {
        let (block, deltas) = match saying {
            Saying::Text(text) => (
                json!({ "type": "text", "text": "" }),
                vec![json!({ "type": "text_delta", "text": text })],
            ),
            Saying::Thought(text) => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": text }),
                    json!({ "type": "signature_delta", "signature": "sig" }),
                ],
            ),
            Saying::Call { slot, args } => {
                let args = args.to_string();
                let at = (0..=cut.min(args.len()))
                    .rev()
                    .find(|at| args.is_char_boundary(*at))
                    .unwrap();
                let fragment =
                    |text: &str| json!({ "type": "input_json_delta", "partial_json": text });
                (
                    json!({ "type": "tool_use", "id": format!("call_{slot}"), "name": format!("tool_{slot}"), "input": {} }),
                    vec![fragment(&args[..at]), fragment(&args[at..])],
                )
            }
        };
        stream.push_str(&event(
            json!({ "index": index, "content_block": block }),
            "content_block_start",
        ));
        for delta in deltas {
            stream.push_str(&event(
                json!({ "index": index, "delta": delta }),
                "content_block_delta",
            ));
        }
        stream.push_str(&event(json!({ "index": index }), "content_block_stop"));
    }
    stream.push_str(&event(
        json!({ "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 3 } }),
        "message_delta",
    ));
    stream + &event(json!({}), "message_stop")
}

fn translate(upstream: Dialect, stream: &[u8], cuts: &[usize]) -> (String, Translator) {
    let (client, asked) = match upstream {
        Dialect::Anthropic => (
            Dialect::OpenaiChat,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}"#,
        ),
        _ => (
            Dialect::Anthropic,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
        ),
    };
    let request = translate::decode(client, asked.as_bytes()).unwrap();
    let capabilities = models::capabilities("m");
    let target = Target {
        model: "m",
        capabilities: &capabilities,
        quirks: &Quirks::DEEPSEEK,
        account: "",
    };
    let stamp = Stamp {
        created: 1,
        seed: 2,
    };
    let (mut translator, _) = Translator::new(&request, upstream, &target, stamp).unwrap();
    let mut out = BytesMut::new();
    let mut from = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    for cut in cuts.into_iter().chain([stream.len()]) {
        translator.push(&stream[from..cut], &mut out);
        from = cut;
    }
    translator.finish(&mut out);
    (String::from_utf8(out.to_vec()).unwrap(), translator)
}

fn events(stream: &str) -> impl Iterator<Item = Value> {
    let data = stream
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
}

fn said(sayings: &[Saying]) -> (String, String, Vec<Value>) {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for saying in sayings {
        match saying {
            Saying::Text(said) => text.push_str(said),
            Saying::Thought(said) => thought.push_str(said),
            Saying::Call { args, .. } => calls.push(args.clone()),
        }
    }
    (text, thought, calls)
}

/// The client's request of every golden case.
fn requests() -> Vec<(Dialect, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/translate");
    let mut requests: Vec<(Dialect, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| {
            let client = text
                .lines()
                .find_map(|line| line.strip_prefix("client: "))
                .unwrap();
            let body = text
                .split("----- ")
                .nth(1)
                .unwrap()
                .split_once('\n')
                .unwrap()
                .1;
            (Dialect::from_name(client).unwrap(), body.to_owned())
        })
        .collect();
    requests.sort_by(|a, b| a.1.cmp(&b.1));
    requests
}

/// A request for every kind of upstream that is not its client's.
fn encode(client: Dialect, body: &[u8]) {
    let Ok(request) = translate::decode(client, body) else {
        return;
    };
    let upstream = if client == Dialect::Anthropic {
        Dialect::OpenaiChat
    } else {
        Dialect::Anthropic
    };
    for (model, quirks) in [
        ("claude-opus-5-5", Quirks::ANTHROPIC),
        ("claude-sonnet-4-5", Quirks::ANTHROPIC),
        ("gpt-5.6-sol", Quirks::OPENAI),
        ("o3", Quirks::OPENAI),
        ("gpt-3.5-turbo", Quirks::OPENAI_LEGACY),
        ("deepseek-v4-pro", Quirks::DEEPSEEK),
        ("unknown", Quirks::MISTRAL),
    ] {
        let capabilities = models::capabilities(model);
        let target = Target {
            model,
            capabilities: &capabilities,
            quirks: &quirks,
            account: "a",
        };
        if let Ok((_, encoded)) = Translator::new(
            &request,
            upstream,
            &target,
            Stamp {
                created: 1,
                seed: 2,
            },
        ) {
            assert!(serde_json::from_slice::<Value>(&encoded.body).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn chat_to_anthropic_keeps_the_grammar_and_loses_nothing(
        sayings in sayings(), cut in 0..20_usize, cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let stream = as_chat(&sayings, cut);
        let (out, translator) = translate(Dialect::OpenaiChat, stream.as_bytes(), &cuts);
        prop_assert_eq!(translator.terminal(), Some(&Terminal::Complete));
        prop_assert_eq!(grammar::check(Dialect::Anthropic, &out), Ok(()), "{}", out);
        let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::<String>::new());
        for event in events(&out) {
            if event["content_block"]["type"] == "tool_use" {
                let expected = format!("call_{}", calls.len());
                prop_assert_eq!(&event["content_block"]["id"], &json!(expected));
                calls.push(String::new());
            }
            let delta = &event["delta"];
            text.push_str(delta["text"].as_str().unwrap_or_default());
            thought.push_str(delta["thinking"].as_str().unwrap_or_default());
            if let (Some(json), Some(call)) = (delta["partial_json"].as_str(), calls.last_mut()) {
                call.push_str(json);
            }
        }
        let (expected_text, expected_thought, expected_calls) = said(&sayings);
        // White space alone is no block.
        prop_assert_eq!(text.split_whitespace().collect::<String>(), expected_text.split_whitespace().collect::<String>());
        prop_assert_eq!(thought, expected_thought);
        let calls: Vec<Value> = calls.iter().map(|call| serde_json::from_str(call).unwrap()).collect();
        prop_assert_eq!(calls, expected_calls);
    }

    #[test]
    fn anthropic_to_chat_keeps_the_grammar_and_loses_nothing(
        sayings in sayings(), cut in 0..20_usize, cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let stream = as_anthropic(&sayings, cut);
        let (out, translator) = translate(Dialect::Anthropic, stream.as_bytes(), &cuts);
        prop_assert_eq!(translator.terminal(), Some(&Terminal::Complete));
        prop_assert_eq!(grammar::check(Dialect::OpenaiChat, &out), Ok(()), "{}", out);
        let (mut text, mut calls) = (String::new(), Vec::<String>::new());
        for event in events(&out) {
            let delta = &event["choices"][0]["delta"];
            text.push_str(delta["content"].as_str().unwrap_or_default());
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                calls.resize(calls.len().max(index + 1), String::new());
                calls[index].push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
        }
        let (expected_text, _, expected_calls) = said(&sayings);
        prop_assert_eq!(text, expected_text);
        let calls: Vec<Value> = calls.iter().map(|call| serde_json::from_str(call).unwrap()).collect();
        prop_assert_eq!(calls, expected_calls);
    }

    #[test]
    fn usage_is_the_same_on_both_sides_and_back(
        input in 0..1_000_000_u64, read in 0..1_000_000_u64, written in 0..1_000_000_u64, output in 0..100_000_u64, reasoning in 0..100_000_u64,
    ) {
        prop_assume!(input + read + written > 0);
        let reasoning = reasoning.min(output);
        let prompt = input + read + written;
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output,
            "prompt_tokens_details": { "cached_tokens": read, "cache_write_tokens": written },
            "completion_tokens_details": { "reasoning_tokens": reasoning },
        });
        let choice = json!({ "index": 0, "message": { "content": "x" }, "finish_reason": "stop" });
        let answer = json!({ "id": "c", "choices": [choice], "usage": usage }).to_string();
        let (_, mut translator) = translate(Dialect::OpenaiChat, b"", &[]);
        let there = translator.response(answer.as_bytes()).unwrap();
        let stated: Value = serde_json::from_slice(&there).unwrap();
        let stated = &stated["usage"];
        prop_assert_eq!(&stated["input_tokens"], &json!(input));
        prop_assert_eq!(&stated["cache_read_input_tokens"], &json!(read));
        prop_assert_eq!(&stated["cache_creation_input_tokens"], &json!(written));
        prop_assert_eq!(&stated["output_tokens"], &json!(output));
        let (_, mut translator) = translate(Dialect::Anthropic, b"", &[]);
        let back = translator.response(&there).unwrap();
        let back: Value = serde_json::from_slice(&back).unwrap();
        prop_assert_eq!(&back["usage"], &usage);
    }

    #[test]
    fn a_stream_cut_anywhere_ends_in_an_error_or_is_whole(
        sayings in sayings(), chat in any::<bool>(), end in any::<prop::sample::Index>(),
    ) {
        let (upstream, client, stream) = if chat {
            (Dialect::OpenaiChat, Dialect::Anthropic, as_chat(&sayings, 5))
        } else {
            (Dialect::Anthropic, Dialect::OpenaiChat, as_anthropic(&sayings, 5))
        };
        let (out, translator) = translate(upstream, &stream.as_bytes()[..end.index(stream.len())], &[]);
        prop_assert_eq!(grammar::check(client, &out), Ok(()), "{}", out);
        prop_assert!(translator.terminal().is_some());
        let complete = out.contains("message_stop") || out.contains("[DONE]");
        prop_assert_eq!(complete, translator.terminal() == Some(&Terminal::Complete));
    }

    #[test]
    fn rubbish_never_panics_and_never_breaks_the_grammar(
        chat in any::<bool>(), sayings in sayings(), at in any::<prop::sample::Index>(), rubbish in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let (upstream, client, mut stream) = if chat {
            (Dialect::OpenaiChat, Dialect::Anthropic, as_chat(&sayings, 5).into_bytes())
        } else {
            (Dialect::Anthropic, Dialect::OpenaiChat, as_anthropic(&sayings, 5).into_bytes())
        };
        let at = at.index(stream.len());
        let end = (at + rubbish.len()).min(stream.len());
        stream.splice(at..end, rubbish);
        let (out, _) = translate(upstream, &stream, &[]);
        prop_assert_eq!(grammar::check(client, &out), Ok(()), "{}", out);
    }

    #[test]
    fn a_request_with_rubbish_is_refused_or_translated(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), length in 0..40_usize,
        rubbish in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..6),
            Just(b"null".to_vec()), Just(b"{}".to_vec()), Just(b"[]".to_vec()), Just(b"\"\"".to_vec()), Just(b"-1".to_vec()),
        ],
    ) {
        let requests = requests();
        let (client, body) = &requests[which.index(requests.len())];
        let mut body = body.clone().into_bytes();
        // Whole values more often than bytes: what is not JSON is refused at once.
        let at = at.index(body.len());
        let from = body[..at].iter().rposition(|byte| *byte == b':').map_or(at, |colon| colon + 1);
        let end = body[from..].iter().position(|byte| matches!(byte, b',' | b'\n')).map_or(from + length, |end| from + end);
        let end = end.min(body.len());
        body.splice(from..end, rubbish);
        encode(*client, &body);
    }
}

//! An Anthropic upstream whose own search takes long pauses its answer: a client of another dialect gets one answer.
use serde_json::{Value, json};

use crate::rig::{Lines, Upstream, Weir, Wire, accounts, sample};
use crate::translation::{before, only};
use weir::protocol::Dialect;

/// Clients that can ask for the provider's search, and how.
fn clients() -> [(Lines, Value); 3] {
    let ask = |lines: Lines, more: Value| {
        let mut body: Value = serde_json::from_str(lines.ask).expect("JSON");
        let object = body.as_object_mut().expect("an object");
        object.extend(more.as_object().expect("an object").clone());
        (lines, body)
    };
    [
        ask(
            sample(Dialect::OpenaiResponses),
            json!({"tools": [{"type": "web_search"}]}),
        ),
        ask(
            sample(Dialect::OpenaiChat),
            json!({"web_search_options": {}}),
        ),
        ask(
            sample(Dialect::Gemini),
            json!({"tools": [{"googleSearch": {}}]}),
        ),
    ]
}

fn ask(weir: &Weir, (lines, body): &(Lines, Value), stream: bool) -> crate::rig::Call {
    let (mut body, mut path) = (body.clone(), lines.path);
    if stream {
        path = lines.stream_path;
        if lines.dialect != Dialect::Gemini {
            body["stream"] = true.into();
        }
    }
    weir.post(path, body.to_string())
}

/// Round `number`: a search and a word, then a pause; the last one ends.
fn round(number: usize, last: usize) -> Value {
    json!({
        "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [
            {"type": "server_tool_use", "id": format!("srvtoolu_{number}"), "name": "web_search", "input": {"query": "rivers"}},
            {"type": "web_search_tool_result", "tool_use_id": format!("srvtoolu_{number}"), "content": [
                {"type": "web_search_result", "url": "https://example.com", "title": "Rivers", "encrypted_content": "opaque"}]},
            {"type": "text", "text": format!("part{number} ")},
        ],
        "stop_reason": if number == last { "end_turn" } else { "pause_turn" }, "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    })
}

/// The same as a stream.
fn events(answer: &Value) -> Vec<String> {
    let mut head = answer.clone();
    head["content"] = json!([]);
    head["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": head})];
    for (index, block) in answer["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .enumerate()
    {
        let mut start = block.clone();
        let delta = match block["type"].as_str() {
            Some("text") => {
                start["text"] = "".into();
                Some(json!({"type": "text_delta", "text": block["text"]}))
            }
            Some("server_tool_use") => {
                start["input"] = json!({});
                Some(
                    json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
                )
            }
            _ => None,
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.extend(
            delta.map(
                |delta| json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"], "stop_sequence": null}, "usage": {"output_tokens": 5}}));
    events.push(json!({"type": "message_stop"}));
    let named = |event: Value| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    };
    events.into_iter().map(named).collect()
}

/// Pauses until round `last`; `fails` at that one.
fn searching(last: usize, fails: usize) -> Upstream {
    failing(last, fails, |wire| wire.json(500, "{}"))
}

/// The same, failing in this way.
fn failing(last: usize, fails: usize, how: impl Fn(&mut Wire) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request, wire| {
        let answer = round(request.number, last);
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        if request.number == fails {
            how(wire);
        } else if body["stream"] == true {
            let events = events(&answer);
            wire.events(&events.iter().map(String::as_str).collect::<Vec<_>>());
        } else {
            wire.json(200, answer.to_string());
        }
    })
}

#[test]
fn a_paused_answer_is_continued_for_clients_that_cannot() {
    for client in clients() {
        for stream in [false, true] {
            let there = searching(2, usize::MAX);
            let weir = before(&there, &sample(Dialect::Anthropic));
            let answer = ask(&weir, &client, stream).send().is(200);
            let text = answer.text();
            let parts: Vec<usize> = (0..3)
                .map(|part| text.find(&format!("part{part}")).expect("each part"))
                .collect();
            assert!(parts.is_sorted(), "{text}");
            assert!(!text.contains("part3") && !text.contains("pause"), "{text}");
            if stream {
                client
                    .0
                    .marks
                    .iter()
                    .for_each(|mark| assert!(text.contains(mark), "{mark}: {text}"));
            }

            // Each round has all that was said before, as it was said.
            let requests = there.requests();
            assert_eq!(requests.len(), 3);
            for (number, request) in requests.iter().enumerate() {
                let body: Value = serde_json::from_slice(&request.body).expect("JSON");
                let messages = body["messages"].as_array().expect("messages");
                let content = messages.last().expect("a message")["content"].clone();
                let said: Vec<Value> = (0..number)
                    .flat_map(|round| {
                        self::round(round, 2)["content"]
                            .as_array()
                            .expect("blocks")
                            .clone()
                    })
                    .collect();
                if number > 0 {
                    assert_eq!(content, json!(said));
                    assert_eq!(messages.len(), 2);
                }
            }

            // One request for the client, three for the one who pays.
            for (kind, tokens) in [("input", 30.0), ("output", 15.0)] {
                weir.until_metric("weir_tokens_total", &[("kind", kind)], tokens);
            }
            let line = weir.line(|line| line["status"] == 200);
            assert_eq!(line["attempts"].as_array().map(Vec::len), Some(3), "{line}");
            assert_eq!(
                (&line["end"], &line["usage_source"]),
                (&"complete".into(), &"reported".into())
            );
        }
    }
}

#[test]
fn five_times_at_most() {
    let client = &clients()[1];
    for stream in [false, true] {
        let there = searching(usize::MAX, usize::MAX);
        let weir = before(&there, &sample(Dialect::Anthropic));
        let text = ask(&weir, client, stream).send().is(200).text().to_owned();
        assert!(
            text.contains("part5") && text.contains("\"finish_reason\":\"stop\""),
            "{text}"
        );
        assert_eq!(there.count(), 6);
    }
}

#[test]
fn what_was_said_before_a_failed_round_is_the_answer() {
    for client in clients() {
        for stream in [false, true] {
            let there = searching(2, 1);
            let weir = before(&there, &sample(Dialect::Anthropic));
            let text = ask(&weir, &client, stream).send().is(200).text().to_owned();
            assert!(text.contains("part0") && !text.contains("part1"), "{text}");
            if stream {
                client
                    .0
                    .marks
                    .iter()
                    .for_each(|mark| assert!(text.contains(mark), "{mark}: {text}"));
            }
            weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
            assert_eq!(there.count(), 2);
        }
    }
}

#[test]
fn what_was_said_before_a_round_that_cannot_be_read_is_the_answer() {
    let broken: [fn(&mut Wire); 3] = [
        |wire| {
            wire.json(
                200,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            );
        },
        |wire| wire.json(200, "<html>"),
        |wire| {
            wire.raw(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{",
            );
            wire.close();
        },
    ];
    for how in broken {
        let there = failing(2, 1, how);
        let weir = before(&there, &sample(Dialect::Anthropic));
        let text = ask(&weir, &clients()[1], false)
            .send()
            .is(200)
            .text()
            .to_owned();
        assert!(text.contains("part0") && !text.contains("part1"), "{text}");
        // What has been paid for is neither asked again nor forgotten.
        assert_eq!(there.count(), 2);
        weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
    }
}

#[test]
fn an_upstream_that_breaks_off_after_its_pause_has_paused() {
    for breaks in [false, true] {
        let there = Upstream::start(move |request, wire| {
            wire.stream();
            for event in events(&round(request.number, 2)) {
                wire.chunk(event);
            }
            if breaks && request.number < 2 {
                wire.close();
            } else {
                wire.end();
            }
        });
        let account = only("a", &sample(Dialect::Anthropic), &there, "");
        let rewrite = "rewrites: [{ name: pieces, stream: { by: message } }]\n";
        let weir = Weir::start(&(accounts(&[account]) + rewrite));
        let answer = ask(&weir, &clients()[1], true).send().is(200);
        let text = answer.text();
        // The text of one answer, although its rounds came apart.
        assert!(text.contains("part0 part1 part2 "), "{breaks}: {text}");
        assert_eq!(there.count(), 3);
    }
}

#[test]
fn an_anthropic_client_continues_by_itself() {
    let anthropic = sample(Dialect::Anthropic);
    let there = searching(2, usize::MAX);
    let weir = before(&there, &anthropic);
    let answer = weir.ask(&anthropic).send().is(200);
    assert_eq!(answer.json()["stop_reason"], "pause_turn");
    assert_eq!(there.count(), 1);
}

//! WebSockets to upstreams: what a client's socket gains by them, and what it does not lose.
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};
use weir::protocol::Dialect;

use crate::rig::upstream::Request;
use crate::rig::{Upstream, Weir, Wire, account, accounts, sample};
use crate::sockets::Client;

type Socket = WebSocket<TcpStream>;

/// An upstream whose sockets are played by `play`, and what was said on them. What is no upgrade is answered by `other`.
fn upstream(
    play: impl Fn(&Request, &mut Socket, &dyn Fn(&mut Socket) -> Option<Value>) + Send + Sync + 'static,
    other: impl Fn(&Request, &mut Wire) + Send + Sync + 'static,
) -> (Upstream, Receiver<Value>) {
    let (heard, hear): (Sender<Value>, _) = channel();
    let heard = Mutex::new(heard);
    let upstream = Upstream::start(move |request, wire| {
        if request.headers.get("upgrade") != Some("websocket") {
            return other(request, wire);
        }
        let mut socket = wire.socket(&request.headers);
        let next = |socket: &mut Socket| loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    // The test may be over.
                    let _ = heard.lock().expect("no panic").send(message.clone());
                    return Some(message);
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        };
        play(request, &mut socket, &next);
    });
    (upstream, hear)
}

fn say(socket: &mut Socket, event: &Value) {
    // Whoever hears it may have gone.
    let _ = socket.send(Message::text(event.to_string()));
}

fn item(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn response(id: &str, status: &str, output: &Value) -> Value {
    json!({"id": id, "object": "response", "status": status, "model": "gpt-5.5", "output": output,
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}})
}

fn created(id: &str) -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": response(id, "in_progress", &json!([]))})
}

/// What commits an answer.
fn opening(socket: &mut Socket, id: &str, text: &str) {
    say(socket, &created(id));
    say(
        socket,
        &json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item("")}),
    );
    say(
        socket,
        &json!({"type": "response.output_text.delta", "sequence_number": 2, "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": text}),
    );
}

fn closing(socket: &mut Socket, id: &str, text: &str) {
    say(
        socket,
        &json!({"type": "response.output_item.done", "sequence_number": 3, "output_index": 0, "item": item(text)}),
    );
    say(
        socket,
        &json!({"type": "response.completed", "sequence_number": 4, "response": response(id, "completed", &json!([item(text)]))}),
    );
}

fn whole(socket: &mut Socket, id: &str) {
    opening(socket, id, "Hi");
    closing(socket, id, "Hi");
}

/// Every turn is answered, on every socket; ids count.
fn talker() -> (Upstream, Receiver<Value>) {
    upstream(
        |request, socket, next| {
            let mut turn = 0;
            while next(socket).is_some() {
                whole(socket, &format!("resp_{}_{turn}", request.number));
                turn += 1;
            }
        },
        |_, wire| wire.json(500, "{}"),
    )
}

fn entry(name: &str, upstream: &Upstream) -> String {
    let lines = sample(Dialect::OpenaiResponses);
    account(name, &lines, upstream, ", websocket: true")
}

fn weir(upstreams: &[&Upstream]) -> Weir {
    let entries: Vec<String> = upstreams
        .iter()
        .enumerate()
        .map(|(position, upstream)| {
            let entry = entry(["a", "b"][position], upstream);
            entry.replace(", websocket", &format!(", priority: {position}, websocket"))
        })
        .collect();
    Weir::start(&accounts(&entries))
}

#[test]
fn a_turn_goes_over_a_socket_and_the_next_says_only_what_is_new() {
    let (upstream, heard) = talker();
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "one", "store": false, "stream": false, "temperature": 1}));
    let events = client.turn();
    assert_eq!(events.len(), 5, "{events:?}");
    assert_eq!(events[4]["response"]["id"], "resp_0_0");
    let request = upstream.only();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/v1/responses")
    );
    assert_eq!(
        request.headers.get("authorization"),
        Some("Bearer secret-of-a")
    );
    assert_eq!(
        request.headers.get("openai-beta"),
        Some("responses_websockets=2026-02-06")
    );
    assert_eq!(request.headers.get("content-length"), None);
    let first = heard.recv().expect("a message");
    assert_eq!(
        first,
        json!({"type": "response.create", "model": "gpt-5.5", "store": false, "temperature": 1, "input": "one"})
    );

    client.create(json!({"input": "two", "store": false, "previous_response_id": "resp_0_0"}));
    assert_eq!(client.end()["response"]["id"], "resp_0_1");
    let second = heard.recv().expect("a message");
    let two = json!({"type": "message", "role": "user", "content": "two"});
    assert_eq!(second["previous_response_id"], "resp_0_0");
    assert_eq!(second["input"], json!([two]), "only what is new");

    // A fork of what is not the last there: everything is said.
    client.create(json!({"input": "three", "store": false, "previous_response_id": "resp_0_0"}));
    client.turn();
    let third = heard.recv().expect("a message");
    assert_eq!(third.get("previous_response_id"), None);
    assert_eq!(third["input"].as_array().map(Vec::len), Some(3), "{third}");
    assert_eq!(upstream.connections(), 1, "one socket carried all");
    weir.until_metric(
        "weir_requests_total",
        &[("key", "team"), ("outcome", "ok")],
        3.0,
    );
    weir.until_metric(
        "weir_tokens_total",
        &[("account", "a"), ("kind", "output")],
        6.0,
    );

    // Another client has a socket of its own.
    let mut other = Client::open(&weir);
    other.create(json!({"input": "x"}));
    other.turn();
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn parallel_lanes_have_sockets_of_their_own() {
    let (upstream, _heard) = talker();
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    for lane in ["x", "y"] {
        client.create(json!({"input": lane, "stream_id": lane}));
    }
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let event = client.event().expect("an event");
        if event["type"] == "response.completed" {
            ends.push(event["stream_id"].clone());
        }
    }
    ends.sort_by_key(ToString::to_string);
    assert_eq!(ends, [json!("x"), json!("y")]);
}

#[test]
fn one_that_dies_before_the_answer_commits_is_failed_over() {
    // Once before anything was said, once after an event that commits nothing.
    for says_something in [false, true] {
        let (dying, _heard) = upstream(
            move |_, socket, next| {
                next(socket);
                if says_something {
                    say(socket, &created("resp_lost"));
                }
            },
            |_, wire| wire.json(500, "{}"),
        );
        let (healthy, heard) = talker();
        let weir = weir(&[&dying, &healthy]);
        let mut client = Client::open(&weir);
        client.create(json!({"input": "Hello"}));
        let events = client.turn();
        assert_eq!(events.len(), 5, "{events:?}");
        assert_eq!(events[4]["response"]["id"], "resp_0_0");
        assert_eq!(heard.recv().expect("a message")["input"], "Hello");
        let line = weir.line(|line| line["status"] == 200);
        assert_eq!(line["account"], "b", "{line}");
        assert_eq!(line["attempts"].as_array().map(Vec::len), Some(2), "{line}");
    }
}

#[test]
fn one_that_dies_later_ends_the_turn_and_the_next_has_a_new_one() {
    let (dying, heard) = upstream(
        |request, socket, next| {
            if request.number == 0 {
                next(socket);
                opening(socket, "resp_cut", "Hal");
                return;
            }
            while next(socket).is_some() {
                whole(socket, "resp_new");
            }
        },
        |_, wire| wire.json(500, "{}"),
    );
    let weir = weir(&[&dying]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "Hello"}));
    let events = client.turn();
    let last = events.last().expect("an event");
    assert_eq!(last["type"], "response.failed", "{events:?}");
    heard.recv().expect("a message");
    // The first answer was no response that could be continued, so that everything is said.
    client.create(json!({"input": [{"role": "user", "content": "again"}]}));
    assert_eq!(client.end()["response"]["id"], "resp_new");
    let again = heard.recv().expect("a message");
    assert_eq!(
        again["input"],
        json!([{"role": "user", "content": "again"}])
    );
    assert_eq!(dying.connections(), 2);
}

#[test]
fn one_that_closed_while_it_was_idle_is_replaced_unseen() {
    let (leave, left) = channel();
    let leave = Mutex::new(leave);
    let (upstream, heard) = upstream(
        move |request, socket, next| {
            next(socket);
            whole(socket, &format!("resp_{}", request.number));
            if request.number == 0 {
                let _ = socket.get_ref().shutdown(std::net::Shutdown::Both);
                leave
                    .lock()
                    .expect("no panic")
                    .send(())
                    .expect("the test waits");
            } else {
                next(socket);
            }
        },
        |_, wire| wire.json(500, "{}"),
    );
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "one", "store": false}));
    client.turn();
    left.recv().expect("it closed");
    heard.recv().expect("a message");
    client.create(json!({"input": "two", "store": false, "previous_response_id": "resp_0"}));
    let end = client.end();
    assert_eq!(end["response"]["id"], "resp_1", "{end}");
    let second = heard.recv().expect("a message");
    // Whoever is new there knows nothing: all three items, and no id.
    assert_eq!(
        second["input"].as_array().map(Vec::len),
        Some(3),
        "{second}"
    );
    assert_eq!(second.get("previous_response_id"), None);
}

#[test]
fn what_the_upstream_has_forgotten_is_said_again() {
    let (upstream, heard) = upstream(
        |_, socket, next| {
            let mut turn = 0;
            while let Some(message) = next(socket) {
                if message.get("previous_response_id").is_some() {
                    say(
                        socket,
                        &json!({"type": "error", "status": 400, "error": {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "not found", "param": "previous_response_id"}}),
                    );
                } else {
                    whole(socket, &format!("resp_{turn}"));
                    turn += 1;
                }
            }
        },
        |_, wire| wire.json(500, "{}"),
    );
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "one", "store": false}));
    client.turn();
    client.create(json!({"input": "two", "store": false, "previous_response_id": "resp_0"}));
    assert_eq!(client.end()["response"]["id"], "resp_1");
    let lengths: Vec<Option<usize>> = heard
        .try_iter()
        .map(|message| message["input"].as_array().map(Vec::len))
        .collect();
    assert_eq!(lengths, [None, Some(1), Some(3)]);
}

#[test]
fn an_error_of_a_socket_is_one_of_its_account() {
    let (limited, _heard) = upstream(
        |_, socket, next| {
            while next(socket).is_some() {
                say(
                    socket,
                    &json!({"type": "error", "status": 429, "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Rate limit reached", "param": null}, "headers": {"retry-after": "7"}}),
                );
            }
        },
        |_, wire| wire.json(500, "{}"),
    );
    let (healthy, _also_heard) = talker();
    let both = weir(&[&limited, &healthy]);
    let mut client = Client::open(&both);
    client.create(json!({"input": "Hello"}));
    assert_eq!(client.end()["type"], "response.completed");
    let line = both.line(|line| line["status"] == 200);
    assert!(line["attempts"][0]["class"].is_string(), "{line}");

    let alone = weir(&[&limited]);
    let mut client = Client::open(&alone);
    client.create(json!({"input": "Hello"}));
    let event = client.end();
    assert_eq!(
        (&event["type"], &event["status"]),
        (&json!("error"), &json!(429)),
        "{event}"
    );
    assert!(event["headers"]["retry-after"].is_string(), "{event}");
}

#[test]
fn an_upstream_without_sockets_is_asked_as_ever() {
    let lines = sample(Dialect::OpenaiResponses);
    let upstream = Upstream::start(move |request, wire| match request.headers.get("upgrade") {
        Some(_) => wire.json(404, r#"{"error":{"message":"no such place"}}"#),
        None => wire.events(&[lines.opening, lines.closing].concat()),
    });
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    for _ in 0..2 {
        client.create(json!({"input": "Hello"}));
        assert_eq!(client.end()["type"], "response.completed");
    }
    let methods: Vec<String> = upstream
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(
        methods,
        ["GET", "POST", "POST"],
        "it is asked for a socket once"
    );
}

#[test]
fn who_is_refused_at_the_upgrade_is_refused_as_ever() {
    let refusing = Upstream::json(
        401,
        r#"{"error":{"type":"invalid_request_error","code":"invalid_api_key","message":"Incorrect API key provided"}}"#,
    );
    let (healthy, _heard) = talker();
    let weir = weir(&[&refusing, &healthy]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "Hello"}));
    assert_eq!(client.end()["type"], "response.completed");
    let line = weir.line(|line| line["status"] == 200);
    assert!(line["attempts"][0]["class"].is_string(), "{line}");
}

#[test]
fn steering_goes_to_the_upstream_and_what_comes_of_it_is_a_request_of_its_own() {
    let (upstream, heard) = upstream(
        |_, socket, next| {
            next(socket);
            opening(socket, "resp_1", "Hal");
            let steer = next(socket).expect("it is steered");
            say(
                socket,
                &json!({"type": "response.steer.accepted", "sequence_number": 3, "steer": {"id": "steer_1", "previous_response_id": steer["previous_response_id"]}}),
            );
            say(
                socket,
                &json!({"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": item("Hal")}),
            );
            let mut cut = response("resp_1", "incomplete", &json!([item("Hal")]));
            cut["incomplete_details"] = json!({"reason": "steered"});
            say(
                socket,
                &json!({"type": "response.incomplete", "sequence_number": 5, "response": cut}),
            );
            whole(socket, "resp_2");
            while next(socket).is_some() {
                whole(socket, "resp_3");
            }
        },
        |_, wire| wire.json(500, "{}"),
    );
    let weir = weir(&[&upstream]);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "Hello", "store": false, "stream_id": "s"}));
    while client.event().expect("an event")["type"] != "response.output_text.delta" {}
    client.send(&json!({"type": "response.steer", "stream_id": "s", "previous_response_id": "resp_1", "input": "Shorter"}));
    let accepted = client.event().expect("an event");
    assert_eq!(
        (&accepted["type"], &accepted["stream_id"]),
        (&json!("response.steer.accepted"), &json!("s"))
    );
    assert_eq!(
        client.end()["response"]["incomplete_details"]["reason"],
        "steered"
    );
    let successor = client.turn();
    assert_eq!(successor.len(), 5, "{successor:?}");
    assert_eq!(successor[4]["response"]["id"], "resp_2");
    assert_eq!(successor[4]["stream_id"], "s");
    heard.recv().expect("the request");
    assert_eq!(
        heard.recv().expect("steering"),
        json!({"type": "response.steer", "previous_response_id": "resp_1", "input": "Shorter"})
    );
    // The conversation goes on from there, over the same socket, with what is new.
    client.create(json!({"input": "Thanks", "store": false, "stream_id": "s", "previous_response_id": "resp_2"}));
    assert_eq!(client.end()["response"]["id"], "resp_3");
    let last = heard.recv().expect("a message");
    assert_eq!(
        (
            &last["previous_response_id"],
            last["input"].as_array().map(Vec::len)
        ),
        (&json!("resp_2"), Some(1))
    );
    assert_eq!(upstream.connections(), 1);
    weir.until_metric(
        "weir_requests_total",
        &[("key", "team"), ("outcome", "ok")],
        3.0,
    );
    weir.until_metric(
        "weir_tokens_total",
        &[("account", "a"), ("kind", "output")],
        6.0,
    );
    // Nothing runs: it cannot be steered, and the client has its input back.
    client.send(&json!({"type": "response.steer", "stream_id": "s", "previous_response_id": "resp_3", "input": "Late"}));
    let failed = client.event().expect("an event");
    assert_eq!(
        (&failed["type"], &failed["steer"]["input"]),
        (&json!("response.steer.failed"), &json!("Late"))
    );
}

#[test]
fn only_an_account_that_speaks_responses_has_sockets() {
    let upstream = Upstream::json(200, "{}");
    let lines = sample(Dialect::OpenaiChat);
    let yaml = accounts(&[account("a", &lines, &upstream, ", websocket: true")]);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("weir.yaml");
    std::fs::write(&file, format!("version: 1\nanonymous: true\n{yaml}")).expect("a file");
    let ended = crate::rig::process::run(crate::rig::process::command(&["check", "-c"]).arg(&file));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended.stderr.contains("does not speak the Responses API"),
        "{ended:?}"
    );
}

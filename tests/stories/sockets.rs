//! The Responses API on a WebSocket: turns, memory, limits, failover, ends.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};
use weir::protocol::Dialect;

use crate::rig::{KEY, PATIENCE, Upstream, Weir, Wire, account, accounts, eventually, sample};

/// An open socket of a client.
pub struct Client(WebSocket<TcpStream>);

/// The answer to an upgrade, and the connection.
fn upgrade(addr: SocketAddr, headers: &[(&str, &str)]) -> (u16, String, TcpStream) {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a living socket");
    let mut head = format!("GET /v1/responses HTTP/1.1\r\nhost: {addr}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream
        .write_all((head + "\r\n").as_bytes())
        .expect("written");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("an answer") == 1 {
        answer.push(byte[0]);
    }
    let text = String::from_utf8(answer).expect("text");
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), text, stream)
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

impl Client {
    pub fn open(weir: &Weir) -> Self {
        Self::open_as(weir, KEY)
    }

    pub fn open_as(weir: &Weir, key: &str) -> Self {
        let bearer = format!("Bearer {key}");
        let mut headers = UPGRADE.to_vec();
        headers.push(("authorization", &bearer));
        headers.push(("openai-beta", "responses_websockets=2026-02-06"));
        let (status, text, stream) = upgrade(weir.addr(), &headers);
        assert_eq!(status, 101, "{text}");
        assert!(
            text.to_lowercase()
                .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{text}"
        );
        let config = WebSocketConfig::default();
        Self(WebSocket::from_raw_socket(
            stream,
            Role::Client,
            Some(config),
        ))
    }

    pub fn send(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .expect("sent");
    }

    pub fn create(&mut self, more: Value) {
        let mut message = json!({"type": "response.create", "model": "gpt-5.5"});
        let members = message.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        self.send(&message);
    }

    /// The next event; `None` when the socket was closed in good order.
    pub fn event(&mut self) -> Option<Value> {
        loop {
            match self.0.read().expect("the socket lives") {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Events up to one that ends a turn, which is the last.
    pub fn turn(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.event().expect("an event"));
            let kind = events[events.len() - 1]["type"].as_str().expect("a type");
            if [
                "response.completed",
                "response.incomplete",
                "response.failed",
                "error",
            ]
            .contains(&kind)
            {
                return events;
            }
        }
    }

    pub fn end(&mut self) -> Value {
        self.turn().pop().expect("an event")
    }
}

/// A Responses stream with this id and one message.
fn answer(wire: &mut Wire, id: &str, text: &str) {
    let item = json!({"type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let usage = json!({"input_tokens": 5, "output_tokens": 2, "total_tokens": 7});
    let response = |status: &str, output: Value| json!({"id": id, "object": "response", "status": status, "model": "gpt-5.5", "output": output, "usage": usage});
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item}),
        json!({"type": "response.output_text.delta", "sequence_number": 2, "output_index": 0, "content_index": 0, "item_id": format!("msg_{id}"), "delta": text}),
        json!({"type": "response.output_item.done", "sequence_number": 3, "output_index": 0, "item": item}),
        json!({"type": "response.completed", "sequence_number": 4, "response": response("completed", json!([item]))}),
    ];
    wire.stream();
    for event in events {
        let kind = event["type"].as_str().expect("a type");
        wire.chunk(format!("event: {kind}\ndata: {event}\n\n"));
    }
    wire.end();
}

fn talker() -> Upstream {
    Upstream::start(|request, wire| answer(wire, &format!("resp_{}", request.number), "Hi"))
}

fn responses(upstream: &Upstream) -> String {
    accounts(&[account(
        "a",
        &sample(Dialect::OpenaiResponses),
        upstream,
        "",
    )])
}

fn body(upstream: &Upstream, number: usize) -> Value {
    serde_json::from_slice(&upstream.requests()[number].body).expect("JSON")
}

#[test]
fn each_response_is_an_ordinary_request() {
    let upstream = talker();
    let weir = Weir::start(&responses(&upstream));
    let mut client = Client::open(&weir);
    for turn in 0..3 {
        client.create(
            json!({"input": "Hello", "stream": false, "background": true, "metadata": {"n": "1"}}),
        );
        let events = client.turn();
        assert_eq!(events.len(), 5);
        assert_eq!(events[0]["type"], "response.created");
        assert_eq!(events[4]["response"]["id"], format!("resp_{turn}"));
        let sent = body(&upstream, turn);
        assert_eq!(
            sent,
            json!({"stream": true, "metadata": {"n": "1"}, "model": "gpt-5.5", "input": "Hello"})
        );
    }
    let request = &upstream.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/v1/responses")
    );
    assert_eq!(
        request.headers.get("authorization"),
        Some("Bearer secret-of-a")
    );
    for name in ["sec-websocket-key", "upgrade", "openai-beta"] {
        assert_eq!(request.headers.get(name), None, "{name}");
    }
    // An access line and the series of a request for each; none for the socket.
    eventually("three access lines", || {
        (weir.lines().len() == 3).then_some(())
    });
    let lines = weir.lines();
    let ids: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["request_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 3, "{lines:?}");
    for line in &lines {
        assert_eq!(
            (&line["status"], &line["path"], &line["client_ip"]),
            (&json!(200), &json!("/v1/responses"), &json!("127.0.0.1")),
            "{line}"
        );
    }
    weir.until_metric("weir_requests_total", &[("key", "team")], 3.0);
    drop(client);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(weir.lines().len(), 3);
}

#[test]
fn a_response_of_the_socket_is_continued_from_memory() {
    let upstream = talker();
    let weir = Weir::start(&responses(&upstream));
    let mut client = Client::open(&weir);
    client.create(json!({"input": [{"role": "user", "content": "one"}], "store": false}));
    client.turn();
    client.create(json!({"input": "two", "store": false, "previous_response_id": "resp_0"}));
    client.turn();
    let said = |text: &str| {
        json!({"type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
    };
    let two = json!({"type": "message", "role": "user", "content": "two"});
    let sent = body(&upstream, 1);
    assert_eq!(
        sent["input"],
        json!([{"role": "user", "content": "one"}, said("Hi"), two])
    );
    assert_eq!(sent.get("previous_response_id"), None);
    // A fork of the first, and the newest once more.
    client.create(json!({"input": [], "store": false, "previous_response_id": "resp_0"}));
    client.turn();
    assert_eq!(
        body(&upstream, 2)["input"],
        json!([{"role": "user", "content": "one"}, said("Hi")])
    );
    client.create(json!({"input": "four", "store": false, "previous_response_id": "resp_1"}));
    client.turn();
    assert_eq!(
        body(&upstream, 3)["input"].as_array().map(Vec::len),
        Some(5)
    );
    // What nobody can know is said, and the socket goes on; what the provider may know is asked there.
    client.create(json!({"input": "x", "store": false, "previous_response_id": "resp_gone"}));
    let fault = client.end();
    assert_eq!(
        (&fault["status"], &fault["error"]["code"]),
        (&json!(400), &json!("previous_response_not_found"))
    );
    assert_eq!(fault["error"]["param"], "previous_response_id");
    client.create(json!({"input": "x", "previous_response_id": "resp_stored"}));
    client.turn();
    assert_eq!(body(&upstream, 4)["previous_response_id"], "resp_stored");
    // Another socket knows nothing of it.
    let mut other = Client::open(&weir);
    other.create(json!({"input": "x", "store": false, "previous_response_id": "resp_0"}));
    assert_eq!(other.end()["error"]["code"], "previous_response_not_found");
}

#[test]
fn a_warm_up_answers_with_an_id_and_asks_nobody() {
    let upstream = talker();
    let weir = Weir::start(&responses(&upstream));
    let mut client = Client::open(&weir);
    client.create(json!({"input": [{"role": "user", "content": "tools"}], "generate": false, "store": false, "stream_id": "s"}));
    let events = client.turn();
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["response.created", "response.completed"]);
    assert!(
        events.iter().all(|event| event["stream_id"] == "s"),
        "{events:?}"
    );
    let id = events[1]["response"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(upstream.requests().is_empty());
    client.create(json!({"input": [{"role": "user", "content": "go"}], "store": false, "previous_response_id": id}));
    client.turn();
    assert_eq!(
        body(&upstream, 0)["input"],
        json!([{"role": "user", "content": "tools"}, {"role": "user", "content": "go"}])
    );
}

#[test]
fn lanes_run_beside_one_another_and_each_in_order() {
    let upstream = Upstream::start(|request, wire| {
        let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
        let text = sent["input"].as_str().expect("text").to_owned();
        if text.starts_with("slow") {
            std::thread::sleep(Duration::from_millis(400));
        }
        answer(wire, &format!("resp_{text}"), &text);
    });
    let weir = Weir::start(&responses(&upstream));
    let mut client = Client::open(&weir);
    client.create(json!({"input": "slow-1", "stream_id": "one"}));
    client.create(json!({"input": "1b", "stream_id": "one"}));
    client.create(json!({"input": "quick", "stream_id": "two"}));
    client.create(json!({"input": "plain"}));
    let mut ends = Vec::new();
    while ends.len() < 4 {
        let event = client.event().expect("an event");
        let lane = event["stream_id"].as_str().unwrap_or_default().to_owned();
        if event["type"] == "response.completed" {
            ends.push((
                lane,
                event["response"]["id"].as_str().expect("an id").to_owned(),
            ));
        }
    }
    let position = |id: &str| {
        ends.iter()
            .position(|(_, other)| other == id)
            .expect("it ended")
    };
    assert!(
        position("resp_quick") < position("resp_slow-1")
            && position("resp_plain") < position("resp_slow-1"),
        "{ends:?}"
    );
    assert!(position("resp_slow-1") < position("resp_1b"));
    for (lane, id) in [
        ("one", "resp_slow-1"),
        ("one", "resp_1b"),
        ("two", "resp_quick"),
        ("", "resp_plain"),
    ] {
        assert_eq!(ends[position(id)].0, lane);
    }
    client.create(json!({"input": "x", "stream_id": "x".repeat(65)}));
    assert_eq!(client.end()["error"]["code"], "invalid_stream_id");
}

#[test]
fn limits_and_the_key_are_looked_at_for_every_response() {
    let upstream = talker();
    let yaml = |keys: &str| format!("{}keys: [{keys}]\n", responses(&upstream));
    let limited = "{ name: team, key: \"the-key\", limits: { rpm: 2, concurrency: 1 } }";
    let weir = Weir::start(&yaml(limited));
    let mut client = Client::open_as(&weir, "the-key");
    // An idle socket takes no place of `concurrency: 1`.
    let mut other = Client::open_as(&weir, "the-key");
    client.create(json!({"input": "1"}));
    assert_eq!(client.end()["type"], "response.completed");
    other.create(json!({"input": "2"}));
    assert_eq!(other.end()["type"], "response.completed");
    client.create(json!({"input": "3"}));
    let refused = client.end();
    assert_eq!(
        (&refused["type"], &refused["status"]),
        (&json!("error"), &json!(429)),
        "{refused}"
    );
    assert!(
        refused["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("rpm") || text.contains("requests")),
        "{refused}"
    );
    assert!(refused["headers"]["retry-after"].is_string(), "{refused}");
    // A key that is gone is refused on the socket that it opened.
    weir.rewrite(&yaml("{ name: another, key: \"another\" }"));
    eventually("the key is refused", || {
        client.create(json!({"input": "4", "generate": false}));
        (client.end()["status"] == 401).then_some(())
    });
    client.create(json!({"input": "5"}));
    assert_eq!(client.end()["status"], 401);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_account_that_fails_before_it_answers_is_passed_over_and_one_that_breaks_off_is_told() {
    let bad = Upstream::start(|_, wire| {
        wire.json(529, r#"{"error":{"type":"server_error","message":"busy"}}"#);
    });
    let broken = Upstream::start(|request, wire| {
        if request.number == 0 {
            wire.stream();
            wire.chunk("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"status\":\"in_progress\",\"output\":[]}}\n\n");
            wire.chunk("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":0,\"content_index\":0,\"item_id\":\"m\",\"delta\":\"Hel\"}\n\n");
            wire.reset();
        } else {
            answer(wire, "resp_good", "Hi");
        }
    });
    let lines = sample(Dialect::OpenaiResponses);
    let weir = Weir::start(&accounts(&[
        account("bad", &lines, &bad, ", priority: 0"),
        account("broken", &lines, &broken, ", priority: 1"),
    ]));
    let mut client = Client::open(&weir);
    client.create(json!({"input": "1"}));
    let events = client.turn();
    assert_eq!(events[1]["delta"], "Hel", "{events:?}");
    let last = events.last().expect("an event");
    assert!(
        last["type"] == "response.failed" || last["type"] == "error",
        "{last}"
    );
    client.create(json!({"input": "2"}));
    assert_eq!(client.end()["response"]["id"], "resp_good");
    assert!(!bad.requests().is_empty());
}

#[test]
fn other_dialects_serve_it_too() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(move |_, wire| wire.events(&lines.events()));
    let weir = Weir::before(&upstream, &lines);
    let mut client = Client::open(&weir);
    client.create(json!({"input": "Hello", "store": false}));
    let events = client.turn();
    let last = events.last().expect("an event");
    assert_eq!(last["type"], "response.completed", "{last}");
    let id = last["response"]["id"].as_str().expect("an id").to_owned();
    client.create(json!({"input": "Again", "store": false, "previous_response_id": id}));
    assert_eq!(client.end()["type"], "response.completed");
    let sent = body(&upstream, 1);
    let roles: Vec<&Value> = sent["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| &message["role"])
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{sent}");
}

#[test]
fn what_is_no_upgrade_or_no_key_is_refused_before_it() {
    let upstream = talker();
    let weir = Weir::start(&responses(&upstream));
    let bearer = format!("Bearer {KEY}");
    let with_key = |headers: &[(&str, &str)]| {
        let mut headers = headers.to_vec();
        headers.push(("authorization", &bearer));
        upgrade(weir.addr(), &headers).0
    };
    assert_eq!(upgrade(weir.addr(), &UPGRADE).0, 401);
    assert_eq!(with_key(&[]), 426);
    assert_eq!(with_key(&UPGRADE[..3]), 426);
    assert_eq!(
        with_key(&[
            UPGRADE[0],
            UPGRADE[1],
            ("sec-websocket-version", "12"),
            UPGRADE[3]
        ]),
        426
    );
    assert_eq!(
        with_key(&[UPGRADE[0], ("upgrade", "h2c"), UPGRADE[2], UPGRADE[3]]),
        426
    );
    weir.is_well();
}

#[test]
fn what_no_client_should_send_harms_nobody() {
    let upstream = talker();
    let weir = Weir::start(&format!(
        "{}server: {{ max_body: 64KiB }}\n",
        responses(&upstream)
    ));
    let mut client = Client::open(&weir);
    for text in [
        "",
        "[]",
        "nonsense",
        "{}",
        r#"{"type":"response.cancel"}"#,
        r#"{"type":"response.create","previous_response_id":1}"#,
    ] {
        client.0.send(Message::text(text)).expect("sent");
        assert_eq!(
            client.end()["error"]["type"],
            "invalid_request_error",
            "{text}"
        );
    }
    client.send(&json!({"type": "response.steer", "previous_response_id": "r", "input": "stop"}));
    let event = client.event().expect("an event");
    assert_eq!(
        (
            &event["type"],
            &event["error"]["code"],
            &event["steer"]["input"]
        ),
        (
            &json!("response.steer.failed"),
            &json!("steering_not_supported"),
            &json!("stop")
        )
    );
    // The upstream's business, as on the other path.
    client.create(json!({"input": 7}));
    client.turn();
    // Longer than `server.max_body`: the socket ends with 1009.
    client.create(json!({"input": "x".repeat(70_000)}));
    let ended = loop {
        match client.0.read() {
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(ended, Some(1009));
    let mut client = Client::open(&weir);
    client.0.send(Message::Ping("here".into())).expect("sent");
    assert!(matches!(client.0.read(), Ok(Message::Pong(bytes)) if &bytes[..] == b"here"));
    client.create(json!({"input": "1"}));
    client.turn();
    weir.is_well();
}

#[test]
fn a_client_that_leaves_ends_its_response() {
    let upstream = Upstream::start(|_, wire| {
        wire.stream();
        wire.chunk("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"status\":\"in_progress\",\"output\":[]}}\n\n");
        wire.chunk("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":0,\"content_index\":0,\"item_id\":\"m\",\"delta\":\"Hel\"}\n\n");
        assert!(wire.closes_within(PATIENCE), "the upstream was left alone");
    });
    let weir = Weir::start(&responses(&upstream));
    let mut client = Client::open(&weir);
    client.create(json!({"input": "1"}));
    client.event();
    drop(client);
    let line = weir.line(|line| line["end"] == "client_gone");
    assert_eq!(line["path"], "/v1/responses");
}

#[test]
fn a_socket_ends_when_it_is_old_or_weir_drains_and_not_within_a_response() {
    let upstream = Upstream::start(|request, wire| {
        std::thread::sleep(Duration::from_millis(600));
        answer(wire, &format!("resp_{}", request.number), "Hi");
    });
    let mut weir = Weir::start(&format!(
        "{}websocket: {{ max_age: 300ms }}\n",
        responses(&upstream)
    ));
    let mut client = Client::open(&weir);
    client.create(json!({"input": "1"}));
    assert_eq!(client.end()["type"], "response.completed");
    assert_eq!(
        client.end()["error"]["code"],
        "websocket_connection_limit_reached"
    );
    assert_eq!(client.event(), None);

    weir.rewrite(&responses(&upstream));
    eventually("the new age is in force", || {
        let mut client = Client::open(&weir);
        let begun = Instant::now();
        client
            .0
            .get_ref()
            .set_read_timeout(Some(Duration::from_millis(500)))
            .expect("a living socket");
        let lives = client.0.read().is_err() && begun.elapsed() > Duration::from_millis(450);
        lives.then_some(())
    });
    let (mut busy, mut idle) = (Client::open(&weir), Client::open(&weir));
    busy.create(json!({"input": "1"}));
    eventually("it runs", || (upstream.requests().len() == 2).then_some(()));
    weir.drain();
    assert_eq!(idle.event(), None);
    assert_eq!(busy.end()["type"], "response.completed");
    assert_eq!(busy.event(), None);
    weir.join().expect("it ends");
}

//! Clients on upstreams of other dialects: what each side sees, and how it ends when something goes wrong.
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::{ALL, KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// Every client with every upstream of another dialect.
pub fn pairs() -> impl Iterator<Item = (Lines, Lines)> {
    let all = ALL.map(sample);
    all.into_iter().flat_map(move |client| {
        let others = all.into_iter();
        let others = others.filter(move |upstream| upstream.dialect != client.dialect);
        others.map(move |upstream| (client, upstream))
    })
}

/// An account that speaks nothing but the dialect of `lines`.
pub fn only(name: &str, lines: &Lines, upstream: &Upstream, more: &str) -> String {
    let dialect = lines.dialect.as_str();
    account(
        name,
        lines,
        upstream,
        &format!(", dialect: {dialect}{more}"),
    )
}

pub fn before(upstream: &Upstream, lines: &Lines) -> Weir {
    Weir::start(&accounts(&[only("a", lines, upstream, "")]))
}

/// A whole answer, streamed or not as it is asked for.
pub fn answering(lines: Lines) -> Upstream {
    Upstream::start(move |request, wire| {
        let body = String::from_utf8_lossy(&request.body);
        if body.contains("\"stream\":true") || request.target.contains("alt=sse") {
            wire.events(&lines.events());
        } else {
            wire.json(200, lines.answer);
        }
    })
}

#[test]
fn every_client_is_served_by_every_other_dialect() {
    for (client, upstream) in pairs() {
        let there = answering(upstream);
        let weir = before(&there, &upstream);
        let plain = weir.ask(&client).send().is(200);
        assert!(plain.text().contains("\"Hello\""), "{}", plain.text());
        let stream = weir.ask_stream(&client).send().is(200);
        for mark in ["\"Hel\"", "\"lo\""].iter().chain(client.marks) {
            assert!(stream.text().contains(mark), "{mark}: {}", stream.text());
        }
        for (kind, tokens) in [("input", 20.0), ("cache_read", 6.0), ("output", 10.0)] {
            weir.until_metric("weir_tokens_total", &[("kind", kind)], tokens);
        }
        let line = weir.line(|line| line["stream"] == true);
        assert_eq!(
            line["upstream_dialect"],
            upstream.dialect.as_str(),
            "{line}"
        );
        assert_eq!(
            (&line["end"], &line["usage_source"]),
            (&"complete".into(), &"reported".into())
        );
    }
}

#[test]
fn usage_that_nobody_states_is_estimated() {
    let (client, upstream) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let there = Upstream::start(move |_, wire| {
        let events = upstream.events().into_iter();
        let silent: Vec<_> = events.filter(|event| !event.contains("usage")).collect();
        wire.events(&silent);
    });
    let weir = before(&there, &upstream);
    weir.ask_stream(&client).send().is(200);
    let line = weir.line(|line| line["stream"] == true);
    assert_eq!(line["usage_source"], "estimated", "{line}");
    assert!(line["tokens"]["output"].as_u64() >= Some(2), "{line}");
    assert!(line["tokens"]["input"].as_u64() >= Some(1), "{line}");
}

#[test]
fn an_event_is_translated_before_the_next_one_exists() {
    for (client, upstream) in pairs() {
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let there = Upstream::start(move |_, wire| {
            wire.stream();
            upstream.opening.iter().for_each(|event| wire.chunk(event));
            let wait = wait.lock().expect("no panic");
            wait.recv_timeout(Duration::from_secs(25))
                .expect("the first act was seen");
            upstream.closing.iter().for_each(|event| wire.chunk(event));
            wire.end();
        });
        let weir = before(&there, &upstream);
        let mut open = weir.ask_stream(&client).open();
        while !open.event().expect("more").contains("\"Hel\"") {}
        go.send(()).expect("the upstream waits");
        assert!(open.rest().text().contains("\"lo\""));
    }
}

#[test]
fn nothing_of_the_client_itself_reaches_a_foreign_upstream() {
    let own = [
        ("x-api-key", KEY),
        ("x-goog-api-key", KEY),
        ("cookie", "session=private"),
        ("anthropic-beta", "private-beta"),
        ("openai-organization", "private-organization"),
        ("x-custom", "private"),
        ("user-agent", "private-program/1"),
        ("x-forwarded-for", "192.0.2.77"),
    ];
    for (client, upstream) in pairs() {
        let there = answering(upstream);
        let weir = before(&there, &upstream);
        let ask = own.iter().fold(weir.ask(&client), |call, (name, value)| {
            call.header(name, value)
        });
        ask.send().is(200);
        let seen = there.only();
        let text = format!(
            "{:?} {} {}",
            seen.headers,
            seen.target,
            String::from_utf8_lossy(&seen.body)
        );
        assert!(text.contains("secret-of-a"), "{text}");
        for secret in [KEY, "private", "192.0.2.77"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn a_request_moves_from_its_own_dialect_to_another_and_back() {
    for (client, upstream) in pairs() {
        let own = Upstream::start(move |request, wire| match request.number {
            0 => wire.json(500, "{}"),
            _ => wire.json(200, client.answer),
        });
        let other = answering(upstream);
        // Own dialect first, whatever the priorities say.
        let weir = Weir::start(&accounts(&[
            only("own", &client, &own, ", priority: 1"),
            only("foreign", &upstream, &other, ""),
        ]));
        let moved = weir.ask(&client).send().is(200);
        assert_eq!(
            (moved.account(), moved.header("x-weir-attempts")),
            ("foreign", Some("2"))
        );
        assert!(moved.text().contains("\"Hello\""));
        weir.tell("/admin/accounts/own/reset").is(200);
        let back = weir.ask(&client).send().is(200);
        assert_eq!((back.account(), back.text()), ("own", client.answer));
    }
}

#[test]
fn what_cannot_be_carried_is_counted_and_logged() {
    let (client, upstream) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiResponses));
    for status in [200, 400] {
        let there = Upstream::start(move |_, wire| {
            let fault = r#"{"error":{"message":"no","type":"invalid_request_error","code":null,"param":null}}"#;
            wire.json(
                status,
                if status == 200 {
                    upstream.answer
                } else {
                    fault
                },
            );
        });
        let weir = before(&there, &upstream);
        let ask = client.ask.replacen('{', r#"{"top_k":5,"#, 1);
        weir.post(client.path, ask).send().is(status);
        let labels = [("pair", "anthropic:openai-responses"), ("field", "top_k")];
        weir.until_metric("weir_dropped_fields_total", &labels, 1.0);
        let line = weir.line(|line| line["status"] == status);
        assert_eq!(line["dropped"], serde_json::json!(["top_k"]), "{line}");
        assert!(!String::from_utf8_lossy(&there.only().body).contains("top_k"));
    }
}

#[test]
fn what_cannot_be_translated_is_refused_by_name() {
    let (client, upstream) = (sample(Dialect::OpenaiResponses), sample(Dialect::Anthropic));
    let ask = client
        .ask
        .replacen('{', r#"{"previous_response_id":"resp_0","#, 1);
    let there = Upstream::start(|_, _| panic!("nothing is asked"));
    let weir = before(&there, &upstream);
    let refused = weir.post(client.path, &ask).send().is(400);
    let error = &refused.json()["error"];
    assert_eq!(error["param"], "previous_response_id", "{error}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("previous_response_id"))
    );

    // Where its own dialect could have served it, the failure there is the reason: the request is right.
    let own = Upstream::json(500, "{}");
    let weir = Weir::start(&accounts(&[
        only("own", &client, &own, ""),
        only("foreign", &upstream, &there, ""),
    ]));
    weir.post(client.path, &ask).send().is(502);
}

#[test]
fn the_client_reads_its_own_name_of_the_model() {
    for (client, upstream) in pairs() {
        let there = answering(upstream);
        let entry = only("a", &upstream, &there, "");
        let weir = Weir::start(&format!(
            "{}pools: [{{ name: p, accounts: [a] }}]\nroutes: [{{ pool: p, model: their-name }}]\n",
            accounts(&[entry])
        ));
        for call in [weir.ask(&client), weir.ask_stream(&client)] {
            let answer = call.send().is(200);
            let asked = match client.dialect {
                Dialect::Anthropic => "claude-sonnet-4-5",
                Dialect::OpenaiChat | Dialect::OpenaiResponses => "gpt-5",
                Dialect::Gemini => "gemini-2.5-flash",
            };
            assert!(
                answer.text().contains(&format!("\"{asked}\"")),
                "{}",
                answer.text()
            );
            assert!(!answer.text().contains("their-name"), "{}", answer.text());
        }
        for request in there.requests() {
            let text = format!(
                "{} {}",
                request.target,
                String::from_utf8_lossy(&request.body)
            );
            assert!(text.contains("their-name"), "{text}");
        }
    }
}

#[test]
fn gemini_without_sse_gets_one_array_from_every_dialect() {
    let client = sample(Dialect::Gemini);
    let path = client.stream_path.split('?').next().expect("a path");
    for upstream in ALL
        .map(sample)
        .into_iter()
        .filter(|upstream| upstream.dialect != Dialect::Gemini)
    {
        for whole in [true, false] {
            let there = Upstream::start(move |_, wire| {
                wire.events(if whole { &[] } else { upstream.opening });
            });
            let there = if whole { answering(upstream) } else { there };
            let weir = before(&there, &upstream);
            let answer = weir.post(path, client.ask_stream).send().is(200);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let list = answer.json();
            let list = list.as_array().expect("an array");
            let said: String = list
                .iter()
                .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
                .collect();
            let final_chunk = list.last().expect("a chunk");
            assert_eq!(
                said,
                if whole { "Hello" } else { "Hel" },
                "{}",
                answer.text()
            );
            assert_eq!(
                final_chunk["candidates"][0]["finishReason"] == "STOP",
                whole,
                "{final_chunk}"
            );
            assert_eq!(final_chunk["error"].is_object(), !whole, "{final_chunk}");
        }
    }
}

#[test]
fn the_credential_of_a_foreign_account_is_not_the_clients_business() {
    for (client, upstream) in pairs() {
        let there = Upstream::json(
            401,
            r#"{"error":{"message":"bad key secret-of-a","type":"authentication_error","code":"invalid_api_key"}}"#,
        );
        let weir = before(&there, &upstream);
        let refused = weir.ask(&client).send();
        assert!(
            [502, 503].contains(&refused.status),
            "{}",
            refused.status_and_body()
        );
        assert!(!refused.text().contains("secret-of-a") && !refused.text().contains("bad key"));
        client.error(&refused.json());
        assert_ne!(weir.account("a")["state"], "usable");
    }
}

#[test]
fn a_pool_serves_before_its_fallback_whatever_they_speak() {
    let (client, chat) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let (there, spare) = (answering(chat), answering(client));
    let entries = [only("a", &chat, &there, ""), only("b", &client, &spare, "")];
    let pools = "pools:\n  - { name: default, accounts: [a], fallback: spare }\n  - { name: spare, accounts: [b] }\n";
    let weir = Weir::start(&(accounts(&entries) + pools));
    assert_eq!(weir.ask(&client).send().is(200).account(), "a");
    weir.tell("/admin/accounts/a/drain").is(200);
    assert_eq!(weir.ask(&client).send().is(200).account(), "b");
    assert_eq!((there.count(), spare.count()), (1, 1));
}

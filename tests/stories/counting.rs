//! Counting tokens: asked of a provider where one can be asked, estimated by Weir otherwise, never refused for what is
//! wrong at a provider.
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::upstream::Request;
use crate::rig::{ALL, Answer, Call, Lines, Upstream, Weir, Wire, accounts, eventually, sample};
use crate::translation::only;
use weir::protocol::Dialect;
use weir::protocol::hub::opaque::{self, Opaque, OpaqueKind, Vendor};

/// Where a client counts, and what it sends there.
fn counting(lines: &Lines) -> Option<(String, String)> {
    match lines.dialect {
        Dialect::Anthropic => {
            let body = lines.ask.replace(r#""max_tokens":16,"#, "");
            Some(("/v1/messages/count_tokens?beta=true".into(), body))
        }
        Dialect::Gemini => {
            let path = lines.path.replace(":generateContent", ":countTokens");
            Some((path, lines.ask.into()))
        }
        Dialect::OpenaiResponses => Some(("/v1/responses/input_tokens".into(), lines.ask.into())),
        Dialect::OpenaiChat => None,
    }
}

fn clients() -> impl Iterator<Item = Lines> {
    ALL.map(sample)
        .into_iter()
        .filter(|lines| counting(lines).is_some())
}

fn count(weir: &Weir, client: &Lines) -> Call {
    let (path, body) = counting(client).expect("a client that can count");
    weir.post(&path, body)
}

/// What a provider's counting endpoint says.
fn provided(lines: &Lines, tokens: u64) -> String {
    match lines.dialect {
        Dialect::Gemini => format!(r#"{{"totalTokens": {tokens}, "promptTokensDetails": []}}"#),
        _ => format!(r#"{{"object": "response.input_tokens", "input_tokens": {tokens}}}"#),
    }
}

fn asks_for_count(request: &Request) -> bool {
    let counts = ["count_tokens", "input_tokens", ":countTokens"];
    counts.iter().any(|path| request.target.contains(path))
}

/// An upstream that generates, and counts as `play` has it.
fn upstream(lines: Lines, play: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request, wire| {
        if asks_for_count(request) {
            play(request, wire);
        } else {
            wire.json(200, lines.answer);
        }
    })
}

#[track_caller]
fn tokens(client: &Lines, answer: &Answer, source: &str) -> u64 {
    assert_eq!(
        answer.header("x-weir-token-count"),
        Some(source),
        "{}",
        answer.status_and_body()
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let name = match client.dialect {
        Dialect::Gemini => "totalTokens",
        _ => "input_tokens",
    };
    answer.json()[name].as_u64().expect("a number")
}

#[test]
fn every_client_gets_the_figure_of_every_provider_that_has_one() {
    for client in clients() {
        for lines in clients() {
            let there = upstream(lines, move |_, wire| wire.json(200, provided(&lines, 4711)));
            let weir = Weir::start(&accounts(&[only("a", &lines, &there, "")]));
            let answer = count(&weir, &client).send().is(200);
            assert_eq!(tokens(&client, &answer, "provider"), 4711);
            let seen = there.only();
            let body = String::from_utf8(seen.body).expect("UTF-8");
            if client.dialect == lines.dialect {
                assert_eq!(answer.text(), provided(&lines, 4711), "byte for byte");
                assert_eq!(Some(body), counting(&client).map(|(_, body)| body));
                continue;
            }
            assert!(body.contains("Hi"), "{body}");
            for member in ["max_", "stream", "store", "include", "temperature"] {
                assert!(!body.contains(member), "{member}: {body}");
            }
            let wrapped = body.starts_with(r#"{"generateContentRequest":{"#)
                && body.contains(r#""model":"models/"#);
            assert_eq!(wrapped, lines.dialect == Dialect::Gemini, "{body}");
            assert!(seen.headers.get("x-goog-api-key").is_some() == wrapped);
        }
    }
}

#[test]
fn an_upstream_without_such_an_endpoint_is_not_asked() {
    let chat = sample(Dialect::OpenaiChat);
    for client in clients() {
        let there = upstream(chat, |_, wire| wire.json(500, "{}"));
        let weir = Weir::start(&accounts(&[only("a", &chat, &there, "")]));
        let answer = count(&weir, &client).send().is(200);
        let found = tokens(&client, &answer, "estimated");
        assert!((2..=20).contains(&found), "{found}");
        assert_eq!(there.count(), 0);
    }
}

#[test]
fn an_endpoint_that_does_not_exist_is_asked_once_and_then_estimated() {
    for client in clients() {
        for lines in clients() {
            for status in [404, 405, 501] {
                let there = upstream(lines, move |_, wire| wire.json(status, "{}"));
                let weir = Weir::start(&accounts(&[only("a", &lines, &there, "")]));
                for _ in 0..3 {
                    let answer = count(&weir, &client).send().is(200);
                    tokens(&client, &answer, "estimated");
                }
                assert_eq!(there.count(), 1, "{status}");
                assert_eq!(weir.account("a")["state"], "usable");
            }
        }
    }
}

#[test]
fn a_provider_that_fails_to_count_is_replaced_by_an_estimate_and_not_benched() {
    let client = sample(Dialect::Anthropic);
    for lines in [client, sample(Dialect::Gemini)] {
        for bad in 0..8 {
            let there = upstream(lines, move |_, wire| match bad {
                0 => wire.json(500, "{}"),
                1 => wire.json(429, r#"{"error":{"message":"slow down"}}"#),
                2 => wire.json(401, r#"{"error":{"message":"invalid x-api-key"}}"#),
                3 => wire.json(529, "{}"),
                4 => wire.answer(200, &[("content-type", "application/json")], ""),
                5 => wire.json(200, r#"{"input_tokens":null}"#),
                6 => wire.answer(200, &[("content-encoding", "gzip")], "\x1f\u{8b}"),
                _ => wire.close(),
            });
            let weir = Weir::start(&accounts(&[only("a", &lines, &there, "")]));
            for _ in 0..4 {
                let answer = count(&weir, &client).send().is(200);
                tokens(&client, &answer, "estimated");
            }
            assert_eq!(weir.account("a")["state"], "usable", "{bad}");
            weir.ask(&client).send().is(200);
        }
    }
}

#[test]
fn another_account_may_count() {
    let client = sample(Dialect::Anthropic);
    let ill = upstream(client, |_, wire| wire.json(503, "{}"));
    let well = upstream(client, move |_, wire| wire.json(200, provided(&client, 99)));
    let weir = Weir::start(&accounts(&[
        only("ill", &client, &ill, ""),
        only("well", &client, &well, ", priority: 1"),
    ]));
    let answer = count(&weir, &client).send().is(200);
    assert_eq!(tokens(&client, &answer, "provider"), 99);
    assert_eq!(answer.account(), "well");
}

#[test]
fn what_is_wrong_with_the_prompt_is_told_by_who_reads_it() {
    let client = sample(Dialect::Anthropic);
    let fault = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: first must be user"}}"#;
    let there = upstream(client, move |_, wire| wire.json(400, fault));
    let weir = Weir::start(&accounts(&[only("a", &client, &there, "")]));
    let answer = count(&weir, &client).send().is(400);
    assert_eq!(answer.text(), fault);
    // Of another dialect it is a fault of the translation, most likely.
    let gemini = sample(Dialect::Gemini);
    let answer = count(&weir, &gemini).send().is(200);
    tokens(&gemini, &answer, "estimated");
    // Nobody but Weir reads it.
    let chat = sample(Dialect::OpenaiChat);
    let weir = Weir::start(&accounts(&[only("a", &chat, &there, "")]));
    let unreadable = weir.post("/v1/messages/count_tokens", r#"{"model":"m","messages":7}"#);
    let answer = unreadable.send().is(400);
    assert!(answer.text().contains("messages"), "{}", answer.text());
}

#[test]
fn a_stranger_gets_no_count_and_nobody_counts_for_an_unknown_model() {
    let client = sample(Dialect::Anthropic);
    let there = upstream(client, move |_, wire| wire.json(200, provided(&client, 1)));
    let weir = Weir::start(&accounts(&[only(
        "a",
        &client,
        &there,
        ", models: [gpt-5]",
    )]));
    count(&weir, &client).key("wrong").send().is(401);
    count(&weir, &client).send().is(404);
    assert_eq!(there.count(), 0);
}

#[test]
fn a_count_waits_for_nobody_and_occupies_nothing() {
    let client = sample(Dialect::Anthropic);
    let (go, held) = channel::<()>();
    let held = Mutex::new(held);
    let there = Upstream::start(move |request, wire| {
        if asks_for_count(request) {
            wire.json(200, provided(&client, 12));
            return;
        }
        wire.stream();
        client.opening.iter().for_each(|event| wire.chunk(event));
        let held = held.lock().expect("no panic");
        let _ = held.recv_timeout(Duration::from_secs(25));
        client.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let limits = ", limits: { concurrency: 1, rpm: 2 }";
    let weir = Weir::start(&accounts(&[only("a", &client, &there, limits)]));
    let mut busy = weir.ask_stream(&client).open();
    while !busy.event().expect("more").contains("\"Hel\"") {}
    for _ in 0..5 {
        let answer = count(&weir, &client).send().is(200);
        assert_eq!(tokens(&client, &answer, "provider"), 12);
    }
    go.send(()).expect("the upstream waits");
    busy.rest();
    // One of the two requests of this minute is left: counts took none.
    go.send(()).expect("the upstream waits");
    weir.ask_stream(&client).send().is(200);
}

#[test]
fn an_account_that_is_out_leaves_the_count_to_weir() {
    let client = sample(Dialect::Anthropic);
    let there = upstream(client, move |_, wire| wire.json(200, provided(&client, 12)));
    let weir = Weir::start(&accounts(&[only("a", &client, &there, "")]));
    weir.tell("/admin/accounts/a/drain").is(200);
    let answer = count(&weir, &client).send().is(200);
    tokens(&client, &answer, "estimated");
    // Its vendor may know more of its dialect than Weir does.
    let body = r#"{"model":"claude-sonnet-4-5","messages":"of a new kind"}"#;
    let answer = weir.post("/v1/messages/count_tokens", body).send().is(200);
    tokens(&client, &answer, "estimated");
    assert_eq!(there.count(), 0);
}

#[test]
fn estimates_learn_from_what_the_upstream_states_and_a_reload_forgets_nothing() {
    let (client, chat) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let answer = chat
        .answer
        .replace(r#""prompt_tokens":13"#, r#""prompt_tokens":300"#);
    let there = Upstream::start(move |_, wire| wire.json(200, &answer));
    let config = accounts(&[only("a", &chat, &there, "")]);
    let weir = Weir::start(&config);
    let prose =
        "The proxy reads the request, chooses an account, and relays the answer. ".repeat(10);
    let ask = client.ask.replace("\"Hi\"", &format!("\"{prose}\""));
    let estimate = || {
        let counted = weir.post("/v1/messages/count_tokens", &ask).send().is(200);
        tokens(&client, &counted, "estimated")
    };
    let before = estimate();
    assert!((150..=250).contains(&before), "{before}");
    eventually("the estimate is what the upstream says", || {
        weir.post(client.path, &ask).send().is(200);
        (estimate().abs_diff(300) <= 3).then_some(())
    });
    weir.rewrite(&format!("{config}# changed\n"));
    assert_eq!(
        weir.tell("/admin/reload").is(200).json()["result"],
        "applied"
    );
    assert!(estimate().abs_diff(300) <= 3);
}

#[test]
fn a_large_prompt_is_counted_and_so_is_all_that_is_in_it() {
    let (client, chat) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let there = upstream(chat, |_, wire| wire.json(500, "{}"));
    let weir = Weir::start(&accounts(&[only("a", &chat, &there, "")]));
    let words = "quick brown fox ".repeat(60_000);
    let tool =
        format!(r#"{{"name":"t","description":"{words}","input_schema":{{"type":"object"}}}}"#);
    let body = client
        .ask
        .replacen('{', &format!(r#"{{"tools":[{tool}],"#), 1)
        .replace("\"Hi\"", &format!("\"{words}\""));
    let answer = weir.post("/v1/messages/count_tokens", body).send().is(200);
    let found = tokens(&client, &answer, "estimated");
    assert!((300_000..=500_000).contains(&found), "{found}");
}

#[test]
fn a_conversation_that_was_translated_before_is_counted_without_what_weir_put_in_it() {
    let (client, chat) = (sample(Dialect::Anthropic), sample(Dialect::OpenaiChat));
    let own = upstream(client, move |_, wire| wire.json(200, provided(&client, 55)));
    let other = upstream(chat, |_, wire| wire.json(500, "{}"));
    let weir = Weir::start(&accounts(&[
        only("own", &client, &own, ""),
        only("chat", &chat, &other, ""),
    ]));
    let sealed = opaque::seal(&Opaque::native(
        Vendor::Openai,
        OpaqueKind::Encrypted,
        "secret",
    ));
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"hm","signature":"{sealed}"}},{{"type":"text","text":"b"}}]}},{{"role":"user","content":"c"}}]}}"#
    );
    let answer = weir.post("/v1/messages/count_tokens", body).send().is(200);
    assert_eq!(tokens(&client, &answer, "provider"), 55);
    let seen = String::from_utf8(own.only().body).expect("UTF-8");
    assert!(!seen.contains("weir1."), "{seen}");
    assert!(!seen.contains("max_tokens"), "{seen}");
}

#[test]
fn gemini_wraps_a_prompt_that_has_more_than_contents() {
    let gemini = sample(Dialect::Gemini);
    let there = upstream(gemini, move |_, wire| wire.json(200, provided(&gemini, 8)));
    let models = ", models: { gemini-2.5-flash: gemini-next }";
    let weir = Weir::start(&accounts(&[only("a", &gemini, &there, models)]));
    let wrapped = format!(
        r#"{{"generateContentRequest":{{"model":"models/gemini-2.5-flash","systemInstruction":{{"parts":[{{"text":"Be brief"}}]}},{}}}"#,
        &gemini.ask[1..]
    );
    let (path, _) = counting(&gemini).expect("Gemini counts");
    let answer = weir.post(&path, &wrapped).send().is(200);
    assert_eq!(tokens(&gemini, &answer, "provider"), 8);
    let seen = there.only();
    assert_eq!(seen.target, "/v1beta/models/gemini-next:countTokens");
    let expected = wrapped.replace("gemini-2.5-flash", "gemini-next");
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
    // And elsewhere it is unwrapped.
    let anthropic = sample(Dialect::Anthropic);
    let there = upstream(anthropic, move |_, wire| {
        wire.json(200, provided(&anthropic, 9));
    });
    let weir = Weir::start(&accounts(&[only("a", &anthropic, &there, "")]));
    let answer = weir.post(&path, &wrapped).send().is(200);
    assert_eq!(tokens(&gemini, &answer, "provider"), 9);
    let seen = String::from_utf8(there.only().body).expect("UTF-8");
    assert!(seen.contains(r#""text":"Be brief""#), "{seen}");
}

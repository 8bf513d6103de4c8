//! Streams between dialects that fail, stop short or fall silent: what the client hears last.
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::rig::{ALL, Lines, Upstream, Weir, accounts, sample};
use crate::translation::{answering, before, only, pairs};
use weir::protocol::Dialect;

/// What tells a client of the dialect that its stream failed.
fn failure(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "event: error\n",
        Dialect::OpenaiResponses => "event: response.failed\n",
        Dialect::OpenaiChat | Dialect::Gemini => "data: {\"error\":{",
    }
}

/// An upstream's own event for that.
fn error_event(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => {
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
        }
        Dialect::OpenaiChat => {
            "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\",\"code\":\"server_is_overloaded\",\"param\":null}}\n\n"
        }
        Dialect::OpenaiResponses => {
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"failed\",\"model\":\"gpt-5\",\"output\":[],\"error\":{\"code\":\"server_is_overloaded\",\"message\":\"Overloaded\"}}}\n\n"
        }
        Dialect::Gemini => {
            "data: {\"error\":{\"code\":503,\"message\":\"Overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n"
        }
    }
}

#[track_caller]
fn broke_off(client: &Lines, text: &str) {
    assert!(text.contains("Hel"), "what was said is kept: {text}");
    let failure = failure(client.dialect);
    assert_eq!(text.matches(failure).count(), 1, "one last word: {text}");
    for mark in client.marks {
        let seen = client.dialect != Dialect::Gemini && text.contains(mark);
        assert!(!seen, "nobody may take this for whole: {text}");
    }
}

#[test]
fn an_error_event_before_content_goes_elsewhere() {
    for (client, upstream) in pairs() {
        let bad = Upstream::start(move |_, wire| {
            let opening = &upstream.opening[..upstream.opening.len() - 1];
            let head = opening
                .iter()
                .filter(|event| !event.contains("_start\ndata: {\"type\":\"content"));
            wire.stream();
            head.take(1).for_each(|event| wire.chunk(event));
            wire.chunk(error_event(upstream.dialect));
            wire.end();
        });
        let good = answering(upstream);
        let weir = Weir::start(&accounts(&[
            only("bad", &upstream, &bad, ""),
            only("good", &upstream, &good, ", priority: 1"),
        ]));
        let answer = weir.ask_stream(&client).send().is(200);
        assert_eq!(answer.account(), "good");
        assert!(
            !answer.text().contains(failure(client.dialect)),
            "{}",
            answer.text()
        );
        assert_eq!(bad.count(), 1);
    }
}

#[test]
fn an_error_event_after_content_is_the_last_word_in_the_clients_dialect() {
    for (client, upstream) in pairs() {
        let there = Upstream::start(move |_, wire| {
            wire.events(&[upstream.opening, &[error_event(upstream.dialect)]].concat());
        });
        let weir = before(&there, &upstream);
        let answer = weir.ask_stream(&client).send().is(200);
        broke_off(&client, answer.text());
        let line = weir.line(|line| line["stream"] == true);
        assert_eq!(line["end"], "upstream_error", "{line}");
    }
}

#[test]
fn a_stream_without_its_end_is_an_error_and_never_whole() {
    for reset in [false, true] {
        for (client, upstream) in pairs() {
            let there = Upstream::start(move |_, wire| {
                wire.stream();
                upstream.opening.iter().for_each(|event| wire.chunk(event));
                if reset { wire.reset() } else { wire.end() }
            });
            let weir = before(&there, &upstream);
            let answer = weir.ask_stream(&client).send().is(200);
            broke_off(&client, answer.text());
            let line = weir.line(|line| line["stream"] == true);
            assert_eq!(line["end"], "upstream_eof", "{line}");
        }
    }
}

#[test]
fn an_answer_whose_model_has_stopped_is_whole_whatever_breaks_then() {
    for upstream in [Dialect::Anthropic, Dialect::OpenaiChat, Dialect::Gemini].map(sample) {
        for client in ALL
            .map(sample)
            .into_iter()
            .filter(|client| client.dialect != upstream.dialect)
        {
            let there = Upstream::start(move |_, wire| {
                let last = ["message_stop", "[DONE]"];
                let events = upstream.events().into_iter();
                wire.stream();
                events
                    .filter(|event| !last.iter().any(|last| event.contains(last)))
                    .for_each(|event| wire.chunk(event));
                wire.reset();
            });
            let weir = before(&there, &upstream);
            let answer = weir.ask_stream(&client).send().is(200);
            for mark in client.marks {
                assert!(answer.text().contains(mark), "{mark}: {}", answer.text());
            }
            weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 1.0);
        }
    }
}

#[test]
fn a_client_hears_its_own_dialects_sign_of_life_while_the_upstream_is_silent() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = sample(Dialect::Gemini);
    let silent = Upstream::start(move |_, wire| {
        wire.stream();
        wire.chunk(upstream.opening[0]);
        wire.closes_within(Duration::from_secs(25));
    });
    let anthropic = sample(Dialect::Anthropic);
    let silent_too = Upstream::start(move |_, wire| {
        wire.stream();
        anthropic.opening.iter().for_each(|event| wire.chunk(event));
        let wait = wait.lock().expect("no panic");
        wait.recv_timeout(Duration::from_secs(25))
            .expect("the others were seen");
        anthropic.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let (weir, gemini) = (before(&silent, &upstream), before(&silent_too, &anthropic));
    // It waits first, so its sign of life would come before the others'. Nothing is safe with all of Google's SDKs.
    let blank = gemini.ask_stream(&upstream).open();
    let signs = [
        (Dialect::Anthropic, "event: ping\n"),
        (Dialect::OpenaiChat, ": keep-alive\n"),
        (Dialect::OpenaiResponses, "event: response.in_progress\n"),
    ];
    let mut open = signs.map(|(dialect, sign)| (weir.ask_stream(&sample(dialect)).open(), sign));
    for (open, sign) in &mut open {
        while !open.event().expect("more").contains("\"Hel\"") {}
        let next = open.event().expect("a sign of life");
        assert!(next.starts_with(*sign), "{next}");
    }
    go.send(()).expect("the upstream waits");
    let rest = blank.rest();
    assert!(!rest.text().contains("\n\n\n"), "{:?}", rest.text());
}

#[test]
fn a_stream_that_breaks_the_rules_of_its_dialect_ends_in_an_error() {
    let upstream = sample(Dialect::Anthropic);
    for client in [
        Dialect::OpenaiChat,
        Dialect::OpenaiResponses,
        Dialect::Gemini,
    ]
    .map(sample)
    {
        let there = Upstream::start(move |_, wire| {
            // A second beginning, in the middle of the text.
            wire.events(&[upstream.opening, &upstream.opening[..1], upstream.closing].concat());
        });
        let weir = before(&there, &upstream);
        let answer = weir.ask_stream(&client).send().is(200);
        broke_off(&client, answer.text());
        weir.until_metric("weir_translation_violations_total", &[], 1.0);
    }
}

/// Some vendors state a reason to end in every event. What comes after the first is no less an answer, however long it takes, also
/// where the first says nothing and what follows is thought over for longer than an answer may stay open.
#[test]
fn a_reason_in_every_event_ends_nothing_before_the_end() {
    let event = |dialect: Dialect, text: &str| match dialect {
        Dialect::Gemini => format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"STOP\",\"index\":0}}]}}\n\n"
        ),
        _ => format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
        ),
    };
    for dialect in [Dialect::OpenaiChat, Dialect::Gemini] {
        let lines = sample(dialect);
        let there = Upstream::start(move |_, wire| {
            wire.stream();
            wire.chunk(event(dialect, ""));
            std::thread::sleep(Duration::from_millis(1_200));
            // For longer than an answer may stay open behind its last word.
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1_500) {
                wire.chunk(event(dialect, "more "));
                std::thread::sleep(Duration::from_millis(20));
            }
            wire.chunk(event(dialect, "THE LAST WORD"));
            if dialect == Dialect::OpenaiChat {
                wire.chunk("data: [DONE]\n\n");
            }
            wire.end();
        });
        let weir = before(&there, &lines);
        for client in ALL.map(sample) {
            let answer = weir.ask_stream(&client).send().is(200);
            assert!(answer.whole, "{dialect:?}, {:?}", client.dialect);
            let text = answer.text();
            assert!(text.contains("THE LAST WORD"), "{dialect:?}: {text}");
        }
        weir.until_metric("weir_stream_end_total", &[("reason", "complete")], 4.0);
    }
}

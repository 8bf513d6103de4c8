//! Answers that break off after they began: the client is told, and nothing makes half an answer look whole.
use std::time::Duration;

use crate::rig::{ALL, Answer, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

#[test]
fn a_stream_that_breaks_off_after_it_began_ends_in_the_dialects_error() {
    for lines in ALL.map(sample) {
        for reset in [false, true] {
            let bad = Upstream::start(move |_, wire| {
                wire.stream();
                lines.opening.iter().for_each(|event| wire.chunk(event));
                // Half an event, which must not reach anybody.
                wire.chunk("data: {\"half\":");
                if reset { wire.reset() } else { wire.close() }
            });
            let good = Upstream::start(|_, _| panic!("nothing is retried after the first event"));
            let weir = Weir::start(&accounts(&[
                account("a", &lines, &bad, ""),
                account("b", &lines, &good, ", priority: 1"),
            ]));
            let answer = weir.ask_stream(&lines).send().is(200);
            is_broken_off(&lines, &answer);
            weir.until_metric("weir_stream_end_total", &[("reason", "upstream_eof")], 1.0);
        }
    }
}

/// The opening, then the dialect's error event and nothing that makes half an answer look whole.
#[track_caller]
fn is_broken_off(lines: &Lines, answer: &Answer) {
    let text = answer.text();
    let rest = text
        .strip_prefix(&lines.opening.concat())
        .unwrap_or_else(|| panic!("{text}"));
    let sign = match lines.dialect {
        Dialect::Anthropic => "event: error\n",
        Dialect::OpenaiResponses => "event: response.failed\n",
        Dialect::OpenaiChat | Dialect::Gemini => "data: {\"error\":",
    };
    assert!(rest.starts_with(sign) && rest.ends_with("\n\n"), "{rest}");
    assert_eq!(rest.matches("\n\n").count(), 1, "{rest}");
    for mark in lines.marks {
        assert!(!text.contains(mark), "{mark} in {text}");
    }
    assert!(!text.contains("half"), "{text}");
    let id = answer.header("x-request-id").expect("an id");
    assert!(text.contains(id), "{id} in {text}");
}

#[test]
fn a_stream_without_its_terminal_marker_is_no_whole_answer() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |_, wire| wire.events(lines.opening));
        let weir = Weir::before(&upstream, &lines);
        is_broken_off(&lines, &weir.ask_stream(&lines).send().is(200));
        weir.until_metric("weir_requests_total", &[("outcome", "upstream_error")], 1.0);
    }
}

#[test]
fn silence_after_the_first_event_ends_at_the_idle_deadline() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            lines.opening.iter().for_each(|event| wire.chunk(event));
            assert!(wire.closes_within(Duration::from_secs(20)), "weir hangs up");
        });
        let idle = ", timeouts: { idle: 400ms }";
        let weir = Weir::start(&accounts(&[account("a", &lines, &upstream, idle)]));
        is_broken_off(&lines, &weir.ask_stream(&lines).send().is(200));
        weir.until_metric("weir_stream_end_total", &[("reason", "idle")], 1.0);
        weir.until_metric("weir_requests_total", &[("outcome", "timeout")], 1.0);
    }
}

//! Whole requests, in every dialect.
use std::sync::Arc;

use super::tokenizer::Tokenizer;
use super::*;
use crate::protocol::Dialect;

fn count(dialect: Dialect, model: &str, body: &str) -> u64 {
    let request = translate::decode(dialect, body.as_bytes()).expect("a request");
    Tokens::default().count(&request, model)
}

fn anthropic(content: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{content}}}]}}"#)
}

#[test]
fn a_chat_as_openais_cookbook_counts_it() {
    // The example conversation of OpenAI's cookbook on counting tokens: 124 tokens with gpt-4o.
    let body = r#"{"model":"gpt-4o","messages":[
        {"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
        {"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
        {"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
        {"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
        {"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
        {"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]}"#;
    let tokens = count(Dialect::OpenaiChat, "gpt-4o", body);
    // The names of instructions are not counted: four times four or five tokens.
    assert!((104..=124).contains(&tokens), "{tokens}");
}

#[test]
fn every_kind_of_block_adds_its_share() {
    let base = count(
        Dialect::Anthropic,
        "claude-sonnet-4-5",
        &anthropic(r#""a""#),
    );
    let picture = "iVBORw0KGgoAAAANSUhEUgAAAMgAAADICAIAAAA="; // 200 x 200
    let long = "word ".repeat(200);
    for (content, least, most) in [
        (format!(r#"[{{"type":"text","text":"{long}"}}]"#), 230, 280),
        (
            format!(
                r#"[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{picture}"}}}}]"#
            ),
            64,
            64,
        ),
        (
            r#"[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]"#.to_owned(),
            1000,
            1568,
        ),
        (
            r#"[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQgPDwgL1R5cGUgL1BhZ2UgPj4="}}]"#.to_owned(),
            2000,
            3000,
        ),
        (
            format!(
                r#"[{{"type":"document","source":{{"type":"text","media_type":"text/plain","data":"{long}"}},"title":"T"}}]"#
            ),
            230,
            280,
        ),
    ] {
        let tokens = count(Dialect::Anthropic, "claude-sonnet-4-5", &anthropic(&content));
        let added = tokens - base + 1;
        assert!((least..=most).contains(&added), "{added}: {content:.80}");
    }
}

#[test]
fn tools_calls_and_results_count() {
    let long = "word ".repeat(100);
    let with = |tools: &str, more: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":1,{tools}"messages":[{{"role":"user","content":"a"}}{more}]}}"#
        );
        count(Dialect::Anthropic, "claude-opus-4-5", &body)
    };
    let plain = with("", "");
    let tool = r#"{"name":"get_weather","description":"Tells the weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}"#;
    let tools = with(&format!(r#""tools":[{tool}],"#), "");
    assert!(
        (plain + 496 + 20..plain + 496 + 80).contains(&tools),
        "{tools}"
    );
    let forced = with(
        &format!(r#""tools":[{tool}],"tool_choice":{{"type":"any"}},"#),
        "",
    );
    assert_eq!(forced - tools, 588 - 496);
    let call = format!(
        r#",{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"n","input":{{"a":"{long}"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":"{long}"}}]}}"#
    );
    let talk = with("", &call);
    assert!(talk - plain > 240, "{talk}");
}

#[test]
fn the_quick_estimate_and_the_exact_one_agree_roughly() {
    let prose =
        "The proxy reads the request, chooses an account and relays the answer. ".repeat(50);
    let body = anthropic(&serde_json::to_string(&prose).expect("JSON"));
    let request = translate::decode(Dialect::Anthropic, body.as_bytes()).expect("a request");
    let tokens = Tokens::default();
    let (quick, exact) = (
        tokens.quick(&request, "gpt-5"),
        tokens.count(&request, "gpt-5"),
    );
    assert!(quick.abs_diff(exact) * 4 < exact, "{quick} {exact}");
}

#[test]
fn both_estimates_learn_from_real_usage_and_only_where_somebody_asks() {
    let body = anthropic(
        r#""The proxy reads the request, chooses an account, relays the answer, and then counts what that has cost; if nobody says what it was, then it has to guess, and guesses should be good.""#,
    );
    let request = translate::decode(Dialect::Anthropic, body.as_bytes()).expect("a request");
    let tokens = Arc::new(Tokens::default());
    assert!(
        tokens.sample("up", "asked", 0).is_none(),
        "nobody has asked"
    );
    let (exact, quick) = (
        tokens.count(&request, "up"),
        tokens.quick(&request, "asked"),
    );
    for draw in 0..20 {
        let sampling = tokens.sample("up", "asked", draw).expect("wanted");
        assert!(
            tokens.sample("up", "asked", draw).is_none(),
            "one at a time"
        );
        sampling.learn(&request, "up", "asked", exact * 2);
    }
    assert_eq!(tokens.count(&request, "up"), exact * 2);
    let now = tokens.quick(&request, "asked");
    assert!(now.abs_diff(exact * 2) <= 1, "{now} {quick}");
    assert_eq!(tokens.count(&request, "another"), exact);
}

#[test]
fn the_cache_is_bounded_and_counts_the_same() {
    let tokens = Tokens {
        counted: Mutex::new(Recent::new(8)),
        ..Tokens::default()
    };
    let mut left = usize::MAX;
    let text = |number: usize| format!("{number} ") + &"lorem ipsum ".repeat(12);
    let first = tokens.text(&text(1), &mut left);
    assert_eq!(tokens.text(&text(1), &mut left), first);
    assert_eq!(lock(&tokens.counted).len(), 1);
    for number in 0..100 {
        tokens.text(&text(number), &mut left);
    }
    assert!(lock(&tokens.counted).len() <= 16);
}

#[test]
fn a_huge_prompt_is_only_measured_beyond_its_first_part() {
    let tokens = Tokens::default();
    let mut left = 1000;
    assert_eq!(tokens.text(&"word ".repeat(100), &mut left), 101);
    assert_eq!(left, 500);
    assert_eq!(tokens.text(&"a".repeat(4000), &mut left), 1000);
}

#[test]
fn a_missing_endpoint_is_remembered_for_a_while() {
    let (tokens, now) = (Tokens::default(), Instant::now());
    assert!(!tokens.is_missing("a", "m", now));
    tokens.note_missing("a", "m", now);
    assert!(tokens.is_missing("a", "m", now + MISSING_FOR / 2));
    assert!(!tokens.is_missing("a", "other", now));
    assert!(!tokens.is_missing("b", "m", now));
    assert!(!tokens.is_missing("a", "m", now + MISSING_FOR));
}

#[test]
fn after_two_dozen_answers_the_live_estimate_is_within_a_tenth() {
    let tokenizer = Tokenizer::load();
    // A vocabulary like o200k, and two that split text into smaller and larger tokens.
    for (model, factor) in [("like", 1.0), ("finer", 1.45), ("coarser", 0.8)] {
        for (what, text) in TEXTS {
            for direction in [Direction::Prompt, Direction::Answer] {
                let tokens = Tokens::default();
                let pieces: Vec<&str> = pieces(text).collect();
                let actual = |piece: &str| calibration::scaled(tokenizer.count(piece), factor);
                for round in 0..24 {
                    let piece = pieces[round % pieces.len()];
                    tokens.learn(direction, model, &measure(piece), 0, actual(piece));
                }
                let mut errors: Vec<f64> = pieces
                    .iter()
                    .map(|piece| {
                        let guess = tokens.measured(direction, model, &measure(piece), 0);
                        let real = actual(piece) as f64;
                        (guess as f64 - real).abs() / real
                    })
                    .collect();
                errors.sort_by(f64::total_cmp);
                let median = errors[errors.len() / 2];
                assert!(median < 0.1, "{model}, {what}, {direction:?}: {median}");
            }
        }
    }
}

#[test]
fn what_is_no_text_is_added_and_teaches_nothing() {
    let tokens = Tokens::default();
    let text = measure(&"word ".repeat(100));
    let alone = tokens.measured(Direction::Answer, "m", &text, 0);
    assert_eq!(
        tokens.measured(Direction::Answer, "m", &text, 1000),
        alone + 1000
    );
    for _ in 0..24 {
        tokens.learn(Direction::Answer, "m", &text, 1000, 1000 + 2 * alone);
    }
    let after = tokens.measured(Direction::Answer, "m", &text, 1000);
    assert!(after.abs_diff(1000 + 2 * alone) <= 2, "{after}");
    assert_eq!(tokens.measured(Direction::Prompt, "m", &text, 0), alone);
    let nothing = tokens.measured(Direction::Answer, "m", &Measure::default(), 0);
    assert_eq!(nothing, 0);
}

fn measure(text: &str) -> Measure {
    let mut measure = Measure::default();
    measure.text(text.as_bytes());
    measure
}

#[test]
fn it_is_near_the_vocabulary_for_prose_code_and_chinese() {
    let tokenizer = Tokenizer::load();
    for (what, text) in TEXTS {
        let mut errors: Vec<f64> = pieces(text)
            .map(|piece| {
                let (guess, real) = (
                    measure(piece).tokens() as f64,
                    tokenizer.count(piece) as f64,
                );
                (guess - real).abs() / real
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        let median = errors[errors.len() / 2];
        assert!(median < 0.1, "{what}: {median} of {}", errors.len());
    }
}

/// A text of each kind that clients send and receive.
pub(super) const TEXTS: [(&str, &str); 3] = [
    (
        "English",
        include_str!("../../docs/decisions/token-counts.md"),
    ),
    ("code", include_str!("weigh.rs")),
    ("Chinese", include_str!("texts/chinese.txt")),
];

/// A text in pieces of the length of answers, for any script.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(800));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
    .filter(|piece| piece.len() > 400)
}

//! What holds for every stream of every pair of dialects, whatever the upstream says and however its bytes are cut.
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir::catalog;
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::target::{PromptCache, Quirks, Target};
use weir::protocol::translate::{self, Terminal, Translator};
use weir::protocol::{Dialect, gemini};

mod grammar;
mod sayings;

use sayings::{heard, said, sayings, stream};

/// A client of one dialect and an upstream of another.
fn pairs() -> impl Strategy<Value = (Dialect, Dialect)> {
    let dialect = || prop::sample::select(Dialect::ALL.to_vec());
    (dialect(), dialect()).prop_filter("not the same", |(client, upstream)| client != upstream)
}

fn translator(client: Dialect, upstream: Dialect) -> Translator {
    let request = match client {
        Dialect::Gemini => translate::decode_gemini(
            br#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#,
            "m",
            gemini::Delivery::Events,
        ),
        Dialect::OpenaiResponses => translate::decode(client, br#"{"model":"m","input":"x"}"#),
        _ => translate::decode(
            client,
            br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}"#,
        ),
    };
    let capabilities = catalog::capabilities("m");
    let target = Target {
        model: "m",
        capabilities: &capabilities,
        quirks: &Quirks::DEEPSEEK,
        account: "",
        prompt_cache: PromptCache::Auto,
    };
    let stamp = Stamp {
        created: 1,
        seed: 2,
        stored: false,
    };
    Translator::new(&request.unwrap(), upstream.upstream(), &target, stamp)
        .unwrap()
        .0
}

fn translate(
    (client, upstream): (Dialect, Dialect),
    stream: &[u8],
    cuts: &[usize],
) -> (String, Translator) {
    let mut translator = translator(client, upstream);
    let mut out = BytesMut::new();
    let mut from = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    for cut in cuts.into_iter().chain([stream.len()]) {
        translator.push(&stream[from..cut], &mut out);
        translator.ping(&mut out);
        from = cut;
    }
    translator.finish(&mut out);
    (String::from_utf8(out.to_vec()).unwrap(), translator)
}

fn usage_of(upstream: Dialect, [prompt, read, written, output, reasoning]: [u64; 5]) -> Value {
    match upstream {
        Dialect::Anthropic => json!({
            "type": "message", "content": [{ "type": "text", "text": "x" }], "stop_reason": "end_turn",
            "usage": {
                "input_tokens": prompt - read - written, "cache_read_input_tokens": read, "cache_creation_input_tokens": written,
                "output_tokens": output, "output_tokens_details": { "thinking_tokens": reasoning },
            },
        }),
        Dialect::Gemini => json!({
            "candidates": [{ "content": { "parts": [{ "text": "x" }] }, "finishReason": "STOP" }],
            "usageMetadata": {
                "promptTokenCount": prompt, "cachedContentTokenCount": read,
                "candidatesTokenCount": output - reasoning, "thoughtsTokenCount": reasoning,
            },
        }),
        Dialect::OpenaiChat => json!({
            "choices": [{ "index": 0, "message": { "content": "x" }, "finish_reason": "stop" }],
            "usage": {
                "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output,
                "prompt_tokens_details": { "cached_tokens": read, "cache_write_tokens": written },
                "completion_tokens_details": { "reasoning_tokens": reasoning },
            },
        }),
        Dialect::OpenaiResponses => json!({
            "status": "completed", "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "x" }] }],
            "usage": {
                "input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output,
                "input_tokens_details": { "cached_tokens": read, "cache_write_tokens": written },
                "output_tokens_details": { "reasoning_tokens": reasoning },
            },
        }),
    }
}

/// Prompt, read, written, output and reasoning, as a client is told.
fn told(client: Dialect, answer: &Value) -> [u64; 5] {
    let at = |path: &str| answer.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    match client {
        Dialect::Anthropic => {
            let [read, written] = [
                at("/usage/cache_read_input_tokens"),
                at("/usage/cache_creation_input_tokens"),
            ];
            let prompt = at("/usage/input_tokens") + read + written;
            let reasoning = at("/usage/output_tokens_details/thinking_tokens");
            [prompt, read, written, at("/usage/output_tokens"), reasoning]
        }
        Dialect::Gemini => {
            let reasoning = at("/usageMetadata/thoughtsTokenCount");
            let output = at("/usageMetadata/candidatesTokenCount") + reasoning;
            let read = at("/usageMetadata/cachedContentTokenCount");
            [
                at("/usageMetadata/promptTokenCount"),
                read,
                0,
                output,
                reasoning,
            ]
        }
        Dialect::OpenaiChat => [
            at("/usage/prompt_tokens"),
            at("/usage/prompt_tokens_details/cached_tokens"),
            at("/usage/prompt_tokens_details/cache_write_tokens"),
            at("/usage/completion_tokens"),
            at("/usage/completion_tokens_details/reasoning_tokens"),
        ],
        Dialect::OpenaiResponses => [
            at("/usage/input_tokens"),
            at("/usage/input_tokens_details/cached_tokens"),
            at("/usage/input_tokens_details/cache_write_tokens"),
            at("/usage/output_tokens"),
            at("/usage/output_tokens_details/reasoning_tokens"),
        ],
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
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
    for (upstream, model, quirks) in [
        (Dialect::Anthropic, "claude-opus-5-5", Quirks::ANTHROPIC),
        (Dialect::Anthropic, "claude-sonnet-4-5", Quirks::ANTHROPIC),
        (Dialect::Gemini, "gemini-2.5-flash", Quirks::GEMINI),
        (Dialect::Gemini, "gemini-3-pro", Quirks::GEMINI),
        (Dialect::OpenaiChat, "gpt-5.6-sol", Quirks::OPENAI),
        (Dialect::OpenaiChat, "o3", Quirks::OPENAI),
        (Dialect::OpenaiChat, "gpt-3.5-turbo", Quirks::OPENAI_LEGACY),
        (Dialect::OpenaiChat, "deepseek-v4-pro", Quirks::DEEPSEEK),
        (Dialect::OpenaiChat, "unknown", Quirks::MISTRAL),
        (Dialect::OpenaiResponses, "gpt-5.6-sol", Quirks::OPENAI),
        (Dialect::OpenaiResponses, "unknown", Quirks::OPEN_MODELS),
    ] {
        let capabilities = catalog::capabilities(model);
        let target = Target {
            model,
            capabilities: &capabilities,
            quirks: &quirks,
            account: "a",
            prompt_cache: PromptCache::Auto,
        };
        let stamp = Stamp {
            created: 1,
            seed: 2,
            stored: false,
        };
        let translated = (upstream != client)
            .then(|| Translator::new(&request, upstream.upstream(), &target, stamp));
        if let Some(Ok((_, encoded))) = translated {
            assert!(serde_json::from_slice::<Value>(&encoded.body).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_grammar_holds_and_nothing_is_lost(
        pair in pairs(), sayings in sayings(), cut in 0..20_usize, cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let stream = stream(pair.1, &sayings, cut);
        let (out, translator) = translate(pair, stream.as_bytes(), &cuts);
        prop_assert_eq!(translator.terminal(), Some(&Terminal::Complete));
        prop_assert_eq!(grammar::check(pair.0, &out), Ok(()), "{:?} {}", pair, out);
        let (text, thought, calls) = heard(pair.0, &out);
        let (expected_text, expected_thought, expected_calls) = said(&sayings);
        // White space alone is no block to Anthropic.
        prop_assert_eq!(squeezed(&text), squeezed(&expected_text));
        prop_assert_eq!(squeezed(&thought), squeezed(&expected_thought));
        prop_assert_eq!(calls, expected_calls);
    }

    #[test]
    fn usage_adds_up_on_both_sides(
        pair in pairs(), input in 1..1_000_000_u64, read in 0..1_000_000_u64, written in 0..1_000_000_u64,
        output in 0..100_000_u64, reasoning in 0..100_000_u64,
    ) {
        let (client, upstream) = pair;
        let reasoning = reasoning.min(output);
        // Gemini does not know what was written.
        let written = if upstream == Dialect::Gemini { 0 } else { written };
        let prompt = input + read + written;
        let answer = usage_of(upstream, [prompt, read, written, output, reasoning]).to_string();
        let answer = translator(client, upstream).response(answer.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let written = if client == Dialect::Gemini { 0 } else { written };
        prop_assert_eq!(told(client, &answer), [prompt, read, written, output, reasoning]);
    }

    #[test]
    fn a_stream_cut_anywhere_ends_in_an_error_or_is_whole(
        pair in pairs(), sayings in sayings(), end in any::<prop::sample::Index>(),
    ) {
        let stream = stream(pair.1, &sayings, 5);
        let (out, translator) = translate(pair, &stream.as_bytes()[..end.index(stream.len())], &[]);
        prop_assert_eq!(grammar::check(pair.0, &out), Ok(()), "{:?} {}", pair, out);
        prop_assert!(translator.terminal().is_some());
        let complete = ["message_stop", "[DONE]", "response.completed", "\"finishReason\""].iter().any(|end| out.contains(end));
        prop_assert_eq!(complete, translator.terminal() == Some(&Terminal::Complete));
    }

    #[test]
    fn rubbish_never_panics_and_never_breaks_the_grammar(
        pair in pairs(), sayings in sayings(), at in any::<prop::sample::Index>(), rubbish in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut stream = stream(pair.1, &sayings, 5).into_bytes();
        let at = at.index(stream.len());
        let end = (at + rubbish.len()).min(stream.len());
        stream.splice(at..end, rubbish);
        let (out, _) = translate(pair, &stream, &[]);
        prop_assert_eq!(grammar::check(pair.0, &out), Ok(()), "{:?} {}", pair, out);
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

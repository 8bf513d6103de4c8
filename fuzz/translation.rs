//! What must hold for any bytes that are translated: requests of clients, answers and streams of upstreams.
use bytes::BytesMut;
use serde_json::Value;
use weir::catalog;
use weir::protocol::Dialect;
use weir::protocol::gemini::Delivery;
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::request::Request;
use weir::protocol::hub::target::{PromptCache, Quirks, Target};
use weir::protocol::translate::{self, Terminal, Translator};

#[path = "../tests/grammar/mod.rs"]
mod grammar;

/// Any request is refused or becomes a JSON object in every other dialect, for models of every generation.
pub fn translate_request(data: &[u8]) {
    let data = section(data, &["client request"]);
    for client in Dialect::ALL {
        let request = match client {
            Dialect::Gemini => translate::decode_gemini(data, "m", Delivery::Whole),
            _ => translate::decode(client, data),
        };
        let Ok(request) = request else { continue };
        let _ = translate::estimate(&request);
        for upstream in others(client) {
            for model in MODELS {
                if let Some((_, body)) = translator(&request, upstream, model) {
                    let body: Value = serde_json::from_slice(&body).expect("JSON");
                    assert!(body.is_object());
                }
            }
        }
    }
}

/// A stream of an Anthropic upstream.
pub fn stream_anthropic(data: &[u8]) {
    stream(Dialect::Anthropic, data);
}

/// A stream of a Gemini upstream.
pub fn stream_gemini(data: &[u8]) {
    stream(Dialect::Gemini, data);
}

/// A stream of a Chat upstream.
pub fn stream_openai_chat(data: &[u8]) {
    stream(Dialect::OpenaiChat, data);
}

/// A stream of a Responses upstream.
pub fn stream_openai_responses(data: &[u8]) {
    stream(Dialect::OpenaiResponses, data);
}

/// Whatever the upstream says, the client's stream keeps the grammar of its dialect, ends, and is the same wherever the
/// upstream's is cut; a whole answer is JSON or an error.
fn stream(upstream: Dialect, data: &[u8]) {
    let data = section(data, &["upstream stream", "upstream answer"]);
    for client in others(upstream) {
        let request = asked(client);
        let start = || {
            translator(&request, upstream, "m")
                .expect("a plain request")
                .0
        };
        let whole = replay(start(), &[data]);
        let (head, tail) = data.split_at(data.len() / 2);
        assert_eq!(whole, replay(start(), &[head, tail]));
        let singly: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(whole, replay(start(), &singly));
        let mut streams = vec![whole];
        if upstream == Dialect::Anthropic {
            streams.extend([0, 2, usize::MAX].map(|rounds| in_rounds(start(), data, rounds)));
        }
        for stream in streams {
            let text = String::from_utf8(stream).expect("UTF-8");
            if let Err(breach) = grammar::check(client, &text) {
                panic!("{client}: {breach}\n{text}");
            }
        }
        if let Ok(answer) = start().response(data) {
            serde_json::from_slice::<Value>(&answer).expect("JSON");
        }
    }
}

/// The same answer in each round that it asks for by pausing, as far as it is granted.
fn in_rounds(mut translator: Translator, data: &[u8], mut granted: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    translator.may_pause();
    loop {
        translator.push(data, &mut out);
        translator.finish(&mut out);
        match translator.terminal() {
            Some(Terminal::Paused) if granted > 0 => {
                let turn: Vec<Value> = serde_json::from_slice(&translator.resume()).expect("JSON");
                assert!(!turn.is_empty());
                granted -= 1;
            }
            Some(Terminal::Paused) => {
                translator.give_up(&mut out);
                break;
            }
            _ => break,
        }
    }
    assert!(
        translator
            .terminal()
            .is_some_and(|end| *end != Terminal::Paused)
    );
    out.to_vec()
}

fn replay(mut translator: Translator, chunks: &[&[u8]]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for chunk in chunks {
        translator.push(chunk, &mut out);
    }
    translator.finish(&mut out);
    assert!(translator.terminal().is_some());
    out.to_vec()
}

fn translator(request: &Request, upstream: Dialect, model: &str) -> Option<(Translator, Vec<u8>)> {
    let capabilities = catalog::capabilities(model);
    let target = Target {
        model,
        capabilities: &capabilities,
        quirks: &Quirks::DEEPSEEK.with(catalog::habits(model)),
        account: "a",
        prompt_cache: PromptCache::Auto,
    };
    let stamp = Stamp {
        created: 1,
        seed: 2,
        stored: false,
    };
    let (translator, encoded) =
        Translator::new(request, upstream.upstream(), &target, stamp).ok()?;
    Some((translator, encoded.body))
}

fn asked(client: Dialect) -> Request {
    let request = match client {
        Dialect::Gemini => translate::decode_gemini(
            br#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#,
            "m",
            Delivery::Events,
        ),
        Dialect::OpenaiResponses => translate::decode(client, br#"{"model":"m","input":"x"}"#),
        _ => translate::decode(
            client,
            br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}"#,
        ),
    };
    request.expect("a request")
}

fn others(dialect: Dialect) -> impl Iterator<Item = Dialect> {
    Dialect::ALL
        .into_iter()
        .filter(move |other| *other != dialect)
}

/// The first of these sections of a golden; of anything else, all of it.
fn section<'d>(data: &'d [u8], names: &[&str]) -> &'d [u8] {
    let find = |from: usize, what: &str| {
        let rest = data.get(from..).unwrap_or_default();
        let at = rest
            .windows(what.len())
            .position(|window| window == what.as_bytes());
        at.map(|at| from + at)
    };
    for name in names {
        let ruler = format!("----- {name}\n");
        if let Some(at) = find(0, &ruler) {
            let start = at + ruler.len();
            let end = find(start, "----- ").unwrap_or(data.len());
            return &data[start..end];
        }
    }
    data
}

/// One of each generation of each vendor.
const MODELS: [&str; 6] = [
    "claude-opus-5-5",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
    "gemini-3-flash",
    "gpt-4o",
    "gpt-5",
];

//! What cache markers are worth: agents of other dialects against a fleet of Anthropic accounts, each of which keeps its own cache as
//! the vendor's guide describes it. `cargo test --test stories caching -- --nocapture` prints the figures.
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use weir::protocol::Dialect;

use crate::rig::upstream::Request;
use crate::rig::{Upstream, Weir, account, accounts, sample};

/// The caches of the accounts, by credential: beginnings of prompts that were written, as the texts of their blocks.
#[derive(Default)]
struct Caches(Mutex<HashMap<String, HashSet<Vec<u8>>>>);

/// What one prompt was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Charged {
    input: usize,
    read: usize,
    written: usize,
}

impl Caches {
    /// What `request` is charged, and what its markers leave in the cache.
    fn charge(&self, request: &Request) -> Charged {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let blocks = blocks(&body);
        // Everything up to a block, and how many tokens that is.
        let mut beginnings: Vec<Vec<u8>> = Vec::new();
        for (text, _) in &blocks {
            let before = beginnings.last().cloned().unwrap_or_default();
            beginnings.push([before.as_slice(), text.as_bytes()].concat());
        }
        let tokens = |until: usize| beginnings[until].len() / 4;
        let last = blocks.len() - 1;
        let automatic = body.get("cache_control").is_some();
        let marked: Vec<usize> = (0..=last)
            .filter(|place| blocks[*place].1 || automatic && *place == last)
            .filter(|place| tokens(*place) >= LEAST)
            .collect();
        assert!(marked.len() <= 4, "the vendor takes four markers at most");
        let mut caches = self.0.lock().expect("no panic");
        let key = request.headers.get("x-api-key").expect("a credential");
        let cache = caches.entry(key.to_owned()).or_default();
        // An earlier write is looked for at a marker and up to 20 blocks before it.
        let read = marked
            .iter()
            .flat_map(|place| place.saturating_sub(LOOKBACK)..=*place)
            .filter(|place| cache.contains(&beginnings[*place]))
            .map(tokens)
            .max()
            .unwrap_or(0);
        let until = marked.last().map_or(0, |place| tokens(*place));
        cache.extend(marked.iter().map(|place| beginnings[*place].clone()));
        Charged {
            input: tokens(last) - until.max(read),
            read,
            written: until.saturating_sub(read),
        }
    }
}

/// The blocks of a prompt in the order in which the vendor caches them, and whether each has a marker.
fn blocks(body: &Value) -> Vec<(String, bool)> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        text => vec![text.clone()],
    };
    let turns = list(&body["messages"]);
    let said = turns.iter().flat_map(|turn| list(&turn["content"]));
    let all = list(&body["tools"])
        .into_iter()
        .chain(list(&body["system"]))
        .chain(said);
    all.map(|mut block| {
        let members = block.as_object_mut();
        let marker = members.and_then(|members| members.remove("cache_control"));
        (block.to_string(), marker.is_some())
    })
    .collect()
}

/// An upstream that charges as the vendor does, and all that it charged.
fn vendor() -> (Upstream, Arc<Mutex<Vec<Charged>>>) {
    let (caches, bills) = (Caches::default(), Arc::new(Mutex::new(Vec::new())));
    let ours = bills.clone();
    let upstream = Upstream::start(move |request, wire| {
        let charged = caches.charge(request);
        ours.lock().expect("no panic").push(charged);
        let number = request.number;
        wire.json(
            200,
            json!({"id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
                "content": [{"type": "text", "text": "Done."}], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": charged.input, "cache_read_input_tokens": charged.read,
                    "cache_creation_input_tokens": charged.written, "output_tokens": 8}})
            .to_string(),
        );
    });
    (upstream, bills)
}

/// Three accounts at this vendor, named by `provider`, with this setting.
fn fleet(upstream: &Upstream, provider: &str, prompt_cache: &str) -> Weir {
    let entry = |name: &str| {
        let more = format!(", dialect: anthropic, auth: x-api-key, prompt_cache: {prompt_cache}");
        account(name, &sample(Dialect::Anthropic), upstream, &more)
            .replace("provider: anthropic", &format!("provider: {provider}"))
    };
    let entries = ["a", "b", "c"].map(entry);
    let prices = "prices: [{ model: \"*\", input: 3, cache_read: 0.3, cache_write_5m: 3.75, cache_write_1h: 6, output: 15 }]";
    Weir::start(&format!("{}{prices}\n", accounts(&entries)))
}

/// Turn number `turn` of an agent of `dialect`: all that was said so far is sent again.
fn turn(dialect: Dialect, agent: usize, turn: usize) -> (&'static str, String) {
    let system = format!("You are agent {agent}. {}", "Mind the rules. ".repeat(900));
    let task = format!("Task of agent {agent}.");
    let result = |number: usize| {
        format!(
            "file {number} of agent {agent}: {}",
            "line of code; ".repeat(120)
        )
    };
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    match dialect {
        Dialect::OpenaiChat => {
            let mut messages = vec![
                json!({"role": "system", "content": system}),
                json!({"role": "user", "content": task}),
            ];
            for number in 0..turn {
                let id = format!("call_{number}");
                messages.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function",
                    "function": {"name": "read", "arguments": format!("{{\"path\":\"{number}\"}}")}}]}));
                messages
                    .push(json!({"role": "tool", "tool_call_id": id, "content": result(number)}));
            }
            let tools =
                json!([{"type": "function", "function": {"name": "read", "parameters": schema}}]);
            let body = json!({"model": "claude-sonnet-4-5", "messages": messages, "tools": tools});
            ("/v1/chat/completions", body.to_string())
        }
        Dialect::OpenaiResponses => {
            let mut input = vec![json!({"role": "user", "content": task})];
            for number in 0..turn {
                let id = format!("call_{number}");
                input.push(
                    json!({"type": "function_call", "call_id": id, "name": "read",
                    "arguments": format!("{{\"path\":\"{number}\"}}")}),
                );
                input.push(json!({"type": "function_call_output", "call_id": id, "output": result(number)}));
            }
            let tools = json!([{"type": "function", "name": "read", "parameters": schema}]);
            let body = json!({"model": "claude-sonnet-4-5", "instructions": system, "input": input, "tools": tools, "store": false});
            ("/v1/responses", body.to_string())
        }
        other => unreachable!("{other:?}"),
    }
}

/// Sums over everything that was charged, and USD by Weir's own books.
fn bill(weir: &Weir, bills: &Mutex<Vec<Charged>>) -> (Charged, f64) {
    let bills = bills.lock().expect("no panic");
    let mut sum = Charged::default();
    for one in bills.iter() {
        sum.input += one.input;
        sum.read += one.read;
        sum.written += one.written;
    }
    let count = u32::try_from(bills.len()).expect("few");
    weir.until_metric("weir_requests_total", &[], f64::from(count));
    let figure = |tokens: usize| f64::from(u32::try_from(tokens).expect("few"));
    for (kind, tokens) in [("input", sum.input), ("cache_read", sum.read)] {
        weir.until_metric("weir_tokens_total", &[("kind", kind)], figure(tokens));
    }
    (sum, weir.metric("weir_cost_usd_total", &[]))
}

/// Agents take turns, so that each finds the others' requests between two of its own.
fn agents(provider: &str, prompt_cache: &str) -> (f64, f64) {
    let (upstream, bills) = vendor();
    let weir = fleet(&upstream, provider, prompt_cache);
    for number in 0..TURNS {
        for agent in 0..AGENTS {
            let dialect = [Dialect::OpenaiChat, Dialect::OpenaiResponses][agent % 2];
            let (path, body) = turn(dialect, agent, number);
            weir.post(path, body).send().is(200);
        }
    }
    let (sum, usd) = bill(&weir, &bills);
    let share = |part: usize| {
        let figure = |tokens: usize| f64::from(u32::try_from(tokens).expect("few"));
        figure(part) / figure(sum.input + sum.read + sum.written)
    };
    (share(sum.read), usd)
}

#[test]
fn agents_of_other_dialects_read_most_of_their_prompts_from_the_cache() {
    let mut table = String::from(
        "\n| provider | prompt_cache | cached share | USD |\n| --- | --- | --- | --- |\n",
    );
    for provider in ["anthropic", "openai-compatible"] {
        let told = ["off", "auto"].map(|setting| {
            let (share, usd) = agents(provider, setting);
            writeln!(table, "| {provider} | {setting} | {share:.3} | {usd:.3} |").expect("text");
            (share, usd)
        });
        let [(before, dear), (after, cheap)] = told;
        assert!(
            before < f64::EPSILON,
            "nothing is cached that nobody asked for"
        );
        assert!(after > 0.85, "{table}");
        assert!(cheap < 0.35 * dear, "{table}");
    }
    println!("{table}");
}

/// A write costs a quarter more than the prompt: what comes once is never written.
#[test]
fn a_thousand_calls_of_one_shot_cost_what_they_did() {
    let bills = ["off", "auto"].map(|setting| {
        let (upstream, bills) = vendor();
        let weir = fleet(&upstream, "anthropic", setting);
        for number in 0..1_000 {
            let text = format!("Translate text {number}: {}", "some words ".repeat(500));
            let (path, body) = if number % 2 == 0 {
                let messages = json!([{"role": "system", "content": "You translate."}, {"role": "user", "content": text}]);
                ("/v1/chat/completions", json!({"model": "claude-sonnet-4-5", "messages": messages}))
            } else {
                ("/v1/responses", json!({"model": "claude-sonnet-4-5", "instructions": "You translate.", "input": text, "store": false}))
            };
            weir.post(path, body.to_string()).send().is(200);
        }
        let (sum, usd) = bill(&weir, &bills);
        assert_eq!((sum.read, sum.written), (0, 0), "{setting}");
        (sum, (usd * 1e9).round())
    });
    assert_eq!(bills[0], bills[1]);
    println!("1,000 one-shot calls: {bills:?}");
}

/// Tokens below which the vendor caches nothing for this model.
const LEAST: usize = 1_024;

/// Blocks before a marker in which it looks for an earlier write.
const LOOKBACK: usize = 20;

const AGENTS: usize = 9;

const TURNS: usize = 15;

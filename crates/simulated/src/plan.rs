//! Decides what an answer says: text, reasoning, tool calls, where it stops and what it cost.
use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;

use super::fault::{Failure, Fault};
use super::generation_request::{Choice, GenerationRequest, Tool};
use super::ids::id;
use super::knobs::{Knobs, without_directives};
use super::sample;
use crate::usage::Usage;

/// A whole answer before it is put into a dialect.
#[derive(Debug)]
pub(super) struct Plan {
    /// The request's number, from which every other id is made.
    pub number: u64,
    /// What follows the prefix in the id of the answer.
    pub id: String,
    pub created: i64,
    pub model: String,
    pub blocks: Vec<Block>,
    pub stop: Stop,
    pub usage: Usage,
    pub include_usage: bool,
    pub legacy: bool,
    /// What a broken stream says.
    pub failure: Failure,
}

/// A piece of content.
#[derive(Debug)]
pub(super) enum Block {
    Call(Call),
    Reasoning { text: String, opaque: bool },
    Refusal(String),
    Text(String),
}

/// A tool call.
#[derive(Debug)]
pub(super) struct Call {
    pub name: String,
    pub namespace: Option<String>,
    /// JSON, or plain text for a freeform tool.
    pub arguments: String,
    pub freeform: bool,
    /// Position among the calls of this answer.
    pub slot: usize,
}

/// Why an answer ends.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Stop {
    Calls,
    End,
    Length,
    Refusal,
    Sequence(String),
}

/// What a plan is made from besides the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub number: u64,
    pub created: i64,
}

impl Plan {
    /// `echo` gives the answer text that replaces the usual one.
    pub(super) fn new(
        generation: &GenerationRequest<'_>,
        knobs: &Knobs,
        stamp: Stamp,
        body_length: usize,
        echo: Option<String>,
    ) -> Self {
        let mut blocks = Vec::with_capacity(2);
        let mut usage = prompt_usage(generation, knobs, body_length);

        let thinking = generation.reasoning.filter(|_| knobs.reasoning != Some(0));
        usage.reasoning = match (thinking, knobs.reasoning) {
            (_, Some(tokens)) => tokens,
            (Some(_), None) => DEFAULT_REASONING,
            (None, None) => 0,
        };
        if let Some(reasoning) = thinking {
            let text = if reasoning.visible {
                fill("Let me think about this. ", usage.reasoning)
            } else {
                String::new()
            };
            let opaque = reasoning.opaque;
            blocks.push(Block::Reasoning { text, opaque });
        }

        let (calls, text) = content(generation, knobs, echo);
        let mut stop = if calls.is_empty() {
            Stop::End
        } else {
            Stop::Calls
        };
        usage.output = usage.reasoning;
        if let Some(mut text) = text {
            if let Some((at, sequence)) = first_stop(&text, &generation.stops) {
                text.truncate(at);
                stop = Stop::Sequence(sequence.to_owned());
            }
            let room = generation
                .max_output
                .map_or(u64::MAX, |max| max.saturating_sub(usage.reasoning));
            if tokens(&text) > room {
                text.truncate(first_tokens(&text, room).len());
                stop = Stop::Length;
            }
            usage.output += tokens(&text);
            if knobs.refuse {
                stop = Stop::Refusal;
                blocks.push(Block::Refusal(text));
            } else if !text.is_empty() {
                blocks.push(Block::Text(text));
            }
        }
        if stop == Stop::End && knobs.length {
            stop = Stop::Length;
        }
        if stop == Stop::Calls {
            usage.output += calls
                .iter()
                .map(|call| tokens(&call.name) + tokens(&call.arguments))
                .sum::<u64>();
            blocks.extend(calls.into_iter().map(Block::Call));
        }

        Self {
            number: stamp.number,
            id: id("", stamp.number, 0),
            created: stamp.created,
            model: generation.model.clone().into_owned(),
            blocks,
            stop,
            usage,
            include_usage: generation.include_usage,
            legacy: generation.legacy,
            failure: Failure::new(
                knobs.error.unwrap_or(Fault::Overloaded),
                knobs.message.clone(),
            ),
        }
    }

    /// The texts of the answer in one.
    pub(super) fn text(&self) -> Option<String> {
        let mut texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let first = texts.next()?.to_owned();
        Some(texts.fold(first, |all, text| all + text))
    }

    /// The tool calls of the answer.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Call(call) => Some(call),
            _ => None,
        })
    }
}

impl Block {
    /// What a stream sends in pieces.
    pub(super) fn body(&self) -> &str {
        match self {
            Self::Call(call) => &call.arguments,
            Self::Reasoning { text, .. } | Self::Refusal(text) | Self::Text(text) => text,
        }
    }
}

/// The calls and the text of an answer.
fn content(
    generation: &GenerationRequest<'_>,
    knobs: &Knobs,
    echo: Option<String>,
) -> (Vec<Call>, Option<String>) {
    if knobs.refuse {
        return (Vec::new(), Some("I cannot help with that.".to_owned()));
    }
    if echo.is_some() {
        return (Vec::new(), echo);
    }
    let calls = calls(generation);
    if !calls.is_empty() {
        // Asked for text of some length as well: it comes before the calls, as models do it.
        let text = knobs
            .output_tokens
            .map(|tokens| fill("I will use a tool. ", tokens));
        return (calls, text);
    }
    let text = if let Some(text) = &knobs.text {
        text.clone()
    } else if let Some(schema) = generation.schema {
        return (calls, Some(sample::json(schema)));
    } else if generation.tail.results().is_empty() {
        let prompt = without_directives(generation.tail.prompt());
        format!("You said: {}", first_tokens(&prompt, ECHO_TOKENS))
    } else {
        let results = generation.tail.results().join("\n");
        format!("The tool answered: {}", first_tokens(&results, ECHO_TOKENS))
    };
    match knobs.output_tokens {
        None => (calls, Some(text)),
        Some(tokens) => (calls, Some(fill(&format!("{text} "), tokens))),
    }
}

/// The calls that the prompt directs, `call NAME {json}`, or that `tool_choice` forces.
fn calls(generation: &GenerationRequest<'_>) -> Vec<Call> {
    if generation.tools.is_empty() || generation.choice == Choice::None {
        return Vec::new();
    }
    let mut calls = Vec::new();
    for text in generation.tail.texts() {
        for (name, arguments) in directed(text) {
            if let Some(tool) = generation.tools.iter().find(|tool| tool.name == name) {
                let slot = calls.len();
                calls.push(call_of(tool, arguments.map(Cow::Borrowed), slot));
            }
        }
    }
    let forced = match &generation.choice {
        Choice::Any if generation.tail.results().is_empty() => generation.tools.first(),
        Choice::Named(name) => generation.tools.iter().find(|tool| tool.name == *name),
        _ => None,
    };
    if let (true, Some(tool)) = (calls.is_empty(), forced) {
        calls.push(call_of(tool, None, 0));
    }
    calls
}

/// A call of `tool`, with made-up arguments where none are given.
fn call_of(tool: &Tool<'_>, arguments: Option<Cow<'_, str>>, slot: usize) -> Call {
    let arguments = arguments
        .unwrap_or_else(|| Cow::Owned(tool.schema.map_or_else(|| "{}".to_owned(), sample::json)));
    let arguments = if tool.freeform {
        sample::freeform(&arguments)
    } else {
        arguments.into_owned()
    };
    Call {
        name: tool.name.clone().into_owned(),
        namespace: tool.namespace.clone().map(Cow::into_owned),
        arguments,
        freeform: tool.freeform,
        slot,
    }
}

/// Every `call NAME {json}` of a text; the JSON may be missing.
fn directed(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    memmem::find_iter(text.as_bytes(), CALL).filter_map(|at| {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && c != '`') {
            return None;
        }
        let rest = text.get(at + CALL.len()..)?;
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"_-.:/".contains(c))
            .unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let json = rest.trim_start();
        let arguments = json.starts_with('{').then(|| {
            let mut values = serde_json::Deserializer::from_str(json).into_iter::<&RawValue>();
            values.next().and_then(Result::ok).map(RawValue::get)
        });
        Some((name, arguments.flatten()))
    })
}

/// What the prompt cost, in exclusive buckets.
fn prompt_usage(generation: &GenerationRequest<'_>, knobs: &Knobs, body_length: usize) -> Usage {
    let estimate = (body_length as u64).div_ceil(BYTES_PER_TOKEN).max(1);
    // A marked prefix is written by the first turn and read by the later ones.
    let prefix = if generation.cached {
        estimate * 3 / 4
    } else {
        0
    };
    let (read, written) = if generation.rounds == 0 {
        (0, prefix)
    } else {
        (prefix, 0)
    };
    let cache_read = knobs.cache_read.unwrap_or(read);
    let cache_write_5m = knobs.cache_write.unwrap_or(written);
    Usage {
        input: knobs.input_tokens.unwrap_or(estimate - prefix).max(1),
        cache_read,
        cache_write_5m,
        cache_write_1h: knobs.cache_write_1h.unwrap_or(0),
        output: 0,
        reasoning: 0,
    }
}

/// The first place where a stop sequence begins.
fn first_stop<'a>(text: &str, stops: &'a [String]) -> Option<(usize, &'a str)> {
    stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop.as_str())))
        .min_by_key(|(at, _)| *at)
}

/// Tokens of a text: four bytes each, which is near enough for English and quick to check by hand.
pub(super) fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

/// The beginning of a text, at most so many tokens of it.
fn first_tokens(text: &str, tokens: u64) -> &str {
    let bytes = usize::try_from(tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX);
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// A text of exactly so many tokens that begins with `start`.
fn fill(start: &str, tokens: u64) -> String {
    let bytes = usize::try_from(tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX);
    let mut text = String::with_capacity(bytes.max(start.len()));
    text.push_str(first_tokens(start, tokens));
    while text.len() < bytes {
        let room = bytes - text.len();
        text.push_str(FILLER.get(..room).unwrap_or(FILLER));
    }
    text
}

pub(super) const BYTES_PER_TOKEN: u64 = 4;
/// Reasoning when its length is not asked for.
const DEFAULT_REASONING: u64 = 12;
/// How much of the prompt or of a result an answer repeats.
const ECHO_TOKENS: u64 = 500;
const CALL: &str = "call ";
const FILLER: &str =
    "the quick brown fox jumps over the lazy dog and runs on through the quiet wood to a river ";

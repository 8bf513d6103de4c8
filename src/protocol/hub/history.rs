//! Repairs the order of a conversation, once for every target.
//!
//! Nearly all providers require this: the results of an assistant's calls follow the calls at once and completely, and
//! every result answers a call. Clients break these rules: they put text before results, lose a result when a call is
//! interrupted, keep results whose call was compacted away, and send results in another order.
use std::collections::{HashMap, HashSet};

use super::block::{Block, CallKind, ToolCall, ToolResult};
use super::names;
use super::request::{Role, Turn};

/// One step of a repaired conversation.
#[derive(Debug)]
pub enum Step<'a> {
    Assistant(Vec<&'a Block>),
    /// The results of all calls of the preceding assistant step, in the order of the calls.
    Results(Vec<Answer<'a>>),
    /// An instruction in the middle of the conversation.
    System(Vec<&'a Block>),
    User(Vec<&'a Block>),
}

/// A call and its result.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub call: &'a ToolCall,
    /// `None` = the history has no result; [`INTERRUPTED`] stands for it.
    pub result: Option<&'a ToolResult>,
}

/// Repairs `turns`: results come first and are complete, in the order of the calls; other blocks keep their order. A
/// result without a known call stays among the blocks of its turn as [`Block::ToolResult`], and the target shows it as
/// the user's text.
pub fn settle(turns: &[Turn]) -> Vec<Step<'_>> {
    let mut steps = Vec::with_capacity(turns.len());
    let mut rest = turns;
    while let Some((turn, mut tail)) = rest.split_first() {
        let mut blocks: Vec<&Block> = turn.blocks.iter().collect();
        if turn.role != Role::Assistant {
            push(&mut steps, turn.role, blocks);
            rest = tail;
            continue;
        }
        // An assistant turn that continues after calls, before any result, belongs to the same step.
        while calls(&blocks).next().is_some() {
            match tail.split_first() {
                Some((next, after)) if next.role == Role::Assistant => {
                    blocks.extend(&next.blocks);
                    tail = after;
                }
                _ => break,
            }
        }
        let until = tail
            .iter()
            .position(|turn| turn.role == Role::Assistant)
            .unwrap_or(tail.len());
        let (between, after) = tail.split_at(until);
        answer(&mut steps, blocks, between);
        rest = after;
    }
    steps
}

/// Makes the ids of calls unique: the second `a` becomes `a_2`, and so does the id in its result. Some providers create
/// duplicate ids, and others refuse two results for one id. The same history always gets the same ids.
pub fn tell_apart(turns: &mut [Turn]) {
    let mut known: HashSet<String> = HashSet::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    rename(turns, |call| {
        let mut id = call.id.clone();
        while !known.insert(id.clone()) {
            let number = numbers.entry(call.id.clone()).or_insert(1);
            *number += 1;
            id = format!("{}_{number}", call.id);
        }
        id
    });
}

/// Numbers the calls of the conversation in the form of [`ToolIds::Numbered`](super::target::ToolIds::Numbered).
pub fn number(turns: &mut [Turn]) {
    let mut number = 0_usize;
    rename(turns, |call| {
        let name = names::tool_name(call.namespace.as_deref(), &call.name);
        let id = format!("functions.{name}:{number}");
        number += 1;
        id
    });
}

/// Gives every call, and its result, the id that `name` returns for the call.
fn rename(turns: &mut [Turn], mut name: impl FnMut(&ToolCall) -> String) {
    // Calls of the last assistant turn that have no result yet: the old id and the new one.
    let mut open: Vec<(String, String)> = Vec::new();
    let mut answering = false;
    for turn in turns {
        if turn.role == Role::Assistant && answering {
            open.clear();
        }
        answering = turn.role != Role::Assistant;
        for block in &mut turn.blocks {
            match block {
                Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => {
                    let id = name(call);
                    open.push((std::mem::replace(&mut call.id, id.clone()), id));
                }
                Block::ToolResult(result) => {
                    if let Some(at) = open.iter().position(|(old, _)| *old == result.call_id) {
                        result.call_id = open.remove(at).1;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The calls to the client's own tools.
pub fn calls<'a>(blocks: &[&'a Block]) -> impl Iterator<Item = &'a ToolCall> {
    blocks.iter().filter_map(|block| match block {
        Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => Some(call),
        _ => None,
    })
}

fn answer<'a>(steps: &mut Vec<Step<'a>>, blocks: Vec<&'a Block>, between: &'a [Turn]) {
    let results: Vec<&ToolResult> = between
        .iter()
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match block {
            Block::ToolResult(result) => Some(result),
            _ => None,
        })
        .collect();
    let mut used: Vec<&ToolResult> = Vec::new();
    let answers: Vec<Answer<'a>> = calls(&blocks)
        .map(|call| {
            let free = |result: &&&ToolResult| {
                result.call_id == call.id && !used.iter().any(|u| std::ptr::eq(*u, **result))
            };
            let result = results.iter().find(free).copied();
            used.extend(result);
            Answer { call, result }
        })
        .collect();
    steps.push(Step::Assistant(blocks));
    if !answers.is_empty() {
        steps.push(Step::Results(answers));
    }
    for turn in between {
        let is_used = |block: &Block| matches!(block, Block::ToolResult(result) if used.iter().any(|u| std::ptr::eq(*u, result)));
        let left: Vec<&Block> = turn.blocks.iter().filter(|block| !is_used(block)).collect();
        push(steps, turn.role, left);
    }
}

fn push<'a>(steps: &mut Vec<Step<'a>>, role: Role, blocks: Vec<&'a Block>) {
    if !blocks.is_empty() {
        steps.push(match role {
            Role::Assistant => Step::Assistant(blocks),
            Role::System => Step::System(blocks),
            Role::User => Step::User(blocks),
        });
    }
}

/// The result that a target gets for a call without one.
pub const INTERRUPTED: &str = "[no result: the call was interrupted]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub::args::Args;
    use crate::protocol::hub::block::Text;

    /// `!a` calls a, `=a` is a's result, anything else is text.
    fn turn(line: &str) -> Turn {
        let (role, words) = line.split_once(' ').unwrap_or((line, ""));
        let role = match role {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        let block = |word: &str| match word.split_at(1) {
            ("!", id) => Block::ToolCall(ToolCall {
                id: id.to_owned(),
                name: "t".to_owned(),
                namespace: None,
                args: Args::default(),
                kind: CallKind::Function,
                opaque: None,
                cache: None,
            }),
            ("=", id) => Block::ToolResult(ToolResult {
                call_id: id.to_owned(),
                blocks: Vec::new(),
                is_error: false,
                cache: None,
            }),
            _ => Block::Text(Text::plain(word)),
        };
        Turn {
            role,
            blocks: words.split_whitespace().map(block).collect(),
            name: None,
        }
    }

    fn print(step: &Step<'_>) -> String {
        let blocks = |blocks: &[&Block]| {
            blocks.iter().fold(String::new(), |line, block| {
                line + " "
                    + &match block {
                        Block::ToolCall(call) => format!("!{}", call.id),
                        Block::ToolResult(result) => format!("={}", result.call_id),
                        Block::Text(text) => text.text.clone(),
                        other => format!("{other:?}"),
                    }
            })
        };
        match step {
            Step::Assistant(b) => format!("assistant{}", blocks(b)),
            Step::System(b) => format!("system{}", blocks(b)),
            Step::User(b) => format!("user{}", blocks(b)),
            Step::Results(answers) => answers.iter().fold("results".to_owned(), |line, answer| {
                line + " " + if answer.result.is_some() { "" } else { "?" } + &answer.call.id
            }),
        }
    }

    #[track_caller]
    fn check(input: &[&str], expected: &[&str]) {
        let turns: Vec<Turn> = input.iter().map(|line| turn(line)).collect();
        let steps: Vec<String> = settle(&turns).iter().map(print).collect();
        assert_eq!(steps, expected);
    }

    #[test]
    fn text_before_results_goes_behind_them() {
        check(
            &["user hi", "assistant !a !b", "user look =a =b done"],
            &[
                "user hi",
                "assistant !a !b",
                "results a b",
                "user look done",
            ],
        );
    }

    #[test]
    fn results_follow_the_order_of_the_calls() {
        check(
            &["assistant !a !b !c", "user =c =a =b"],
            &["assistant !a !b !c", "results a b c"],
        );
    }

    #[test]
    fn a_missing_result_is_made_up() {
        check(
            &["assistant !a !b", "user =b go", "assistant !c"],
            &[
                "assistant !a !b",
                "results ?a b",
                "user go",
                "assistant !c",
                "results ?c",
            ],
        );
    }

    #[test]
    fn an_orphan_stays_where_it_is() {
        check(
            &["user =z hi", "assistant ok", "user =y"],
            &["user =z hi", "assistant ok", "user =y"],
        );
    }

    #[test]
    fn a_second_result_of_the_same_call_is_an_orphan() {
        check(
            &["assistant !a", "user =a =a"],
            &["assistant !a", "results a", "user =a"],
        );
    }

    #[test]
    fn an_instruction_between_call_and_result_goes_behind_the_results() {
        check(
            &["assistant !a", "system note", "user =a hi"],
            &["assistant !a", "results a", "system note", "user hi"],
        );
    }

    #[test]
    fn an_assistant_that_goes_on_before_the_results_is_one_step() {
        check(
            &["assistant !a", "assistant !b", "user =a", "user =b"],
            &["assistant !a !b", "results a b"],
        );
    }
}

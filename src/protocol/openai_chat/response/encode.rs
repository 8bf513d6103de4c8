//! Encodes an answer for a client.
use serde::Serialize;

use super::super::wire::{CompletionDetailsOut, PromptDetailsOut, UsageOut};
use crate::protocol::hub::block::{Block, CallKind, Citation, Reasoning};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::names;
use crate::protocol::hub::opaque::{self, OpaqueKind};
use crate::protocol::hub::request::{Shape, Tier};
use crate::protocol::hub::response::{Response, Spent, Stop};
use crate::protocol::hub::target::ToolIds;
use crate::protocol::hub::write::to_vec;

/// Writes the answer for a client.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let mut message = MessageOut {
        role: "assistant",
        ..MessageOut::default()
    };
    let mut text = String::new();
    for block in &response.blocks {
        self::block(block, context, &mut text, &mut message, losses);
    }
    if message.content.is_none() && !text.is_empty() {
        message.content = Some(text);
    }
    if response.stop == Stop::Pause {
        losses.name("pause_turn");
    }
    let bytes = response.blocks.iter().map(Block::written).sum();
    let spent = context.spent(response.spent, bytes);
    let finish = finish_reason(&response.stop, context.reply.shape);
    let refusal = explanation(&response.stop);
    if message.refusal.is_none() {
        message.refusal = refusal.map(str::to_owned);
    }
    let answer = if context.reply.shape == Shape::TextCompletion {
        Answer {
            id: context.stamp.id("cmpl-", 0),
            object: "text_completion",
            created: context.stamp.created,
            model: &context.model,
            choices: [ChoiceOut::Text {
                text: message.content.unwrap_or_default(),
                index: 0,
                logprobs: None,
                finish_reason: finish,
            }],
            usage: usage(&spent),
            service_tier: None,
        }
    } else {
        Answer {
            id: context.stamp.id("chatcmpl-", 0),
            object: "chat.completion",
            created: context.stamp.created,
            model: &context.model,
            choices: [ChoiceOut::Message {
                index: 0,
                message: Box::new(message),
                logprobs: None,
                finish_reason: finish,
            }],
            usage: usage(&spent),
            service_tier: tier(&spent),
        }
    };
    to_vec(&answer)
}

#[derive(Serialize)]
struct Answer<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [ChoiceOut; 1],
    usage: UsageOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChoiceOut {
    Message {
        index: usize,
        message: Box<MessageOut>,
        logprobs: Option<()>,
        finish_reason: &'static str,
    },
    Text {
        text: String,
        index: usize,
        logprobs: Option<()>,
        finish_reason: &'static str,
    },
}

#[derive(Default, Serialize)]
struct MessageOut {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Details>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToolCallOut {
    Custom { id: String, custom: CustomOut },
    Function { id: String, function: FunctionOut },
}

#[derive(Serialize)]
struct CustomOut {
    name: String,
    input: String,
}

#[derive(Serialize)]
struct FunctionOut {
    name: String,
    arguments: String,
}

/// One reasoning block with its opaque state, for clients that send `reasoning_details` back.
#[derive(Debug, Serialize)]
pub struct Details {
    pub index: usize,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// A citation for a range of characters of the text.
#[derive(Debug, Serialize)]
pub struct Annotation {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitation,
}

#[derive(Debug, Serialize)]
struct UrlCitation {
    url: String,
    title: String,
    start_index: usize,
    end_index: usize,
}

fn block(
    block: &Block,
    context: &Context,
    text: &mut String,
    message: &mut MessageOut,
    losses: &mut Losses,
) {
    match block {
        Block::Text(block) => {
            let start_index = text.chars().count();
            text.push_str(&block.text);
            let end_index = start_index + block.text.chars().count();
            for citation in &block.citations {
                match annotation(citation, start_index, end_index) {
                    Some(annotation) => message.annotations.push(annotation),
                    None => losses.name("citations"),
                }
            }
        }
        Block::Refusal(refusal) => message.refusal.get_or_insert_default().push_str(refusal),
        Block::Reasoning(reasoning) if context.reply.shape == Shape::Modern => {
            let visible = reasoning.text();
            if !visible.is_empty() {
                let all = message.reasoning_content.get_or_insert_default();
                if !all.is_empty() {
                    all.push_str("\n\n");
                }
                all.push_str(&visible);
            }
            let index = message.reasoning_details.len();
            message
                .reasoning_details
                .extend(details(reasoning, index, context));
        }
        Block::Reasoning(_) => losses.omit("thinking"),
        Block::ToolCall(call) => match (call.kind, context.reply.shape) {
            (CallKind::Server(_), _) => losses.omit("server_tool_use"),
            (CallKind::Freeform, _) => message.tool_calls.push(ToolCallOut::Custom {
                id: names::tool_id(&call.id, TOOL_IDS).into_owned(),
                custom: CustomOut {
                    name: call.name.clone(),
                    input: call.args.raw.clone(),
                },
            }),
            (CallKind::Function, shape) => {
                let function = FunctionOut {
                    name: call.name.clone(),
                    arguments: call.args.object().into_owned(),
                };
                if shape == Shape::Modern {
                    let id = names::tool_id(&call.id, TOOL_IDS).into_owned();
                    message
                        .tool_calls
                        .push(ToolCallOut::Function { id, function });
                } else if message.function_call.is_none() {
                    message.function_call = Some(function);
                } else {
                    losses.name("parallel_tool_calls");
                }
            }
        },
        Block::ServerToolResult(_) => losses.omit("server_tool_use"),
        _ => losses.name("answer_content"),
    }
}

/// The annotation for a citation of this range of characters; `None` if this dialect cannot express the citation.
pub fn annotation(citation: &Citation, start_index: usize, end_index: usize) -> Option<Annotation> {
    match citation {
        Citation::Url { url, title, .. } => Some(Annotation {
            kind: "url_citation",
            url_citation: UrlCitation {
                url: url.clone(),
                title: title.clone(),
                start_index,
                end_index,
            },
        }),
        Citation::Foreign(_) => None,
    }
}

/// The entry of `reasoning_details` for one reasoning block; `None` without state.
pub fn details(reasoning: &Reasoning, index: usize, context: &Context) -> Option<Details> {
    let opaque = reasoning
        .opaque
        .clone()
        .filter(|opaque| opaque.kind != OpaqueKind::Origin)?;
    let text = reasoning.text();
    let envelope = opaque::seal(&context.origin.stamp(opaque));
    Some(if text.is_empty() {
        Details {
            index,
            kind: "reasoning.encrypted",
            text: None,
            signature: None,
            data: Some(envelope),
        }
    } else {
        Details {
            index,
            kind: "reasoning.text",
            text: Some(text),
            signature: Some(envelope),
            data: None,
        }
    })
}

/// The finish reason of this dialect.
pub const fn finish_reason(stop: &Stop, shape: Shape) -> &'static str {
    match stop {
        Stop::ContextFull | Stop::MaxTokens => "length",
        Stop::End | Stop::Pause | Stop::Sequence(_) => "stop",
        Stop::Refusal(_) => "content_filter",
        Stop::ToolUse => match shape {
            Shape::LegacyFunctions => "function_call",
            Shape::Modern | Shape::TextCompletion => "tool_calls",
        },
    }
}

/// The explanation of a refusal, which is not part of the content.
pub fn explanation(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Refusal(refusal) => refusal.explanation.as_deref(),
        _ => None,
    }
}

/// The usage in the form of this dialect: cached tokens are part of the prompt.
pub fn usage(spent: &Spent) -> UsageOut {
    let usage = &spent.usage;
    UsageOut {
        prompt_tokens: usage.prompt(),
        completion_tokens: usage.output,
        total_tokens: usage.total(),
        prompt_tokens_details: PromptDetailsOut {
            cached_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        },
        completion_tokens_details: CompletionDetailsOut {
            reasoning_tokens: usage.reasoning,
        },
    }
}

/// The service tier by its name in this dialect.
pub fn tier(spent: &Spent) -> Option<&'static str> {
    spent.tier.map(|tier| match tier {
        Tier::Auto => "auto",
        Tier::Fast | Tier::Priority => "priority",
        Tier::Flex => "flex",
        Tier::Scale => "scale",
        Tier::Standard => "default",
    })
}

/// The form of ids that clients of this dialect send back.
pub const TOOL_IDS: ToolIds = ToolIds::AtMost(40);

//! Tools and the tool choice in the form of Chat.
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::wire::{
    AllowedOut, ChoiceOut, CustomOut, EmptyOut, FunctionOut, NameOut, RequestOut, ToolOut,
};
use crate::protocol::hub::block::Hosted;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names;
use crate::protocol::hub::offer::{self, Offered, Skills};
use crate::protocol::hub::request::{Function, Request, Tool, ToolChoice};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Target, Vintage};

/// Declares the tools of `request` and sets which of them may or must be called.
pub fn encode<'a>(
    request: &'a Request,
    target: &Target<'a>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    let searches = target.model.contains("search");
    let skills = Skills {
        freeform: target.takes_freeform(),
        choice_of_some: target.quirks.openai_fields,
        hosted: if searches { &[Hosted::WebSearch] } else { &[] },
    };
    for offer in offer::offers(request, skills, losses)? {
        let path = format!("tools.{}", offer.index);
        out.tools.push(match offer.tool {
            Offered::Freeform(tool) => ToolOut::Custom {
                custom: CustomOut {
                    name: names::tool_name(None, &tool.name),
                    description: tool.description.as_deref(),
                    format: tool.format.as_deref().map(nested),
                },
            },
            Offered::Function(function) => self::function(function, &path, losses)?,
            Offered::Hosted(_) => {
                out.web_search_options = Some(EmptyOut {});
                continue;
            }
            Offered::Made {
                name,
                description,
                schema,
            } => ToolOut::Function {
                function: FunctionOut {
                    name: names::tool_name(None, name),
                    description: description.map(Cow::Borrowed),
                    parameters: Some(Cow::Owned(schema::print(&schema, &path)?)),
                    strict: None,
                },
            },
        });
    }
    choice(request, target, out);
    if target.quirks.vintage == Vintage::Functions {
        make_legacy(out, losses);
    }
    Ok(())
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<ToolOut<'a>, RequestFault> {
    let schema = function.schema.as_deref();
    let strict = match (function.strict, schema) {
        (Some(true), Some(schema)) if schema::suits_openai_strict(schema) => Some(true),
        (Some(true), _) => {
            losses.name("tools.strict");
            None
        }
        _ => None,
    };
    if function.cache.is_some() {
        losses.omit("cache_control");
    }
    if function.examples.is_some() {
        losses.name("tools.input_examples");
    }
    Ok(ToolOut::Function {
        function: FunctionOut {
            name: names::tool_name(function.namespace.as_deref(), &function.name),
            description: function.description.as_deref().map(Cow::Borrowed),
            parameters: match schema {
                Some(schema) => Some(schema::object(schema, path)?),
                None => None,
            },
            strict,
        },
    })
}

/// Sets the tool choice. Without tools it is left out, because OpenAI refuses it.
fn choice<'a>(request: &'a Request, target: &Target<'_>, out: &mut RequestOut<'a>) {
    if out.tools.is_empty() {
        return;
    }
    out.parallel_tool_calls = request.parallel_tools;
    out.tool_choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => ChoiceOut::Mode("auto"),
        ToolChoice::Any => ChoiceOut::Mode("required"),
        ToolChoice::None => ChoiceOut::Mode("none"),
        ToolChoice::Named(name) => named(request, target, name),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required { "required" } else { "auto" };
            if target.quirks.openai_fields {
                let tools = names
                    .iter()
                    .map(|name| named(request, target, name))
                    .collect();
                ChoiceOut::Allowed {
                    kind: "allowed_tools",
                    allowed_tools: AllowedOut { mode, tools },
                }
            } else {
                ChoiceOut::Mode(mode)
            }
        }
    });
}

fn named<'a>(request: &'a Request, target: &Target<'_>, name: &'a str) -> ChoiceOut<'a> {
    let tool = request.tools.iter().find(|tool| tool.name() == name);
    let namespace = match tool {
        Some(Tool::Function(function)) => function.namespace.as_deref(),
        _ => None,
    };
    let name = NameOut {
        name: names::tool_name(namespace, name),
    };
    if matches!(tool, Some(Tool::Freeform(_))) && target.takes_freeform() {
        ChoiceOut::Custom {
            kind: "custom",
            custom: name,
        }
    } else {
        ChoiceOut::Function {
            kind: "function",
            function: name,
        }
    }
}

/// The format of a freeform tool in the form of Chat: a grammar is in an object of its own.
fn nested(format: &RawValue) -> Cow<'_, RawValue> {
    let flat: Option<GrammarIn<'_>> = serde_json::from_str(format.get()).ok();
    let nested = flat.and_then(|format| {
        let (syntax, definition) = (format.syntax?, format.definition?);
        let text = format!(
            r#"{{"type":"grammar","grammar":{{"syntax":{syntax},"definition":{definition}}}}}"#
        );
        RawValue::from_string(text).ok()
    });
    nested.map_or(Cow::Borrowed(format), Cow::Owned)
}

/// A grammar in the form of Responses.
#[derive(Deserialize)]
struct GrammarIn<'a> {
    #[serde(borrow)]
    syntax: Option<&'a RawValue>,
    #[serde(borrow)]
    definition: Option<&'a RawValue>,
}

/// Converts to the form before tools, in which only one call at a time is possible and "any tool" cannot be required.
fn make_legacy(out: &mut RequestOut<'_>, losses: &mut Losses) {
    let tools = std::mem::take(&mut out.tools).into_iter();
    out.functions = tools
        .filter_map(|tool| match tool {
            ToolOut::Function { function } => Some(FunctionOut {
                strict: None,
                ..function
            }),
            ToolOut::Custom { .. } => None,
        })
        .collect();
    out.parallel_tool_calls = None;
    out.function_call = match out.tool_choice.take() {
        Some(ChoiceOut::Function { function, .. }) => Some(ChoiceOut::Name(function)),
        Some(ChoiceOut::Mode("required")) => {
            losses.name("tool_choice");
            Some(ChoiceOut::Mode("auto"))
        }
        Some(ChoiceOut::Mode(mode)) => Some(ChoiceOut::Mode(mode)),
        _ => None,
    };
}

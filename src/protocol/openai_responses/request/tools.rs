//! Tools and the tool choice in the form of this dialect.
use std::borrow::Cow;

use serde::Deserialize;

use super::super::wire::{FiltersOut, RequestOut, ToolChoiceOut, ToolOut};
use crate::protocol::hub::block::Hosted;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names;
use crate::protocol::hub::offer::{self, Offered, Skills};
use crate::protocol::hub::request::{Function, HostedTool, Request, Tool, ToolChoice};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::Target;

/// Declares the tools of `request` and sets which of them may or must be called.
pub fn encode<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    let skills = Skills {
        freeform: target.takes_freeform(),
        choice_of_some: target.quirks.openai_fields,
        hosted: if target.quirks.openai_fields {
            &[Hosted::WebSearch]
        } else {
            &[]
        },
    };
    for offer in offer::offers(request, skills, losses)? {
        let path = format!("tools.{}", offer.index);
        out.tools.push(match offer.tool {
            Offered::Freeform(tool) => ToolOut::Custom {
                name: names::tool_name(None, &tool.name),
                description: tool.description.as_deref(),
                format: tool.format.as_deref(),
            },
            Offered::Function(function) => self::function(function, &path, losses)?,
            Offered::Hosted(tool) => {
                // Requests the pages that the search found, for clients that show them.
                out.include.push("web_search_call.action.sources");
                web_search(tool, losses)
            }
            Offered::Made {
                name,
                description,
                schema,
            } => ToolOut::Function {
                name: names::tool_name(None, name),
                description: description.map(Cow::Borrowed),
                parameters: Cow::Owned(schema::print(&schema, &path)?),
                strict: false,
            },
        });
    }
    choice(request, target, out);
    Ok(())
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<ToolOut<'a>, RequestFault> {
    let schema = function.schema.as_deref();
    let strict = function.strict == Some(true) && schema.is_some_and(schema::suits_openai_strict);
    if function.strict == Some(true) && !strict {
        losses.name("tools.strict");
    }
    if function.cache.is_some() {
        losses.omit("cache_control");
    }
    if function.examples.is_some() {
        losses.name("tools.input_examples");
    }
    Ok(ToolOut::Function {
        name: names::tool_name(function.namespace.as_deref(), &function.name),
        description: function.description.as_deref().map(Cow::Borrowed),
        parameters: match schema {
            Some(schema) => schema::object(schema, path)?,
            None => Cow::Owned(schema::print(
                &serde_json::json!({ "type": "object", "properties": {} }),
                path,
            )?),
        },
        strict,
    })
}

/// A web search in the form of this dialect, which cannot limit the number of searches.
fn web_search<'a>(tool: &HostedTool, losses: &mut Losses) -> ToolOut<'a> {
    #[derive(Default, Deserialize)]
    struct WebSearchOptions {
        allowed_domains: Option<Vec<String>>,
        blocked_domains: Option<Vec<String>>,
        user_location: Option<Location>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Location {
        /// Chat nests these members, the other dialects do not.
        Nested {
            approximate: serde_json::Map<String, serde_json::Value>,
        },
        Flat(serde_json::Map<String, serde_json::Value>),
    }
    let options: WebSearchOptions = serde_json::from_str(tool.raw.get()).unwrap_or_default();
    if options.blocked_domains.is_some() {
        losses.name("tools.blocked_domains");
    }
    let location = options.user_location.map(|location| match location {
        Location::Nested {
            approximate: mut place,
        }
        | Location::Flat(mut place) => {
            place.entry("type").or_insert_with(|| "approximate".into());
            place
        }
    });
    ToolOut::WebSearch {
        filters: options
            .allowed_domains
            .map(|allowed_domains| FiltersOut { allowed_domains }),
        user_location: location.and_then(|place| serde_json::value::to_raw_value(&place).ok()),
    }
}

/// Sets the tool choice. Without tools it is left out, because OpenAI refuses it.
fn choice<'a>(request: &'a Request, target: &Target<'_>, out: &mut RequestOut<'a>) {
    if out.tools.is_empty() {
        return;
    }
    out.parallel_tool_calls = request.parallel_tools;
    out.tool_choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => ToolChoiceOut::Mode("auto"),
        ToolChoice::Any => ToolChoiceOut::Mode("required"),
        ToolChoice::None => ToolChoiceOut::Mode("none"),
        ToolChoice::Named(name) => named(request, target, name),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required { "required" } else { "auto" };
            if target.quirks.openai_fields {
                ToolChoiceOut::Allowed {
                    kind: "allowed_tools",
                    mode,
                    tools: names
                        .iter()
                        .map(|name| named(request, target, name))
                        .collect(),
                }
            } else {
                ToolChoiceOut::Mode(mode)
            }
        }
    });
}

fn named<'a>(request: &'a Request, target: &Target<'_>, name: &'a str) -> ToolChoiceOut<'a> {
    let kind = |kind, name| ToolChoiceOut::Named { kind, name };
    match request.tools.iter().find(|tool| tool.name() == name) {
        Some(Tool::Freeform(_)) if target.takes_freeform() => {
            kind("custom", Some(names::tool_name(None, name)))
        }
        Some(Tool::Hosted(tool)) if tool.kind == Hosted::WebSearch => kind("web_search", None),
        Some(Tool::Function(function)) => {
            let name = names::tool_name(function.namespace.as_deref(), name);
            kind("function", Some(name))
        }
        _ => kind("function", Some(names::tool_name(None, name))),
    }
}

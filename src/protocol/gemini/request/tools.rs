//! Tools and the tool choice in the form of this dialect.
use std::borrow::Cow;

use super::super::schema;
use super::super::wire::{CallingOut, EmptyOut, FunctionOut, RequestOut, ToolConfigOut, ToolOut};
use crate::protocol::hub::block::Hosted;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names;
use crate::protocol::hub::offer::{self, Offered, Skills};
use crate::protocol::hub::request::{Function, Request, Tool, ToolChoice};
use crate::protocol::hub::schema::print;

/// Declares the tools of `request` and sets which of them may or must be called. All functions go into one group.
pub fn encode<'a>(
    request: &'a Request,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    let functions = |tool: &Tool| !matches!(tool, Tool::Hosted(_));
    // Most models refuse hosted tools and the client's functions in one request; the client needs its own functions
    // more.
    let runs = !request.tools.iter().any(functions);
    let skills = Skills {
        freeform: false,
        choice_of_some: false,
        hosted: if runs {
            &[Hosted::CodeExecution, Hosted::WebFetch, Hosted::WebSearch]
        } else {
            &[]
        },
    };
    let mut functions = Vec::new();
    for offer in offer::offers(request, skills, losses)? {
        let path = format!("tools.{}", offer.index);
        match offer.tool {
            Offered::Function(function) => functions.push(self::function(function, &path, losses)?),
            Offered::Made {
                name,
                description,
                schema,
            } => functions.push(FunctionOut {
                name: names::tool_name_by_letter(None, name),
                description: description.map(Cow::Borrowed),
                parameters_json_schema: Some(print(&schema, &path)?),
            }),
            Offered::Hosted(tool) => out.tools.push(match tool.kind {
                Hosted::CodeExecution => ToolOut::CodeExecution(EmptyOut {}),
                Hosted::WebFetch => ToolOut::UrlContext(EmptyOut {}),
                _ => ToolOut::GoogleSearch(EmptyOut {}),
            }),
            Offered::Freeform(_) => {}
        }
    }
    if functions.is_empty() {
        return Ok(());
    }
    if request.parallel_tools == Some(false) {
        losses.name("parallel_tool_calls");
    }
    out.tools
        .insert(0, ToolOut::FunctionDeclarations(functions));
    out.tool_config = request.tool_choice.as_ref().map(|choice| ToolConfigOut {
        function_calling_config: calling(request, choice),
    });
    Ok(())
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<FunctionOut<'a>, RequestFault> {
    if function.strict == Some(true) {
        losses.name("tools.strict");
    }
    if function.cache.is_some() {
        losses.omit("cache_control");
    }
    if function.examples.is_some() {
        losses.name("tools.input_examples");
    }
    Ok(FunctionOut {
        name: names::tool_name_by_letter(function.namespace.as_deref(), &function.name),
        description: function.description.as_deref().map(Cow::Borrowed),
        parameters_json_schema: match &function.schema {
            Some(schema) => Some(schema::parameters(schema, path)?),
            None => None,
        },
    })
}

fn calling<'a>(request: &'a Request, choice: &'a ToolChoice) -> CallingOut<'a> {
    let mode = |mode| CallingOut {
        mode,
        allowed_function_names: Vec::new(),
    };
    match choice {
        // The declarations already contain only the allowed tools.
        ToolChoice::Auto
        | ToolChoice::Allowed {
            required: false, ..
        } => mode("AUTO"),
        ToolChoice::Any | ToolChoice::Allowed { required: true, .. } => mode("ANY"),
        ToolChoice::None => mode("NONE"),
        ToolChoice::Named(name) => {
            let tool = request.tools.iter().find(|tool| tool.name() == name);
            let namespace = match tool {
                Some(Tool::Function(function)) => function.namespace.as_deref(),
                _ => None,
            };
            CallingOut {
                mode: "ANY",
                allowed_function_names: vec![names::tool_name_by_letter(namespace, name)],
            }
        }
    }
}

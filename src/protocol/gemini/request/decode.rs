//! Decodes a client's request in this dialect.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::wire::{ContentIn, FunctionIn, GenerationIn, ThinkingIn, ToolConfigIn};
use super::super::{Delivery, schema};
use super::history;
use crate::protocol::Dialect;
use crate::protocol::hub::block::{Hosted, Text};
use crate::protocol::hub::error::{RequestFault, Verdict};
use crate::protocol::hub::read::{
    Object, Path, Str, is_null, is_string, one_or_more, without_position,
};
use crate::protocol::hub::request::{
    Extra, Format, Function, HostedTool, ReasoningMode, Request, Show, Tier, Tool, ToolChoice,
};
use crate::protocol::json::Document;
use crate::protocol::models::effort::Effort;

/// Reads the body of a request for `model`.
pub fn decode(body: &[u8], model: &str, delivery: Delivery) -> Result<Request, RequestFault> {
    read(&Document::new(body), model, delivery)
}

/// The same as [`decode`], for a body that is already parsed into a document.
pub fn read(
    document: &Document<'_>,
    model: &str,
    delivery: Delivery,
) -> Result<Request, RequestFault> {
    let members: Object<'_> = document
        .whole()
        .map_err(|error| RequestFault::new("", without_position(&error)))?;
    let mut request = Request::new(Dialect::Gemini, model);
    request.stream = delivery != Delivery::Whole;
    request.reply.array = delivery == Delivery::Array;
    for (name, value) in &members.0 {
        if !is_null(value) {
            member(&mut request, name, value, Path::of(document, name))?;
        }
    }
    if request.turns.is_empty() {
        return Err(RequestFault::new(
            "contents",
            "at least one content with a part is required",
        ));
    }
    Ok(request)
}

fn member(
    request: &mut Request,
    name: &str,
    value: &RawValue,
    path: Path<'_>,
) -> Result<(), RequestFault> {
    match name {
        // The model in the path counts.
        "model" => {}
        "contents" => {
            let Lone(contents): Lone<ContentIn<'_>> = path.read(value)?;
            request.turns = history::turns(contents);
        }
        "systemInstruction" | "system_instruction" => request.system = system(value, &path)?,
        "tools" => {
            let Lone(groups): Lone<Object<'_>> = path.read(value)?;
            for group in groups {
                tools(request, &group, &path)?;
            }
        }
        "toolConfig" | "tool_config" => tool_choice(request, path.read(value)?, &path)?,
        "generationConfig" | "generation_config" => generation(request, path.read(value)?, &path)?,
        "serviceTier" | "service_tier" => {
            let tier: Str<'_> = path.read(value)?;
            request.tier = match tier.to_ascii_lowercase().as_str() {
                "flex" => Some(Tier::Flex),
                "priority" => Some(Tier::Priority),
                "standard" => Some(Tier::Standard),
                _ => None,
            };
        }
        _ => match EXTRAS
            .iter()
            .find(|(camel, snake, _)| [camel, snake].contains(&&name))
        {
            Some((name, _, verdict)) => request.extras.push(Extra {
                name,
                value: value.to_owned(),
                verdict: *verdict,
            }),
            None => request.unknown.push(name.to_owned()),
        },
    }
    Ok(())
}

/// Decodes the system instruction: a content, or a bare string.
fn system(value: &RawValue, path: &Path<'_>) -> Result<Vec<Text>, RequestFault> {
    if is_string(value) {
        let text: Str<'_> = path.read(value)?;
        return Ok(vec![Text::plain(text.to_owned())]);
    }
    let content: ContentIn<'_> = path.read(value)?;
    let texts = content.parts.into_iter().filter_map(|part| part.text);
    Ok(texts
        .filter(|text| !text.is_empty())
        .map(|text| Text::plain(text.to_owned()))
        .collect())
}

fn tools(request: &mut Request, group: &Object<'_>, path: &Path<'_>) -> Result<(), RequestFault> {
    for (name, value) in &group.0 {
        let kind = match &**name {
            "functionDeclarations" | "function_declarations" => {
                let Lone(declared): Lone<FunctionIn<'_>> = path.read(value)?;
                for declared in &declared {
                    let function = function(declared, path)?;
                    request.tools.push(Tool::Function(function));
                }
                continue;
            }
            _ if is_null(value) => continue,
            "googleSearch"
            | "google_search"
            | "googleSearchRetrieval"
            | "google_search_retrieval" => Hosted::WebSearch,
            "urlContext" | "url_context" => Hosted::WebFetch,
            "codeExecution" | "code_execution" => Hosted::CodeExecution,
            "fileSearch" | "file_search" => Hosted::FileSearch,
            "computerUse" | "computer_use" => Hosted::Computer,
            _ => Hosted::Other,
        };
        let name = match kind {
            Hosted::WebSearch => "google_search".to_owned(),
            _ => snake(name),
        };
        request.tools.push(Tool::Hosted(HostedTool {
            kind,
            name,
            dialect: Dialect::Gemini,
            raw: (*value).to_owned(),
        }));
    }
    Ok(())
}

/// A field name in snake case, the other spelling of this dialect.
fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for char in camel.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// A list, or its only element.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Lone<T>(#[serde(deserialize_with = "one_or_more")] Vec<T>);

fn function(declared: &FunctionIn<'_>, path: &Path<'_>) -> Result<Function, RequestFault> {
    let schema = match (declared.parameters_json_schema, declared.parameters) {
        (Some(schema), _) => Some(schema.to_owned()),
        (None, Some(schema)) => Some(schema::from_openapi(schema, &path.to_string())?),
        (None, None) => None,
    };
    Ok(Function {
        name: declared.name.to_owned(),
        description: declared
            .description
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned),
        schema,
        ..Function::default()
    })
}

fn tool_choice(
    request: &mut Request,
    config: ToolConfigIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let Some(calling) = config.function_calling_config else {
        return Ok(());
    };
    let mut names = calling.allowed_function_names;
    request.tool_choice = Some(
        match calling
            .mode
            .as_deref()
            .map(str::to_ascii_uppercase)
            .as_deref()
        {
            None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") if names.is_empty() => {
                ToolChoice::Auto
            }
            None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") => ToolChoice::Allowed {
                required: false,
                names,
            },
            Some("NONE") => ToolChoice::None,
            Some("ANY") => match names.len() {
                0 => ToolChoice::Any,
                1 => ToolChoice::Named(names.remove(0)),
                _ => ToolChoice::Allowed {
                    required: true,
                    names,
                },
            },
            Some(mode) => {
                let message = format!("`{mode}` is not a mode; use `AUTO`, `ANY` or `NONE`");
                return Err(path
                    .field("functionCallingConfig")
                    .field("mode")
                    .fault(message));
            }
        },
    );
    Ok(())
}

fn generation(
    request: &mut Request,
    config: GenerationIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let sampling = &mut request.sampling;
    sampling.temperature = config.temperature;
    sampling.top_p = config.top_p;
    sampling.top_k = config.top_k;
    sampling.seed = config.seed;
    sampling.candidates = config.candidate_count;
    sampling.stop = config.stop_sequences;
    sampling.presence_penalty = config.presence_penalty;
    sampling.frequency_penalty = config.frequency_penalty;
    sampling.logprobs = config.response_logprobs.unwrap_or(false);
    request.max_output = config.max_output_tokens;
    if config
        .response_modalities
        .iter()
        .any(|kind| !kind.eq_ignore_ascii_case("text"))
    {
        return Err(path
            .field("responseModalities")
            .fault("only `TEXT` is supported by this upstream"));
    }
    if config.speech_config.is_some() {
        return Err(path
            .field("speechConfig")
            .fault("speech needs a Gemini upstream"));
    }
    if let Some(value) = config.media_resolution {
        request.extras.push(Extra {
            name: "mediaResolution",
            value: value.to_owned(),
            verdict: Verdict::Name,
        });
    }
    let schema = match (config.response_json_schema, config.response_schema) {
        (Some(schema), _) => Some(schema.to_owned()),
        (None, Some(schema)) => Some(schema::from_openapi(
            schema,
            &path.field("responseSchema").to_string(),
        )?),
        (None, None) => None,
    };
    request.output.format = match (schema, config.response_mime_type.as_deref()) {
        (Some(schema), _) => Format::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        },
        (None, Some("application/json")) => Format::JsonObject,
        (None, None | Some("text/plain")) => Format::Text,
        (None, Some(kind)) => {
            let message = format!(
                "`{kind}` is not supported by this upstream; use `application/json` or `text/plain`"
            );
            return Err(path.field("responseMimeType").fault(message));
        }
    };
    match config.thinking_config {
        Some(thinking) => self::thinking(request, &thinking, &path.field("thinkingConfig")),
        None => Ok(()),
    }
}

fn thinking(
    request: &mut Request,
    thinking: &ThinkingIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let reasoning = &mut request.reasoning;
    request.reply.include_thoughts = thinking.include_thoughts;
    reasoning.show = if thinking.include_thoughts {
        Show::Summary
    } else {
        Show::Omitted
    };
    reasoning.mode = match thinking.thinking_budget {
        None => ReasoningMode::Default,
        Some(0) => ReasoningMode::Off,
        Some(budget) => {
            u64::try_from(budget).map_or(ReasoningMode::Adaptive, ReasoningMode::Budget)
        }
    };
    let Some(level) = &thinking.thinking_level else {
        return Ok(());
    };
    if level.eq_ignore_ascii_case("THINKING_LEVEL_UNSPECIFIED") {
        return Ok(());
    }
    if let Some(effort) = Effort::from_name(&level.to_ascii_lowercase()) {
        reasoning.effort = Some(effort);
        Ok(())
    } else {
        let message = format!("`{}` is not a level", &**level);
        Err(path.field("thinkingLevel").fault(message))
    }
}

/// Known fields without a counterpart, in both spellings.
const EXTRAS: &[(&str, &str, Verdict)] = &[
    (
        "cachedContent",
        "cached_content",
        Verdict::Refuse("cached content needs a Gemini upstream; send the content itself"),
    ),
    ("labels", "labels", Verdict::Omit),
    ("safetySettings", "safety_settings", Verdict::Name),
    ("store", "store", Verdict::Omit),
];

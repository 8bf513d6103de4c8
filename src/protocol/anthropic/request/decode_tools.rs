//! Decodes the tools that a client declares.
use serde_json::value::RawValue;

use super::super::wire::ToolIn;
use super::blocks::{hosted, need, ttl};
use crate::protocol::Dialect;
use crate::protocol::hub::block::Hosted;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::read::Path;
use crate::protocol::hub::request::{Function, HostedTool, Tool};

/// Reads `tools`.
pub fn tools(value: &RawValue, path: &Path<'_>) -> Result<Vec<Tool>, RequestFault> {
    let values: Vec<&RawValue> = path.read(value)?;
    let mut tools = Vec::with_capacity(values.len());
    for (index, raw) in values.into_iter().enumerate() {
        let path = path.index(index);
        let tool: ToolIn<'_> = path.read(raw)?;
        let kind = tool.kind.as_deref().unwrap_or("custom");
        if kind != "custom" {
            tools.push(Tool::Hosted(HostedTool {
                kind: hosted_tool(kind),
                name: tool
                    .name
                    .map_or_else(|| kind.to_owned(), |name| name.to_owned()),
                dialect: Dialect::Anthropic,
                raw: raw.to_owned(),
            }));
            continue;
        }
        tools.push(Tool::Function(Function {
            name: need(tool.name, &path, "name")?.to_owned(),
            namespace: None,
            description: tool.description.map(|text| text.to_owned()),
            schema: tool.input_schema.map(ToOwned::to_owned),
            strict: tool.strict,
            cache: tool.cache_control.as_ref().map(ttl),
            deferred: tool.defer_loading.unwrap_or(false),
            eager: tool.eager_input_streaming.unwrap_or(false),
            examples: tool.input_examples.map(ToOwned::to_owned),
            own: false,
        }));
    }
    Ok(tools)
}

/// Types end with a date: `web_search_20250305`.
fn hosted_tool(kind: &str) -> Hosted {
    let name = kind.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    match name {
        "bash" => Hosted::Bash,
        "text_editor" => Hosted::TextEditor,
        "memory" => Hosted::Memory,
        "computer" | "browser" => Hosted::Computer,
        "mcp_toolset" => Hosted::Mcp,
        name => hosted(name),
    }
}

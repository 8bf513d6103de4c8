//! Tools that OpenAI defines and the client runs: OpenAI's models know them by their type alone. For any other model
//! they become functions with that name, and the client sees a call as the item type that it knows.
use serde_json::{Map, Value, json};

/// One of these tools.
#[derive(Debug)]
pub struct ClientTool {
    /// The type of the tool, which is also its name as a function.
    pub kind: &'static str,
    /// The type of the item for a call of it.
    pub call: &'static str,
    /// The member of that item that contains the arguments.
    member: &'static str,
    pub description: &'static str,
    schema: fn() -> Value,
    /// Members that the arguments get in addition to those from the model.
    fixed: fn() -> Value,
}

impl ClientTool {
    /// The tool of this type.
    pub fn of(kind: &str) -> Option<&'static Self> {
        ALL.iter().find(|tool| tool.kind == kind)
    }

    /// The schema of its arguments.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// A call of the tool as an item.
    pub fn item(&self, id: &str, status: &str, call_id: &str, args: &str) -> Value {
        let mut given: Map<String, Value> = serde_json::from_str(args).unwrap_or_default();
        if let Value::Object(fixed) = (self.fixed)() {
            for (key, value) in fixed {
                given.entry(key).or_insert(value);
            }
        }
        let mut item = json!({
            "type": self.call,
            "id": id,
            "status": status,
            "call_id": call_id,
            self.member: given,
        });
        if self.kind == SEARCH {
            item["execution"] = json!("client");
        }
        item
    }
}

/// The tool search, whose declaration states whether the client or the server runs it.
pub const SEARCH: &str = "tool_search";

const ALL: &[ClientTool] = &[
    ClientTool {
        kind: SEARCH,
        call: "tool_search_call",
        member: "arguments",
        description: "Search for further tools. What is found can be called from then on.",
        schema: || {
            json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "What the tool should do." },
                    "limit": { "type": "integer", "description": "Most tools to be found." },
                },
                "required": ["query"],
            })
        },
        fixed: || json!({}),
    },
    ClientTool {
        kind: "local_shell",
        call: "local_shell_call",
        member: "action",
        description: "Run a command on the user's machine.",
        schema: || {
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "array", "items": { "type": "string" }, "description": "The program and its arguments." },
                    "working_directory": { "type": "string" },
                    "env": { "type": "object", "properties": {}, "additionalProperties": { "type": "string" } },
                    "timeout_ms": { "type": "integer" },
                },
                "required": ["command"],
            })
        },
        fixed: || json!({ "type": "exec", "env": {} }),
    },
    ClientTool {
        kind: "shell",
        call: "shell_call",
        member: "action",
        description: "Run commands in a shell on the user's machine.",
        schema: || {
            json!({
                "type": "object",
                "properties": {
                    "commands": { "type": "array", "items": { "type": "string" }, "description": "One shell command each." },
                    "timeout_ms": { "type": "integer" },
                    "max_output_length": { "type": "integer" },
                },
                "required": ["commands"],
            })
        },
        fixed: || json!({}),
    },
    ClientTool {
        kind: "apply_patch",
        call: "apply_patch_call",
        member: "operation",
        description: "Create, change or delete one file.",
        schema: || {
            json!({
                "type": "object",
                "properties": {
                    "type": { "type": "string", "enum": ["create_file", "update_file", "delete_file"] },
                    "path": { "type": "string" },
                    "diff": { "type": "string", "description": "The change in the V4A format; for `create_file` the whole text, every line begun by `+`. Not for `delete_file`." },
                },
                "required": ["type", "path"],
            })
        },
        fixed: || json!({}),
    },
];

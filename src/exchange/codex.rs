//! The list of models in the format of Codex: `GET /v1/models?client_version=…`.
//!
//! Format: `ModelInfo` in `codex-rs/protocol/src/openai_models.rs` of openai/codex. An entry replaces what Codex itself
//! knows about a model, including its instructions to the model. So OpenAI's own models are left out. The entries of
//! other models contain what Codex would otherwise guess, above all the size of the context.
use serde_json::{Value, json};

use crate::protocol::models::Capabilities;
use crate::protocol::models::effort::Effort;

/// Whether this query comes from Codex.
pub fn asks(query: Option<&str>) -> bool {
    let mut parameters = query.unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.starts_with("client_version="))
}

/// The entry for model `id` at this position of the list; `None` for models that Codex knows better.
pub fn entry(id: &str, capabilities: &Capabilities, position: usize) -> Option<Value> {
    if OF_OPENAI.iter().any(|prefix| id.starts_with(prefix)) {
        return None;
    }
    let efforts = Effort::ALL.into_iter();
    let efforts = efforts.filter(|effort| capabilities.reasoning.efforts.has(*effort));
    // Codex rejects the whole list if it contains one unknown name.
    let known: Vec<&str> = efforts
        .map(Effort::as_str)
        .filter(|effort| EFFORTS.contains(effort))
        .collect();
    let default = ["medium", "high", "low"]
        .into_iter()
        .find(|effort| known.contains(effort));
    let levels: Vec<Value> = known
        .iter()
        .map(|effort| json!({ "effort": effort, "description": format!("{effort} reasoning effort") }))
        .collect();
    Some(json!({
        "slug": id,
        "display_name": id,
        "description": null,
        "default_reasoning_level": default,
        "supported_reasoning_levels": levels,
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": true,
        "priority": position + 1,
        "upgrade": null,
        "base_instructions": INSTRUCTIONS,
        "supports_reasoning_summaries": !known.is_empty(),
        "support_verbosity": false,
        "default_verbosity": null,
        "apply_patch_tool_type": null,
        "truncation_policy": { "mode": "tokens", "limit": 10_000 },
        "supports_parallel_tool_calls": true,
        "context_window": capabilities.context,
        "experimental_supported_tools": [],
    }))
}

/// The prefixes of OpenAI's models.
const OF_OPENAI: [&str; 7] = [
    "gpt-",
    "codex-",
    "chatgpt-",
    "o1",
    "o3",
    "o4",
    "computer-use",
];

/// The effort levels that every version of Codex knows.
const EFFORTS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];

/// The instructions for a model for which Codex has none.
const INSTRUCTIONS: &str = "You are a coding agent. You work in the user's terminal, through the tools that you are given.\n\n\
Find out before you change anything: search the workspace and read the files that matter instead of guessing. \
Make the smallest change that does what was asked, in the style of the code around it, and leave alone what is not part of it. \
After a change run the project's own checks where there are any, and mend what they show. \
Never run a command that destroys work or reaches beyond the workspace unless the user asked for it. \
Go on until the task is done or only the user can decide. Then say briefly what you did, where, and what is left.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn codex_is_known_by_its_query() {
        assert!(asks(Some("client_version=0.171.0")) && asks(Some("a=b&client_version=1")));
        for query in [
            None,
            Some(""),
            Some("limit=1000"),
            Some("x_client_version=1"),
        ] {
            assert!(!asks(query), "{query:?}");
        }
    }

    #[test]
    fn others_models_are_described_and_openais_are_not() {
        for id in ["gpt-5.5", "o3", "codex-mini-latest"] {
            assert_eq!(entry(id, &catalog::capabilities(id), 0), None);
        }
        let id = "claude-sonnet-5";
        let entry = entry(id, &catalog::capabilities(id), 4).expect("an entry");
        assert_eq!(
            (&entry["slug"], &entry["priority"]),
            (&json!(id), &json!(5))
        );
        assert!(entry["context_window"].as_u64() >= Some(100_000), "{entry}");
        for level in entry["supported_reasoning_levels"]
            .as_array()
            .expect("a list")
        {
            assert!(
                EFFORTS.contains(&level["effort"].as_str().expect("a word")),
                "{level}"
            );
        }
    }
}

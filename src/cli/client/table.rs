//! The clients: where their settings are, and which settings make them use Weir.
//!
//! Sources, looked up in November 2026: Claude Code <https://code.claude.com/docs/en/settings>; Codex
//! <https://developers.openai.com/codex/config-sample>; Gemini CLI
//! <https://geminicli.com/docs/reference/configuration.md>; opencode <https://opencode.ai/docs/providers>; Qwen Code
//! <https://qwenlm.github.io/qwen-code-docs/en/cli/openai-auth>; aider <https://aider.chat/docs/config/aider_conf.html>; Continue
//! <https://docs.continue.dev/reference>; Cline what its own `cline auth` writes; Open WebUI and LobeChat what the sources of their packages
//! read (PyPI `open-webui` 0.12.4, npm `@lobehub/chat` 1.143.3).
use std::path::PathBuf;

use super::document::{Format, apply};
use super::value::{Target, Value};

/// Reads an environment variable that holds a path.
pub type Environment<'a> = dyn Fn(&str) -> Option<PathBuf> + 'a;

/// A client, or a kind of clients.
#[derive(Debug)]
pub struct Client {
    /// The name on the command line.
    pub name: &'static str,
    pub title: &'static str,
    settings: &'static [Settings],
    /// Environment variables, for clients that are configured with them.
    variables: &'static [(&'static str, Value)],
    /// Fields of a dialog.
    fields: &'static [(&'static str, Value)],
    /// A further remark; empty = none.
    remark: &'static str,
}

/// A settings file, and the changes to it.
#[derive(Debug)]
pub struct Settings {
    /// Environment variables that name the directory, each with the path from there to the file; the first variable
    /// that is set decides.
    places: &'static [(&'static str, &'static str)],
    /// Names of the file; the first that exists is used, or else the first of all.
    names: &'static [&'static str],
    pub format: Format,
    pub changes: &'static [(&'static [&'static str], Value)],
}

impl Client {
    /// The files at their places on this machine.
    pub fn files(
        &self,
        env: &Environment<'_>,
    ) -> Result<Vec<(PathBuf, &'static Settings)>, String> {
        self.settings
            .iter()
            .map(|settings| Ok((settings.path(env)?, settings)))
            .collect()
    }

    /// Everything that has to be entered by hand, as text.
    pub fn lines(&self, target: &Target<'_>, env: &Environment<'_>) -> String {
        let mut text = String::new();
        for settings in self.settings {
            let path = settings.path(env);
            let path = path.map_or_else(
                |_| settings.names[0].to_owned(),
                |path| path.display().to_string(),
            );
            let snippet = apply(settings.format, "", settings.changes, target).unwrap_or_default();
            text += &format!("# {path}\n{snippet}\n");
        }
        for (name, value) in self.variables {
            text += &format!("export {name}={}\n", value.text(target).unwrap_or_default());
        }
        for (name, value) in self.fields {
            text += &format!("{name}: {}\n", value.text(target).unwrap_or_default());
        }
        if !self.settings.is_empty() {
            text += &format!(
                "# `weir client {} --write` writes this, and `--undo` takes it back.\n",
                self.name
            );
        }
        text + &self.remark()
    }

    /// The remark as a line.
    pub fn remark(&self) -> String {
        if self.remark.is_empty() {
            String::new()
        } else {
            format!("# {}\n", self.remark)
        }
    }
}

impl Settings {
    fn path(&self, env: &Environment<'_>) -> Result<PathBuf, String> {
        let found = self.places.iter().find_map(|(variable, under)| {
            Some(env(variable).filter(|path| path.is_absolute())?.join(under))
        });
        let directory = found.ok_or("HOME is not set, so the client's settings cannot be found")?;
        let exists = self.names.iter().find(|name| directory.join(name).exists());
        Ok(directory.join(exists.or(self.names.first()).copied().unwrap_or_default()))
    }
}

const BLANK: Client = Client {
    name: "",
    title: "",
    settings: &[],
    variables: &[],
    fields: &[],
    remark: "",
};

/// In alphabetical order.
pub static CLIENTS: &[Client] = &[
    Client {
        name: "ai-sdk",
        title: "Vercel's AI SDK",
        fields: &[
            ("createAnthropic baseURL", Value::Url("/v1")),
            ("createOpenAI baseURL", Value::Url("/v1")),
            ("createGoogleGenerativeAI baseURL", Value::Url("/v1beta")),
            ("apiKey of each", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "aider",
        title: "aider",
        settings: &[Settings {
            places: &[("HOME", "")],
            names: &[".aider.conf.yml"],
            format: Format::Yaml,
            changes: &[
                (&["openai-api-base"], Value::Url("/v1")),
                (&["openai-api-key"], Value::Key),
            ],
        }],
        remark: "Models are named with `openai/` before them: aider --model openai/claude-sonnet-5",
        ..BLANK
    },
    Client {
        name: "anthropic-sdk",
        title: "the SDKs of Anthropic",
        variables: &[
            ("ANTHROPIC_BASE_URL", Value::Url("")),
            ("ANTHROPIC_API_KEY", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "cherry-studio",
        title: "Cherry Studio",
        fields: &[
            (
                "Settings, Model Provider, Add: type OpenAI or Anthropic; API Host",
                Value::Url(""),
            ),
            ("API Key", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "claude-code",
        title: "Claude Code",
        settings: &[
            Settings {
                places: &[("CLAUDE_CONFIG_DIR", ""), ("HOME", ".claude")],
                names: &["settings.json"],
                format: Format::Json,
                changes: &[
                    (&["env", "ANTHROPIC_BASE_URL"], Value::Url("")),
                    (&["env", "ANTHROPIC_AUTH_TOKEN"], Value::Key),
                ],
            },
            // Without this, the first start asks for an account.
            Settings {
                places: &[("CLAUDE_CONFIG_DIR", ""), ("HOME", "")],
                names: &[".claude.json"],
                format: Format::Json,
                changes: &[(&["hasCompletedOnboarding"], Value::True)],
            },
        ],
        ..BLANK
    },
    Client {
        name: "cline",
        title: "Cline",
        settings: &[Settings {
            places: &[
                ("CLINE_DATA_DIR", "settings"),
                ("CLINE_DIR", "data/settings"),
                ("HOME", ".cline/data/settings"),
            ],
            names: &["providers.json"],
            format: Format::Json,
            changes: &[
                (&["version"], Value::Unless(1)),
                (&["lastUsedProvider"], Value::Text("openai-compatible")),
                (
                    &["providers", "openai-compatible", "settings", "provider"],
                    Value::Text("openai-compatible"),
                ),
                (
                    &["providers", "openai-compatible", "settings", "apiKey"],
                    Value::Key,
                ),
                (
                    &["providers", "openai-compatible", "settings", "baseUrl"],
                    Value::Url("/v1"),
                ),
                // Without a time, the client does not read the entry.
                (
                    &["providers", "openai-compatible", "updatedAt"],
                    Value::Text("2026-11-29T00:00:00.000Z"),
                ),
            ],
        }],
        remark: "That is the command line, with `cline --model NAME`. In the editor: API Provider OpenAI Compatible, and the same URL and key.",
        ..BLANK
    },
    Client {
        name: "codex",
        title: "Codex",
        settings: &[Settings {
            places: &[("CODEX_HOME", ""), ("HOME", ".codex")],
            names: &["config.toml"],
            format: Format::Toml,
            changes: &[
                (&["model_provider"], Value::Text("weir")),
                (&["model_providers", "weir", "name"], Value::Text("Weir")),
                (&["model_providers", "weir", "base_url"], Value::Url("/v1")),
                (
                    &["model_providers", "weir", "wire_api"],
                    Value::Text("responses"),
                ),
                (
                    &["model_providers", "weir", "supports_websockets"],
                    Value::True,
                ),
                (
                    &["model_providers", "weir", "experimental_bearer_token"],
                    Value::Key,
                ),
            ],
        }],
        remark: "In place of experimental_bearer_token, `env_key = \"WEIR_KEY\"` takes the key from the environment.",
        ..BLANK
    },
    Client {
        name: "continue",
        title: "Continue",
        settings: &[Settings {
            places: &[("CONTINUE_GLOBAL_DIR", ""), ("HOME", ".continue")],
            names: &["config.yaml"],
            format: Format::YamlItem,
            changes: &[
                (&["name"], Value::Text("Main")),
                (&["version"], Value::Text("1.0.0")),
                (&["schema"], Value::Text("v1")),
                (&["models", "name"], Value::Text("Weir")),
                (&["models", "provider"], Value::Text("openai")),
                (&["models", "model"], Value::Text("gpt-5.5")),
                (&["models", "apiBase"], Value::Url("/v1")),
                (&["models", "apiKey"], Value::Key),
            ],
        }],
        remark: "`model` is any that the key may use.",
        ..BLANK
    },
    Client {
        name: "cursor",
        title: "Cursor",
        fields: &[
            ("Settings, Models, OpenAI API Key", Value::Key),
            ("Override OpenAI Base URL", Value::Url("/v1")),
        ],
        remark: "Cursor calls from its own servers: the URL must be one that they reach.",
        ..BLANK
    },
    Client {
        name: "gemini-cli",
        title: "Gemini CLI",
        settings: &[
            Settings {
                places: &[("GEMINI_CLI_HOME", ".gemini"), ("HOME", ".gemini")],
                names: &["settings.json"],
                format: Format::Json,
                changes: &[(
                    &["security", "auth", "selectedType"],
                    Value::Text("gemini-api-key"),
                )],
            },
            Settings {
                places: &[("GEMINI_CLI_HOME", ".gemini"), ("HOME", ".gemini")],
                names: &[".env"],
                format: Format::Env,
                changes: &[
                    (&["GOOGLE_GEMINI_BASE_URL"], Value::Url("")),
                    (&["GEMINI_API_KEY"], Value::Key),
                ],
            },
        ],
        ..BLANK
    },
    Client {
        name: "gemini-sdk",
        title: "the SDKs of Google",
        variables: &[
            ("GOOGLE_GEMINI_BASE_URL", Value::Url("")),
            ("GEMINI_API_KEY", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "langchain",
        title: "LangChain",
        variables: &[
            ("OPENAI_BASE_URL", Value::Url("/v1")),
            ("OPENAI_API_KEY", Value::Key),
            ("ANTHROPIC_BASE_URL", Value::Url("")),
            ("ANTHROPIC_API_KEY", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "lobechat",
        title: "LobeChat",
        variables: &[
            ("OPENAI_PROXY_URL", Value::Url("/v1")),
            ("OPENAI_API_KEY", Value::Key),
            ("ANTHROPIC_PROXY_URL", Value::Url("")),
            ("ANTHROPIC_API_KEY", Value::Key),
            ("GOOGLE_PROXY_URL", Value::Url("")),
            ("GOOGLE_API_KEY", Value::Key),
        ],
        remark: "For the server of LobeChat; its users enter the same under Settings, AI Service Provider.",
        ..BLANK
    },
    Client {
        name: "open-webui",
        title: "Open WebUI",
        variables: &[
            ("OPENAI_API_BASE_URL", Value::Url("/v1")),
            ("OPENAI_API_KEY", Value::Key),
        ],
        remark: "It reads them at its first start only and keeps them in its database: later, enter both under Admin Settings, Connections, OpenAI API, or start it with ENABLE_PERSISTENT_CONFIG=false.",
        ..BLANK
    },
    Client {
        name: "openai-sdk",
        title: "the SDKs of OpenAI",
        variables: &[
            ("OPENAI_BASE_URL", Value::Url("/v1")),
            ("OPENAI_API_KEY", Value::Key),
        ],
        ..BLANK
    },
    Client {
        name: "opencode",
        title: "opencode",
        settings: &[Settings {
            places: &[
                ("XDG_CONFIG_HOME", "opencode"),
                ("HOME", ".config/opencode"),
            ],
            names: &["opencode.json", "opencode.jsonc"],
            format: Format::Json,
            changes: &[
                (
                    &["provider", "anthropic", "options", "baseURL"],
                    Value::Url("/v1"),
                ),
                (&["provider", "anthropic", "options", "apiKey"], Value::Key),
                (
                    &["provider", "openai", "options", "baseURL"],
                    Value::Url("/v1"),
                ),
                (&["provider", "openai", "options", "apiKey"], Value::Key),
                (
                    &["provider", "google", "options", "baseURL"],
                    Value::Url("/v1beta"),
                ),
                (&["provider", "google", "options", "apiKey"], Value::Key),
            ],
        }],
        ..BLANK
    },
    Client {
        name: "qwen-code",
        title: "Qwen Code",
        settings: &[
            Settings {
                places: &[("HOME", ".qwen")],
                names: &["settings.json"],
                format: Format::Json,
                changes: &[(&["security", "auth", "selectedType"], Value::Text("openai"))],
            },
            Settings {
                places: &[("HOME", ".qwen")],
                names: &[".env"],
                format: Format::Env,
                changes: &[
                    (&["OPENAI_BASE_URL"], Value::Url("/v1")),
                    (&["OPENAI_API_KEY"], Value::Key),
                ],
            },
        ],
        remark: "The model is OPENAI_MODEL, or `qwen --model NAME`.",
        ..BLANK
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target {
        url: "http://weir:8080",
        key: "weir_key",
    };

    fn home(name: &str) -> Option<PathBuf> {
        (name == "HOME").then(|| "/home/me".into())
    }

    #[test]
    fn every_client_is_told_where_weir_is_and_as_whom_to_call() {
        assert!(CLIENTS.is_sorted_by_key(|client| client.name));
        for client in CLIENTS {
            let lines = client.lines(&TARGET, &home);
            assert!(lines.contains("http://weir:8080"), "{lines}");
            assert!(lines.contains("weir_key"), "{lines}");
        }
    }

    #[test]
    fn files_are_where_the_client_looks_for_them() {
        let paths = |name: &str, env: &Environment<'_>| {
            let client = CLIENTS
                .iter()
                .find(|client| client.name == name)
                .expect("a client");
            let files = client.files(env).expect("a home");
            files
                .into_iter()
                .map(|(path, _)| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            paths("claude-code", &home),
            ["/home/me/.claude/settings.json", "/home/me/.claude.json"]
        );
        let moved = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| "/etc/claude".into());
        assert_eq!(
            paths("claude-code", &moved),
            ["/etc/claude/settings.json", "/etc/claude/.claude.json"]
        );
        assert_eq!(paths("codex", &home), ["/home/me/.codex/config.toml"]);
        let client = CLIENTS
            .iter()
            .find(|client| client.name == "codex")
            .expect("a client");
        assert!(client.files(&|_| None).is_err());
    }
}

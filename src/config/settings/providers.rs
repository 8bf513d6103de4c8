//! Provider presets, as data instead of code: a provider that speaks an existing dialect is one entry here.
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::target::Quirks;

/// The values that a preset supplies; YAML can override each of them.
#[derive(Debug)]
pub struct Provider {
    /// The name in YAML.
    pub name: &'static str,
    /// The dialects that it speaks, preferred first; empty = the account must state them.
    pub dialects: &'static [UpstreamDialect],
    /// The base URL for `dialects`; `None` = the account must state it.
    pub base_url: Option<&'static str>,
    /// How requests carry the key, for `dialects`.
    pub auth: Auth,
    /// Whether an account without a key is a mistake.
    pub needs_key: bool,
    /// Further dialects of the vendor, which `dialect` selects.
    pub others: &'static [Other],
    /// Whether its Chat Completions are those before tools: `functions`, `max_tokens`, no `stream_options`.
    pub legacy_chat: bool,
    /// How it deviates from the dialect that it speaks.
    pub quirks: &'static Quirks,
    /// The beginnings of its own models' names: an account without `models` is expected to serve these.
    pub families: &'static [&'static str],
    /// The vendor's documentation of these URLs; empty = it is not a vendor.
    pub documentation: &'static str,
}

/// Another dialect of a vendor, at another base URL.
#[derive(Debug)]
pub struct Other {
    /// The dialect at that URL.
    pub dialect: UpstreamDialect,
    /// The base URL, without the path of the API's calls.
    pub base_url: &'static str,
    /// How requests carry the credential.
    pub auth: Auth,
}

/// How requests carry the credential to the upstream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Auth {
    /// `api-key: …` (Azure).
    ApiKey,
    /// `authorization: Bearer …`.
    Bearer,
    None,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: …` (Gemini).
    XGoogApiKey,
}

impl Provider {
    /// The preset with this name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// The base URL for `dialect`, if the preset has one.
    pub fn base_url_for(&self, dialect: UpstreamDialect) -> Option<&'static str> {
        match self.other(dialect) {
            Some(other) => Some(other.base_url),
            None => self.base_url.filter(|_| self.dialects.contains(&dialect)),
        }
    }

    /// How requests carry the key, for `dialect`.
    pub fn auth_for(&self, dialect: UpstreamDialect) -> Auth {
        match self.other(dialect) {
            Some(other) => other.auth,
            None if self.dialects.contains(&dialect) => self.auth,
            None => match dialect {
                UpstreamDialect::Anthropic => Auth::XApiKey,
                UpstreamDialect::Gemini => Auth::XGoogApiKey,
                UpstreamDialect::OpenaiChat | UpstreamDialect::OpenaiResponses => self.auth,
            },
        }
    }

    fn other(&self, dialect: UpstreamDialect) -> Option<&'static Other> {
        self.others.iter().find(|other| other.dialect == dialect)
    }
}

/// An empty preset, from which every entry starts.
const BLANK: Provider = Provider {
    name: "",
    dialects: &[],
    base_url: None,
    auth: Auth::Bearer,
    needs_key: true,
    others: &[],
    legacy_chat: false,
    quirks: &Quirks::COMPATIBLE,
    families: &[],
    documentation: "",
};

const CHAT: &[UpstreamDialect] = &[UpstreamDialect::OpenaiChat];

/// The table of presets.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        name: "anthropic",
        dialects: &[UpstreamDialect::Anthropic],
        base_url: Some("https://api.anthropic.com"),
        auth: Auth::XApiKey,
        quirks: &Quirks::ANTHROPIC,
        families: &["claude-"],
        documentation: "https://docs.anthropic.com/en/api/overview",
        ..BLANK
    },
    Provider {
        name: "openai",
        dialects: &[
            UpstreamDialect::OpenaiResponses,
            UpstreamDialect::OpenaiChat,
        ],
        base_url: Some("https://api.openai.com/v1"),
        quirks: &Quirks::OPENAI,
        families: &["gpt-", "o1", "o3", "o4"],
        documentation: "https://platform.openai.com/docs/api-reference/introduction",
        ..BLANK
    },
    // Any server that speaks Chat; servers in private networks often need no key.
    Provider {
        name: "openai-compatible",
        dialects: CHAT,
        needs_key: false,
        ..BLANK
    },
    Provider {
        name: "openai-legacy",
        dialects: CHAT,
        needs_key: false,
        legacy_chat: true,
        quirks: &Quirks::OPENAI_LEGACY,
        ..BLANK
    },
    // `{resource}/openai/deployments/{deployment}` with `query: { api-version: … }`, or `{resource}/openai/v1`.
    Provider {
        name: "azure-openai",
        dialects: CHAT,
        auth: Auth::ApiKey,
        quirks: &Quirks::OPENAI,
        documentation: "https://learn.microsoft.com/en-us/azure/ai-services/openai/reference",
        ..BLANK
    },
    Provider {
        name: "gemini",
        dialects: &[UpstreamDialect::Gemini],
        base_url: Some("https://generativelanguage.googleapis.com"),
        auth: Auth::XGoogApiKey,
        // https://ai.google.dev/gemini-api/docs/openai
        others: &[Other {
            dialect: UpstreamDialect::OpenaiChat,
            base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
            auth: Auth::Bearer,
        }],
        quirks: &Quirks::GEMINI,
        families: &["gemini-"],
        documentation: "https://ai.google.dev/api",
        ..BLANK
    },
    Provider {
        name: "anthropic-compatible",
        dialects: &[UpstreamDialect::Anthropic],
        auth: Auth::XApiKey,
        needs_key: false,
        ..BLANK
    },
    // Accounts of platform.moonshot.cn have `https://api.moonshot.cn` instead; a key is valid at only one of the two.
    Provider {
        name: "moonshot",
        dialects: CHAT,
        base_url: Some("https://api.moonshot.ai/v1"),
        others: &[
            Other {
                dialect: UpstreamDialect::Anthropic,
                base_url: "https://api.moonshot.ai/anthropic",
                auth: Auth::Bearer,
            },
            Other {
                dialect: UpstreamDialect::OpenaiResponses,
                base_url: "https://api.moonshot.ai/v1",
                auth: Auth::Bearer,
            },
        ],
        quirks: &Quirks::THINKING,
        families: &["kimi-"],
        documentation: "https://platform.kimi.ai/docs/api/overview",
        ..BLANK
    },
    Provider {
        name: "deepseek",
        dialects: CHAT,
        base_url: Some("https://api.deepseek.com"),
        // https://api-docs.deepseek.com/guides/anthropic_api: `x-api-key` fully supported.
        others: &[Other {
            dialect: UpstreamDialect::Anthropic,
            base_url: "https://api.deepseek.com/anthropic",
            auth: Auth::XApiKey,
        }],
        quirks: &Quirks::DEEPSEEK,
        families: &["deepseek-"],
        documentation: "https://api-docs.deepseek.com/",
        ..BLANK
    },
    // Accounts of z.ai have `https://api.z.ai/api/paas/v4` and `https://api.z.ai/api/anthropic` instead.
    Provider {
        name: "bigmodel",
        dialects: CHAT,
        base_url: Some("https://open.bigmodel.cn/api/paas/v4"),
        others: &[Other {
            dialect: UpstreamDialect::Anthropic,
            base_url: "https://open.bigmodel.cn/api/anthropic",
            auth: Auth::Bearer,
        }],
        quirks: &Quirks::THINKING,
        families: &["glm-"],
        documentation: "https://docs.bigmodel.cn/",
        ..BLANK
    },
    // Accounts of siliconflow.com have `https://api.siliconflow.com` instead.
    Provider {
        name: "siliconflow",
        dialects: CHAT,
        base_url: Some("https://api.siliconflow.cn/v1"),
        others: &[Other {
            dialect: UpstreamDialect::Anthropic,
            base_url: "https://api.siliconflow.cn",
            auth: Auth::Bearer,
        }],
        quirks: &Quirks::OPEN_MODELS,
        documentation: "https://docs.siliconflow.cn/",
        ..BLANK
    },
    Provider {
        name: "ollama",
        dialects: CHAT,
        base_url: Some("http://127.0.0.1:11434/v1"),
        needs_key: false,
        // https://docs.ollama.com/api/anthropic-compatibility: its cloud accepts only a bearer token.
        others: &[
            Other {
                dialect: UpstreamDialect::Anthropic,
                base_url: "http://127.0.0.1:11434",
                auth: Auth::Bearer,
            },
            Other {
                dialect: UpstreamDialect::OpenaiResponses,
                base_url: "http://127.0.0.1:11434/v1",
                auth: Auth::Bearer,
            },
        ],
        quirks: &Quirks::OPEN_MODELS,
        documentation: "https://docs.ollama.com/api/openai-compatibility",
        ..BLANK
    },
    Provider {
        name: "vllm",
        dialects: CHAT,
        base_url: Some("http://127.0.0.1:8000/v1"),
        needs_key: false,
        others: &[
            Other {
                dialect: UpstreamDialect::Anthropic,
                base_url: "http://127.0.0.1:8000",
                auth: Auth::Bearer,
            },
            Other {
                dialect: UpstreamDialect::OpenaiResponses,
                base_url: "http://127.0.0.1:8000/v1",
                auth: Auth::Bearer,
            },
        ],
        quirks: &Quirks::OPEN_MODELS,
        documentation: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        ..BLANK
    },
    Provider {
        name: "openrouter",
        dialects: CHAT,
        base_url: Some("https://openrouter.ai/api/v1"),
        // https://openrouter.ai/docs/guides/coding-agents/claude-code-integration
        others: &[
            Other {
                dialect: UpstreamDialect::Anthropic,
                base_url: "https://openrouter.ai/api",
                auth: Auth::Bearer,
            },
            Other {
                dialect: UpstreamDialect::OpenaiResponses,
                base_url: "https://openrouter.ai/api/v1",
                auth: Auth::Bearer,
            },
        ],
        documentation: "https://openrouter.ai/docs/api-reference/overview",
        ..BLANK
    },
    // `weir upstream`, `weir demo` and tests.
    Provider {
        name: "simulated",
        needs_key: false,
        ..BLANK
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_complete() {
        for provider in PROVIDERS {
            assert!(std::ptr::eq(
                Provider::from_name(provider.name).expect("found by its name"),
                provider
            ));
            assert!(
                provider.dialects.is_empty()
                    || provider.base_url.is_none()
                    || !provider.documentation.is_empty()
            );
            let urls = provider
                .base_url
                .into_iter()
                .chain(provider.others.iter().map(|other| other.base_url));
            for url in urls {
                assert!(url.starts_with("http") && !url.ends_with('/'), "{url}");
            }
            for other in provider.others {
                assert!(
                    !provider.dialects.contains(&other.dialect),
                    "{} has a dialect twice",
                    provider.name
                );
            }
        }
    }

    #[test]
    fn another_dialect_has_another_base_url() {
        let moonshot = Provider::from_name("moonshot").expect("a preset");
        assert_eq!(
            moonshot.base_url_for(UpstreamDialect::OpenaiChat),
            Some("https://api.moonshot.ai/v1")
        );
        assert_eq!(
            moonshot.base_url_for(UpstreamDialect::Anthropic),
            Some("https://api.moonshot.ai/anthropic")
        );
        assert_eq!(moonshot.base_url_for(UpstreamDialect::Gemini), None);
        assert_eq!(moonshot.auth_for(UpstreamDialect::Anthropic), Auth::Bearer);
        let compatible = Provider::from_name("openai-compatible").expect("a preset");
        assert_eq!(
            compatible.auth_for(UpstreamDialect::Anthropic),
            Auth::XApiKey
        );
    }
}

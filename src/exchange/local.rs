//! The JSON endpoints that Weir answers itself: models, capabilities, providers, adapters, usage.
//!
//! A list of models holds what can be named: the literal names in the configuration, and of the patterns those models
//! of the built-in price table that they match. It is cut down to what the asking key may use.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::Gateway;
use super::codex;
use super::me;
use super::operation::Local;
use super::refusal::Refusal;
use super::relaying::Answer;
use super::rewrite;
use super::usage;
use crate::config::{Account, ClientKey, Glob};
use crate::pricing;
use crate::protocol::Dialect;
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Capabilities, Modes, Sampling, Traits};

/// Who asks, and for which project.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub key: &'a ClientKey,
    pub project: Option<&'a str>,
    /// Of the URL.
    pub query: Option<&'a str>,
}

/// Answers `what` for `caller`.
pub fn answer(
    gateway: &Gateway,
    caller: Caller<'_>,
    what: &Local,
    now: Instant,
    wall: SystemTime,
) -> Result<Answer, Refusal> {
    let key = caller.key;
    let body = match what {
        Local::OpenApi => return Ok(openapi()),
        Local::Me(file) => return Ok(me::file(*file)),
        Local::Absent | Local::Health | Local::Index | Local::MeRecent | Local::Ready => {
            json!({"status": "ok"})
        }
        Local::Adapters => rewrite::listing(&gateway.config, key),
        Local::Capabilities => capabilities(gateway, key),
        Local::Model { dialect, id } => {
            let id = id.strip_prefix("models/").unwrap_or(id);
            let models = models(gateway, key);
            let owner = models.get(id).ok_or_else(|| Refusal::ModelUnknown {
                model: id.to_owned(),
            })?;
            entry(*dialect, id, owner.provider)
        }
        Local::Models { dialect } => {
            let models = models(gateway, key);
            let mut body = list(*dialect, &models);
            if *dialect == Dialect::OpenaiChat && codex::asks(caller.query) {
                body["models"] = for_codex(gateway, &models);
            }
            body
        }
        Local::Providers => providers(gateway),
        Local::Projects => projects(gateway, key),
        Local::Usage => {
            let whom = gateway.limits.whom(key.index, caller.project);
            usage::answer(gateway, whom, now, wall)
        }
    };
    Ok(Answer::json(
        200,
        serde_json::to_vec(&body).unwrap_or_default(),
    ))
}

fn for_codex(gateway: &Gateway, models: &BTreeMap<String, Served>) -> Value {
    let entries = models
        .iter()
        .enumerate()
        .filter_map(|(position, (id, served))| {
            let capabilities = gateway.config.capabilities_of(&served.upstream);
            codex::entry(id, &capabilities, position)
        });
    entries.collect()
}

/// What `key` may name in `x-weir-project`; the one that counts when it names none is the default.
fn projects(gateway: &Gateway, key: &ClientKey) -> Value {
    let may_name = |name: &Arc<str>| key.projects.as_ref().is_none_or(|own| own.contains(name));
    let projects = gateway.config.projects.iter();
    let list: Vec<Value> = projects
        .filter(|project| may_name(&project.name))
        .map(|project| {
            json!({
                "object": "project",
                "id": &*project.name,
                "name": &*project.name,
                "default": key.project.as_ref() == Some(&project.name),
            })
        })
        .collect();
    json!({ "object": "list", "data": list })
}

/// What can be asked for here, for who tries the base of the URL.
pub fn index() -> Answer {
    let body = json!({
        "endpoints": {
            "anthropic": ["/v1/messages", "/v1/messages/count_tokens"],
            "openai": ["/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings"],
            "gemini": [
                "/v1beta/models/{model}:generateContent",
                "/v1beta/models/{model}:streamGenerateContent",
                "/v1beta/models/{model}:countTokens",
            ],
            "weir": ["/v1/models", "/v1/models/capabilities", "/v1/projects", "/v1/providers", "/v1/usage", "/health", "/ready"],
        },
    });
    Answer::json(200, serde_json::to_vec(&body).unwrap_or_default())
}

/// The data plane as OpenAPI 3.1 describes it.
pub fn openapi() -> Answer {
    Answer::json(200, include_str!("../../docs/openapi.json"))
}

/// Who serves a model.
#[derive(Debug)]
struct Served {
    provider: &'static str,
    dialects: Vec<Dialect>,
    /// What the first account that serves it calls it.
    upstream: String,
}

/// What `key` may use, by name.
fn models(gateway: &Gateway, key: &ClientKey) -> BTreeMap<String, Served> {
    let mut models = BTreeMap::new();
    let allowed = |name: &str| {
        key.models
            .as_ref()
            .is_none_or(|globs| globs.iter().any(|glob| glob.is_match(name)))
    };
    let pools = gateway.config.pools.iter().enumerate();
    let pools =
        pools.filter(|(index, _)| key.pools.as_ref().is_none_or(|pools| pools.contains(index)));
    for account in pools
        .flat_map(|(_, pool)| &pool.accounts)
        .filter_map(|index| gateway.config.accounts.get(*index))
    {
        for name in names(account).filter(|name| allowed(name)) {
            let upstream = account.models.upstream_name(&name).unwrap_or(&name);
            let upstream = upstream.to_owned();
            let served = models.entry(name).or_insert_with(|| Served {
                provider: account.provider.name,
                dialects: Vec::new(),
                upstream,
            });
            for dialect in &account.dialects {
                if !served.dialects.contains(dialect) {
                    served.dialects.push(*dialect);
                }
            }
        }
    }
    // A name that only a route knows, and leads to another model.
    for route in &gateway.config.routes {
        let reachable = key
            .pools
            .as_ref()
            .is_none_or(|pools| pools.contains(&route.pool));
        let Some(name) = route
            .when
            .model
            .as_ref()
            .map(Glob::pattern)
            .filter(|name| is_literal(name))
        else {
            continue;
        };
        let first = gateway
            .config
            .pools
            .get(route.pool)
            .and_then(|pool| pool.accounts.first());
        if let Some(account) = first.and_then(|index| gateway.config.accounts.get(*index))
            && reachable
            && allowed(name)
        {
            models.entry(name.to_owned()).or_insert_with(|| Served {
                provider: account.provider.name,
                dialects: account.dialects.clone(),
                upstream: route.model.as_deref().unwrap_or(name).to_owned(),
            });
        }
    }
    models
}

/// The names under which an account serves.
fn names(account: &Account) -> impl Iterator<Item = String> {
    let known = pricing::ids().filter(move |id| {
        if account.models.entries.is_empty() {
            is_native(account, id)
        } else {
            account.models.upstream_name(id).is_some()
        }
    });
    let literal = account
        .models
        .entries
        .iter()
        .map(|entry| entry.glob.pattern())
        .filter(|name| is_literal(name));
    known.map(str::to_owned).chain(literal.map(str::to_owned))
}

/// Whether an account without a list of models can be expected to serve this one.
fn is_native(account: &Account, id: &str) -> bool {
    let family = |prefixes: &[&str]| prefixes.iter().any(|prefix| id.starts_with(prefix));
    match account.provider.name {
        "anthropic" => family(&["claude-"]),
        "openai" => family(&["gpt-", "o1", "o3", "o4"]),
        "gemini" => family(&["gemini-"]),
        "deepseek" => family(&["deepseek-"]),
        "moonshot" => family(&["kimi-"]),
        "bigmodel" => family(&["glm-"]),
        "simulated" => account.dialects.iter().any(|dialect| match dialect {
            Dialect::Anthropic => family(&["claude-"]),
            Dialect::Gemini => family(&["gemini-"]),
            Dialect::OpenaiChat | Dialect::OpenaiResponses => family(&["gpt-"]),
        }),
        _ => false,
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}

fn list(dialect: Dialect, models: &BTreeMap<String, Served>) -> Value {
    let entries: Vec<Value> = models
        .iter()
        .map(|(id, served)| entry(dialect, id, served.provider))
        .collect();
    match dialect {
        Dialect::Anthropic => json!({
            "first_id": models.keys().next(),
            "last_id": models.keys().next_back(),
            "has_more": false,
            "data": entries,
        }),
        Dialect::Gemini => json!({"models": entries}),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            json!({"object": "list", "data": entries})
        }
    }
}

fn entry(dialect: Dialect, id: &str, provider: &str) -> Value {
    match dialect {
        Dialect::Anthropic => json!({
            "type": "model",
            "id": id,
            "display_name": id,
            "created_at": "1970-01-01T00:00:00Z",
        }),
        Dialect::Gemini => json!({
            "name": format!("models/{id}"),
            "displayName": id,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        }),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => json!({
            "id": id,
            "object": "model",
            "created": 0,
            "owned_by": provider,
        }),
    }
}

/// Models with their dialects, their prices and what they accept.
fn capabilities(gateway: &Gateway, key: &ClientKey) -> Value {
    let data: Vec<Value> = models(gateway, key)
        .into_iter()
        .map(|(id, served)| {
            let price = gateway.prices.quote(&id).map(|quote| {
                json!({
                    "unit": "USD per million tokens",
                    "input": quote.rates.input,
                    "output": quote.rates.output,
                    "cache_read": quote.rates.cache_read,
                    "cache_write_5m": quote.rates.cache_write_5m,
                    "cache_write_1h": quote.rates.cache_write_1h,
                })
            });
            let dialects: Vec<&str> = served
                .dialects
                .iter()
                .map(|dialect| dialect.as_str())
                .collect();
            let accepts = accepts(&gateway.config.capabilities_of(&served.upstream));
            json!({
                "id": id,
                "provider": served.provider,
                "dialects": dialects,
                "price": price,
                "capabilities": accepts,
            })
        })
        .collect();
    json!({"object": "list", "data": data})
}

/// In the words of the configuration.
fn accepts(capabilities: &Capabilities) -> Value {
    let reasoning = &capabilities.reasoning;
    let switches = Modes::NAMED.iter();
    let switches = switches.filter(|(_, mode)| reasoning.modes.has(*mode));
    let efforts = Effort::ALL.into_iter();
    let efforts = efforts.filter(|effort| reasoning.efforts.has(*effort));
    let has = |traits: Traits| capabilities.traits.has(traits);
    json!({
        "context_window": capabilities.context,
        "max_output_tokens": capabilities.max_output,
        "sampling": match capabilities.sampling {
            Sampling::Any => "any",
            Sampling::One => "one",
            Sampling::Refused => "none",
            Sampling::RefusedWhileReasoning | Sampling::Unless => "none-while-reasoning",
        },
        "stop_sequences": capabilities.stops,
        "reasoning_modes": switches.map(|(name, _)| *name).collect::<Vec<_>>(),
        "reasoning_efforts": efforts.map(Effort::as_str).collect::<Vec<_>>(),
        "reasoning_by_default": reasoning.default_on,
        "reasoning_hidden": reasoning.hidden,
        "reasoning_bound_to_account": has(Traits::ACCOUNT_BOUND),
        "supports_tool_choice": has(Traits::FORCED_TOOLS),
        "supports_response_schema": has(Traits::STRUCTURED),
        "supports_assistant_prefill": has(Traits::PREFILL),
        "supports_mid_conversation_system": has(Traits::SYSTEM_IN_TURNS),
        "supports_cache_breakpoints": has(Traits::BREAKPOINTS),
        "tools_need_responses": has(Traits::TOOLS_NEED_RESPONSES),
    })
}

/// The providers of the configured accounts. Accounts themselves are the operator's business.
fn providers(gateway: &Gateway) -> Value {
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for account in &gateway.config.accounts {
        let dialects = providers.entry(account.provider.name).or_default();
        for dialect in &account.dialects {
            if !dialects.contains(&dialect.as_str()) {
                dialects.push(dialect.as_str());
            }
        }
    }
    let data: Vec<Value> = providers
        .into_iter()
        .map(|(name, dialects)| json!({"id": name, "object": "provider", "dialects": dialects}))
        .collect();
    json!({"object": "list", "data": data})
}

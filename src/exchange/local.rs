//! The JSON endpoints that Weir answers itself: models, capabilities, providers, adapters, usage.
//!
//! `catalogue` decides which models exist for which key.
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::Gateway;
use super::catalogue::{self, KeyCatalogue, ServedModel};
use super::codex;
use super::me;
use super::operation::Local;
use super::refusal::Refusal;
use super::relaying::Answer;
use super::rewrite;
use super::usage;
use crate::config::{ClientKey, UnitPrices};
use crate::moment::Moment;
use crate::protocol::Dialect;
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Capabilities, Modes, Sampling, Traits};

/// The caller, and its project.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub key: &'a Arc<ClientKey>,
    pub headers: &'a HeaderMap,
    pub project: Option<&'a str>,
    /// The query of the URL.
    pub query: Option<&'a str>,
}

/// Answers `what` for `caller`.
pub fn answer(
    gateway: &Gateway,
    caller: Caller<'_>,
    what: &Local,
    at: Moment,
) -> Result<Answer, Refusal> {
    let key = caller.key;
    let catalogue = KeyCatalogue {
        gateway,
        key,
        headers: caller.headers,
        wall: at.wall,
    };
    let body = match what {
        Local::OpenApi => return Ok(openapi()),
        Local::Me(file) => return Ok(me::file(*file)),
        Local::Absent | Local::Health | Local::Index | Local::MeRecent | Local::Ready => {
            json!({"status": "ok"})
        }
        Local::Adapters => rewrite::listing(&gateway.config, key),
        Local::Capabilities => capabilities(gateway, &catalogue.models(&Dialect::ALL)),
        Local::Model { dialect, id } => {
            let id = id.strip_prefix("models/").unwrap_or(id);
            let served = catalogue.served(catalogue::dialects_of(*dialect), id);
            let served = served.ok_or_else(|| Refusal::ModelUnknown {
                model: id.to_owned(),
            })?;
            served.entry(*dialect, id)
        }
        Local::Models { dialect } => {
            let models = catalogue.models(catalogue::dialects_of(*dialect));
            let mut body = list(*dialect, &models);
            if *dialect == Dialect::OpenaiChat && codex::asks(caller.query) {
                body["models"] = for_codex(gateway, &models);
            }
            body
        }
        Local::Providers => providers(gateway),
        Local::Projects => projects(gateway, key),
        Local::Usage => {
            let principal = gateway.limits.principal(key.index, caller.project);
            usage::answer(gateway, principal, at)
        }
    };
    Ok(Answer::json(
        200,
        serde_json::to_vec(&body).unwrap_or_default(),
    ))
}

fn for_codex(gateway: &Gateway, models: &BTreeMap<String, ServedModel>) -> Value {
    let entries = models
        .iter()
        .enumerate()
        .filter_map(|(position, (id, served))| {
            let capabilities = gateway.config.capabilities_of(&served.upstream);
            codex::entry(id, &capabilities, position)
        });
    entries.collect()
}

/// The projects that `key` may name in `x-weir-project`, and the default if it names none.
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

/// The endpoints of this server, for a caller that opens the base URL.
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

/// The OpenAPI 3.1 description of the data plane.
pub fn openapi() -> Answer {
    Answer::json(200, include_str!("../../docs/openapi.json"))
}

fn list(dialect: Dialect, models: &BTreeMap<String, ServedModel>) -> Value {
    let entries: Vec<Value> = models
        .iter()
        .map(|(id, served)| served.entry(dialect, id))
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

/// Models with their dialects, prices and accepted features.
fn capabilities(gateway: &Gateway, models: &BTreeMap<String, ServedModel>) -> Value {
    let data: Vec<Value> = models
        .iter()
        .map(|(id, served)| {
            let price = gateway.prices.quote(id).map(|quote| {
                json!({
                    "unit": "USD per million tokens",
                    "input": quote.rates.input,
                    "output": quote.rates.output,
                    "cache_read": quote.rates.cache_read,
                    "cache_write_5m": quote.rates.cache_write_5m,
                    "cache_write_1h": quote.rates.cache_write_1h,
                    "units": unit_prices(&quote.units.prices()),
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

/// Prices in USD of what is sold by another unit than tokens, by the names of the configuration.
fn unit_prices(prices: &UnitPrices) -> Map<String, Value> {
    let named = prices.named().into_iter();
    let named = named.filter_map(|(name, usd)| Some((name.to_owned(), usd?.into())));
    let images = prices
        .images
        .iter()
        .map(|(kind, usd)| (kind.clone(), Value::from(*usd)));
    let images: Map<String, Value> = images.collect();
    let images = (!images.is_empty()).then(|| ("images".to_owned(), images.into()));
    named.chain(images).collect()
}

/// The accepted features, by the names of the configuration.
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

/// The providers of the configured accounts. The accounts themselves are not shown to clients.
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

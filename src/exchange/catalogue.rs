//! Which models a key may use: exactly those for which a POST would be served.
//!
//! A name is tried like a request for it: its rewrites, the models of the key, the routes and the pools decide. A list
//! contains the names that are known: the literal names in the configuration, those models of the built-in price table
//! that match its patterns, and the models that upstreams list themselves for accounts without `models`.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::Gateway;
use super::admit::{self, Admitted};
use super::operation::{Endpoint, ModelCall};
use super::received::Arrived;
use crate::catalog;
use crate::config::{Account, ClientKey, Glob};
use crate::protocol::{Dialect, UpstreamDialect};

/// The catalogue as one caller sees it: by its key, its headers, and the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyCatalogue<'a> {
    pub gateway: &'a Gateway,
    pub key: &'a Arc<ClientKey>,
    pub headers: &'a HeaderMap,
    pub wall: SystemTime,
}

/// How a model is served.
#[derive(Debug)]
pub(super) struct ServedModel {
    pub provider: &'static str,
    /// The dialects of the accounts that may serve it.
    pub dialects: Vec<UpstreamDialect>,
    /// The name of the model at the first account that serves it.
    pub upstream: String,
    limits: Option<Limits>,
    /// Whether an account or its upstream lists it, or can be expected to have it.
    is_known: bool,
}

/// In tokens.
#[derive(Clone, Copy, Debug)]
struct Limits {
    context: u64,
    output: u64,
}

impl KeyCatalogue<'_> {
    /// The models that can be requested in one of these dialects, by name.
    pub(super) fn models(&self, dialects: &[Dialect]) -> BTreeMap<String, ServedModel> {
        let written = self.written();
        let offered = self.offered();
        let mut all: BTreeMap<&str, bool> = BTreeMap::new();
        all.extend(catalog::priced().map(|priced| (priced.id, false)));
        all.extend(offered.iter().map(|id| (&**id, false)));
        all.extend(written.iter().map(|name| (&**name, true)));
        all.into_iter()
            .filter_map(|(name, is_written)| {
                let served = self.served(dialects, name)?;
                (is_written || served.is_known).then(|| (name.to_owned(), served))
            })
            .collect()
    }

    /// How a request for this model in one of these dialects would be served.
    pub(super) fn served(&self, dialects: &[Dialect], name: &str) -> Option<ServedModel> {
        let mut found: Option<ServedModel> = None;
        for dialect in dialects {
            let Some(served) = self.try_out(*dialect, name) else {
                continue;
            };
            match &mut found {
                None => found = Some(served),
                Some(found) => {
                    found.is_known |= served.is_known;
                    add(&mut found.dialects, &served.dialects);
                }
            }
        }
        found
    }

    fn try_out(&self, dialect: Dialect, name: &str) -> Option<ServedModel> {
        let mut call = ModelCall::new(dialect, Endpoint::Generate);
        if dialect == Dialect::Gemini {
            call.path_model = Some(name.to_owned());
            call.path_stream = Some(false);
        }
        let body = Bytes::from(question(dialect, name));
        let key = Arc::clone(self.key);
        let arrived = Arrived {
            call,
            headers: self.headers,
            query: None,
            body,
        };
        let admitted = admit::admit(self.gateway, key, arrived, self.wall).ok()?;
        let wanted = admitted.wanted_model();
        let mut accounts = self
            .accounts(&admitted)
            .filter_map(|account| Some((account, account.models.upstream_name(wanted)?)));
        let (first, upstream) = accounts.next()?;
        let mut served = ServedModel {
            provider: first.provider.name,
            dialects: first.dialects.clone(),
            upstream: upstream.to_owned(),
            limits: self.limits(upstream),
            is_known: self.is_known(first, upstream),
        };
        for (account, upstream) in accounts {
            served.is_known |= self.is_known(account, upstream);
            add(&mut served.dialects, &account.dialects);
        }
        served.is_known |= admitted.renamed.is_some() || *admitted.model != *name;
        Some(served)
    }

    /// The accounts that an admitted request may go to, including those of fallback pools.
    fn accounts<'a>(&'a self, admitted: &'a Admitted) -> impl Iterator<Item = &'a Account> {
        let config = &self.gateway.config;
        let next = |pool: &usize| config.pools.get(*pool)?.fallback;
        let allowed = self.key.pools.as_ref();
        std::iter::successors(Some(admitted.pool), next)
            .take_while(move |pool| {
                *pool == admitted.pool || allowed.is_none_or(|allowed| allowed.contains(pool))
            })
            .filter_map(|pool| config.pools.get(pool))
            .flat_map(|pool| &pool.accounts)
            .filter_map(|index| config.accounts.get(*index))
            .map(|account| &**account)
            .filter(|account| match &admitted.account {
                Some(named) => account.name == *named,
                None => account.weight > 0,
            })
    }

    fn limits(&self, upstream: &str) -> Option<Limits> {
        let config = &self.gateway.config;
        let entries = config.capabilities.iter();
        let mut entries = entries.filter(|entry| entry.model.is_match(upstream));
        let is_stated = entries.any(|entry| entry.overrides.context.is_some());
        let capabilities = config.capabilities_of(upstream);
        (is_stated || catalog::is_known(upstream)).then_some(Limits {
            context: capabilities.context,
            output: capabilities.max_output,
        })
    }

    /// Whether the account or its upstream lists the model, or can be expected to have it.
    fn is_known(&self, account: &Account, upstream: &str) -> bool {
        match self.gateway.offered.of(account) {
            Some(list) => list.contains(upstream),
            None => is_expected(account, upstream),
        }
    }

    /// The names that upstreams list.
    fn offered(&self) -> BTreeSet<String> {
        let accounts = self.gateway.config.accounts.iter();
        let lists = accounts.filter_map(|account| self.gateway.offered.of(account));
        lists
            .flat_map(|list| list.iter().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// The names that are written in the configuration.
    fn written(&self) -> BTreeSet<String> {
        let config = &self.gateway.config;
        let accounts = config.accounts.iter();
        let literal = accounts
            .flat_map(|account| &account.models.entries)
            .map(|entry| &entry.glob);
        let routes = config.routes.iter();
        let routed = routes.filter_map(|route| route.when.model.as_ref());
        let own = self.key.models.iter().flatten();
        literal
            .chain(routed)
            .chain(own)
            .map(Glob::pattern)
            .filter(|name| is_literal(name))
            .map(str::to_owned)
            .collect()
    }
}

impl ServedModel {
    /// The entry in a list of this dialect.
    pub(super) fn entry(&self, dialect: Dialect, id: &str) -> Value {
        let released = released(id).or_else(|| released(&self.upstream));
        let mut entry = match dialect {
            Dialect::Anthropic => json!({
                "type": "model",
                "id": id,
                "display_name": id,
                // For an unknown date, the vendor itself uses the epoch.
                "created_at": released.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string(),
            }),
            Dialect::Gemini => json!({
                "name": format!("models/{id}"),
                "displayName": id,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }),
            Dialect::OpenaiChat | Dialect::OpenaiResponses => json!({
                "id": id,
                "object": "model",
                "created": released.map_or(0, jiff::Timestamp::as_second),
                "owned_by": self.provider,
            }),
        };
        if let Some(limits) = self.limits {
            let (context, output) = match dialect {
                Dialect::Anthropic => ("max_input_tokens", "max_tokens"),
                Dialect::Gemini => ("inputTokenLimit", "outputTokenLimit"),
                Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                    // OpenAI states no limits; these are the names that OpenRouter and Groq use.
                    entry["context_length"] = json!(limits.context);
                    ("context_window", "max_completion_tokens")
                }
            };
            entry[context] = json!(limits.context);
            entry[output] = json!(limits.output);
        }
        entry
    }
}

/// The dialects in which a caller of this dialect may send requests.
pub(super) const fn dialects_of(caller: Dialect) -> &'static [Dialect] {
    match caller {
        Dialect::Anthropic => &[Dialect::Anthropic],
        Dialect::Gemini => &[Dialect::Gemini],
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            &[Dialect::OpenaiChat, Dialect::OpenaiResponses]
        }
    }
}

/// The smallest body that requests an answer of this model.
fn question(dialect: Dialect, model: &str) -> Vec<u8> {
    let body = match dialect {
        Dialect::Anthropic => json!({
            "model": model,
            "max_tokens": 1,
            "messages": [{ "role": "user", "content": "a" }],
        }),
        Dialect::OpenaiChat => {
            json!({ "model": model, "messages": [{ "role": "user", "content": "a" }] })
        }
        Dialect::OpenaiResponses => json!({ "model": model, "input": "a", "store": false }),
        Dialect::Gemini => {
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "a" }] }] })
        }
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn add(all: &mut Vec<UpstreamDialect>, more: &[UpstreamDialect]) {
    for dialect in more {
        if !all.contains(dialect) {
            all.push(*dialect);
        }
    }
}

/// Whether an account lists a model, or can be expected to serve it although the account lists none.
fn is_expected(account: &Account, upstream: &str) -> bool {
    if !account.models.entries.is_empty() {
        return true;
    }
    let family = |prefixes: &[&str]| prefixes.iter().any(|prefix| upstream.starts_with(prefix));
    match account.provider.name {
        "simulated" => account.dialects.iter().any(|dialect| match dialect {
            UpstreamDialect::Anthropic => family(&["claude-"]),
            UpstreamDialect::Gemini => family(&["gemini-"]),
            _ => family(&["gpt-"]),
        }),
        _ => family(account.provider.families),
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}

/// The release date in a model's name, if there is one: `claude-opus-4-5-20251101`, `gpt-4o-2024-08-06`.
fn released(id: &str) -> Option<jiff::Timestamp> {
    let name = id.split(['@', ':']).next().unwrap_or(id);
    let after_at = id.split_once('@').map(|(_, date)| date);
    let tail = |length: usize| name.get(name.len().checked_sub(length)?..);
    let compact = after_at.or_else(|| tail(8)).and_then(|date| {
        let digits = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| jiff::civil::Date::strptime("%Y%m%d", date).ok())?
    });
    let dashed = || jiff::civil::Date::strptime("%Y-%m-%d", tail(10)?).ok();
    let date = compact.or_else(dashed)?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    (date.year() >= 2018).then(|| midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_in_the_name_is_when_it_was_released() {
        let day = |id: &str| released(id).map(|at| at.to_string());
        for (id, date) in [
            ("claude-opus-4-5-20251101", "2025-11-01T00:00:00Z"),
            ("claude-opus-4-5@20251101", "2025-11-01T00:00:00Z"),
            ("gpt-4o-2024-08-06", "2024-08-06T00:00:00Z"),
        ] {
            assert_eq!(day(id).as_deref(), Some(date), "{id}");
        }
        for id in [
            "gpt-4o",
            "m",
            "",
            "model-12345678",
            "model-20251399",
            "é-2024-08-0é",
        ] {
            assert_eq!(day(id), None, "{id}");
        }
    }
}

//! `accounts`: compiles a preset, its overrides and the credentials into an account.
use std::sync::Arc;

use http::HeaderValue;

use super::{Compiler, items, label, small, urls};
use crate::config::diagnostic::quote;
use crate::config::raw::account::{self as raw, RawAuth, RawModels};
use crate::config::raw::secret::RawSecret;
use crate::config::secret::Secret;
use crate::config::settings::providers::{Auth, Provider};
use crate::config::yaml::decode::{Field, Needed};
use crate::config::{
    Account, AccountLimits, Egress, Endpoint, Glob, HealthCheck, ModelEntry, Models, StreamUsage,
    Timeouts,
};
use crate::protocol::UpstreamDialect;

impl Compiler<'_, '_> {
    pub(super) fn accounts(
        &mut self,
        section: &Needed<Vec<Field<raw::Account>>>,
    ) -> Option<Vec<Arc<Account>>> {
        if section.get().is_some_and(Vec::is_empty) {
            self.faults.add(
                section.at(),
                "found an empty list, expected at least one account",
            );
        }
        let mut accounts = Vec::new();
        let mut complete = section.get().is_some();
        for (index, item) in items(section).iter().enumerate() {
            let account = item.get().and_then(|account| self.account(index, account));
            complete &= account.is_some();
            accounts.extend(account.map(Arc::new));
        }
        complete.then_some(accounts)
    }

    fn account(&mut self, index: usize, raw: &raw::Account) -> Option<Account> {
        // All parts are compiled before the first return, so that all faults are found.
        let provider = raw.provider.get().map(|provider| provider.0);
        let dialects = provider.and_then(|provider| self.dialects(raw, provider));
        let first = dialects
            .as_ref()
            .and_then(|dialects| dialects.first().copied());
        let endpoints = self.endpoints(raw, provider, first);
        let key = self.files.secret_kept_elsewhere(&raw.key, self.faults);
        let auth = provider
            .zip(first)
            .and_then(|(provider, dialect)| self.auth(raw, provider, dialect, key.as_ref()));
        let oauth2 = self.oauth2(raw);
        let query = self.query(raw, provider, endpoints.as_deref().unwrap_or_default());
        let headers = self.headers(&raw.headers);
        let models = self.models(&raw.models);
        let limits = raw.limits.get().map(account_limits).unwrap_or_default();
        let egress = self.egress(&raw.egress);
        let timeouts = raw.timeouts.get().map(timeouts);
        let health_check = raw.health_check.get().and_then(health_check);
        let weight = raw.weight.small();
        let websocket = self.websocket(raw, dialects.as_deref());
        // The declared range fits 32 bits.
        let priority = i32::try_from(raw.priority.value()).unwrap_or_default();
        Some(Account {
            name: label(&raw.name)?,
            index,
            provider: provider?,
            dialects: dialects?,
            endpoints: endpoints?,
            auth: auth?,
            key,
            oauth2: oauth2?,
            query,
            headers,
            weight,
            priority,
            models: models?,
            limits,
            egress: egress?,
            timeouts: timeouts?,
            health_check,
            prompt_cache: raw.prompt_cache.value(),
            stream_usage: stream_usage(raw, provider?),
            websocket,
            project: label(&raw.project),
        })
    }

    /// Compiles `websocket`: only the Responses API has WebSockets.
    fn websocket(&mut self, raw: &raw::Account, dialects: Option<&[UpstreamDialect]>) -> bool {
        let wanted = raw.websocket.value();
        if wanted
            && dialects.is_some_and(|spoken| !spoken.contains(&UpstreamDialect::OpenaiResponses))
        {
            self.faults.add_with(
                raw.websocket.at(),
                "found `true`, expected `false`: this account does not speak the Responses API",
                Some("`dialect: openai-responses` says that it does".to_owned()),
            );
        }
        wanted
    }

    fn dialects(
        &mut self,
        raw: &raw::Account,
        provider: &Provider,
    ) -> Option<Vec<UpstreamDialect>> {
        if raw.dialect.is_given() {
            return raw.dialect.get().map(|word| vec![word.0]);
        }
        if provider.dialects.is_empty() {
            let message = format!(
                "found nothing, expected what it speaks: the provider `{}` has no default",
                provider.name
            );
            self.faults.add(raw.dialect.at(), message);
            return None;
        }
        Some(provider.dialects.to_vec())
    }

    fn auth(
        &mut self,
        raw: &raw::Account,
        provider: &Provider,
        dialect: UpstreamDialect,
        key: Option<&Secret>,
    ) -> Option<Auth> {
        if raw.auth.is_wrong() {
            return None;
        }
        let auth = match raw.auth.get() {
            // OAuth 2 access tokens are bearer tokens (RFC 6750).
            Some(RawAuth::OAuth2(_)) => return Some(Auth::Bearer),
            Some(RawAuth::Way(auth)) => *auth,
            None => provider.auth_for(dialect),
        };
        if auth == Auth::None {
            if raw.key.is_given() {
                let hint = "remove `auth: none`, or the key".to_owned();
                self.faults.add_with(
                    raw.key.at(),
                    "found a key that is never sent, expected none",
                    Some(hint),
                );
            }
            return Some(auth);
        }
        if !raw.key.is_given() {
            if !provider.needs_key && !raw.auth.is_given() {
                return Some(Auth::None);
            }
            let variable = provider.name.to_uppercase().replace('-', "_");
            let hint = format!(
                "key: {{ env: {variable}_API_KEY }}; for an upstream without one: auth: none"
            );
            let message = format!(
                "found nothing, expected the API key for `{}`",
                provider.name
            );
            self.faults.add_with(raw.key.at(), message, Some(hint));
            return None;
        }
        if key.is_some_and(|key| {
            HeaderValue::from_str(key.expose()).is_err() || key.expose().trim() != key.expose()
        }) {
            let hint = "a line break or a space at the end, perhaps".to_owned();
            let message =
                "found characters that no header may hold, expected a key of visible ASCII";
            self.faults.add_with(raw.key.at(), message, Some(hint));
        }
        Some(auth)
    }

    fn query(
        &mut self,
        raw: &raw::Account,
        provider: Option<&Provider>,
        endpoints: &[Endpoint],
    ) -> Vec<(String, String)> {
        let entries = raw
            .query
            .get()
            .map(|map| map.0.as_slice())
            .unwrap_or_default();
        let pairs: Vec<(String, String)> = entries
            .iter()
            .filter_map(|(_, name, value)| Some((name.clone(), value.get()?.0.clone())))
            .collect();
        let deployment = endpoints
            .iter()
            .any(|endpoint| endpoint.path.contains("/openai/deployments/"));
        let versioned = entries.iter().any(|(_, name, _)| name == "api-version");
        if provider.is_some_and(|provider| provider.name == "azure-openai")
            && deployment
            && !versioned
            && !raw.query.is_wrong()
        {
            let hint = "query: { api-version: 2024-10-21 }".to_owned();
            let message = "found no `api-version`, expected one: Azure answers 404 to a deployment without it";
            self.faults.add_with(raw.query.at(), message, Some(hint));
        }
        pairs
    }

    fn models(&mut self, field: &Field<RawModels>) -> Option<Models> {
        if !field.is_given() {
            return Some(Models::default());
        }
        let mut entries = Vec::new();
        let expected = match field.get()? {
            RawModels::List(patterns) => {
                for pattern in patterns {
                    let glob = pattern.get().map(|pattern| pattern.0.clone());
                    entries.push(glob.map(|glob| ModelEntry {
                        glob,
                        upstream: None,
                    }));
                }
                patterns.len()
            }
            RawModels::Mapping(mapping) => {
                for (at, pattern, name) in &mapping.0 {
                    let glob = Glob::new(pattern).map_err(|err| {
                        let message = format!(
                            "found {}, expected a pattern such as `claude-*`",
                            quote(pattern)
                        );
                        self.faults.add_with(at, message, Some(err.to_string()));
                    });
                    let upstream = name.get().map(|name| name.0.as_deref().map(Into::into));
                    entries.push(
                        glob.ok()
                            .zip(upstream)
                            .map(|(glob, upstream)| ModelEntry { glob, upstream }),
                    );
                }
                mapping.0.len()
            }
        };
        if expected == 0 {
            let hint = "leave it out: then it serves every model".to_owned();
            self.faults.add_with(
                field.at(),
                "found no models, expected at least one",
                Some(hint),
            );
        }
        let entries: Option<Vec<ModelEntry>> = entries.into_iter().collect();
        entries.map(|entries| Models { entries })
    }

    /// `Some(None)` = a direct connection.
    #[expect(
        clippy::option_option,
        reason = "outer: whether it could be compiled; inner: whether there is one"
    )]
    fn egress(&mut self, field: &Field<RawSecret>) -> Option<Option<Egress>> {
        if !field.is_given() {
            return Some(None);
        }
        let url = self.files.secret(field, self.faults)?;
        if self.files.is_stand_in(&url) {
            return Some(None);
        }
        match urls::egress(url.expose()) {
            Ok(egress) => {
                if let Some((_, password)) = &egress.credentials {
                    self.faults.hide(password);
                    if matches!(field.get(), Some(RawSecret::Inline(_))) {
                        let message = "found a password in the file itself, expected `{ env: NAME }` or `{ file: PATH }`";
                        self.faults.warn(field.at(), message, None);
                    }
                }
                Some(Some(egress))
            }
            Err((expected, hint)) => {
                self.faults.add_with(
                    field.at(),
                    format!("found something else, expected {expected}"),
                    hint,
                );
                None
            }
        }
    }
}

fn account_limits(raw: &raw::AccountLimits) -> AccountLimits {
    AccountLimits {
        concurrency: small(&raw.concurrency),
        rpm: small(&raw.rpm),
        tpm: raw.tpm.get().map(|tokens| tokens.0),
    }
}

fn timeouts(raw: &raw::Timeouts) -> Timeouts {
    Timeouts {
        connect: raw.connect.value(),
        first_byte: raw.first_byte.value(),
        idle: raw.idle.value(),
        write: raw.write.value(),
        total: raw.total.get().map(|span| span.0),
    }
}

fn health_check(raw: &raw::HealthCheck) -> Option<HealthCheck> {
    Some(HealthCheck {
        path: raw.path.get()?.0.clone(),
        interval: raw.interval.value(),
    })
}

/// Compiles `stream_usage`. A server with the legacy API does not know `stream_options`.
fn stream_usage(raw: &raw::Account, provider: &Provider) -> StreamUsage {
    let usual = if provider.legacy_chat {
        StreamUsage::AsSent
    } else {
        StreamUsage::Ask
    };
    raw.stream_usage.get().map_or(usual, |word| word.0)
}

//! Sign-ins that wait for the browser's return from an OpenID provider, and the provider's description of itself.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::access::sha256;
use crate::config::Oidc;
use crate::credentials::identity::Keys;
use crate::proxy::state::app::App;
use crate::proxy::upstream::identity as ask;

/// The pending sign-ins, and what is known of the provider.
#[derive(Debug, Default)]
pub(super) struct SignIns {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The pending sign-ins by the SHA-256 of their state.
    pending: HashMap<[u8; 32], Pending>,
    provider: Option<Arc<Provider>>,
}

/// One sign-in that has begun.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub issuer: Arc<str>,
    pub nonce: String,
    pub verifier: String,
    pub redirect: String,
    pub begun: Instant,
}

/// What a provider publishes about itself.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: Arc<str>,
    pub described: Description,
    asked: Instant,
    pub keys: Keys,
    keys_asked: Instant,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Description {
    issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl SignIns {
    /// Remembers a sign-in. The oldest ones are forgotten when there are many.
    pub(super) fn await_return(&self, state: &str, pending: Pending) {
        let mut inner = self.lock();
        let now = pending.begun;
        let open = |pending: &Pending| now.saturating_duration_since(pending.begun) < PATIENCE;
        inner.pending.retain(|_, pending| open(pending));
        if inner.pending.len() >= MOST {
            let oldest = inner
                .pending
                .iter()
                .min_by_key(|(_, pending)| pending.begun);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                inner.pending.remove(&key);
            }
        }
        inner.pending.insert(sha256(state.as_bytes()), pending);
    }

    /// The sign-in with this state; it can be taken once.
    pub(super) fn take(&self, state: &str) -> Option<Pending> {
        let pending = self.lock().pending.remove(&sha256(state.as_bytes()))?;
        (pending.begun.elapsed() < PATIENCE).then_some(pending)
    }

    /// What is known of the provider; it is fetched again after [`FRESH`].
    pub(super) async fn provider(&self, app: &App, oidc: &Oidc) -> Result<Arc<Provider>, String> {
        let known = self.lock().provider.clone();
        if let Some(known) = known
            && known.issuer == oidc.issuer
            && known.asked.elapsed() < FRESH
        {
            return Ok(known);
        }
        let base = oidc.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let body = ask::get(&app.connections, &url).await?;
        let described: Description = serde_json::from_slice(&body)
            .map_err(|_| format!("{url} is not the description of an OpenID provider"))?;
        if described.issuer != *oidc.issuer {
            return Err(format!(
                "{url} is of another issuer than `admin.oidc.issuer`: write it exactly as it calls itself"
            ));
        }
        let keys = keys(app, &described.jwks_uri).await?;
        let now = Instant::now();
        Ok(self.remember(Provider {
            issuer: Arc::clone(&oidc.issuer),
            described,
            asked: now,
            keys,
            keys_asked: now,
        }))
    }

    /// The provider with its current keys; `None` = they were fetched a moment ago.
    pub(super) async fn renew(
        &self,
        app: &App,
        known: &Provider,
    ) -> Result<Option<Arc<Provider>>, String> {
        if known.keys_asked.elapsed() < BETWEEN_KEYS {
            return Ok(None);
        }
        let keys = keys(app, &known.described.jwks_uri).await?;
        Ok(Some(self.remember(Provider {
            issuer: Arc::clone(&known.issuer),
            described: known.described.clone(),
            asked: known.asked,
            keys,
            keys_asked: Instant::now(),
        })))
    }

    fn remember(&self, provider: Provider) -> Arc<Provider> {
        let provider = Arc::new(provider);
        self.lock().provider = Some(Arc::clone(&provider));
        provider
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keys(app: &App, url: &str) -> Result<Keys, String> {
    let body = ask::get(&app.connections, url).await?;
    Keys::read(&body).ok_or_else(|| format!("{url} holds no keys"))
}

/// How long a person may take at the provider.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);
/// The most sign-ins that are pending at once.
const MOST: usize = 1000;
/// How long the provider's description is used before it is fetched again.
const FRESH: Duration = Duration::from_hours(1);
/// The shortest time between two requests for the provider's keys.
const BETWEEN_KEYS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> Pending {
        Pending {
            issuer: "https://id.example.com".into(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            redirect: "r".to_owned(),
            begun: Instant::now(),
        }
    }

    #[test]
    fn a_sign_in_can_end_once_and_they_are_bounded() {
        let sign_ins = SignIns::default();
        sign_ins.await_return("one", pending());
        assert!(sign_ins.take("two").is_none());
        assert!(sign_ins.take("one").is_some());
        assert!(sign_ins.take("one").is_none());
        for number in 0..=MOST {
            sign_ins.await_return(&number.to_string(), pending());
        }
        assert!(sign_ins.take("0").is_none() && sign_ins.take("1").is_some());
    }
}

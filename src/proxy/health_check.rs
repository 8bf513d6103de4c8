//! Active health checks of an account's endpoints, and telling the pool what they find.
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthObserve, HttpHealthCheck};

use super::app::App;
use super::connect::target_of;
use crate::config::Account;

/// The check that the account asks for: a plain `GET`, never a generative call.
pub(super) fn health_check(
    account: &Account,
    identity: u64,
    app: &Arc<App>,
) -> Option<Box<HttpHealthCheck>> {
    let check = account.health_check.as_ref()?;
    let endpoint = account.endpoints.first()?;
    let mut http = HttpHealthCheck::new(&endpoint.host, endpoint.tls);
    let path = format!("{}{}", endpoint.origin, check.path);
    let uri = path.parse::<http::Uri>().ok()?;
    http.req
        .set_uri(uri.path_and_query()?.as_str().parse().ok()?);
    http.peer_template.options.connection_timeout = Some(account.timeouts.connect);
    http.peer_template.options.read_timeout = Some(check.interval.max(Duration::from_secs(1)));
    http.consecutive_failure = 2;
    http.health_changed_callback = Some(Box::new(Verdicts {
        account: account.name.clone(),
        identity,
        app: Arc::downgrade(app),
    }));
    http.validator = Some(Box::new(|response| {
        if response.status.is_success() {
            Ok(())
        } else {
            Error::e_explain(ErrorType::HTTPStatus(response.status.as_u16()), "unhealthy")
        }
    }));
    Some(Box::new(http))
}

/// Tells the pool what the health checks of one account find.
struct Verdicts {
    account: Arc<str>,
    /// Of the upstream that is checked.
    identity: u64,
    app: Weak<App>,
}

#[async_trait]
impl HealthObserve for Verdicts {
    async fn observe(&self, backend: &Backend, healthy: bool) {
        let Some((app, target)) = self.app.upgrade().zip(target_of(backend)) else {
            return;
        };
        // One endpoint may have several addresses; the balancer passes the bad ones over. The last to change decides.
        let snapshot = app.snapshot();
        if !snapshot.upstreams.has(&self.account, self.identity) {
            // A reload has changed the account: requests that began before it keep this upstream alive a while.
            return;
        }
        let gateway = &snapshot.gateway;
        let account = gateway
            .config
            .accounts
            .iter()
            .find(|account| account.name == self.account);
        if let Some(account) = account {
            tracing::info!(account = %self.account, endpoint = target.endpoint, healthy, "health check");
            gateway
                .pool
                .set_endpoint_health(account.index, target.endpoint, healthy);
        }
    }
}

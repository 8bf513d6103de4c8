//! Tests whether accounts would serve, of the configuration in force or of one that may follow.
use std::sync::Arc;

use super::app::App;
use crate::config::Config;
use crate::proxy::upstream::accounts::Upstreams;
use crate::proxy::upstream::health_check::OnHealth;
use crate::proxy::upstream::probe::{Probed, probe};
use crate::proxy::upstream::tokens::AccessTokens;

/// Tests whether an account would serve. `None` = there is no account of that name.
pub(crate) async fn one(app: &App, name: &str) -> Option<Probed> {
    let snapshot = app.snapshot();
    let mut accounts = snapshot.gateway.config.accounts.iter();
    let account = accounts.find(|account| &*account.name == name)?;
    let (upstreams, tokens) = (&snapshot.upstreams, &snapshot.tokens);
    Some(probe(account, upstreams, tokens, &app.connections).await)
}

/// Tests the accounts of a configuration that is not in force: the one of that name, or those that were made from its
/// several keys.
pub(crate) async fn those(app: &App, config: &Config, name: &str) -> Vec<Probed> {
    let nobody: OnHealth = Arc::new(|_| {});
    let before = app.snapshot();
    let upstreams = Upstreams::of(config, &before.upstreams, &app.connections, &nobody).await;
    // No stored tokens: fetching one for an account in force would show up in that account's state.
    let tokens = AccessTokens::default();
    let is_numbered = |own: &str| {
        let rest = own
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let exact = config.accounts.iter().any(|account| &*account.name == name);
    let mut probed = Vec::new();
    for account in &config.accounts {
        if &*account.name == name || (!exact && is_numbered(&account.name)) {
            probed.push(probe(account, &upstreams, &tokens, &app.connections).await);
        }
    }
    probed
}

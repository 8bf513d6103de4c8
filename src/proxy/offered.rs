//! Asks upstreams which models they list, where a client wants to know and the configuration of their accounts does not
//! say.
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::state::app::App;
use super::state::probing;
use super::upstream::probe::Verdict;
use crate::exchange::Gateway;

/// Asks the accounts whose lists are due. Only the first request waits for the answers, and at most [`PATIENCE`]; lists
/// that come later are known at the next request.
pub(super) async fn freshen(app: &Arc<App>, gateway: &Gateway) {
    let due = gateway.offered.due(&gateway.config, Instant::now());
    if due.accounts.is_empty() {
        return;
    }
    let (app, offered) = (Arc::clone(app), Arc::clone(&gateway.offered));
    let asking = tokio::spawn(async move {
        let mut asked = JoinSet::new();
        for name in due.accounts {
            let app = Arc::clone(&app);
            asked.spawn(async move { probing::one(&app, &name).await });
        }
        while let Some(probed) = asked.join_next().await {
            if let Ok(Some(probed)) = probed
                && probed.verdict == Verdict::Fine
                && !probed.models.is_empty()
            {
                offered.note(&probed.account, probed.models);
            }
        }
    });
    if due.is_first {
        let _ = tokio::time::timeout(PATIENCE, asking).await;
    }
}

/// How long the first request waits.
const PATIENCE: Duration = Duration::from_secs(2);

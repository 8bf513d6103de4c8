//! Tests accounts without serving anything: `weir test`.
use crate::config::{AccessLog, Config};
use crate::proxy::state::app::App;
use crate::proxy::state::probing;
use crate::proxy::state::start_error::StartError;
pub use crate::proxy::upstream::probe::{Probed, Verdict};

/// Tests whether these accounts of `config` would serve; with no names, all accounts.
pub fn test(mut config: Config, names: &[String]) -> Result<Vec<Probed>, StartError> {
    // Nothing is opened that a running Weir with the same configuration may have open.
    config.listen.clear();
    config.admin = None;
    config.ledger = None;
    config.log.access = AccessLog::Off;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let probed = runtime.block_on(async {
        let app = App::new(config, Box::new(|_| false))?;
        app.begin().await;
        let gateway = app.gateway();
        let accounts = gateway.config.accounts.iter();
        let mut asked = tokio::task::JoinSet::new();
        for (position, account) in accounts.enumerate() {
            if names.is_empty() || names.iter().any(|name| **name == *account.name) {
                let (app, name) = (app.clone(), account.name.clone());
                asked.spawn(async move { (position, probing::one(&app, &name).await) });
            }
        }
        let mut probed = asked.join_all().await;
        probed.sort_by_key(|(position, _)| *position);
        Ok(probed
            .into_iter()
            .filter_map(|(_, probed)| probed)
            .collect())
    });
    runtime.shutdown_background();
    probed
}

//! Sends the traces of requests to the configured collector, one batch at a time.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::app::App;
use crate::config::Trace;
use crate::proxy::upstream::collector;

/// Exports as long as the process lives.
pub(crate) fn begin(app: &Arc<App>) {
    let app = app.clone();
    tokio::spawn(async move {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(EXPORT_EVERY).await;
            export(&app, &mut is_failing).await;
        }
    });
}

/// Sends what is still waiting, if the collector accepts it soon, because the process is about to end.
pub(crate) async fn flush(app: &Arc<App>) {
    let _ = tokio::time::timeout(LAST_BATCHES, export(app, &mut true)).await;
}

async fn export(app: &App, is_failing: &mut bool) {
    let gateway = app.gateway();
    let Some(trace) = &gateway.config.trace else {
        return;
    };
    let instance = app.instance();
    while let Some((body, requests)) = app.telemetry.traces().take(&instance) {
        match deliver(app, trace, body.into()).await {
            Ok(()) => *is_failing = false,
            Err(why) => {
                app.telemetry.traces().lost(requests);
                if !std::mem::replace(is_failing, true) {
                    tracing::warn!(error = %why, "traces cannot be exported: they are lost until the collector takes them");
                }
            }
        }
    }
}

async fn deliver(app: &App, trace: &Trace, body: Bytes) -> Result<(), String> {
    let mut wait = FIRST_WAIT;
    loop {
        let told = collector::tell(&app.connections, trace, body.clone()).await;
        match told {
            Ok(()) => return Ok(()),
            Err(not) if not.may_try_again && wait <= LAST_WAIT => {}
            Err(not) => return Err(not.why),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// The interval between two exports.
const EXPORT_EVERY: Duration = Duration::from_secs(1);

/// The waits between tries: half a second, one, two.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(2);

/// How long the end of the process waits for the last export.
const LAST_BATCHES: Duration = Duration::from_secs(2);

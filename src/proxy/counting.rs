//! Counts prompts and learns from counted ones. This is work for the CPU, so it runs on blocking threads.
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::exchange::estimate::{Estimate, Sample};
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::Answer;

/// Weir's own count, made when a permit is free.
pub(super) async fn counted(
    turns: Arc<Semaphore>,
    estimate: Arc<Estimate>,
) -> Result<Answer, Refusal> {
    // The semaphore is never closed.
    let turn = turns.acquire_owned().await;
    let theirs = Arc::clone(&estimate);
    let counting = spawn_blocking(move || {
        let _turn = turn;
        theirs.run()
    });
    counting.await.unwrap_or_else(|_| Ok(estimate.rough()))
}

/// Compares an estimate with what the upstream stated.
pub(super) fn learn(sample: Sample) {
    spawn_blocking(move || sample.learn());
}

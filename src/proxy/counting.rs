//! Counting prompts and learning from counted ones: work for the CPU, so it happens beside the event loops.
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::reached::Left;
use super::relay::Relay;
use crate::exchange::estimate::Estimate;
use crate::outcome::End;

impl Relay<'_> {
    /// Answers with Weir's own count.
    pub(super) async fn count(&mut self, estimate: Box<Estimate>) -> Left {
        let counted = if estimate.is_heavy() {
            let turn = Arc::clone(&self.app.counting);
            let estimate = Arc::new(*estimate);
            let work = async {
                // Nobody closes it.
                let turn = turn.acquire_owned().await;
                let theirs = Arc::clone(&estimate);
                let counting = spawn_blocking(move || {
                    let _turn = turn;
                    theirs.run()
                });
                counting.await.unwrap_or_else(|_| Ok(estimate.rough()))
            };
            // This is Weir's own time, and so it is reported.
            let waited = self.waited;
            let counted = self.wait(work).await;
            self.waited = waited;
            let Ok(counted) = counted else {
                self.outcome.end = End::ClientGone;
                return Left::Abort;
            };
            counted
        } else {
            estimate.run()
        };
        match counted {
            Ok(answer) => self.pass_on(answer).await,
            Err(refusal) => self.refuse(&refusal).await,
        }
    }

    /// Learns from the answer that has just been settled, if it is one to learn from.
    pub(super) fn learn(&self) {
        if let Some(sample) = self.dispatch.sample(self.app.draw()) {
            spawn_blocking(move || sample.learn());
        }
    }
}

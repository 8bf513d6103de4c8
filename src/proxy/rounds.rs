//! One attempt in rounds: an upstream that pauses its answer is asked for the rest of it.
use std::time::Instant;

use super::bridge::Gone;
use super::pump::PumpEnd;
use super::reached::{Attempt, Left, Reached};
use super::relay::Relay;
use crate::exchange::dispatched::Dispatched;
use crate::exchange::relaying::{Ended, Failed, Relaying};
use crate::outcome::End;
use crate::pool::{Fault, classify_transport};

/// An answer in rounds.
pub(super) type Paused = Option<Box<Relaying>>;

impl Relay<'_> {
    /// One attempt, up to its failure or to the end of the answer, in as many rounds as the upstream takes for it.
    pub(super) async fn attempt(&mut self, mut dispatched: Box<Dispatched>) -> Attempt {
        let mut paused: Paused = None;
        loop {
            let reached = self.reach(&mut dispatched, &mut paused).await;
            match (reached, paused.take()) {
                (Ok(Reached::Answered(pumped)), _) => {
                    return self.conclude(dispatched, pumped).await;
                }
                (Ok(Reached::Paused), Some(mut answer)) => {
                    if !self
                        .dispatch
                        .go_on(&mut dispatched, &mut answer, Instant::now())
                    {
                        return self.give_up(dispatched, *answer).await;
                    }
                    paused = Some(answer);
                }
                (Ok(_), Some(answer)) => return self.give_up(dispatched, *answer).await,
                (Ok(Reached::Failed(failed) | Reached::Unauthorized(failed)), None) => {
                    return Attempt::Failed(dispatched, failed);
                }
                (Ok(Reached::Paused | Reached::Again), None) => {
                    let failed = Failed::bare(classify_transport(Fault::Eof, false));
                    return Attempt::Failed(dispatched, failed);
                }
                (Err(Gone), answer) => {
                    if let Some(mut answer) = answer {
                        self.dispatch.note(&mut answer);
                    }
                    self.dispatch.client_gone(dispatched, Instant::now());
                    self.outcome.end = End::ClientGone;
                    return Attempt::Done(Left::Abort);
                }
            }
        }
    }

    /// What came of one round.
    pub(super) fn reached(
        &mut self,
        dispatched: &mut Dispatched,
        mut answer: Box<Relaying>,
        end: PumpEnd,
        unauthorized: bool,
        paused: &mut Paused,
    ) -> Reached {
        match end {
            PumpEnd::Failed { failed, .. } if answer.holds_rounds() => {
                // It stays there, to be given up.
                *paused = Some(answer);
                Reached::Failed(failed)
            }
            PumpEnd::Failed { failed, .. } => {
                let (failure, now) = (failed.failure, Instant::now());
                if self.dispatch.ask_less(dispatched, &answer, now) {
                    return Reached::Again;
                }
                self.dispatch
                    .note_failed(dispatched, &mut answer, &failure, now);
                if unauthorized {
                    Reached::Unauthorized(failed)
                } else {
                    Reached::Failed(failed)
                }
            }
            PumpEnd::Ended { .. } if answer.is_paused() => {
                *paused = Some(answer);
                Reached::Paused
            }
            PumpEnd::Ended { ended, .. } => Reached::Answered(Box::new((*answer, Some(ended)))),
            PumpEnd::Gone => Reached::Answered(Box::new((*answer, None))),
        }
    }

    /// The rest of a paused answer is not to be had: what there is, is the answer.
    async fn give_up(
        &mut self,
        mut dispatched: Box<Dispatched>,
        mut relaying: Relaying,
    ) -> Attempt {
        relaying.give_up();
        if !relaying.is_begun() {
            self.settle_early(&mut relaying);
        }
        let flushed = self.flush(&mut dispatched, &mut relaying);
        let ended = flushed.await.is_ok().then(Ended::well);
        self.conclude(dispatched, Box::new((relaying, ended))).await
    }
}

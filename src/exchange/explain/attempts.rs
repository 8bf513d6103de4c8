//! The attempts of a report: each made on the copy, and said to have failed, until the live path would give up.
use std::time::Duration;

use super::Explainer;
use super::report::{AttemptPart, AttemptsPart};
use super::upstream::{self, Change};
use crate::credentials::Token;
use crate::exchange::dispatch::{Dispatch, Sequel, Step};
use crate::exchange::dispatched::Dispatched;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::Failed;
use crate::outcome::Affinity;
use crate::pool::{Fault, Pick, classify_transport};
use crate::protocol::Dialect;

impl Explainer<'_> {
    /// Makes every attempt on the copy, and lets each fail to reach its upstream.
    pub(super) fn attempts(&mut self, dispatch: &mut Dispatch) -> Result<(), Refusal> {
        let retry = self.gateway.config.retry;
        let mut moment = self.moment;
        let mut part = AttemptsPart {
            max: retry.max_attempts,
            deadline_seconds: retry.deadline.as_secs_f64(),
            budget: retry.budget,
            order: Vec::new(),
            wait_seconds: 0.0,
        };
        let mut outcome = Ok(());
        for _ in 0..MOST_STEPS {
            match dispatch.next(moment) {
                Step::Go(mut dispatched) => {
                    dispatched.authorize(Token::stand_in(dispatched.account()));
                    let first = part.order.is_empty();
                    part.order.push(self.attempt(dispatch, &dispatched, first));
                    let failed = Failed::bare(classify_transport(Fault::Reset, false));
                    let sequel = dispatch.failed(dispatched, failed, moment);
                    if !matches!(sequel, Sequel::Again) {
                        break;
                    }
                }
                Step::Wait(time) => {
                    if part.order.is_empty() {
                        part.wait_seconds += time.as_secs_f64();
                    }
                    moment.now += time.max(Duration::from_millis(1));
                }
                Step::Estimate(estimate) => {
                    if part.order.is_empty() {
                        match estimate.run() {
                            Ok(answer) => self.answered(&answer, None),
                            Err(refusal) => outcome = Err(refusal),
                        }
                    }
                    break;
                }
                Step::Answer(answer) => {
                    if part.order.is_empty() {
                        self.answered(&answer, None);
                    }
                    break;
                }
                Step::Refuse(refusal) => {
                    if part.order.is_empty() {
                        outcome = Err(refusal);
                    }
                    break;
                }
            }
        }
        self.report.attempts = Some(part);
        outcome
    }

    fn attempt(
        &mut self,
        dispatch: &Dispatch,
        dispatched: &Dispatched,
        first: bool,
    ) -> AttemptPart {
        let pick = &dispatched.pick;
        let dialect = dispatch.served.dialect.unwrap_or(dispatch.dialect());
        let head = dispatch.head(dispatched, self.ask.headers, false);
        let url = head
            .as_ref()
            .map(|head| upstream::url(&pick.account, pick.endpoint, head));
        if first {
            self.own_limits(pick);
            if let Some(session) = &mut self.report.session {
                session.affinity = pick.affinity.map(Affinity::as_str);
            }
        }
        if first && let Some(head) = &head {
            let body = dispatched.body().to_bytes();
            let change = match dispatched.losses() {
                Some(dropped) => Change::Translated(dropped),
                None if body == self.ask.body => Change::None,
                None if dispatch.admitted.body != self.ask.body => Change::Rewritten,
                None => Change::Model,
            };
            let upstream = upstream::upstream(pick, dialect, head, &body, change);
            self.report.upstream = Some(upstream);
        }
        self.attempt_part(pick, dialect, url)
    }

    fn attempt_part(&self, pick: &Pick, dialect: Dialect, url: Option<String>) -> AttemptPart {
        let pool = self.gateway.config.pools.get(pick.pool);
        AttemptPart {
            pool: pool.map(|pool| pool.name.to_string()).unwrap_or_default(),
            account: pick.account.name.to_string(),
            dialect: dialect.as_str(),
            model: pick.model.to_string(),
            url: url.unwrap_or_default(),
        }
    }
}

/// Steps of one request; `retry.max_attempts` and the waits end it long before.
const MOST_STEPS: usize = 1000;

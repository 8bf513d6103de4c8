//! The attempts of a report: each made on the copy, and said to have failed, until the live path would give up.
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::report::{AttemptPart, AttemptsPart};
use super::upstream::{self, Change};
use super::{Explainer, accounts};
use crate::config::ClientKey;
use crate::credentials::Token;
use crate::exchange::dispatch::{Dispatch, Sequel, Step};
use crate::exchange::dispatched::Dispatched;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::Failed;
use crate::exchange::{admit, limits, vendor};
use crate::outcome::Affinity;
use crate::pool::{Fault, Pick, classify_transport};
use crate::protocol::Dialect;

impl Explainer<'_> {
    /// Makes every attempt on the copy, and lets each fail to reach its upstream.
    pub(super) fn attempts(&mut self, dispatch: &mut Dispatch) -> Result<(), Refusal> {
        let retry = self.gateway.config.retry;
        let (wall, draw) = (self.moment.wall, self.moment.draw);
        let mut now = self.moment.now;
        let mut part = AttemptsPart {
            max: retry.max_attempts,
            deadline_seconds: retry.deadline.as_secs_f64(),
            budget: retry.budget,
            order: Vec::new(),
            wait_seconds: 0.0,
        };
        let mut outcome = Ok(());
        for _ in 0..MOST_STEPS {
            match dispatch.next(now, wall, draw) {
                Step::Go(mut dispatched) => {
                    dispatched.authorize(Token::stand_in(dispatched.account()));
                    let first = part.order.is_empty();
                    part.order.push(self.attempt(dispatch, &dispatched, first));
                    let failed = Failed::bare(classify_transport(Fault::Reset, false));
                    let sequel = dispatch.failed(dispatched, failed, now, draw);
                    if !matches!(sequel, Sequel::Again) {
                        break;
                    }
                }
                Step::Wait(time) => {
                    if part.order.is_empty() {
                        part.wait_seconds += time.as_secs_f64();
                    }
                    now += time.max(Duration::from_millis(1));
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

    /// An endpoint that Weir does not interpret: one account, one attempt.
    pub(super) fn vendor_call(&mut self, key: &ClientKey, dialect: Dialect) -> Result<(), Refusal> {
        let gateway = Arc::clone(&self.gateway);
        let pool = admit::vendor_pool(&gateway, key)?;
        self.report.pool = accounts::pool(&gateway.config, key, pool);
        let (now, headers) = (self.moment.now, self.ask.headers);
        let project = self.report.client.as_ref();
        let project = project.and_then(|client| client.project.as_deref());
        let whom = gateway.limits.whom(key.index, project);
        let _permit = limits::admit_vendor(&gateway, whom, now, self.moment.wall)?;
        let uri = self.uri.clone();
        let want = vendor::want(key, dialect, pool, uri.path(), self.moment.draw);
        let considered = gateway.pool.explain(&want, now);
        let picked = gateway.pool.pick(&want, now);
        let mut order = Vec::new();
        if let Ok(pick) = &picked {
            let method = Method::POST;
            let token = Token::stand_in(&pick.account);
            let head = vendor::head(
                dialect,
                (&pick.account, pick.endpoint, token.as_ref()),
                &method,
                &uri,
                headers,
            );
            let url = head
                .as_ref()
                .map(|head| upstream::url(&pick.account, pick.endpoint, head));
            order.push(self.attempt_part(pick, dialect, url));
            self.own_limits(pick);
            self.report.upstream = head
                .map(|head| upstream::upstream(pick, dialect, &head, &self.ask.body, Change::None));
        }
        self.report.candidates = accounts::candidates(&gateway, &considered, &order);
        self.report.attempts = Some(AttemptsPart {
            max: 1,
            deadline_seconds: 0.0,
            budget: 0.0,
            order,
            wait_seconds: 0.0,
        });
        match picked {
            Ok(_) => Ok(()),
            Err(exhausted) => Err(vendor::refusal(dialect, &exhausted)),
        }
    }
}

/// Steps of one request; `retry.max_attempts` and the waits end it long before.
const MOST_STEPS: usize = 1000;

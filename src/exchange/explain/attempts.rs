//! The attempts of a report: each is made on the copy and treated as failed, until the live path would give up.
use std::sync::Arc;
use std::time::Duration;

use super::ExplainedRequest;
use super::report::{AttemptPart, AttemptsPart, UpstreamPart};
use super::upstream::{self, Change};
use crate::config::Account;
use crate::credentials::Token;
use crate::exchange::Gateway;
use crate::exchange::attempt::Attempt;
use crate::exchange::attempts::{AfterFailure, Attempts, Step};
use crate::exchange::occasion::Occasion;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::{Answer, Failed};
use crate::outcome::Affinity;
use crate::pool::{Fault, classify_transport};

/// The result of the attempts.
pub(super) struct Tried {
    pub part: AttemptsPart,
    /// The attempt that the live path would begin with.
    pub first: Option<First>,
    /// Weir's own answer, where no upstream is called.
    pub answer: Option<Result<Answer, Refusal>>,
}

/// The first attempt.
pub(super) struct First {
    pub account: Arc<Account>,
    pub affinity: Option<Affinity>,
    pub upstream: Option<UpstreamPart>,
}

/// Makes every attempt on the copy, and treats each as if its upstream could not be reached.
pub(super) fn make(
    gateway: &Gateway,
    explained: &ExplainedRequest<'_>,
    mut occasion: Occasion,
    made: &mut Attempts,
) -> Tried {
    let retry = gateway.config.retry;
    let mut part = AttemptsPart {
        max: retry.max_attempts,
        deadline_seconds: retry.deadline.as_secs_f64(),
        budget: retry.budget,
        order: Vec::new(),
        wait_seconds: 0.0,
    };
    let mut first = None;
    let mut answer = None;
    for _ in 0..MOST_STEPS {
        let said = match made.next(occasion) {
            Step::Go(mut attempt) => {
                attempt.authorize(Token::stand_in(attempt.account()));
                first.get_or_insert_with(|| begun(explained, made, &attempt));
                part.order
                    .push(attempted(gateway, explained, made, &attempt));
                let failed = Failed::bare(classify_transport(Fault::Reset, false));
                let after_failure = made.failed(attempt, failed, occasion, explained.headers);
                if !matches!(after_failure, AfterFailure::Again) {
                    break;
                }
                continue;
            }
            Step::Wait(time) => {
                if part.order.is_empty() {
                    part.wait_seconds += time.as_secs_f64();
                }
                occasion.moment.now += time.max(Duration::from_millis(1));
                continue;
            }
            Step::Estimate(_) if !part.order.is_empty() => break,
            Step::Estimate(estimate) => estimate.run(),
            Step::Answer(answer) => Ok(answer),
            Step::Refuse(refusal) => Err(refusal),
        };
        answer = Some(said).filter(|_| part.order.is_empty());
        break;
    }
    Tried {
        part,
        first,
        answer,
    }
}

fn begun(explained: &ExplainedRequest<'_>, made: &Attempts, attempt: &Attempt) -> First {
    let pick = attempt.pick();
    let head = made.head(attempt, explained.headers, false);
    let upstream = head.map(|head| {
        let body = attempt.body().to_bytes();
        let change = match attempt.losses() {
            Some(dropped) => Change::Translated(dropped),
            None if body == explained.body => Change::None,
            None if made.admitted().body != explained.body => Change::Rewritten,
            None => Change::Model,
        };
        let dialect = made.upstream_dialect().unwrap_or(made.dialect().upstream());
        upstream::upstream(pick, dialect, &head, &body, change)
    });
    First {
        account: Arc::clone(&pick.account),
        affinity: pick.affinity,
        upstream,
    }
}

fn attempted(
    gateway: &Gateway,
    explained: &ExplainedRequest<'_>,
    made: &Attempts,
    attempt: &Attempt,
) -> AttemptPart {
    let pick = attempt.pick();
    let pool = gateway.config.pools.get(pick.pool);
    let dialect = made.upstream_dialect().unwrap_or(made.dialect().upstream());
    let url = made
        .head(attempt, explained.headers, false)
        .map(|head| upstream::url(&pick.account, pick.endpoint, &head));
    AttemptPart {
        pool: pool.map(|pool| pool.name.to_string()).unwrap_or_default(),
        account: pick.account.name.to_string(),
        dialect: dialect.as_str(),
        model: pick.model.to_string(),
        url: url.unwrap_or_default(),
    }
}

/// The most steps of one request; `retry.max_attempts` and the waits end it long before.
const MOST_STEPS: usize = 1000;

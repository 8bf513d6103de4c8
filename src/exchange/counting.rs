//! Calls that count the tokens of a prompt.
//!
//! ```text
//!  account with a counting endpoint ── asked in its dialect ──► its figure             x-weir-token-count: provider
//!         │ none, out, missing, failing                     └─► the client's own fault, if it is told in its dialect
//!         └──► estimate ─────────────────────────────────────► Weir's figure           x-weir-token-count: estimated
//! ```
//!
//! A count is not refused for what is wrong at a provider: clients answer a missing count with a request that costs. It
//! occupies nothing at the account, and nothing that comes of it is held against the account.
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::dispatch::{Dispatch, Sequel, Step};
use super::dispatched::Dispatched;
use super::estimate::Estimate;
use super::moment::Moment;
use super::operation::{Endpoint, ModelCall};
use super::refusal::Refusal;
use super::relaying::Failed;
use crate::config::Account;
use crate::outcome::FailureClass;
use crate::pool::{Pick, Want};
use crate::protocol::Dialect;
use crate::protocol::json::{self, Pieces};
use crate::protocol::translate::{self, count};

/// What is known of a count so far.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// No provider is to be asked any more.
    given_up: bool,
    /// The account that would serve the request, and its name for the model.
    serves: Option<(Arc<Account>, Arc<str>)>,
}

impl Dispatch {
    /// Whether tokens are to be counted and nothing else.
    pub(super) fn counts(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Count
    }

    /// The next account to be asked, or the estimate. Never a wait, and no refusal but for a model that nobody serves.
    pub(super) fn next_count(&mut self, moment: Moment) -> Step {
        let want = Want {
            without: &[],
            insist: true,
            ..self.want(moment.draw)
        };
        let pick = if self.counting.given_up {
            None
        } else {
            self.gateway.pool.pick_unbooked(&want, moment.now)
        };
        if self.counting.serves.is_none() {
            self.counting.serves = match &pick {
                Some(pick) => Some((Arc::clone(&pick.account), Arc::clone(&pick.model))),
                None => self.gateway.pool.serves(&want),
            };
        }
        let asking = pick.and_then(|pick| self.asking(pick, moment));
        match (asking, &self.counting.serves) {
            (Some(dispatched), _) => Step::Go(Box::new(dispatched)),
            (None, Some((account, model))) => {
                self.served.model = Some(Arc::clone(model));
                Step::Estimate(Box::new(self.estimate(account, model)))
            }
            (None, None) => Step::Refuse(Refusal::ModelUnknown {
                model: self.admitted.model.clone(),
            }),
        }
    }

    /// The question for this account; `None` when it has no endpoint to be asked at, or the prompt cannot be said there.
    fn asking(&mut self, pick: Pick, moment: Moment) -> Option<Dispatched> {
        let now = moment.now;
        let upstream = counting_dialect(&pick.account, self.dialect())?;
        let tokens = &self.gateway.tokens;
        if tokens.is_missing(&pick.account.name, &pick.model, now) {
            return None;
        }
        let foreign = self.gateway.mixed && translate::holds_envelope(&self.admitted.body);
        let (body, headers) = if upstream == self.dialect() && !foreign {
            (self.as_asked(&pick), None)
        } else {
            let (_, encoded) = self.encoded(&pick, upstream, moment).ok()?;
            let body = count::request(upstream, &pick.model, &encoded.body)?;
            (Pieces::from(Bytes::from(body)), Some(encoded.headers))
        };
        self.served.account = Some(Arc::clone(&pick.account));
        self.served.pool = Some(pick.pool);
        self.served.model = Some(Arc::clone(&pick.model));
        self.served.dialect = Some(upstream);
        let call = ModelCall {
            dialect: upstream,
            ..self.admitted.call.clone()
        };
        Some(Dispatched::counting(pick, call, body, headers, now))
    }

    /// The client's own bytes, but for the model's name.
    fn as_asked(&self, pick: &Pick) -> Pieces {
        let admitted = &self.admitted;
        let as_it_is = || Pieces::from(admitted.body.clone());
        if *pick.model == *admitted.model {
            as_it_is()
        } else if admitted.call.path_model.is_some() {
            count::renamed(&admitted.body, &pick.model).unwrap_or_else(as_it_is)
        } else {
            json::rename(&admitted.body, &admitted.members, &pick.model)
        }
    }

    /// An account would not count: what is wrong with the prompt is told, anything else leads to another account or to
    /// an estimate.
    pub(super) fn count_failed(
        &mut self,
        dispatched: &Dispatched,
        failed: Failed,
        now: Instant,
    ) -> Sequel {
        let failure = failed.failure;
        self.note_attempt(dispatched, Some(&failure), now);
        let missing = dispatched.status.is_some_and(is_missing);
        if missing {
            let pick = &dispatched.pick;
            let tokens = &self.gateway.tokens;
            tokens.note_missing(&pick.account.name, &pick.model, now);
        }
        let theirs = failure.class.is_the_clients();
        let told = failed
            .answer
            .filter(|_| theirs && !missing && !dispatched.is_translated());
        if let Some(answer) = told {
            return Sequel::Answer(self.decided(answer));
        }
        self.tried.push(dispatched.pick.tried(&failure));
        let slow = failure.class == FailureClass::Slow;
        self.counting.given_up = theirs || missing || slow || !self.may_retry(now);
        Sequel::Again
    }

    fn estimate(&self, account: &Account, model: &Arc<str>) -> Estimate {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        mark(&mut headers, ESTIMATED);
        self.add_decision(&mut headers);
        Estimate::new(
            Arc::clone(&self.gateway.tokens),
            self.admitted.prompt().later(),
            Arc::clone(model),
            headers,
            // It would get the request as it is, and may know more of its dialect than Weir does.
            account.dialects.contains(&self.dialect()),
        )
    }
}

/// Tells where a count comes from.
pub(super) fn mark(headers: &mut HeaderMap, source: &'static str) {
    let name = HeaderName::from_static("x-weir-token-count");
    headers.insert(name, HeaderValue::from_static(source));
}

/// The dialect of an account in which it can be asked for a count: the client's own, else the first that has a way to.
fn counting_dialect(account: &Account, client: Dialect) -> Option<Dialect> {
    let mut able = account.dialects.iter().copied();
    if account.dialects.contains(&client) && count::has_endpoint(client) {
        return Some(client);
    }
    able.find(|dialect| count::has_endpoint(*dialect))
}

/// What servers answer at a path that they do not have.
fn is_missing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// The provider's own figure.
pub(super) const PROVIDER: &str = "provider";
/// Weir's.
const ESTIMATED: &str = "estimated";

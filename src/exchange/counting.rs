//! Calls that count the tokens of a prompt.
//!
//! ```text
//!  account with a counting endpoint ── asked in its dialect ──► its figure             x-weir-token-count: provider
//!         │ none, out, missing, failing                     └─► a fault of the prompt, unless translated
//!         └──► estimate ─────────────────────────────────────► Weir's figure           x-weir-token-count: estimated
//! ```
//!
//! A count is not refused because of a fault at a provider, because a client that gets no count sends a real request,
//! which costs. A count occupies nothing at the account, and its result does not count against the account.
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::admit::Admitted;
use super::attempt::Attempt;
use super::estimate::Estimate;
use super::occasion::Occasion;
use super::order::Order;
use super::plan::Plan;
use super::refusal::Refusal;
use super::serving_record::ServingRecord;
use super::step::Step;
use super::stream_usage::Sent;
use super::target::UpstreamCall;
use super::translation::{self, Translation};
use super::verdict::{Answer, Failed};
use crate::config::Account;
use crate::outcome::FailureClass;
use crate::pool::{Pick, Want};
use crate::protocol::json::{self, Pieces};
use crate::protocol::translate::count;
use crate::protocol::{Dialect, UpstreamDialect};

/// The progress of a count.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// Whether no further provider is asked.
    given_up: bool,
    /// The account that would serve the request, and its name for the model.
    serves: Option<(Arc<Account>, Arc<str>)>,
}

impl Counting {
    /// The next account to ask, or the estimate. It never waits, and refuses only a model that no account serves.
    pub(super) fn next(
        &mut self,
        order: &Order,
        want: Want<'_>,
        served: &mut ServingRecord,
        occasion: Occasion,
    ) -> Step {
        let pool = &order.gateway.pool;
        let want = Want {
            inexpressible: &[],
            insist: true,
            ..want
        };
        let pick = if self.given_up {
            None
        } else {
            pool.pick_unbooked(&want, occasion.moment.now)
        };
        if self.serves.is_none() {
            self.serves = match &pick {
                Some(pick) => Some((Arc::clone(&pick.account), Arc::clone(&pick.model))),
                None => pool.serves(&want),
            };
        }
        let asking = pick.and_then(|pick| asking(order, served, pick, occasion));
        match (asking, &self.serves) {
            (Some(attempt), _) => Step::Go(Box::new(attempt)),
            (None, Some((account, model))) => {
                served.note_model(model);
                Step::Estimate(Box::new(estimate(order, served, account, model)))
            }
            (None, None) => Step::Refuse(Refusal::ModelUnknown {
                model: order.admitted.model.clone(),
            }),
        }
    }

    /// An account did not count. A fault of the prompt is reported to the client, unless the prompt was translated; an
    /// account that cannot count is not asked again for a while.
    pub(super) fn failed(
        &mut self,
        order: &Order,
        attempt: &Attempt,
        failed: Failed,
        now: Instant,
    ) -> Option<Answer> {
        let class = failed.failure.class;
        let missing = attempt.status().is_some_and(is_missing);
        if missing {
            let pick = attempt.pick();
            let tokens = &order.gateway.tokens;
            tokens.note_missing(&pick.account.name, &pick.model, now);
        }
        let theirs = class.is_the_clients();
        self.given_up = theirs || missing || class == FailureClass::Slow;
        failed
            .answer
            .filter(|_| theirs && !missing && !attempt.is_translated())
    }

    /// Whether no further provider is asked.
    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// Asks no further provider.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }
}

/// The request to this account for a count; `None` when the account has no counting endpoint, or the prompt cannot be
/// expressed there.
fn asking(
    order: &Order,
    served: &mut ServingRecord,
    pick: Pick,
    occasion: Occasion,
) -> Option<Attempt> {
    let (now, own) = (occasion.moment.now, order.dialect());
    let upstream = counting_dialect(&pick.account, own)?;
    let tokens = &order.gateway.tokens;
    if tokens.is_missing(&pick.account.name, &pick.model, now) {
        return None;
    }
    let foreign = order.gateway.mixed && order.admitted.body_scan().has_envelope();
    let (body, headers) = if upstream == own && !foreign {
        (as_asked(&order.admitted, &pick), None)
    } else {
        let (_, encoded) = translation::encoded(order, &pick, upstream, occasion).ok()?;
        let body = count::request(upstream, &pick.model, &encoded.body)?;
        (Pieces::from(Bytes::from(body)), Some(encoded.headers))
    };
    served.note_pick(&pick);
    served.note_dialect(upstream);
    let call = UpstreamCall {
        dialect: upstream,
        ..UpstreamCall::from(&order.admitted.call)
    };
    let plan = Plan {
        translation: headers.map(|headers| Box::new(Translation::of_count(headers))),
        ..Plan::of(call, Sent::as_it_is(body))
    };
    Some(Attempt::new(pick, plan, now))
}

/// The client's own bytes, with the model's name replaced.
fn as_asked(admitted: &Admitted, pick: &Pick) -> Pieces {
    let as_it_is = || Pieces::from(admitted.body.clone());
    if *pick.model == *admitted.model {
        as_it_is()
    } else if admitted.call.path_model.is_some() {
        count::renamed(&admitted.body, &pick.model).unwrap_or_else(as_it_is)
    } else {
        json::rename(&admitted.body, &admitted.members, &pick.model)
    }
}

fn estimate(
    order: &Order,
    served: &ServingRecord,
    account: &Account,
    model: &Arc<str>,
) -> Estimate {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    mark(&mut headers, ESTIMATED);
    served.add_decision(order, &mut headers);
    Estimate::new(
        Arc::clone(&order.gateway.tokens),
        order.admitted.prompt().deferred(),
        Arc::clone(model),
        headers,
        // Such an account would get the request unchanged, and may know more of its dialect than Weir does.
        account.dialects.contains(&order.dialect().upstream()),
    )
}

/// States the source of a count in a header.
pub(super) fn mark(headers: &mut HeaderMap, source: &'static str) {
    let name = const { HeaderName::from_static("x-weir-token-count") };
    headers.insert(name, HeaderValue::from_static(source));
}

/// The dialect in which the account can be asked for a count: the client's own, otherwise the first one with a counting
/// endpoint.
fn counting_dialect(account: &Account, client: Dialect) -> Option<UpstreamDialect> {
    let client = client.upstream();
    let mut able = account.dialects.iter().copied();
    if account.dialects.contains(&client) && count::has_endpoint(client) {
        return Some(client);
    }
    able.find(|dialect| count::has_endpoint(*dialect))
}

/// The statuses with which servers answer for a path that does not exist.
fn is_missing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// The provider's own figure.
pub(super) const PROVIDER: &str = "provider";
/// Weir's estimate.
const ESTIMATED: &str = "estimated";

//! How an account gets a request: unchanged, in another dialect, or not at all.
//!
//! An account that speaks the client's dialect gets the client's bytes, with at most the model's name replaced. Any
//! other account gets a translation, and its answer is translated back.
use std::time::Instant;

use bytes::Bytes;

use super::attempt::Attempt;
use super::inexpressible::InexpressibleDialects;
use super::markers::Marked;
use super::occasion::Occasion;
use super::operation::Endpoint;
use super::order::Order;
use super::plan::Plan;
use super::serving_record::ServingRecord;
use super::stream_usage::UsageOption;
use super::target::UpstreamCall;
use super::translation::{self, Translation};
use crate::pool::Pick;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Tool;
use crate::protocol::json::Pieces;
use crate::protocol::{Dialect, UpstreamDialect};

/// What is known of the dialects that can express one request.
#[derive(Debug, Default)]
pub(super) struct AttemptMaker {
    inexpressible: InexpressibleDialects,
}

impl AttemptMaker {
    /// The dialects that cannot express the request.
    pub(super) fn inexpressible(&self) -> &InexpressibleDialects {
        &self.inexpressible
    }

    /// Why the first of them could not express it.
    pub(super) fn take_fault(&mut self) -> Option<RequestFault> {
        self.inexpressible.take_fault()
    }

    /// The attempt at this account; `None` when no dialect of the account can express the request.
    pub(super) fn attempt(
        &mut self,
        order: &Order,
        served: &mut ServingRecord,
        pick: Pick,
        occasion: Occasion,
    ) -> Option<Box<Attempt>> {
        let (now, own) = (occasion.moment.now, order.dialect());
        served.begin(order, &pick);
        if order.admitted.call.is_bound() {
            served.note_dialect(own.upstream());
            return Some(as_it_came(order, served, pick, now));
        }
        // A conversation that returns from another dialect contains state that only a translation can remove.
        let foreign = order.gateway.mixed && order.admitted.body_scan().has_envelope();
        for upstream in self.inexpressible.remaining(&pick, own) {
            served.note_dialect(upstream);
            if upstream == own && !foreign {
                return Some(as_it_came(order, served, pick, now));
            }
            if let Some(fault) = order.admitted.request().err().cloned() {
                self.inexpressible.all_but((!foreign).then_some(own), fault);
                break;
            }
            match translated(order, served, &pick, upstream, occasion) {
                Ok((body, translation)) => {
                    let option = UsageOption::new(&order.gateway, &pick, now);
                    let sent = option.translated(upstream, &order.admitted, body);
                    let marked = Marked::of(&pick, upstream, &sent.body, occasion);
                    let stream = order.admitted.stream;
                    let call = UpstreamCall::new(upstream, Endpoint::Generate, stream);
                    let plan = Plan {
                        stream,
                        regroup: order.admitted.rewrites.regroup,
                        translation: Some(Box::new(translation)),
                        marked,
                        ..Plan::of(call, sent)
                    };
                    return Some(Box::new(Attempt::new(pick, plan, now)));
                }
                Err(fault) => self.inexpressible.add(upstream, &pick.model, fault),
            }
        }
        None
    }
}

fn as_it_came(order: &Order, served: &ServingRecord, pick: Pick, now: Instant) -> Box<Attempt> {
    let admitted = &order.admitted;
    let sent = UsageOption::new(&order.gateway, &pick, now).as_it_came(admitted);
    let plan = Plan {
        stream: admitted.stream,
        regroup: admitted.rewrites.regroup,
        books: served.books(),
        results: served.results(order),
        ..Plan::of(UpstreamCall::from(&admitted.call), sent)
    };
    Box::new(Attempt::new(pick, plan, now))
}

fn translated(
    order: &Order,
    served: &mut ServingRecord,
    pick: &Pick,
    upstream: UpstreamDialect,
    occasion: Occasion,
) -> Result<(Pieces, Translation), RequestFault> {
    let (mut translator, encoded) = translation::encoded(order, pick, upstream, occasion)?;
    let hosted = |tool: &Tool| matches!(tool, Tool::Hosted(_));
    if upstream == Dialect::Anthropic
        && order.dialect() != Dialect::Anthropic
        && let Ok(request) = order.admitted.request()
        && request.tools.iter().any(hosted)
    {
        // Its own tools may take long, and only its own clients can continue a paused answer.
        translator.may_pause();
    }
    // This is recorded even if the attempt fails: it is how the upstream's request differs from the client's.
    let notable = encoded.dropped.as_slice().iter();
    let notable = notable.filter(|dropped| dropped.notable);
    served.note_dropped(notable.map(|dropped| dropped.field).collect());
    let admitted = &order.admitted;
    let events = admitted.stream && !admitted.wants_array();
    let keeps = admitted.question.is_some();
    let translation = Translation::new(encoded.headers, translator, events).keeping(keeps);
    Ok((Pieces::from(Bytes::from(encoded.body)), translation))
}

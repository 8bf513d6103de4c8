//! Results that the vendor generates later (background responses and videos): the estimate that is booked if the real
//! usage never becomes known, and the amount that is reserved until then.
use std::time::Instant;

use super::background::{self, Response};
use super::order::Order;
use super::{bill, limits};
use crate::limits::ledger::Attribution;
use crate::limits::nano_usd;
use crate::protocol::passthrough::Video;
use crate::protocol::written::Written;

/// The record of the response or video with this id, which is generated for `who`.
pub(super) fn response(
    order: &Order,
    who: Attribution,
    id: &str,
    video: Option<&Video>,
    now: Instant,
) -> Response {
    let (gateway, admitted) = (&order.gateway, &order.admitted);
    let model = who.model.as_deref();
    let (estimate, held_nano_usd) = match video {
        Some(Video { stated, .. }) => {
            let (usage, extras) = (&stated.usage, &stated.extras);
            let price = |model: &str| gateway.prices.bill(model, usage, None, extras);
            let usd = model.and_then(price).or_else(|| price(&admitted.model));
            (stated.usage, usd.map_or(0, nano_usd))
        }
        None => (
            bill::estimate(gateway, admitted, model, &Written::default()),
            limits::estimate(gateway, admitted).nano_usd,
        ),
    };
    let principal = admitted.principal(&gateway.limits);
    Response {
        id: id.to_owned(),
        project: admitted.project.clone(),
        asked: admitted.model.clone(),
        estimate,
        video: video.map(|video| video.stated.extras.picture.size),
        held: gateway.limits.hold(principal, held_nano_usd),
        held_nano_usd,
        since: now,
        tries: 0,
        next: now + background::FIRST,
        who,
    }
}

//! What endpoints other than generation sell: the amount that a request asks for, and what is booked where an answer
//! does not state it.
use std::borrow::Cow;

use super::admit::Admitted;
use super::form;
use super::side::Side;
use crate::outcome::UsageSource;
use crate::protocol::hub::usage::Stated;

/// What a request asks for, as far as that is known before its answer.
pub(super) fn asked(admitted: &Admitted) -> Stated {
    let trade = admitted.call.side.as_deref().and_then(Side::trade);
    let Some(trade) = trade else {
        return Stated::default();
    };
    let (body, members) = (&admitted.body, &admitted.members);
    let boundary = form::own_boundary(body).filter(|_| members.is_empty());
    let asked = trade.asked(&|name| {
        let value = match boundary {
            Some(boundary) => {
                // A field that occurs twice is not reliable.
                let span = form::field(body, boundary, name).ok().flatten();
                body.get(span?)
            }
            None => members.value(body, name),
        };
        value.map(Cow::Borrowed)
    });
    Stated::checked(asked.usage, asked.extras)
}

/// What is booked for an answer that states this. `input` estimates the tokens of the request. `None` = nothing is
/// known.
pub(super) fn booked(
    admitted: &Admitted,
    stated: Option<(Stated, UsageSource)>,
    input: impl FnOnce() -> u64,
) -> Option<(Stated, UsageSource)> {
    let trade = admitted.call.side.as_deref().and_then(Side::trade);
    let Some(trade) = trade else {
        return stated;
    };
    let mut asked = asked(admitted);
    let Some((mut stated, source)) = stated.filter(|(stated, _)| !stated.is_nothing()) else {
        if trade.takes_text() {
            asked.usage.input = input();
        }
        let refused = stated.is_some_and(|(stated, _)| stated.extras.refused);
        asked.extras.refused |= refused;
        return asked
            .usage
            .is_something()
            .then_some((asked, UsageSource::Estimated));
    };
    // What is charged by tokens or searches is not charged by the amount that was asked for.
    let usage = &mut stated.usage;
    if usage.total() == 0 || !trade.takes_text() {
        usage.units = usage.units.or(&asked.usage.units);
    }
    stated.extras.picture = stated.extras.picture.or(asked.extras.picture);
    Some((stated, source))
}

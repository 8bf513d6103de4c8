//! A request in another dialect than its client's: what its head needs, and what will translate its answer.
use std::time::UNIX_EPOCH;

use super::markers;
use super::occasion::Occasion;
use super::order::Order;
use crate::catalog;
use crate::pool::Pick;
use crate::protocol::Dialect;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::{Dropped, RequestFault};
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::translate::Translator;

/// What the translation of one request left to be done.
#[derive(Debug)]
pub(super) struct Translation {
    headers: Vec<(&'static str, &'static str)>,
    /// Taken by the answer. A count needs none.
    translator: Option<Translator>,
    /// The media type of the client's answer.
    media: &'static str,
    /// Whether the whole response is to be kept.
    keeps: bool,
}

impl Translation {
    /// Of a request whose client reads server-sent events, or one body of JSON.
    pub(super) fn new(
        headers: Vec<(&'static str, &'static str)>,
        translator: Translator,
        events: bool,
    ) -> Self {
        Self {
            headers,
            translator: Some(translator),
            media: if events { EVENTS } else { JSON },
            keeps: false,
        }
    }

    /// Of a question for a count.
    pub(super) fn of_count(headers: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            headers,
            translator: None,
            media: JSON,
            keeps: false,
        }
    }

    /// The same, with the whole response kept for a later request if it `keeps`.
    pub(super) fn keeping(mut self, keeps: bool) -> Self {
        self.keeps = keeps;
        self
    }

    /// What the head of the request needs.
    pub(super) fn headers(&self) -> &[(&'static str, &'static str)] {
        &self.headers
    }

    /// What translates the answer, the media type that it gets, and whether it is kept; once.
    pub(super) fn take(&mut self) -> Option<(Translator, &'static str, bool)> {
        Some((self.translator.take()?, self.media, self.keeps))
    }

    /// What will translate the answer, unless it has been taken.
    pub(super) fn translator(&self) -> Option<&Translator> {
        self.translator.as_ref()
    }

    /// What was left out of the request.
    pub(super) fn losses(&self) -> Vec<Dropped> {
        self.translator
            .as_ref()
            .map_or_else(Vec::new, Translator::dropped)
    }
}

/// The request as this account is to get it, and what will translate its answer.
pub(super) fn encoded(
    order: &Order,
    pick: &Pick,
    upstream: Dialect,
    occasion: Occasion,
) -> Result<(Translator, Encoded), RequestFault> {
    let (gateway, admitted) = (&order.gateway, &order.admitted);
    let request = admitted.request().map_err(RequestFault::clone)?;
    let quirks = pick.account.provider.quirks();
    let target = Target {
        model: &pick.model,
        capabilities: &gateway.config.capabilities_of(&pick.model),
        quirks: &quirks.with(catalog::habits(&pick.model)),
        account: &pick.account.name,
        prompt_cache: markers::wanted(gateway, pick, order.began),
    };
    let wall = occasion.moment.wall;
    let created = wall
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let stamp = Stamp {
        created,
        seed: occasion.draw,
        stored: admitted.question.is_some(),
    };
    Translator::new(request, upstream, &target, stamp)
}

/// The media type of plain answers, and of a Gemini stream without server-sent events.
pub(super) const JSON: &str = "application/json";

/// The media type of streams.
pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";

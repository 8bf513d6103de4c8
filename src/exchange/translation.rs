//! A request in another dialect than its client's: the headers that it needs, and the translator of its answer.
use std::time::UNIX_EPOCH;

use super::markers;
use super::occasion::Occasion;
use super::order::Order;
use crate::catalog;
use crate::pool::Pick;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::{Dropped, RequestFault};
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::translate::Translator;

/// What remains to be done for the translation of one request.
#[derive(Debug)]
pub(super) struct Translation {
    headers: Vec<(&'static str, &'static str)>,
    /// The translator, until the answer takes it. A count needs none.
    translator: Option<Translator>,
    /// The media type of the client's answer.
    media: &'static str,
    /// Whether the complete response is stored.
    keeps: bool,
}

impl Translation {
    /// A translation for a client that reads server-sent events (`events`), or one JSON body.
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

    /// A translation of a request for a count.
    pub(super) fn of_count(headers: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            headers,
            translator: None,
            media: JSON,
            keeps: false,
        }
    }

    /// Sets whether the complete response is stored for a later request.
    pub(super) fn keeping(mut self, keeps: bool) -> Self {
        self.keeps = keeps;
        self
    }

    /// The headers that the translated request needs.
    pub(super) fn headers(&self) -> &[(&'static str, &'static str)] {
        &self.headers
    }

    /// The translator, the media type of the answer, and whether the answer is stored; `None` after the first call.
    pub(super) fn take(&mut self) -> Option<(Translator, &'static str, bool)> {
        Some((self.translator.take()?, self.media, self.keeps))
    }

    /// The translator, unless it has been taken.
    pub(super) fn translator(&self) -> Option<&Translator> {
        self.translator.as_ref()
    }

    /// What was dropped from the request.
    pub(super) fn losses(&self) -> Vec<Dropped> {
        self.translator
            .as_ref()
            .map_or_else(Vec::new, Translator::dropped)
    }
}

/// The request for this account, and the translator of its answer.
pub(super) fn encoded(
    order: &Order,
    pick: &Pick,
    upstream: UpstreamDialect,
    occasion: Occasion,
) -> Result<(Translator, Encoded), RequestFault> {
    let (gateway, admitted) = (&order.gateway, &order.admitted);
    let request = admitted.request().map_err(RequestFault::clone)?;
    let quirks = pick.account.provider.quirks;
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

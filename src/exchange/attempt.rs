//! One attempt: the account, and the request in the form that the account gets.
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::markers;
use super::operation::Endpoint;
use super::order::Order;
use super::plan::Plan;
use super::relaying::{Kind, RelayedRequest, Relaying, Translated};
use super::stream_usage;
use super::target::Length;
use super::translation;
use super::{headers, tape, target};
use crate::catalog;
use crate::config::secret::Secret;
use crate::config::{Account, Timeouts};
use crate::credentials::Token;
use crate::moment::Moment;
use crate::outcome::AttemptRecord;
use crate::pool::{Failure, Lease, Pick};
use crate::protocol::Dialect;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::error::Dropped;
use crate::protocol::json::{self, Edit, Pieces};

/// One attempt that is about to be made.
#[derive(Debug)]
pub struct Attempt {
    pick: Pick,
    plan: Plan,
    /// The body of the first round, where an answer comes in rounds.
    asked: Option<Bytes>,
    began: Instant,
    /// Whether anything of the request has been sent to the upstream.
    is_sent: bool,
    /// Whether the whole request has been sent, on any connection.
    is_sent_whole: bool,
    /// The status of the upstream's answer, once it has come.
    status: Option<StatusCode>,
    /// The access token, where the account has no key of its own.
    token: Option<Token>,
}

impl Attempt {
    pub(super) fn new(pick: Pick, plan: Plan, began: Instant) -> Self {
        Self {
            pick,
            plan,
            asked: None,
            began,
            is_sent: false,
            is_sent_whole: false,
            status: None,
            token: None,
        }
    }

    /// The pool's choice that the attempt is based on.
    pub(super) fn pick(&self) -> &Pick {
        &self.pick
    }

    /// The permit for the account, to which the result is reported.
    pub(super) fn lease_mut(&mut self) -> &mut Lease {
        &mut self.pick.lease
    }

    /// Whether the upstream gets the request in another dialect than the client's.
    pub(super) fn is_translated(&self) -> bool {
        self.plan.translation.is_some()
    }

    /// The status of the upstream's answer, once it has come.
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The request is being sent to its upstream. Returns whether this is the first time.
    pub(super) fn note_sent(&mut self) -> bool {
        !std::mem::replace(&mut self.is_sent, true)
    }

    /// The whole request has been sent.
    pub fn note_sent_whole(&mut self) {
        self.is_sent_whole = true;
    }

    /// See [`Attempt::note_sent_whole`].
    pub fn is_sent_whole(&self) -> bool {
        self.is_sent_whole
    }

    /// The record of this attempt, for a request that began at `request_began`.
    pub(super) fn record(
        &self,
        request_began: Instant,
        failure: Option<&Failure>,
        now: Instant,
    ) -> AttemptRecord {
        AttemptRecord {
            account: self.pick.account.name.clone(),
            failure: failure.map(|failure| failure.class),
            cause: failure.and_then(|failure| failure.cause),
            after: self.began.saturating_duration_since(request_began),
            took: now.saturating_duration_since(self.began),
        }
    }

    /// The account to be tried.
    pub fn account(&self) -> &Arc<Account> {
        &self.pick.account
    }

    /// The position of its endpoint in the account.
    pub fn endpoint(&self) -> usize {
        self.pick.endpoint
    }

    /// Sets the access token to use; `None` = the account's key.
    pub fn authorize(&mut self, token: Option<Token>) {
        self.token = token;
    }

    /// See [`Attempt::authorize`].
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The credential that the upstream gets.
    pub fn secret(&self) -> Option<Secret> {
        let token = self.token.as_ref().map(|token| &token.secret);
        token.or(self.pick.account.key.as_ref()).cloned()
    }

    /// The body to be sent.
    pub fn body(&self) -> &Pieces {
        &self.plan.sent.body
    }

    /// What the translation of the request dropped; `None` when nothing was translated.
    pub(super) fn losses(&self) -> Option<Vec<Dropped>> {
        Some(self.plan.translation.as_ref()?.losses())
    }

    /// The head of the attempt's request. `client` are the client's headers, `trace` is the trace header for the
    /// upstream.
    pub(super) fn head(
        &self,
        order: &Order,
        client: &HeaderMap,
        trace: Option<String>,
        h2: bool,
    ) -> Option<Parts> {
        let (plan, account) = (&self.plan, &self.pick.account);
        let endpoint = account.endpoints.get(self.pick.endpoint)?;
        let own;
        let (client, query) = match &plan.translation {
            None => (client, order.query.as_deref()),
            Some(translation) => {
                own = headers::of_translation(translation.headers(), plan.stream);
                let events = plan.call.dialect == Dialect::Gemini && plan.stream;
                (&own, events.then_some("alt=sse"))
            }
        };
        let path = target::call(&plan.call, endpoint, &self.pick.model, query, account);
        let headers = headers::to_account(client, account, self.token.as_ref(), |headers| {
            let rewrites = &order.admitted.rewrites;
            rewrites.edit_headers(&order.gateway.config, headers);
            if let Some(Ok(value)) = trace.map(HeaderValue::try_from) {
                headers.insert(const { HeaderName::from_static("traceparent") }, value);
            }
        });
        let method = plan.call.method();
        let length = match (order.upload(), plan.sent.body.len() as u64) {
            (Some(upload), _) => upload.length.map_or(Length::Unknown, Length::Bytes),
            // Only a method that creates something states a body of length 0.
            (None, 0) if *method != Method::POST => Length::Nothing,
            (None, length) => Length::Bytes(length),
        };
        let head = target::Head {
            method,
            path: &path,
            headers,
            length,
        };
        head.written(endpoint, h2)
    }

    /// The head of an answer has come.
    pub fn relaying(
        &mut self,
        client: Dialect,
        status: StatusCode,
        headers: &HeaderMap,
        at: Moment,
    ) -> Relaying {
        self.pick.lease.observe(headers, at);
        self.status = Some(status);
        let translation = self.plan.translation.as_mut();
        let may_ask_less = (self.plan.sent.unasked.is_some() || self.plan.marked.is_some())
            && matches!(status.as_u16(), 400 | 422);
        // In these cases the same request may be sent once more, and its translator is needed for the answer to that.
        let may_repeat = status == StatusCode::UNAUTHORIZED || may_ask_less;
        let translator = translation.filter(|_| !may_repeat);
        let kind = match translator.and_then(|translation| translation.take()) {
            _ if self.plan.call.endpoint == Endpoint::Count => Kind::Count,
            Some((translator, media, keeps)) => Kind::Translated {
                translated: Box::new(Translated::new(translator, self.plan.stream, media)),
                keeps,
            },
            None => match self.plan.call.vendor_call.as_deref() {
                Some(vendor_call) => Kind::VendorCall {
                    tells: vendor_call.tells() || self.plan.books,
                    makes: vendor_call.makes(),
                    product: vendor_call.product(),
                },
                None => Kind::Same,
            },
        };
        let request = RelayedRequest {
            client,
            upstream: self.plan.call.dialect,
            stream: self.plan.stream,
            kind,
            hides_usage: self.plan.sent.unasked.is_some(),
            secret: self.secret(),
            regroup: self.plan.regroup,
            results: self.plan.results.take(),
        };
        Relaying::new(request, status, headers)
    }

    /// What is recorded of this attempt; `None` when it is not an exchange of a conversation.
    pub(super) fn taped(&self, order: &Order) -> Option<tape::TapedRequest> {
        let (plan, account, model) = (&self.plan, &self.pick.account, &self.pick.model);
        let translated = match &plan.translation {
            None => None,
            Some(translation) => {
                let (admitted, translator) = (&order.admitted, translation.translator()?);
                let capabilities = order.gateway.config.capabilities_of(model);
                let gemini = admitted.call.dialect == Dialect::Gemini;
                let delivery = Delivery::of(admitted.stream, admitted.wants_array());
                Some(Box::new(tape::Translated {
                    path: gemini.then(|| (admitted.model.clone(), delivery)),
                    prompt_cache: markers::wanted(&order.gateway, &self.pick, order.began),
                    capabilities: Some(capabilities)
                        .filter(|stated| *stated != catalog::capabilities(model)),
                    stamp: translator.stamp(),
                    asks_usage: plan.call.dialect != Dialect::OpenaiChat
                        || !plan.stream
                        || plan.sent.unasked.is_some(),
                    pauses: translator.pauses(),
                    regrouped: plan.regroup.is_some(),
                    body: admitted.body.clone(),
                    headers: translation.headers().to_vec(),
                    sent: plan.sent.body.to_bytes(),
                }))
            }
        };
        let is_conversation = plan.call.vendor_call.is_none()
            && matches!(
                plan.call.endpoint,
                Endpoint::Generate | Endpoint::LegacyCompletions
            );
        is_conversation.then(|| tape::TapedRequest {
            client: order.admitted.call.dialect,
            upstream: plan.call.dialect,
            provider: account.provider.name,
            model: Arc::clone(model),
            account: Arc::clone(&account.name),
            secret: self.secret(),
            stream: plan.stream,
            array: plan.stream && order.admitted.wants_array(),
            translated,
        })
    }

    /// The upstream refused something that Weir had added: changes the request so that it can be sent without it.
    /// Returns what it was; `None` = not possible.
    pub(super) fn ask_less(
        &mut self,
        order: &Order,
        relaying: &Relaying,
        now: Instant,
    ) -> Option<&'static str> {
        let (account, model) = (&self.pick.account.name, &self.pick.model);
        let plan = &mut self.plan;
        if relaying.refuses_stream_options()
            && let Some(unasked) = plan.sent.unasked.take()
        {
            order.gateway.unwilling.note(account, model, now);
            plan.sent.body = unasked;
            return Some(stream_usage::MEMBER);
        }
        let marked = plan.marked.take();
        let marked = marked.filter(|_| relaying.refuses_markers())?;
        order.gateway.unmarked.note(account, model, now);
        let again = translation::encoded(order, &self.pick, plan.call.dialect, marked.occasion());
        let body = again.map(|(_, encoded)| encoded.body).unwrap_or_default();
        // If the body is the same, the markers were the client's own.
        let is_other = !body.is_empty() && *body != *plan.sent.body.to_bytes();
        is_other.then(|| {
            plan.sent.body = Pieces::from(Bytes::from(body));
            markers::MEMBER
        })
    }

    /// Turns this into the request for the rest of a paused answer: the same account gets the request again, with the
    /// assistant's turn so far. `false` = there is no rest.
    pub(super) fn go_on(&mut self, relaying: &mut Relaying, now: Instant) -> bool {
        let body = &mut self.plan.sent.body;
        let asked = self.asked.get_or_insert_with(|| body.to_bytes());
        let turn = relaying.resume();
        let Some(rest) = turn.and_then(|turn| with_turn(asked, &turn)) else {
            return false;
        };
        *body = rest;
        self.began = now;
        true
    }

    /// The head of the rest has come. Returns whether it continues the answer.
    pub fn continues(
        &self,
        relaying: &Relaying,
        (status, headers): (StatusCode, &HeaderMap),
        at: Moment,
    ) -> bool {
        self.pick.lease.observe(headers, at);
        status.is_success() && relaying.goes_on_with(headers)
    }

    /// The timeouts of this attempt. They are short for a count, because an estimate is available at once.
    pub fn timeouts(&self) -> Timeouts {
        let mut timeouts = self.account().timeouts;
        if let Some(total) = timeouts.total {
            timeouts.write = timeouts.write.min(total);
        }
        if self.plan.call.endpoint != Endpoint::Count {
            return timeouts;
        }
        Timeouts {
            first_byte: timeouts.first_byte.min(LONGEST_COUNT),
            idle: timeouts.idle.min(LONGEST_COUNT),
            write: timeouts.write.min(LONGEST_COUNT),
            ..timeouts
        }
    }

    /// A good answer begins.
    pub fn committed(&mut self, now: Instant) {
        self.pick.lease.committed(now);
    }
}

/// The request with the assistant's turn so far appended as the last message.
fn with_turn(body: &Bytes, content: &[u8]) -> Option<Pieces> {
    let members = json::scan(body).ok()?;
    let messages = members.value(body, "messages")?.strip_suffix(b"]")?;
    let turn = [
        messages,
        br#",{"role":"assistant","content":"#,
        content,
        b"}]",
    ]
    .concat();
    let edit = [("messages", Edit::Set(Bytes::from(turn)))];
    Some(json::set(body, &members, &edit))
}

/// How long a provider may take to count.
const LONGEST_COUNT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_so_far_is_the_last_message() {
        let body = Bytes::from_static(br#"{"messages":[{"role":"user"}],"stream":true}"#);
        let continued = with_turn(&body, br#"[{"type":"text"}]"#).expect("a request");
        let expected = r#"{"messages":[{"role":"user"},{"role":"assistant","content":[{"type":"text"}]}],"stream":true}"#;
        assert_eq!(continued.to_bytes(), expected);
    }
}

//! One attempt: the account, and the request as that account gets it.
//!
//! An account that speaks the client's dialect gets the client's bytes, with at most the model's name replaced. Another
//! gets a translation, and its answer is translated back.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::dispatch::{Dispatch, Step};
use super::later::Claim;
use super::markers::{self, Marked};
use super::moment::Moment;
use super::operation::{Endpoint, ModelCall};
use super::relaying::{Asked, Kind, Relaying, Translated};
use super::stream_usage::{Asking, Sent};
use super::translation::Translation;
use super::{counting, headers, stream_usage, target};
use crate::config::secret::Secret;
use crate::config::{Account, Timeouts};
use crate::credentials::Token;
use crate::pool::Pick;
use crate::protocol::Dialect;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::{Dropped, RequestFault};
use crate::protocol::hub::request::Tool;
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::json::Pieces;
use crate::protocol::regroup::Unit;
use crate::protocol::translate::{self, Translator};

/// One attempt, about to be made.
#[derive(Debug)]
pub struct Dispatched {
    pub(super) pick: Pick,
    /// What the upstream is called for.
    call: ModelCall,
    stream: bool,
    pub(super) body: Pieces,
    /// What was asked first, where an answer comes in rounds.
    pub(super) asked: Option<Bytes>,
    pub(super) began: Instant,
    /// Whether anything of it has gone to the upstream.
    pub(super) sent: bool,
    /// What goes instead of `body` to an upstream that refuses to be asked for the usage of its stream; `None` = it was not asked
    /// by Weir.
    unasked: Option<Pieces>,
    /// Whether Weir set cache markers in `body`.
    marked: Option<Marked>,
    /// Whether all of it has been sent, on whichever connection.
    sent_whole: bool,
    /// What the upstream answered, once it has.
    pub(super) status: Option<StatusCode>,
    /// Whether it fetches a response whose use is to be booked.
    books: bool,
    /// How the text of a stream is regrouped.
    regroup: Option<Unit>,
    /// The credential, where the account has no key of its own.
    token: Option<Token>,
    /// What the translation needs in the head, and what will translate the answer.
    translation: Option<Box<Translation>>,
}

impl Dispatch {
    /// The attempt at this account; `None` when it cannot be told the request.
    pub(super) fn go(&mut self, pick: Pick, moment: Moment) -> Option<Step> {
        let now = moment.now;
        self.served.account = Some(pick.account.clone());
        self.served.pool = Some(pick.pool);
        self.served.model = Some(pick.model.clone()).filter(|model| !model.is_empty());
        self.served.affinity = pick.affinity;
        self.claim_response();
        self.served.dropped.clear();
        // A conversation that comes back from another dialect carries state that only a translation can leave out.
        let body = &self.admitted.body;
        let holds = || translate::holds_envelope(body);
        if self.admitted.call.is_bound() {
            self.served.dialect = Some(self.dialect());
            return Some(Step::Go(Box::new(self.as_it_came(pick, now))));
        }
        let foreign = self.gateway.mixed && *self.enveloped.get_or_insert_with(holds);
        for upstream in self.unsaid.left(&pick, self.dialect()) {
            self.served.dialect = Some(upstream);
            if upstream == self.dialect() && !foreign {
                return Some(Step::Go(Box::new(self.as_it_came(pick, now))));
            }
            if let Some(fault) = self.admitted.request().err().cloned() {
                let own = (!foreign).then_some(self.dialect());
                self.unsaid.in_all_but(own, fault);
                break;
            }
            match self.translated(&pick, upstream, moment) {
                Ok((call, body, translation)) => {
                    let asking = Asking::new(&self.gateway, &pick, now);
                    let sent = asking.translated(upstream, &self.admitted, body);
                    let marked = Marked::of(&pick, upstream, &sent.body, moment);
                    return Some(Step::Go(Box::new(Dispatched {
                        stream: self.admitted.stream,
                        regroup: self.admitted.rewrites.regroup,
                        translation: Some(Box::new(translation)),
                        marked,
                        ..Dispatched::new(pick, call, sent, now)
                    })));
                }
                Err(fault) => self.unsaid.to(upstream, &pick.model, fault),
            }
        }
        // Its place is free again before another is looked for.
        None
    }

    /// A response that was made in the background may be done now: this request is to book it, by its model.
    fn claim_response(&mut self) {
        let Some(side) = self.admitted.call.side.as_deref() else {
            return;
        };
        if self.served.claim.is_none()
            && let Some(id) = side.fetched()
        {
            let later = &self.gateway.later;
            self.served.claim = later.claim(id, &self.admitted.key.name);
        }
        let response = self.served.claim.as_ref().and_then(Claim::response);
        if let Some(response) = response {
            self.served.model.clone_from(&response.who.model);
        }
    }

    fn as_it_came(&self, pick: Pick, now: Instant) -> Dispatched {
        let admitted = &self.admitted;
        let sent = Asking::new(&self.gateway, &pick, now).as_it_came(admitted);
        Dispatched {
            stream: admitted.stream,
            regroup: admitted.rewrites.regroup,
            books: self.served.claim.is_some(),
            ..Dispatched::new(pick, admitted.call.clone(), sent, now)
        }
    }

    /// The upstream refused something that Weir had added: it is asked again without, which is no attempt of its own.
    pub fn ask_less(
        &mut self,
        dispatched: &mut Dispatched,
        relaying: &Relaying,
        now: Instant,
    ) -> bool {
        let (account, model) = (&dispatched.pick.account.name, &dispatched.pick.model);
        if relaying.refuses_stream_options()
            && let Some(unasked) = dispatched.unasked.take()
        {
            self.gateway.unwilling.note(account, model, now);
            self.served.refused = Some(stream_usage::MEMBER);
            dispatched.body = unasked;
            return true;
        }
        let marked = dispatched.marked.take();
        let Some(marked) = marked.filter(|_| relaying.refuses_markers()) else {
            return false;
        };
        self.gateway.unmarked.note(account, model, now);
        let again = self.encoded(&dispatched.pick, dispatched.call.dialect, marked.moment());
        let body = again.map(|(_, encoded)| encoded.body).unwrap_or_default();
        // Else the markers were the client's own.
        let is_other = !body.is_empty() && *body != *dispatched.body.to_bytes();
        if is_other {
            self.served.refused = Some(markers::MEMBER);
            dispatched.body = Pieces::from(Bytes::from(body));
        }
        is_other
    }

    fn translated(
        &mut self,
        pick: &Pick,
        upstream: Dialect,
        moment: Moment,
    ) -> Result<(ModelCall, Pieces, Translation), RequestFault> {
        let (mut translator, encoded) = self.encoded(pick, upstream, moment)?;
        let hosted = |tool: &Tool| matches!(tool, Tool::Hosted(_));
        if upstream == Dialect::Anthropic
            && self.dialect() != Dialect::Anthropic
            && let Ok(request) = self.admitted.request()
            && request.tools.iter().any(hosted)
        {
            // Its own tools may take long, and only its own clients know how to go on.
            translator.may_pause();
        }
        // Also when this attempt fails: what the upstream was asked differs by so much from what the client asked.
        let notable = encoded.dropped.as_slice().iter();
        self.served.dropped = notable
            .filter(|dropped| dropped.notable)
            .map(|dropped| dropped.field)
            .collect();
        let call = ModelCall {
            path_stream: Some(self.admitted.stream),
            ..ModelCall::new(upstream, Endpoint::Generate)
        };
        let events = self.admitted.stream && !self.admitted.wants_array();
        let keeps = self.admitted.question.is_some();
        let translation = Translation::new(encoded.headers, translator, events).keeping(keeps);
        Ok((call, Pieces::from(Bytes::from(encoded.body)), translation))
    }

    /// The request as this account is to get it, and what will translate its answer.
    pub(super) fn encoded(
        &self,
        pick: &Pick,
        upstream: Dialect,
        moment: Moment,
    ) -> Result<(Translator, Encoded), RequestFault> {
        let request = self.admitted.request().map_err(RequestFault::clone)?;
        let target = Target {
            model: &pick.model,
            capabilities: &self.gateway.config.capabilities_of(&pick.model),
            quirks: pick.account.provider.quirks(),
            account: &pick.account.name,
            prompt_cache: markers::wanted(&self.gateway, pick, self.began),
        };
        let created = moment
            .wall
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let stamp = Stamp {
            created,
            seed: moment.draw,
            stored: self.admitted.question.is_some(),
        };
        Translator::new(request, upstream, &target, stamp)
    }

    /// The head of this attempt's request; `h2` wants an absolute URI. `None` when no such request can be written.
    /// `client` are the client's headers.
    pub fn head(&self, dispatched: &Dispatched, client: &HeaderMap, h2: bool) -> Option<Parts> {
        let account = &dispatched.pick.account;
        let endpoint = account.endpoints.get(dispatched.pick.endpoint)?;
        let own;
        let (client, query) = match &dispatched.translation {
            None => (client, self.query.as_deref()),
            Some(translation) => {
                own = headers::of_translation(translation.headers(), dispatched.stream);
                let events = dispatched.call.dialect == Dialect::Gemini && dispatched.stream;
                (&own, events.then_some("alt=sse"))
            }
        };
        let path = target::call(
            &dispatched.call,
            endpoint,
            &dispatched.pick.model,
            query,
            account,
        );
        let headers = headers::to_account(client, account, dispatched.token.as_ref(), |headers| {
            let rewrites = &self.admitted.rewrites;
            rewrites.edit_headers(&self.gateway.config, headers);
            let trace = self.trace.map(|trace| trace.header(self.attempts.len()));
            if let Some(Ok(value)) = trace.map(HeaderValue::try_from) {
                headers.insert(HeaderName::from_static("traceparent"), value);
            }
        });
        let length = dispatched.body.len();
        let method = dispatched.call.method();
        // Only what makes something says that it sends nothing.
        let length = (length > 0 || *method == Method::POST).then_some(length);
        let head = target::Head {
            method,
            path: &path,
            headers,
            length,
        };
        head.written(endpoint, h2)
    }

    /// The head of the answer for the client, the first time.
    pub fn client_head(&self, relaying: &mut Relaying) -> Option<(StatusCode, HeaderMap)> {
        let (status, mut headers) = relaying.client_head()?;
        headers::hide_limits(&mut headers);
        self.add_decision(&mut headers);
        if self.counts() {
            counting::mark(&mut headers, counting::PROVIDER);
        }
        Some((status, headers))
    }
}

impl Dispatched {
    /// A question for a count. With `headers` it is a translation.
    pub(super) fn counting(
        pick: Pick,
        call: ModelCall,
        body: Pieces,
        headers: Option<Vec<(&'static str, &'static str)>>,
        began: Instant,
    ) -> Self {
        Self {
            translation: headers.map(|headers| Box::new(Translation::of_count(headers))),
            ..Self::new(pick, call, Sent::as_it_is(body), began)
        }
    }

    /// Whole, in the client's own dialect.
    fn new(pick: Pick, call: ModelCall, sent: Sent, began: Instant) -> Self {
        Self {
            pick,
            call,
            stream: false,
            body: sent.body,
            unasked: sent.unasked,
            marked: None,
            asked: None,
            began,
            sent: false,
            sent_whole: false,
            status: None,
            books: false,
            regroup: None,
            token: None,
            translation: None,
        }
    }

    /// What the upstream is called for.
    pub(super) fn call(&self) -> &ModelCall {
        &self.call
    }

    /// Whether the upstream is asked in another dialect than the client's.
    pub(super) fn is_translated(&self) -> bool {
        self.translation.is_some()
    }

    /// All of the request is on its way.
    pub fn note_sent_whole(&mut self) {
        self.sent_whole = true;
    }

    pub(super) fn is_sent_whole(&self) -> bool {
        self.sent_whole
    }

    /// The account to be tried.
    pub fn account(&self) -> &Arc<Account> {
        &self.pick.account
    }

    /// Which of its endpoints.
    pub fn endpoint(&self) -> usize {
        self.pick.endpoint
    }

    /// The access token that it goes with; `None` = the account's key.
    pub fn authorize(&mut self, token: Option<Token>) {
        self.token = token;
    }

    /// See [`Dispatched::authorize`].
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The credential that the upstream gets to see.
    pub fn secret(&self) -> Option<Secret> {
        let token = self.token.as_ref().map(|token| &token.secret);
        token.or(self.pick.account.key.as_ref()).cloned()
    }

    /// The body to be sent.
    pub fn body(&self) -> &Pieces {
        &self.body
    }

    /// What the translation of the request left out; `None` when nothing was translated.
    pub(super) fn losses(&self) -> Option<Vec<Dropped>> {
        Some(self.translation.as_ref()?.losses())
    }

    /// A response head is here.
    pub fn relaying(
        &mut self,
        client: Dialect,
        status: StatusCode,
        headers: &HeaderMap,
        now: Instant,
        wall: SystemTime,
    ) -> Relaying {
        self.pick.lease.observe(headers, now, wall);
        self.status = Some(status);
        let translation = self.translation.as_mut();
        let may_ask_less = (self.unasked.is_some() || self.marked.is_some())
            && matches!(status.as_u16(), 400 | 422);
        // Then the same request may go once more: its translator waits for the answer to that.
        let may_repeat = status == StatusCode::UNAUTHORIZED || may_ask_less;
        let translator = translation.filter(|_| !may_repeat);
        let kind = match translator.and_then(|translation| translation.take()) {
            _ if self.call.endpoint == Endpoint::Count => Kind::Count,
            Some((translator, media, keeps)) => Kind::Translated {
                translated: Box::new(Translated::new(translator, self.stream, media)),
                keeps,
            },
            None => match self.call.side.as_deref() {
                Some(side) => Kind::Aside {
                    tells: side.tells() || self.books,
                    makes: side.makes(),
                },
                None => Kind::Same,
            },
        };
        let asked = Asked {
            client,
            upstream: self.call.dialect,
            stream: self.stream,
            kind,
            hides_usage: self.unasked.is_some(),
            secret: self.secret(),
            regroup: self.regroup,
        };
        Relaying::new(asked, status, headers)
    }

    /// How long this attempt may take in its parts. Nobody waits long for a count: an estimate is there at once.
    pub fn timeouts(&self) -> Timeouts {
        let timeouts = self.account().timeouts;
        if self.call().endpoint != Endpoint::Count {
            return timeouts;
        }
        Timeouts {
            first_byte: timeouts.first_byte.min(LONGEST_COUNT),
            idle: timeouts.idle.min(LONGEST_COUNT),
            ..timeouts
        }
    }

    /// The answer is good and begins.
    pub fn committed(&mut self, now: Instant) {
        self.pick.lease.committed(now);
    }
}

/// How long a provider may take to count.
const LONGEST_COUNT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::exchange::Gateway;
    use crate::exchange::admit::{self, Arrived};
    use crate::exchange::operation::{Operation, operation};

    /// The body that goes upstream for a request of an Anthropic client.
    fn sent(accounts: &[&str], body: &str) -> Vec<u8> {
        let accounts: Vec<String> = accounts
            .iter()
            .map(|dialect| {
                format!(
                    "  - {{ name: {dialect}, provider: simulated, dialect: {dialect}, base_url: \"http://127.0.0.1:9/v1\" }}\n"
                )
            })
            .collect();
        let accounts = accounts.concat();
        let text = format!("version: 1\nanonymous: true\naccounts:\n{accounts}");
        let config = config::parse("test", &text, &|_| None).expect("a configuration");
        let gateway = Arc::new(Gateway::build(config, None));
        let headers = HeaderMap::new();
        let wall = SystemTime::now();
        let Operation::Model(call) = operation(&Method::POST, "/v1/messages", &headers) else {
            panic!("not a model call");
        };
        let key = admit::authenticate(&gateway, &headers, None, wall).expect("anybody");
        let body = Bytes::copy_from_slice(body.as_bytes());
        let arrived = Arrived {
            call,
            headers: &headers,
            query: None,
            body,
        };
        let admitted = admit::admit(&gateway, key, arrived, wall).expect("a request");
        let now = Instant::now();
        let mut dispatch = Dispatch::new(gateway, admitted, None, now);
        match dispatch.next(Moment { now, wall, draw: 1 }) {
            Step::Go(dispatched) => dispatched.body().to_bytes().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn conversation(signature: &str) -> String {
        format!(
            r#"{{"model":"claude-sonnet-5",  "max_tokens":9,"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"hm","signature":"{signature}"}},{{"type":"text","text":"b"}}]}},{{"role":"user","content":"c"}}]}}"#
        )
    }

    #[test]
    fn the_clients_own_dialect_gets_the_clients_bytes() {
        let body = conversation("EqQBCkYIARgC");
        assert_eq!(sent(&["anthropic"], &body), body.as_bytes());
        assert_eq!(sent(&["openai-chat", "anthropic"], &body), body.as_bytes());
    }

    #[test]
    fn state_that_weir_wrapped_never_reaches_a_vendor() {
        let body = conversation("weir1.AQECAwQF");
        let sent = String::from_utf8(sent(&["anthropic", "openai-chat"], &body)).expect("text");
        assert!(!sent.contains("weir1."), "{sent}");
        assert!(sent.contains(r#""text":"b""#), "{sent}");
    }
}

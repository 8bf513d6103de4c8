//! The request as parsed by its dialect. It is parsed on the first use, and only once.
//!
//! Routes that look into it, limits that estimate a picture, an account of another dialect, a count, and learning from
//! an answer use it. A request that passes unchanged to an account of its own dialect is not parsed at all.
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::protocol::Dialect;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Request;
use crate::protocol::json::{self, Edit, Members};
use crate::protocol::translate::{self, count};

/// The parsed request, once it was needed.
#[derive(Debug, Default)]
pub(super) struct Reading(OnceLock<Read>);

type Read = Result<Arc<Request>, RequestFault>;

/// A request that can be parsed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prompt<'a> {
    pub reading: &'a Reading,
    pub dialect: Dialect,
    /// Whether the request only counts tokens; then it needs no limit for its answer.
    pub counts: bool,
    /// The model; a Gemini request names it in its path.
    pub model: &'a str,
    /// How a Gemini request wants its answer, which is also in its path.
    pub delivery: Delivery,
    pub body: &'a Bytes,
    /// The members of `body`.
    pub members: &'a Members,
}

impl<'a> Prompt<'a> {
    /// The request, or why it cannot be parsed.
    pub(super) fn request(self) -> Result<&'a Arc<Request>, &'a RequestFault> {
        let read = self.reading.0.get_or_init(|| self.read().map(Arc::new));
        read.as_ref()
    }

    /// The same for another thread: it is parsed there, unless it has been parsed already.
    pub(super) fn deferred(self) -> DeferredPrompt {
        DeferredPrompt {
            known: self.reading.0.get().cloned(),
            dialect: self.dialect,
            counts: self.counts,
            model: self.model.to_owned(),
            body: self.body.clone(),
        }
    }

    fn read(self) -> Result<Request, RequestFault> {
        let (client, body) = (self.dialect, self.body);
        match client {
            Dialect::Gemini if self.counts => {
                translate::decode_gemini(count::prompt(client, body), self.model, self.delivery)
            }
            Dialect::Anthropic if self.counts && !self.members.has(body, "max_tokens") => {
                let limit = [("max_tokens", Edit::Set(Bytes::from_static(b"1")))];
                translate::decode(client, &json::set(body, self.members, &limit).to_bytes())
            }
            _ => {
                let path = (self.model, self.delivery);
                translate::decode_scanned(client, (body, self.members), path)
            }
        }
    }
}

/// A request that is parsed outside the event loop.
#[derive(Debug)]
pub(super) struct DeferredPrompt {
    known: Option<Read>,
    dialect: Dialect,
    counts: bool,
    model: String,
    body: Bytes,
}

impl DeferredPrompt {
    /// The request, or why it cannot be parsed.
    pub(super) fn request(&self) -> Result<Arc<Request>, RequestFault> {
        if let Some(read) = &self.known {
            return read.clone();
        }
        let prompt = Prompt {
            reading: &Reading::default(),
            dialect: self.dialect,
            counts: self.counts,
            model: &self.model,
            delivery: Delivery::Whole,
            body: &self.body,
            members: &json::scan(&self.body).unwrap_or_default(),
        };
        prompt.read().map(Arc::new)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The model name that the client uses.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The number of bytes in its body.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use http::{HeaderMap, Method};

    use super::*;
    use crate::config;
    use crate::exchange::admit::{self, Arrived};
    use crate::exchange::attempts::{Attempts, Step};
    use crate::exchange::occasion::Occasion;
    use crate::exchange::operation::{Operation, operation};
    use crate::exchange::{Gateway, limits};
    use crate::moment::Moment;
    use crate::protocol::translate::decodes;

    /// How often a request of an Anthropic client is parsed until this account gets it.
    fn decoded(account: &str, routes: &str, path: &str, body: &str) -> u64 {
        let text = format!(
            "version: 1
accounts:
  - {{ name: a, provider: simulated, dialect: {account}, base_url: \"http://127.0.0.1:9/v1\" }}
pools: [{{ name: default, accounts: [a] }}]
routes: [{routes}]
keys: [{{ name: k, key: a-secret-key, limits: {{ tpm: 1000000 }} }}]
"
        );
        let config = config::parse("test", &text, &|_| None).expect("a configuration");
        let gateway = Arc::new(Gateway::build(config, None));
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", "a-secret-key".parse().expect("a value"));
        let moment = Moment {
            now: Instant::now(),
            wall: SystemTime::now(),
        };
        let Operation::Model(call) = operation(&Method::POST, path, &headers) else {
            panic!("not a model call");
        };
        let before = decodes();
        let key = admit::authenticate(&gateway, &headers, None, moment.wall).expect("the key");
        let arrived = Arrived {
            call,
            headers: &headers,
            query: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let admitted = admit::admit(&gateway, key, arrived, moment.wall).expect("a request");
        let permit = limits::admit(&gateway, &admitted, moment).expect("room");
        let mut dispatch = Attempts::new(gateway, admitted, None, moment.now);
        match dispatch.next(Occasion { moment, draw: 1 }) {
            Step::Go(_) => {}
            Step::Estimate(estimate) => drop(estimate.run().expect("a count")),
            other => panic!("{other:?}"),
        }
        drop(permit);
        decodes() - before
    }

    const PICTURE: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}"#;
    const TEXT: &str =
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    const BY_IMAGES: &str = "{ when: { images: true }, pool: default }, { when: { input_tokens_over: 5 }, pool: default }";

    #[test]
    fn routed_limited_and_translated_is_decoded_once() {
        assert_eq!(
            decoded("openai-chat", BY_IMAGES, "/v1/messages", PICTURE),
            1
        );
        assert_eq!(decoded("gemini", BY_IMAGES, "/v1/messages", PICTURE), 1);
    }

    #[test]
    fn whoever_asks_alone_decodes_once() {
        // Because of the route.
        assert_eq!(decoded("anthropic", BY_IMAGES, "/v1/messages", TEXT), 1);
        // Because of the limit, for the picture.
        assert_eq!(decoded("anthropic", "", "/v1/messages", PICTURE), 1);
        // Because of the account of another dialect.
        assert_eq!(decoded("openai-chat", "", "/v1/messages", TEXT), 1);
    }

    #[test]
    fn nobody_asks_for_what_passes() {
        assert_eq!(decoded("anthropic", "", "/v1/messages", TEXT), 0);
    }

    #[test]
    fn a_count_is_decoded_once_also_where_a_route_asked() {
        let prompt = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
        let path = "/v1/messages/count_tokens";
        assert_eq!(decoded("openai-chat", BY_IMAGES, path, prompt), 1);
        assert_eq!(decoded("openai-chat", "", path, prompt), 1);
    }
}

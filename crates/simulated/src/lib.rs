//! The simulated upstream: a pure generator of answers in all four dialects.
//!
//! It serves `weir demo`, `weir upstream`, the load tests and the client tests. It knows no sockets, no clock and no
//! randomness: [`Simulated::answer`] turns a request, its number and the time into a [`Script`], and a server plays
//! that. Everything it can do is in `docs/SIMULATED.md`.
//!
//! The way of a request: `endpoint` says what is asked, `<dialect>/request` reads it into an `ask`, `knobs` say how it
//! is to be answered, `plan` decides the content, and `<dialect>` writes it, whole or (`stream`, `frames`) event by
//! event; `fault` holds the vendors' errors, `stats` counts.
mod anthropic;
mod beat;
mod completions;
mod control;
mod dialect;
mod endpoint;
mod fault;
mod frames;
mod gemini;
mod generation_request;
mod handler;
mod head;
mod ids;
mod knobs;
mod openai_chat;
mod openai_responses;
mod plan;
mod sample;
mod script;
mod stats;
mod stream;
mod usage;
mod vendor;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

pub use self::control::Live;
pub use self::knobs::Knobs;
pub use self::script::{Script, Step, Steps};

use self::endpoint::Endpoint;
use self::handler::Handler;
use self::head::Head;
use self::plan::Stamp;
use self::stats::Stats;

/// What a simulated upstream starts with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Credentials that are let in; empty lets in everyone, with or without one.
    pub keys: Vec<String>,
    /// The models that it lists.
    pub models: Vec<String>,
    /// Answer 404 to every other model.
    pub only_listed_models: bool,
    /// Default knobs, and deviations per credential.
    pub live: Live,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            models: MODELS.map(str::to_owned).to_vec(),
            only_listed_models: false,
            live: Live::default(),
        }
    }
}

/// A request, read completely.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// The path, without the query.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, decoded.
    pub body: &'a [u8],
}

/// The simulated upstream.
#[derive(Debug)]
pub struct Simulated {
    settings: Settings,
    live: ArcSwap<Live>,
    stats: Arc<Stats>,
}

impl Simulated {
    /// A simulated upstream with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            live: ArcSwap::from_pointee(settings.live.clone()),
            settings,
            stats: Arc::default(),
        }
    }

    /// The answer to a request. `number` counts the requests from 0, `created` is the time in Unix seconds; all ids
    /// follow from the number.
    pub fn answer(&self, request: Request<'_>, number: u64, created: i64) -> Script {
        let head = Head::read(request.headers, request.query);
        let endpoint = Endpoint::of(request.method, request.path, head.caller());
        match endpoint {
            Endpoint::Control => return self.control(request.body),
            Endpoint::Stats => return self.own(200, &self.stats.to_json()),
            Endpoint::Health => return self.own(200, &json!({"status": "ok"})),
            _ => {}
        }
        let stamp = Stamp { number, created };
        Handler::new(self, request, head, endpoint.dialect(), stamp).answer(&endpoint)
    }

    fn control(&self, body: &[u8]) -> Script {
        let message: Value = match serde_json::from_slice(body) {
            Ok(message) => message,
            Err(error) => return self.own(400, &json!({"error": error.to_string()})),
        };
        let reset = message.get("reset") == Some(&Value::Bool(true));
        let base = if reset {
            Arc::new(self.settings.live.clone())
        } else {
            self.live.load_full()
        };
        match base.apply(&message) {
            Ok(live) => {
                if reset {
                    self.stats.reset();
                }
                self.live.store(Arc::new(live));
                self.own(200, &json!({"ok": true}))
            }
            Err(error) => self.own(400, &json!({"error": error})),
        }
    }

    /// An answer of the simulation itself, which is not counted.
    fn own(&self, status: u16, body: &Value) -> Script {
        let entry = self.stats.uncounted();
        let headers = vec![head::content_type(head::JSON)];
        let steps = Steps::whole(to_bytes(body), &Knobs::default(), None, entry);
        Script::new(status, headers, steps)
    }
}

fn to_bytes(value: &Value) -> Bytes {
    value.to_string().into()
}

const MODELS: [&str; 8] = [
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-sonnet-4-5",
    "gpt-5.6",
    "gpt-4o",
    "gpt-4o-mini",
    "gemini-2.5-pro",
];

#[cfg(test)]
mod tests;

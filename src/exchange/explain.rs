//! What would happen to a request, and why: `weir explain` and `POST /admin/explain`.
//!
//! Nothing here decides anything. The request passes the steps of the live path ([`admit`], [`Attempts`]) on a copy of
//! the live state ([`Gateway::shadow`]), up to the call of an upstream. There the attempt is treated as failed, to see
//! which account would be next. This file and its submodules only write down what was decided.
mod accounts;
mod attempts;
mod figures;
mod infer;
mod named;
mod report;
mod routing;
mod text;
pub(crate) mod upstream;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::admit::{self, Admitted, Arrived};
use super::attempts::Attempts;
use super::occasion::Occasion;
use super::operation::{self, Endpoint, ModelCall, Operation};
use super::refusal::Refusal;
use super::relaying::Answer;
use super::session::StatedSession;
use super::{Gateway, limits, origin, received, rewrite};
use crate::config::ClientKey;
use crate::moment::Moment;
use crate::outcome::Affinity;
use crate::pool::affinity::{self, Traces};
use crate::pool::{Used, Want};
use named::{key_names, named_key};
pub use report::Report;
use report::{AnswerPart, ClientPart, SessionPart, UntranslatablePart};

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct ExplainedRequest<'a> {
    /// The path with its query; `None` = inferred from the body.
    pub path: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// The name of a configured key to act as, without its secret; otherwise the credential in `headers` or `path`
    /// decides.
    pub key: Option<&'a str>,
    pub body: Bytes,
    /// The number of requests in flight; `None` = no process is running, so there is no live state.
    pub in_flight: Option<usize>,
}

/// Explains what would happen to a request. `Err` is a fault of the question itself.
pub fn explain(
    gateway: &Gateway,
    explained: &ExplainedRequest<'_>,
    occasion: Occasion,
) -> Result<Report, String> {
    let Occasion { moment, draw } = occasion;
    let mut notes = Vec::new();
    let path = if let Some(path) = explained.path {
        path.to_owned()
    } else {
        let limit = gateway.config.server.max_body;
        if explained.body.len() > limit {
            // The body may have been cut off, so its members say nothing.
            return Err(format!(
                "the body is longer than `server.max_body`, {limit} bytes; give the path to see the refusal"
            ));
        }
        let inferred = infer::path(&explained.body, explained.headers)?;
        let (path, because) = (inferred.path, inferred.because);
        notes.push(format!(
            "no path was given: {path}, because the body has {because}"
        ));
        path
    };
    let uri: Uri = path
        .parse()
        .ok()
        .filter(|uri: &Uri| uri.path().starts_with('/'))
        .ok_or_else(|| format!("`{path}` is no path; give one like /v1/messages"))?;
    if explained.in_flight.is_none() {
        notes.push(
            "no process was asked: every account counts as usable, every limit as unused".into(),
        );
    }
    let named = match explained.key {
        Some(name) => Some(named_key(gateway, name)?),
        None => None,
    };
    let gateway = Arc::new(gateway.shadow());
    let accounts = 0..gateway.config.accounts.len();
    let used = accounts.map(|account| gateway.pool.used(account, moment.now));
    let mut explainer = Explainer {
        used: used.collect(),
        report: Report::new(uri.path(), explained.body.len(), notes),
        gateway,
        explained,
        uri,
        moment,
        draw,
    };
    explainer.run(named);
    Ok(explainer.report)
}

/// A request on its way through the steps.
struct Explainer<'a> {
    /// The copy of the live state.
    gateway: Arc<Gateway>,
    /// What each account used before the first attempt.
    used: Vec<Option<Used>>,
    explained: &'a ExplainedRequest<'a>,
    uri: Uri,
    moment: Moment,
    draw: u64,
    report: Report,
}

impl Explainer<'_> {
    fn run(&mut self, named: Option<Arc<ClientKey>>) {
        let dialect = operation::error_dialect(self.uri.path(), self.explained.headers);
        match self.receive(named) {
            Ok(()) => {}
            Err(refusal) => {
                let hint = self.hint(&refusal);
                let answer = refusal.answer(dialect, REQUEST_ID);
                self.answered(&answer, hint);
            }
        }
        self.report.served = match &self.report.answer {
            Some(answer) => answer.status < 400,
            None => true,
        };
    }

    /// The same steps as `Edge::receive`, in the same order.
    fn receive(&mut self, named: Option<Arc<ClientKey>>) -> Result<(), Refusal> {
        let operation =
            operation::operation(&Method::POST, self.uri.path(), self.explained.headers);
        self.report.request.operation = match &operation {
            Operation::Model(call) => match call.endpoint {
                Endpoint::Generate => "generate",
                Endpoint::LegacyCompletions => "completions",
                Endpoint::Count => "count",
                Endpoint::Compact => "compact",
                Endpoint::Vendor => "vendor",
            },
            // What Weir itself answers is not requested with POST.
            Operation::Local(_)
            | Operation::Path(_)
            | Operation::Unknown
            | Operation::WebSocket
            | Operation::WrongMethod { .. } => "none",
        };
        self.report.request.dialect = match &operation {
            Operation::Model(call) => Some(call.dialect.as_str()),
            _ => None,
        };
        let server = figures::server_limit(&self.gateway, self.explained);
        self.report.limits.push(server);
        let most = self.gateway.config.server.max_concurrent_requests;
        if self.explained.in_flight.is_some_and(|count| count >= most) {
            return Err(Refusal::Overloaded);
        }
        let key = self.authenticate(named)?;
        let client = self.report.client.as_ref();
        let project = client.and_then(|client| client.project.as_deref());
        let principal = self.gateway.limits.principal(key.index, project);
        let limits = figures::client_limits(&self.gateway, self.explained, principal, self.moment);
        self.report.limits.extend(limits);
        match operation {
            Operation::Model(call) => self.model_call(key, call),
            Operation::Local(_) => Ok(()),
            Operation::WebSocket => Err(Refusal::WebSocket),
            Operation::WrongMethod { allowed } => Err(Refusal::WrongMethod { allowed }),
            Operation::Path(fault) => Err(Refusal::Path(fault)),
            Operation::Unknown => Err(Refusal::not_found(self.uri.path())),
        }
    }

    fn authenticate(&mut self, named: Option<Arc<ClientKey>>) -> Result<Arc<ClientKey>, Refusal> {
        let (gateway, headers) = (&self.gateway, self.explained.headers);
        let (key, found_by) = match named {
            Some(key) if key.expires.is_some_and(|at| at <= self.moment.wall) => {
                return Err(Refusal::KeyExpired);
            }
            Some(key) => (key, "name"),
            None => {
                let key =
                    admit::authenticate(gateway, headers, self.uri.query(), self.moment.wall)?;
                let known = gateway
                    .config
                    .keys
                    .iter()
                    .any(|known| known.name == key.name);
                (key, if known { "credential" } else { "anonymous" })
            }
        };
        let pools = key.pools.as_ref().map(|pools| {
            let pools = pools.iter().filter_map(|at| gateway.config.pools.get(*at));
            pools.map(|pool| pool.name.to_string()).collect()
        });
        let models = key.models.as_ref().map(|models| {
            let patterns = models.iter().map(|glob| glob.pattern().to_owned());
            patterns.collect()
        });
        origin::check(gateway, &key, headers)?;
        let project = origin::project(&gateway.config, &key, headers)?;
        self.report.client = Some(ClientPart {
            key: key.name.to_string(),
            found_by,
            group: key.group.as_deref().map(str::to_owned),
            project: project.as_deref().map(str::to_owned),
            pools,
            models,
        });
        Ok(key)
    }

    fn model_call(&mut self, key: Arc<ClientKey>, call: ModelCall) -> Result<(), Refusal> {
        let limit = self.gateway.config.server.max_body;
        if self.explained.body.len() > limit {
            return Err(Refusal::too_large(limit));
        }
        self.read(&key, &call);
        let (gateway, headers) = (Arc::clone(&self.gateway), self.explained.headers);
        let arrived = Arrived {
            call,
            headers,
            query: self.uri.query(),
            body: self.explained.body.clone(),
        };
        let admitted = admit::admit(&gateway, key, arrived, self.moment.wall)?;
        self.report.request.reserved = Some(figures::reserved(&gateway, &admitted));
        self.report.pool = accounts::pool(&gateway.config, &admitted.key, admitted.pool);
        self.report.session = self.session(&admitted);
        let spread = admitted.call.vendor_call.is_some() && !admitted.model.is_empty();
        if self.report.session.is_none() && admitted.previous_response.is_none() && !spread {
            let note = "the request has no session: the next one like it may go to another account";
            self.report.notes.push(note.into());
        }
        let now = self.moment.now;
        let permit = limits::admit(&gateway, &admitted, self.moment)?;
        let before = gateway.pool.shadow();
        let mut made = Attempts::new(Arc::clone(&gateway), admitted, self.uri.query(), now);
        let refused = self.make(&mut made);
        let want = Want {
            pool: made.admitted().pool,
            tried: &[],
            ..made.want(self.draw)
        };
        let considered = before.explain(&want, now);
        let order = self.report.attempts.as_ref();
        let order = order.map_or(&[][..], |attempts| &attempts.order);
        self.report.candidates = accounts::candidates(&gateway, &considered, order);
        let inexpressible = made.inexpressible();
        self.report.untranslatable = inexpressible.fault().map(|fault| UntranslatablePart {
            dialects: inexpressible
                .list()
                .iter()
                .map(|it| it.dialect.as_str())
                .collect(),
            field: fault.param.clone(),
            why: fault.message.clone(),
        });
        drop(permit);
        let admitted = made.admitted();
        if admitted.call.endpoint != Endpoint::Count && !admitted.model.is_empty() {
            self.report.price = Some(figures::price(&gateway, &self.report, &admitted.model));
        }
        refused
    }

    /// Makes every attempt on the copy, and takes over the results.
    fn make(&mut self, made: &mut Attempts) -> Result<(), Refusal> {
        let occasion = Occasion {
            moment: self.moment,
            draw: self.draw,
        };
        let tried = attempts::make(&self.gateway, self.explained, occasion, made);
        if let Some(first) = tried.first {
            let used = self.used.get(first.account.index).copied().flatten();
            let used = used.filter(|_| self.explained.in_flight.is_some());
            let limits = figures::own_limits(&first.account, used);
            self.report.limits.extend(limits);
            if let Some(session) = &mut self.report.session {
                session.affinity = first.affinity.map(Affinity::as_str);
            }
            self.report.upstream = first.upstream;
        }
        self.report.attempts = Some(tried.part);
        let answer = tried.answer.transpose()?;
        if let Some(answer) = answer {
            self.answered(&answer, None);
        }
        Ok(())
    }

    /// The facts for routes, as far as the body can be read; the refusal reports what cannot.
    fn read(&mut self, key: &ClientKey, call: &ModelCall) {
        let Ok(mut received) = received::read(Arrived {
            call: call.clone(),
            headers: self.explained.headers,
            query: None,
            body: self.explained.body.clone(),
        }) else {
            return;
        };
        let (config, headers, wall) = (
            &self.gateway.config,
            self.explained.headers,
            self.moment.wall,
        );
        let Ok(rewrites) = rewrite::apply(&self.gateway, key, headers, &mut received, wall) else {
            return;
        };
        let names = rewrites.names(config);
        self.report.rewrites = names.iter().map(ToString::to_string).collect();
        let Ok(rewritten) = received.rewritten() else {
            return;
        };
        let facts = rewritten.facts(&self.gateway, key, self.explained.headers, self.moment.wall);
        self.report.route = Some(routing::route(&self.gateway.config, &facts));
        let tokens = facts.needs().input_tokens;
        let request = &mut self.report.request;
        request.input_tokens = (tokens > 0).then_some(tokens);
        request.stream = Some(rewritten.stream);
        request.model = Some(rewritten.model).filter(|model| !model.is_empty());
    }

    fn session(&self, admitted: &Admitted) -> Option<SessionPart> {
        let by = self.gateway.config.pools.get(admitted.pool)?.affinity;
        let (key, headers) = (&admitted.key, self.explained.headers);
        let (members, body) = (&admitted.members, &admitted.body);
        let said = StatedSession::read(admitted.call.dialect, headers, |name| {
            Some(body.slice(members.span(body, name)?))
        });
        let traces = Traces {
            given: admitted.rewrites.session.as_deref(),
            derived: admitted.derived.as_deref(),
            key: Some(&key.name),
            ..said.traces()
        };
        let found = affinity::find(&traces, by)?;
        Some(SessionPart {
            kind: found.kind,
            id: found.id.chars().take(LONGEST_ID).collect(),
            affinity: None,
        })
    }

    fn answered(&mut self, answer: &Answer, hint: Option<String>) {
        self.report.answer = Some(AnswerPart {
            status: answer.status,
            headers: upstream::plain(&answer.headers),
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
            hint,
        });
    }

    /// What the operator is told in addition to the client's message.
    fn hint(&self, refusal: &Refusal) -> Option<String> {
        match refusal {
            Refusal::KeyMissing => Some(format!(
                "to act as a configured key without its secret, name it; {}",
                key_names(&self.gateway)
            )),
            Refusal::KeyExpired => Some("the key is past its `expires`".into()),
            Refusal::Overloaded => Some("`server.max_concurrent_requests` is reached".into()),
            Refusal::NoRoute => Some(
                "no route matches, and there is no pool named `default` that this key may use"
                    .into(),
            ),
            Refusal::ModelUnknown { .. } => {
                Some("no account of the pool has it among its `models`".into())
            }
            _ => None,
        }
    }
}

/// The request id in refusals.
const REQUEST_ID: &str = "explain";
/// The most characters of a session id that are shown.
const LONGEST_ID: usize = 128;

#[cfg(test)]
mod tests;

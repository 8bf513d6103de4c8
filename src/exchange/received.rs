//! A call whose body has been read: extracts the model and the other deciding members, wherever its endpoint has them.
use std::cell::OnceCell;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::Gateway;
use super::form;
use super::operation::{Endpoint, ModelCall};
use super::reading::{Prompt, Reading};
use super::refusal::Refusal;
use super::route::Facts;
use super::vendor_call::Place;
use crate::config::ClientKey;
use crate::protocol::Dialect;
use crate::protocol::gemini::Delivery;
use crate::protocol::json::{self, Draft, Members};

/// A call with everything that arrived of it.
#[derive(Debug)]
pub struct Arrived<'a> {
    pub call: ModelCall,
    pub headers: &'a HeaderMap,
    pub query: Option<&'a str>,
    pub body: Bytes,
}

/// A call as it arrived, before its rewrites.
#[derive(Debug)]
pub(super) struct Received {
    pub call: ModelCall,
    pub body: Bytes,
    /// The members of `body`.
    pub members: Members,
    pub stream: bool,
    /// Whether a stream is sent as one JSON array, as Gemini does without `alt=sse`.
    pub array: bool,
    /// The place of the model's name in a form.
    pub form: Option<Range<usize>>,
    /// The parsed request.
    pub reading: Reading,
}

/// A call with its model, after its rewrites.
#[derive(Debug)]
pub(super) struct RewrittenCall {
    pub call: ModelCall,
    pub body: Bytes,
    /// The members of `body`.
    pub members: Members,
    pub model: String,
    pub stream: bool,
    /// Whether a stream is sent as one JSON array, as Gemini does without `alt=sse`.
    pub array: bool,
    /// The place of the model's name in a form.
    pub form: Option<Range<usize>>,
    /// The parsed request.
    pub reading: Reading,
}

/// Reads a call before its rewrites.
pub(super) fn read(arrived: Arrived<'_>) -> Result<Received, Refusal> {
    let Arrived {
        call,
        headers,
        query,
        mut body,
    } = arrived;
    let events = |query: &str| query.split('&').any(|pair| pair == "alt=sse");
    let array = call.dialect == Dialect::Gemini && !query.is_some_and(events);
    let mut form = None;
    let mut members = match call
        .vendor_call
        .as_deref()
        .map(|vendor_call| &vendor_call.model)
    {
        Some(Place::Nowhere) => Members::default(),
        // Weir does not interpret the body, so it need not be valid JSON.
        Some(Place::Path { .. }) => json::scan(&body).unwrap_or_default(),
        Some(Place::Body | Place::BodyOrDefault) if let Some(boundary) = boundary(headers) => {
            let found = form::field(&body, boundary, "model");
            form = found.map_err(|unclear| Refusal::Member {
                name: "model",
                expected: unclear.expected(),
            })?;
            Members::default()
        }
        _ => json::scan(&body).map_err(Refusal::Json)?,
    };
    if let Some(deployment) = &call.deployment
        && !members.is_empty()
    {
        let mut draft = Draft::new(&body, &members);
        draft.put("model", json::quote(deployment));
        if let Some(named) = draft.finish() {
            members = json::scan(&named).map_err(Refusal::Json)?;
            body = named;
        }
    }
    if members
        .span(&body, "model")
        .is_some_and(|span| span.len() > LONGEST_WRITTEN)
    {
        return Err(name_fault("model"));
    }
    let stream = match call.path_stream {
        Some(stream) => stream,
        None => call.endpoint != Endpoint::Count && optional_bool(&members, &body, "stream")?,
    };
    Ok(Received {
        call,
        body,
        members,
        stream,
        array,
        form,
        reading: Reading::default(),
    })
}

fn boundary(headers: &HeaderMap) -> Option<&str> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    // If there are two content types, a vendor might use the other one.
    let only = types.next().filter(|_| types.next().is_none())?;
    form::boundary(only.to_str().ok()?)
}

impl Received {
    /// Replaces the body.
    pub(super) fn replace(&mut self, body: Bytes) -> Result<(), Refusal> {
        self.members = json::scan(&body).map_err(Refusal::Json)?;
        self.body = body;
        self.reading = Reading::default();
        Ok(())
    }

    /// Access to the parsed request, as a request for this model.
    pub(super) fn prompt<'a>(&'a self, model: &'a str) -> Prompt<'a> {
        Prompt {
            reading: &self.reading,
            dialect: self.call.dialect,
            counts: self.call.endpoint == Endpoint::Count,
            model,
            delivery: Delivery::of(self.stream, self.array),
            body: &self.body,
            members: &self.members,
        }
    }

    /// The call after its rewrites.
    pub(super) fn rewritten(self) -> Result<RewrittenCall, Refusal> {
        let model = self.model()?;
        listed(&self.body, &self.members)?;
        Ok(RewrittenCall {
            call: self.call,
            body: self.body,
            members: self.members,
            model,
            stream: self.stream,
            array: self.array,
            form: self.form,
            reading: self.reading,
        })
    }

    /// The requested model; empty where the endpoint is not about a model.
    fn model(&self) -> Result<String, Refusal> {
        let place = self
            .call
            .vendor_call
            .as_deref()
            .map(|vendor_call| &vendor_call.model);
        let named = match (&self.call.path_model, &self.form) {
            (Some(model), _) => Some(model.clone()),
            (None, Some(span)) if span.len() > LONGEST_MODEL => return Err(name_fault("model")),
            (None, Some(span)) => {
                let value = self.body.get(span.clone()).unwrap_or_default();
                Some(String::from_utf8(value.to_vec()).map_err(|_| name_fault("model"))?)
            }
            (None, None) => self
                .members
                .string(&self.body, "model")
                .map(std::borrow::Cow::into_owned)
                .or_else(|| self.call.deployment.clone()),
        };
        match (named, place) {
            (Some(model), _) if model.len() > LONGEST_MODEL => Err(name_fault("model")),
            (Some(model), _) if !model.is_empty() => Ok(model),
            (None, Some(Place::Nowhere)) => Ok(String::new()),
            (None, Some(Place::BodyOrDefault)) if !self.members.has(&self.body, "model") => {
                Ok(String::new())
            }
            (None, Some(_)) => Err(Refusal::Member {
                name: "model",
                expected: "a string that is not empty, in the body or as a field of the form",
            }),
            _ => Err(Refusal::Member {
                name: "model",
                expected: "a string that is not empty",
            }),
        }
    }
}

impl RewrittenCall {
    /// Checks that the key may use all models that the request names.
    pub(super) fn is_allowed(&self, key: &ClientKey) -> Result<(), Refusal> {
        let Some(globs) = &key.models else {
            return Ok(());
        };
        match self.call.vendor_call.as_deref() {
            Some(vendor_call) if self.model.is_empty() => {
                return match vendor_call.model {
                    Place::Nowhere if key.files => Ok(()),
                    Place::Nowhere => Err(Refusal::VendorForbidden),
                    _ => Err(Refusal::Member {
                        name: "model",
                        expected: "given, because this API key is bound to certain models",
                    }),
                };
            }
            _ => {}
        }
        let others = others(&self.body, &self.members)?;
        let mut all = std::iter::once(self.model.as_str()).chain(others.iter().map(String::as_str));
        match all.find(|model| !globs.iter().any(|glob| glob.is_match(model))) {
            Some(model) => Err(Refusal::ModelForbidden {
                model: model.chars().take(LONGEST_MODEL).collect(),
            }),
            None => Ok(()),
        }
    }

    fn prompt(&self) -> Prompt<'_> {
        Prompt {
            reading: &self.reading,
            dialect: self.call.dialect,
            counts: self.call.endpoint == Endpoint::Count,
            model: &self.model,
            delivery: Delivery::of(self.stream, self.array),
            body: &self.body,
            members: &self.members,
        }
    }

    /// The facts for routes.
    pub(super) fn facts<'a>(
        &'a self,
        gateway: &'a Gateway,
        key: &'a ClientKey,
        headers: &'a HeaderMap,
        wall: SystemTime,
    ) -> Facts<'a> {
        Facts {
            key,
            call: &self.call,
            model: &self.model,
            stream: self.stream,
            headers,
            prompt: self.prompt(),
            tokens: &gateway.tokens,
            limits: &gateway.limits,
            wall,
            needs: OnceCell::new(),
        }
    }
}

/// The models that a request names besides its own: OpenRouter's alternatives, Anthropic's fallbacks, and models that
/// the vendor's tools run.
fn others(body: &Bytes, members: &Members) -> Result<Vec<String>, Refusal> {
    let mut models = listed(body, members)?;
    // A preset of OpenRouter's chooses the model in a place that Weir cannot see.
    if let Some(preset) = members.value(body, "preset") {
        models.extend(model_in("preset", preset)?.map(|preset| format!("@preset/{preset}")));
    }
    for name in ["tools", "plugins"] {
        for element in elements(name, members.value(body, name))? {
            let Some(inner) = object(name, element)? else {
                continue;
            };
            if let Some(model) = inner.value(element, "model") {
                models.extend(model_in(name, model)?);
            }
            for allowed in elements(name, inner.value(element, "allowed_models"))? {
                models.extend(model_in(name, allowed)?);
            }
        }
    }
    Ok(models)
}

/// The models that may answer instead of the first.
fn listed(body: &Bytes, members: &Members) -> Result<Vec<String>, Refusal> {
    let mut models = Vec::new();
    for name in ["models", "fallbacks", "fallback_models"] {
        let Some(value) = members.value(body, name) else {
            continue;
        };
        // The value is a list or a single name.
        if value.first() == Some(&b'"') {
            models.extend(model_in(name, value)?);
        }
        for element in elements(name, Some(value))? {
            let inner = object(name, element)?;
            let model = inner
                .as_ref()
                .and_then(|inner| inner.value(element, "model"));
            models.extend(model_in(name, model.unwrap_or(element))?);
        }
    }
    Ok(models)
}

/// The name of a model, if the value is a string.
fn model_in(member: &'static str, value: &[u8]) -> Result<Option<String>, Refusal> {
    if value.first() != Some(&b'"') {
        return Ok(None);
    }
    let short = |name: &str| name.len() <= LONGEST_MODEL;
    match json::string(
        value
            .get(..LONGEST_WRITTEN.min(value.len()))
            .unwrap_or_default(),
    ) {
        Some(name) if value.len() <= LONGEST_WRITTEN && short(&name) => Ok(Some(name.into_owned())),
        Some(_) | None => Err(name_fault(member)),
    }
}

/// The elements of a member that is a list. A list that cannot be examined completely is refused, so that nothing can
/// hide in it.
fn elements<'a>(
    member: &'static str,
    list: Option<&'a [u8]>,
) -> Result<impl Iterator<Item = &'a [u8]>, Refusal> {
    let list = list.unwrap_or_default();
    let spans = json::first_elements(list, MOST_LISTED + 1).unwrap_or_default();
    if spans.len() > MOST_LISTED {
        return Err(Refusal::Member {
            name: member,
            expected: "a list of at most 4,096",
        });
    }
    Ok(spans.into_iter().filter_map(|span| list.get(span)))
}

/// The members of an element, if it is an object.
fn object(member: &'static str, element: &[u8]) -> Result<Option<Members>, Refusal> {
    match json::object(element) {
        None if element.first() == Some(&b'{') => Err(Refusal::Member {
            name: member,
            expected: "a list of objects of at most 65,536 members each",
        }),
        members => Ok(members),
    }
}

fn name_fault(member: &'static str) -> Refusal {
    Refusal::Member {
        name: member,
        expected: "a name of at most 256 bytes",
    }
}

/// A missing member and `null` count as false, as at the vendors.
fn optional_bool(members: &Members, body: &[u8], name: &'static str) -> Result<bool, Refusal> {
    match members.value(body, name) {
        None | Some(b"null" | b"false") => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => Err(Refusal::Member {
            name,
            expected: "true or false",
        }),
    }
}

/// The most bytes of a model's name, because it is routed, logged and echoed.
const LONGEST_MODEL: usize = 256;

/// The same in its longest JSON spelling: each byte as `\u00XX`, between quotation marks.
const LONGEST_WRITTEN: usize = 6 * LONGEST_MODEL + 2;

/// The most elements of a list that may name models.
const MOST_LISTED: usize = 4096;

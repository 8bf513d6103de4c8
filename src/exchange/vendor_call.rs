//! The vendors' endpoints other than generation: embeddings, images, audio, files, batches and similar ones.
//!
//! Weir does not interpret their content, but it knows where they name a model. A request with a model is routed,
//! limited and failed over like one for generation, and obeys the models of its key. A request without a model is
//! routed by the client's key, so that a key finds its files and batches again.
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method};

use super::batches::Form;
use super::path::Path;
use crate::outcome::{Cause, FailureClass, VendorEffect};
use crate::pool::{Failure, Scope};
use crate::protocol::Dialect;
use crate::protocol::passthrough::Product;

/// A request to such an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VendorCall {
    pub method: Method,
    /// The path at the vendor's host, in the form that Weir writes: `/v1/files/file-1`.
    pub path: String,
    pub model: Place,
    /// The body, if it is passed on as it arrives.
    pub upload: Option<Upload>,
}

/// An upload: nothing in its body decides about the request, so the body need not be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upload {
    /// The bytes that the client announces; `None` = not announced.
    pub length: Option<u64>,
}

/// Where a request names its model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In the member `model` of the body, or in the field of that name of a form.
    Body,
    /// The same as [`Place::Body`], but the vendor has a default model.
    BodyOrDefault,
    /// Nowhere, because the endpoint is not about models.
    Nowhere,
    /// In the path, before this verb of Gemini's.
    Path { verb: String },
}

impl VendorCall {
    /// The same for a request with these headers: an uploaded file is passed on as it arrives.
    #[must_use]
    pub(super) fn bringing(mut self, headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text(CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        let is_sent = length != Some(0) && (length.is_some() || text(TRANSFER_ENCODING).is_some());
        // A JSON body is read, because it may name an object that lives at one of the accounts.
        let is_file = text(CONTENT_TYPE).is_some_and(|media| {
            let media = media.split(';').next().unwrap_or_default().trim();
            !media.is_empty() && !media.eq_ignore_ascii_case("application/json")
        });
        let brings = self.makes() && is_file && is_sent && !headers.contains_key(CONTENT_ENCODING);
        self.upload = brings.then_some(Upload { length });
        self
    }

    /// The stored response that the path names; it lives at the account that made it.
    pub(super) fn response(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("/v1/responses/")?;
        rest.split('/').next()
    }

    /// The stored response, or the video, that this request fetches, whole.
    pub(super) fn fetched(&self) -> Option<&str> {
        if let Some(id) = self.path.strip_prefix("/v1/videos/") {
            return Some(id).filter(|id| self.method == Method::GET && !id.contains('/'));
        }
        let rest = self.path.strip_prefix("/v1/responses/")?;
        match (&self.method, rest.split_once('/')) {
            (&Method::GET, None) => Some(rest),
            (&Method::POST, Some((id, "cancel"))) => Some(id),
            _ => None,
        }
    }

    /// What a failure here says about the account: nothing about its models for generation, unless a code or words say
    /// that the credential is not accepted at all, or the host cannot be reached. A restricted key also gets a plain
    /// 401 here.
    pub(super) fn blame(failure: &Failure) -> Failure {
        let mut failure = *failure;
        match failure.class {
            FailureClass::Auth if failure.scope == Scope::Account && !failure.is_named => {
                failure.scope = Scope::AccountModel;
            }
            // A connection that broke after it was made may have broken because of the request's content.
            FailureClass::Transport
                if matches!(failure.cause, Some(Cause::Reset | Cause::BrokeOff)) =>
            {
                failure.class = FailureClass::ServerError;
                failure.scope = Scope::Nothing;
            }
            class => match class.vendor_effect() {
                VendorEffect::Same => {}
                VendorEffect::Limited => failure.scope = Scope::AccountModel,
                VendorEffect::LimitedBlind => {
                    failure.class = FailureClass::ThrottledBlind;
                    failure.scope = Scope::AccountModel;
                }
                VendorEffect::Nothing => {
                    failure.class = FailureClass::ServerError;
                    failure.scope = Scope::Nothing;
                }
            },
        }
        failure
    }

    /// The kind of endpoint, whose health is judged separately, for example `/files`.
    pub(super) fn family(&self) -> &str {
        if let Place::Path { verb } = &self.model {
            return verb;
        }
        let mut starts = self.path.match_indices('/').map(|(at, _)| at);
        let versioned = |at: &usize| {
            let rest = self.path.get(*at + 1..).unwrap_or_default();
            let segment = rest.split('/').next().unwrap_or_default();
            !matches!(segment, "v1" | "v1beta" | "v1alpha" | "upload" | "download")
        };
        let from = starts.find(versioned).unwrap_or(self.path.len());
        let family = self.path.get(from..).unwrap_or_default();
        let length = family.get(1..).and_then(|rest| rest.find('/'));
        length.map_or(family, |length| family.get(..=length).unwrap_or_default())
    }

    /// What the endpoint sells by another unit than tokens, if that is known.
    pub(super) fn product(&self) -> Option<Product> {
        if let Place::Path { verb } = &self.model {
            // Vertex uses the same verb for predictions that are not pictures.
            let draws = verb == "predict" && self.path.contains("/imagen");
            return match verb.as_str() {
                "embedContent" | "batchEmbedContents" | "embedText" => Some(Product::Vectors),
                _ => draws.then_some(Product::Predictions),
            };
        }
        match self.path.strip_prefix("/v1/")? {
            "audio/speech" => Some(Product::Speech),
            "audio/transcriptions" | "audio/translations" => Some(Product::Transcript),
            "embeddings" => Some(Product::Vectors),
            "images/edits" | "images/generations" | "images/variations" => Some(Product::Pictures),
            "rerank" => Some(Product::Rerank),
            "videos" if self.method == Method::POST => Some(Product::Videos),
            _ => None,
        }
    }

    /// Whether every vendor does it for nothing: the request looks at something, deletes it, cancels it, or stores a file.
    pub(super) fn is_free(&self) -> bool {
        let stores = matches!(self.family(), "/files" | "/uploads");
        self.method != Method::POST || self.path.ends_with("/cancel") || stores
    }

    /// Whether the request asks if a text is acceptable, for which some vendors charge.
    pub(super) fn moderates(&self) -> bool {
        self.family() == "/moderations"
    }

    /// Whether its answer may state usage.
    pub(super) fn tells(&self) -> bool {
        self.model != Place::Nowhere || self.makes_video()
    }

    /// Whether it makes a video, which takes a while.
    pub(super) fn makes_video(&self) -> bool {
        let rest = self.path.strip_prefix("/v1/videos");
        let remixes = |rest: &str| rest.starts_with('/') && rest.ends_with("/remix");
        self.method == Method::POST && rest.is_some_and(|rest| rest.is_empty() || remixes(rest))
    }

    /// Whether its answer may name an object that lives at the account: the request creates one, or asks for the files
    /// of a batch.
    pub(super) fn makes(&self) -> bool {
        let made = self.model == Place::Nowhere && self.method == Method::POST;
        made || self.makes_batch() || self.path.split('/').nth(2) == Some("batches")
    }

    /// Whether the request creates a batch.
    pub(super) fn makes_batch(&self) -> bool {
        let is_verb = matches!(&self.model, Place::Path { verb } if verb.starts_with("batch") || verb.starts_with("asyncBatch"));
        let is_path = matches!(&*self.path, "/v1/batches" | "/v1/messages/batches");
        self.method == Method::POST && (is_verb || is_path)
    }

    /// Whether the request creates a file.
    pub(super) fn makes_file(&self) -> bool {
        self.method == Method::POST && self.path.ends_with("/files")
    }

    /// The batch or result file whose content this request fetches, and the format of the results.
    pub(super) fn results(&self) -> Option<(String, Form)> {
        if self.method != Method::GET {
            return None;
        }
        let segments: Vec<&str> = self.path.split('/').skip(1).collect();
        Some(match segments.as_slice() {
            ["v1", "messages", "batches", id, "results"] => ((*id).to_owned(), Form::Anthropic),
            ["v1", "files", id, "content"] => ((*id).to_owned(), Form::OpenAi),
            ["v1beta" | "v1alpha", "batches", id] => (format!("batches/{id}"), Form::Gemini),
            ["download", "v1beta" | "v1alpha", "files", file]
            | ["v1beta" | "v1alpha", "files", file] => {
                let id = file.strip_suffix(":download")?;
                (format!("files/{id}"), Form::GeminiLines)
            }
            _ => return None,
        })
    }

    /// Whether the request may be sent again after a byte of it was sent, because nothing can be created twice.
    pub fn is_repeatable(&self) -> bool {
        (self.model != Place::Nowhere && !self.makes_video()) || self.method == Method::GET
    }
}

/// The endpoint of a vendor that a request is for.
#[derive(Debug)]
pub(super) struct Found {
    pub dialect: Dialect,
    /// The model in the path.
    pub model: Option<String>,
    pub vendor_call: VendorCall,
}

/// Why no endpoint was found.
#[derive(Debug)]
pub(super) enum Missed {
    /// The vendor documents only these methods for the path.
    Method(&'static str),
    Path,
}

/// Finds the endpoint of a vendor by its path; on paths that several vendors share, by the dialect of the caller.
pub(super) fn find(method: &Method, path: &Path<'_>, caller: Dialect) -> Result<Found, Missed> {
    let segments = path.segments();
    let row = row(&segments, caller).ok_or(Missed::Path)?;
    let mut methods = row.methods.split(", ");
    if !methods.any(|allowed| allowed == method.as_str()) {
        return Err(Missed::Method(row.methods));
    }
    let (named, model) = match row.place {
        Place::Path { verb } => {
            let named = gemini_model(&segments).map(|(model, _)| model);
            (named, Place::Path { verb })
        }
        // Only a request that creates something names a model.
        Place::Body | Place::BodyOrDefault if *method != Method::POST => (None, Place::Nowhere),
        place => (None, place),
    };
    Ok(Found {
        dialect: row.dialect,
        model: named,
        vendor_call: VendorCall {
            method: method.clone(),
            path: path.write(),
            model,
            upload: None,
        },
    })
}

/// What is known of an endpoint.
struct Row {
    dialect: Dialect,
    place: Place,
    /// The methods that the vendor documents, in the form of the `Allow` header.
    methods: &'static str,
}

fn row(segments: &[&str], caller: Dialect) -> Option<Row> {
    use Place::{Body, BodyOrDefault, Nowhere};
    let row = |dialect, place, methods| {
        Some(Row {
            dialect,
            place,
            methods,
        })
    };
    let chat = |place, methods| row(Dialect::OpenaiChat, place, methods);
    if let Some((_, verb)) = gemini_model(segments) {
        return row(Dialect::Gemini, Place::Path { verb }, "POST");
    }
    match segments {
        ["v1", "messages", "batches", ..] | ["v1", "skills", ..] => {
            row(Dialect::Anthropic, Nowhere, THINGS)
        }
        ["v1", "files", ..] if caller == Dialect::Anthropic => {
            row(Dialect::Anthropic, Nowhere, THINGS)
        }
        ["v1", "responses", _, ..] | ["v1", "conversations", ..] => {
            row(Dialect::OpenaiResponses, Nowhere, THINGS)
        }
        ["v1", "embeddings" | "rerank"]
        | ["v1", "audio", "speech" | "transcriptions" | "translations"] => chat(Body, "POST"),
        ["v1", "moderations"] | ["v1", "images", "generations" | "edits" | "variations"] => {
            chat(BodyOrDefault, "POST")
        }
        ["v1", "videos"] => chat(BodyOrDefault, "GET, POST"),
        [
            "v1",
            "audio" | "batches" | "containers" | "evals" | "files" | "fine_tuning" | "uploads"
            | "vector_stores" | "videos",
            ..,
        ]
        | ["v1", "chat", "completions", _, ..] => chat(Nowhere, THINGS),
        ["v1", "models", _, ..] => chat(Nowhere, "GET, HEAD, DELETE"),
        // A path with a verb but without a model, or with an unknown verb, is refused, because a vendor might still
        // accept it.
        ["v1beta" | "v1alpha", "models" | "tunedModels", .., last] if last.contains(':') => None,
        ["v1beta" | "v1alpha", "interactions"] => row(Dialect::Gemini, BodyOrDefault, "POST"),
        ["v1beta" | "v1alpha", _, ..] | ["upload" | "download", "v1beta" | "v1alpha", _, ..] => {
            row(Dialect::Gemini, Nowhere, "GET, POST, PATCH, DELETE")
        }
        _ => None,
    }
}

/// Model and verb of a path of Gemini's: `/v1beta/models/{model}:{verb}`. A model may contain slashes and colons.
pub(super) fn gemini_model(segments: &[&str]) -> Option<(String, String)> {
    let (collection, rest) = match segments {
        ["v1" | "v1beta" | "v1alpha", "models", rest @ ..] => ("", rest),
        ["v1" | "v1beta" | "v1alpha", "tunedModels", rest @ ..] => ("tunedModels/", rest),
        _ => return None,
    };
    let joined = rest.join("/");
    let (model, verb) = joined.rsplit_once(':')?;
    if model.is_empty() || !verb.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    Some((format!("{collection}{model}"), verb.to_owned()))
}

/// The methods of the vendors' collections.
const THINGS: &str = "GET, POST, DELETE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_endpoint_is_a_family() {
        let family = |path: &str, model| {
            let (method, path) = (Method::POST, path.to_owned());
            VendorCall {
                method,
                path,
                model,
                upload: None,
            }
            .family()
            .to_owned()
        };
        for (path, expected) in [
            ("/v1/files", "/files"),
            ("/v1/files/file-1/content", "/files"),
            ("/v1/messages/batches", "/messages"),
            ("/upload/v1beta/files", "/files"),
            ("/v1beta/cachedContents/x", "/cachedContents"),
            ("/v1", ""),
        ] {
            assert_eq!(family(path, Place::Nowhere), expected, "{path}");
        }
        let verb = "embedContent".to_owned();
        let path = Place::Path { verb };
        assert_eq!(
            family("/v1beta/models/m:embedContent", path),
            "embedContent"
        );
    }
}

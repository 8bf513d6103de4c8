//! Which endpoint of which vendor a path means.
use crate::dialect::Dialect;

/// What a request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Endpoint<'a> {
    Control,
    Count(Dialect, &'a str),
    Generate(Dialect, &'a str),
    Health,
    Stats,
    Stream(&'a str),
    TextCompletion,
    Unknown(Dialect),
    Vendor(Vendor<'a>),
}

/// Endpoints that Weir proxies without reading them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Vendor<'a> {
    Batch(&'a str),
    Batches,
    CreateBatch,
    Embeddings,
    File(&'a str),
    FileContent(&'a str),
    Files,
    Model(Dialect, &'a str),
    Models(Dialect),
    Upload,
}

impl<'a> Endpoint<'a> {
    /// `caller` decides where several vendors share a path.
    pub(super) fn of(method: &http::Method, path: &'a str, caller: Dialect) -> Self {
        match path {
            "/sim/control" => return Self::Control,
            "/sim/stats" => return Self::Stats,
            "/" | "/health" | "/ready" | "/api/hello" => return Self::Health,
            _ => {}
        }
        let get = method == http::Method::GET;
        let post = method == http::Method::POST;
        if let Some((_, rest)) = path.split_once("/models/").filter(|_| post) {
            return Self::of_gemini(rest);
        }
        // Whatever comes before is the base URL's own path: `/v1`, `/anthropic/v1`, `/openai/deployments/x`.
        let ends = |suffix: &str| path.ends_with(suffix);
        let below = |folder: &str| {
            path.split_once(folder)
                .map(|(_, rest)| rest)
                .filter(|rest| !rest.is_empty())
        };
        let dialect = if path.starts_with("/v1beta/") {
            Dialect::Gemini
        } else {
            caller
        };
        if post {
            match path {
                _ if ends("/messages/count_tokens") => Self::Count(Dialect::Anthropic, ""),
                _ if ends("/messages/batches") => Self::Vendor(Vendor::CreateBatch),
                _ if ends("/messages") => Self::Generate(Dialect::Anthropic, ""),
                _ if ends("/chat/completions") => Self::Generate(Dialect::OpenaiChat, ""),
                _ if ends("/completions") => Self::TextCompletion,
                _ if ends("/responses/input_tokens") => Self::Count(Dialect::OpenaiResponses, ""),
                _ if ends("/responses") => Self::Generate(Dialect::OpenaiResponses, ""),
                _ if ends("/embeddings") => Self::Vendor(Vendor::Embeddings),
                _ if ends("/files") => Self::Vendor(Vendor::Upload),
                _ => Self::Unknown(dialect),
            }
        } else if get {
            match path {
                _ if ends("/models") => Self::Vendor(Vendor::Models(dialect)),
                _ if ends("/messages/batches") => Self::Vendor(Vendor::Batches),
                _ if ends("/files") => Self::Vendor(Vendor::Files),
                _ => None
                    .or_else(|| below("/models/").map(|id| Vendor::Model(dialect, id)))
                    .or_else(|| below("/messages/batches/").map(Vendor::Batch))
                    .or_else(|| {
                        let id = below("/files/")?;
                        Some(match id.strip_suffix("/content") {
                            Some(id) => Vendor::FileContent(id),
                            None => Vendor::File(id),
                        })
                    })
                    .map_or(Self::Unknown(dialect), Self::Vendor),
            }
        } else {
            Self::Unknown(dialect)
        }
    }

    fn of_gemini(rest: &'a str) -> Self {
        match rest.rsplit_once(':') {
            Some((model, "generateContent")) => Self::Generate(Dialect::Gemini, model),
            Some((model, "streamGenerateContent")) => Self::Stream(model),
            Some((model, "countTokens")) => Self::Count(Dialect::Gemini, model),
            _ => Self::Unknown(Dialect::Gemini),
        }
    }

    /// The dialect in which this endpoint speaks of errors.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Count(dialect, _)
            | Self::Generate(dialect, _)
            | Self::Unknown(dialect)
            | Self::Vendor(Vendor::Model(dialect, _) | Vendor::Models(dialect)) => *dialect,
            Self::Stream(_) => Dialect::Gemini,
            Self::Vendor(Vendor::Batch(_) | Vendor::Batches | Vendor::CreateBatch) => {
                Dialect::Anthropic
            }
            Self::Control | Self::Health | Self::Stats | Self::TextCompletion | Self::Vendor(_) => {
                Dialect::OpenaiChat
            }
        }
    }
}

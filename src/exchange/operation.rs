//! What a request asks for, told from its method and path alone.
//!
//! The query string never decides (`?beta=true` is not another endpoint), except that Gemini's `alt=sse` chooses the
//! framing of a stream.
use http::{HeaderMap, Method};

use crate::protocol::Dialect;

/// What the client asks of Weir.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Generation, or the counting of its tokens: routed by model, relayed by Weir.
    Model(ModelCall),
    /// An endpoint of a vendor that Weir does not interpret: proxied plainly to an account of that dialect.
    Vendor(Dialect),
    /// Answered by Weir itself.
    Local(Local),
    /// A WebSocket upgrade on `/v1/responses`, which Codex tries first.
    WebSocket,
    /// The path exists, the method does not fit.
    WrongMethod { allowed: &'static str },
    /// Nothing there.
    Unknown,
}

/// A call whose body (or path) names a model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModelCall {
    pub dialect: Dialect,
    pub endpoint: Endpoint,
    /// Gemini names the model in the path; the others in the body.
    pub path_model: Option<String>,
    /// Gemini chooses streaming by the path; the others in the body.
    pub path_stream: Option<bool>,
}

/// Which endpoint of the dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Counts tokens; free, never streamed.
    Count,
    /// The dialect's own generation endpoint.
    Generate,
    /// `/v1/completions`, Chat's ancestor.
    LegacyCompletions,
}

/// Endpoints that Weir answers itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Local {
    /// `GET /adapters`.
    Adapters,
    /// `GET /v1/models/capabilities`.
    Capabilities,
    /// `GET /`, `/health`: the process answers.
    Health,
    /// `GET /v1/models/{id}`, `/v1beta/models/{id}`.
    Model { dialect: Dialect, id: String },
    /// `GET /v1/models`, `/v1beta/models`.
    Models { dialect: Dialect },
    /// `GET /v1/projects`.
    Projects,
    /// `GET /v1/providers`.
    Providers,
    /// `GET /ready`: an account is usable and Weir is not draining.
    Ready,
    /// `GET /v1/usage`.
    Usage,
}

impl Local {
    /// Whether it is answered without a key.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// Tells the operation of a request.
pub fn operation(method: &Method, path: &str, headers: &HeaderMap) -> Operation {
    let path = match path.strip_suffix('/') {
        Some(stem) if !stem.is_empty() => stem,
        _ => path,
    };
    if let Some(call) = model_call(path) {
        return by_method(method, call);
    }
    match path {
        "/" | "/health" | "/api/hello" => local(method, Local::Health),
        "/ready" => local(method, Local::Ready),
        "/adapters" => local(method, Local::Adapters),
        "/v1/usage" => local(method, Local::Usage),
        "/v1/projects" => local(method, Local::Projects),
        "/v1/providers" => local(method, Local::Providers),
        "/v1/models/capabilities" => local(method, Local::Capabilities),
        "/v1/models" => local(
            method,
            Local::Models {
                dialect: caller(headers),
            },
        ),
        "/v1beta/models" => local(
            method,
            Local::Models {
                dialect: Dialect::Gemini,
            },
        ),
        _ => other(method, path, headers),
    }
}

/// The dialect of a caller on a path that several share.
pub fn caller(headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        Dialect::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
        Dialect::Gemini
    } else {
        Dialect::OpenaiChat
    }
}

/// The dialect in which an error on this path is said.
pub fn error_dialect(path: &str, headers: &HeaderMap) -> Dialect {
    match model_call(path) {
        Some(call) => call.dialect,
        None if path.starts_with("/v1/messages") => Dialect::Anthropic,
        None if path.starts_with("/v1/responses") => Dialect::OpenaiResponses,
        None if path.starts_with("/v1beta") => Dialect::Gemini,
        None => caller(headers),
    }
}

fn model_call(path: &str) -> Option<ModelCall> {
    let plain = |dialect, endpoint| {
        Some(ModelCall {
            dialect,
            endpoint,
            path_model: None,
            path_stream: None,
        })
    };
    match path {
        "/v1/messages" => plain(Dialect::Anthropic, Endpoint::Generate),
        "/v1/messages/count_tokens" => plain(Dialect::Anthropic, Endpoint::Count),
        "/v1/chat/completions" => plain(Dialect::OpenaiChat, Endpoint::Generate),
        "/v1/completions" => plain(Dialect::OpenaiChat, Endpoint::LegacyCompletions),
        "/v1/responses" => plain(Dialect::OpenaiResponses, Endpoint::Generate),
        "/v1/responses/input_tokens" => plain(Dialect::OpenaiResponses, Endpoint::Count),
        _ => gemini_call(path),
    }
}

fn gemini_call(path: &str) -> Option<ModelCall> {
    let rest = path
        .strip_prefix("/v1beta/models/")
        .or_else(|| path.strip_prefix("/v1/models/"))?;
    let (model, verb) = rest.rsplit_once(':')?;
    let (endpoint, stream) = match verb {
        "generateContent" => (Endpoint::Generate, false),
        "streamGenerateContent" => (Endpoint::Generate, true),
        "countTokens" => (Endpoint::Count, false),
        _ => return None,
    };
    Some(ModelCall {
        dialect: Dialect::Gemini,
        endpoint,
        path_model: Some(percent_decode(model)),
        path_stream: Some(stream),
    })
}

fn by_method(method: &Method, call: ModelCall) -> Operation {
    if method == Method::POST {
        Operation::Model(call)
    } else if method == Method::GET
        && call.dialect == Dialect::OpenaiResponses
        && call.endpoint == Endpoint::Generate
    {
        Operation::WebSocket
    } else {
        Operation::WrongMethod { allowed: "POST" }
    }
}

fn local(method: &Method, what: Local) -> Operation {
    if method == Method::GET || method == Method::HEAD {
        Operation::Local(what)
    } else {
        Operation::WrongMethod {
            allowed: "GET, HEAD",
        }
    }
}

fn other(method: &Method, path: &str, headers: &HeaderMap) -> Operation {
    // A model's name may hold a colon (`llama3.1:70b`); only a POST has a verb behind one.
    let is_model = |id: &&str| method != Method::POST || !id.contains(':');
    if let Some(id) = path.strip_prefix("/v1/models/").filter(is_model) {
        let dialect = caller(headers);
        return local(
            method,
            Local::Model {
                dialect,
                id: percent_decode(id),
            },
        );
    }
    if let Some(id) = path.strip_prefix("/v1beta/models/").filter(is_model) {
        let dialect = Dialect::Gemini;
        return local(
            method,
            Local::Model {
                dialect,
                id: percent_decode(id),
            },
        );
    }
    // A dot segment could climb out of the vendor's base path with our credential in hand.
    if has_dot_segment(path) {
        return Operation::Unknown;
    }
    if path.starts_with("/v1beta/") || path.starts_with("/upload/v1beta/") {
        return Operation::Vendor(Dialect::Gemini);
    }
    let Some(rest) = path.strip_prefix("/v1/") else {
        return Operation::Unknown;
    };
    let family = rest.split('/').next().unwrap_or_default();
    match family {
        "messages" | "skills" => Operation::Vendor(Dialect::Anthropic),
        "responses" | "conversations" => Operation::Vendor(Dialect::OpenaiResponses),
        "models" => Operation::Vendor(Dialect::Gemini),
        "files" if caller(headers) == Dialect::Anthropic => Operation::Vendor(Dialect::Anthropic),
        "audio" | "batches" | "chat" | "containers" | "embeddings" | "evals" | "files"
        | "fine_tuning" | "images" | "moderations" | "rerank" | "uploads" | "vector_stores"
        | "videos" => Operation::Vendor(Dialect::OpenaiChat),
        _ => Operation::Unknown,
    }
}

fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".." || segment.contains("%2f") || segment.contains('\\')
    })
}

/// Resolves `%xx`; what is not UTF-8 after that becomes U+FFFD.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16);
        if byte == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = after;
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, header: Option<&str>) -> Operation {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("test header");
            headers.insert(name, http::HeaderValue::from_static("x"));
        }
        operation(&method.parse().expect("test method"), path, &headers)
    }

    fn generate(dialect: Dialect) -> Operation {
        Operation::Model(ModelCall {
            dialect,
            endpoint: Endpoint::Generate,
            path_model: None,
            path_stream: None,
        })
    }

    #[test]
    fn each_dialect_has_its_generation_endpoint() {
        assert_eq!(
            check("POST", "/v1/messages", None),
            generate(Dialect::Anthropic)
        );
        assert_eq!(
            check("POST", "/v1/chat/completions", None),
            generate(Dialect::OpenaiChat)
        );
        assert_eq!(
            check("POST", "/v1/responses/", None),
            generate(Dialect::OpenaiResponses)
        );
    }

    #[test]
    fn gemini_is_told_by_the_verb_under_both_versions() {
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/models/gemini%2D2.5:streamGenerateContent");
            assert_eq!(
                check("POST", &path, None),
                Operation::Model(ModelCall {
                    dialect: Dialect::Gemini,
                    endpoint: Endpoint::Generate,
                    path_model: Some("gemini-2.5".into()),
                    path_stream: Some(true),
                })
            );
        }
        assert_eq!(
            check("POST", "/v1beta/models/text-embedding:embedContent", None),
            Operation::Vendor(Dialect::Gemini)
        );
    }

    #[test]
    fn the_model_list_is_in_the_dialect_of_the_caller() {
        let models = |dialect| Operation::Local(Local::Models { dialect });
        assert_eq!(
            check("GET", "/v1/models", None),
            models(Dialect::OpenaiChat)
        );
        assert_eq!(
            check("GET", "/v1/models", Some("anthropic-version")),
            models(Dialect::Anthropic)
        );
        assert_eq!(
            check("GET", "/v1beta/models", None),
            models(Dialect::Gemini)
        );
    }

    #[test]
    fn a_model_whose_name_has_a_colon_can_be_looked_up() {
        for (path, dialect, id) in [
            (
                "/v1/models/llama3.1:70b",
                Dialect::OpenaiChat,
                "llama3.1:70b",
            ),
            (
                "/v1/models/ft%3Agpt-4o:org::id",
                Dialect::OpenaiChat,
                "ft:gpt-4o:org::id",
            ),
            ("/v1beta/models/qwen3:8b", Dialect::Gemini, "qwen3:8b"),
        ] {
            let id = id.to_owned();
            assert_eq!(
                check("GET", path, None),
                Operation::Local(Local::Model { dialect, id }),
                "{path}"
            );
        }
        assert_eq!(
            check("POST", "/v1/models/embed:embedContent", None),
            Operation::Vendor(Dialect::Gemini)
        );
    }

    #[test]
    fn a_method_that_does_not_fit_is_said() {
        assert_eq!(
            check("GET", "/v1/messages", None),
            Operation::WrongMethod { allowed: "POST" }
        );
        assert_eq!(
            check("POST", "/health", None),
            Operation::WrongMethod {
                allowed: "GET, HEAD"
            }
        );
        assert_eq!(check("GET", "/v1/responses", None), Operation::WebSocket);
    }

    #[test]
    fn vendor_endpoints_go_to_their_dialect() {
        assert_eq!(
            check("POST", "/v1/messages/batches", None),
            Operation::Vendor(Dialect::Anthropic)
        );
        assert_eq!(
            check("POST", "/v1/embeddings", None),
            Operation::Vendor(Dialect::OpenaiChat)
        );
        assert_eq!(
            check("GET", "/v1/files", Some("x-api-key")),
            Operation::Vendor(Dialect::Anthropic)
        );
        assert_eq!(
            check("GET", "/v1/files", None),
            Operation::Vendor(Dialect::OpenaiChat)
        );
        assert_eq!(
            check("GET", "/v1/responses/resp_1", None),
            Operation::Vendor(Dialect::OpenaiResponses)
        );
    }

    #[test]
    fn no_path_climbs_out_of_the_base() {
        for path in [
            "/v1/files/../admin",
            "/v1/files/%2e%2E/admin",
            "/v1/files/a%2f..",
            "/v1/../x",
            "/nothing",
        ] {
            assert_eq!(check("GET", path, None), Operation::Unknown, "{path}");
        }
    }
}

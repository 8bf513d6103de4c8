//! Finds out what a request asks for, from its method and path alone.
//!
//! The query string never decides (`?beta=true` is not another endpoint), except that Gemini's `alt=sse` chooses the
//! framing of a stream.
use http::{HeaderMap, Method};

use super::path::{self, Path};
use super::vendor_call::{self, Missed, VendorCall};
use crate::protocol::Dialect;

/// What the client asks of Weir.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// A call of an upstream: generation, counting of tokens, or another endpoint. Relayed by Weir.
    Model(ModelCall),
    /// Answered by Weir itself.
    Local(Local),
    /// A WebSocket upgrade on `/v1/responses`, which Codex tries first.
    WebSocket,
    /// The path exists, but not with this method.
    WrongMethod { allowed: &'static str },
    /// The path can be read in more than one way.
    Path(path::Fault),
    /// No such path exists.
    Unknown,
}

/// A call of an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModelCall {
    pub dialect: Dialect,
    pub endpoint: Endpoint,
    /// Gemini names the model in the path; the others in the body.
    pub path_model: Option<String>,
    /// Gemini chooses streaming by the path; the others in the body.
    pub path_stream: Option<bool>,
    /// Azure names the model in the path; that name counts, whatever the body says.
    pub deployment: Option<String>,
    /// The endpoint, for [`Endpoint::Vendor`].
    pub vendor_call: Option<Box<VendorCall>>,
}

/// Which endpoint of the dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `/v1/responses/compact`: only an upstream that speaks Responses can compact a conversation.
    Compact,
    /// Counts tokens; free, never streamed.
    Count,
    /// The dialect's own generation endpoint.
    Generate,
    /// `/v1/completions`, the predecessor of Chat Completions.
    LegacyCompletions,
    /// An endpoint other than generation, which Weir does not interpret.
    Vendor,
}

impl ModelCall {
    /// A call that names its model in its body.
    pub fn new(dialect: Dialect, endpoint: Endpoint) -> Self {
        Self {
            dialect,
            endpoint,
            path_model: None,
            path_stream: None,
            deployment: None,
            vendor_call: None,
        }
    }

    /// The method of the request to an upstream.
    pub fn method(&self) -> &Method {
        match self.vendor_call.as_deref() {
            Some(vendor_call) => &vendor_call.method,
            None => &Method::POST,
        }
    }

    /// Whether only an account that speaks the client's dialect can serve the call, unchanged.
    pub fn is_bound(&self) -> bool {
        matches!(self.endpoint, Endpoint::Compact | Endpoint::Vendor)
    }
}

/// Endpoints that Weir answers itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Local {
    /// A path that some clients ask for without needing it: answered with a quiet 404.
    Absent,
    /// `GET /adapters`.
    Adapters,
    /// `GET /v1/models/capabilities`.
    Capabilities,
    /// `GET /`, `/health`: shows that the process answers.
    Health,
    /// `GET /v1`: a list of the endpoints.
    Index,
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /me` and the files that it loads, with `me: true`.
    Me(MeFile),
    /// `GET /me/recent`.
    MeRecent,
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

/// A file of the page for key holders.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeFile {
    Page,
    Script,
    Style,
}

impl Local {
    /// Whether the answer lists models.
    pub const fn lists_models(&self) -> bool {
        matches!(
            self,
            Self::Capabilities | Self::Model { .. } | Self::Models { .. }
        )
    }

    /// Whether it is answered without a key.
    pub const fn is_public(&self) -> bool {
        matches!(
            self,
            Self::Absent | Self::Health | Self::Index | Self::Me(_) | Self::OpenApi | Self::Ready
        )
    }
}

/// The operation of a request.
pub fn operation(method: &Method, raw: &str, headers: &HeaderMap) -> Operation {
    if !METHODS.contains(&method.as_str()) {
        return Operation::WrongMethod {
            allowed: "GET, HEAD, POST, PATCH, DELETE",
        };
    }
    let path = match Path::read(raw) {
        Ok(path) => path,
        Err(fault) => return Operation::Path(fault),
    };
    let operation = tell(method, &path, headers);
    let takes_slash = match &operation {
        Operation::Model(call) => call.path_model.is_some() || call.vendor_call.is_some(),
        Operation::Local(local) => matches!(local, Local::Model { .. } | Local::Absent),
        Operation::WrongMethod { .. } | Operation::Unknown => true,
        Operation::Path(_) | Operation::WebSocket => false,
    };
    if path.has_slash() && !takes_slash {
        return Operation::Path(path::Fault::Slash);
    }
    operation
}

fn tell(method: &Method, path: &Path<'_>, headers: &HeaderMap) -> Operation {
    let joined = path.joined();
    let segments: smallvec::SmallVec<[&str; 6]> = joined.split('/').skip(1).collect();
    if let Some(call) = model_call(&segments, path.deployment()) {
        return by_method(method, call);
    }
    let models = |dialect| local(method, Local::Models { dialect });
    match segments.as_slice() {
        [] | ["" | "health"] | ["api", "hello"] => local(method, Local::Health),
        ["ready"] => local(method, Local::Ready),
        ["adapters"] => local(method, Local::Adapters),
        ["openapi.json"] => local(method, Local::OpenApi),
        ["me"] => local(method, Local::Me(MeFile::Page)),
        ["me", "me.js"] => local(method, Local::Me(MeFile::Script)),
        ["me", "me.css"] => local(method, Local::Me(MeFile::Style)),
        ["me", "recent"] => local(method, Local::MeRecent),
        ["v1" | "v1beta"] => local(method, Local::Index),
        ["v1", "usage"] => local(method, Local::Usage),
        ["v1", "projects"] => local(method, Local::Projects),
        ["v1", "providers"] => local(method, Local::Providers),
        ["v1", "models", "capabilities"] => local(method, Local::Capabilities),
        ["v1", "models"] => models(caller(headers)),
        ["v1beta" | "v1alpha", "models"] => models(Dialect::Gemini),
        [version @ ("v1" | "v1beta" | "v1alpha"), "models", id @ ..]
            if *method == Method::GET || *method == Method::HEAD =>
        {
            let dialect = match *version {
                "v1" => caller(headers),
                _ => Dialect::Gemini,
            };
            let id = id.join("/");
            Operation::Local(Local::Model { dialect, id })
        }
        segments if is_absent(segments) => Operation::Local(Local::Absent),
        _ => match vendor_call::find(method, path, caller(headers)) {
            Ok(found) => Operation::Model(ModelCall {
                path_model: found.model,
                path_stream: Some(false),
                deployment: path.deployment().map(str::to_owned),
                vendor_call: Some(Box::new(found.vendor_call.bringing(headers))),
                ..ModelCall::new(found.dialect, Endpoint::Vendor)
            }),
            Err(Missed::Method(allowed)) => Operation::WrongMethod { allowed },
            Err(Missed::Path) => Operation::Unknown,
        },
    }
}

/// The dialect of a caller on a path that several dialects share.
pub fn caller(headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        Dialect::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
        Dialect::Gemini
    } else {
        Dialect::OpenaiChat
    }
}

/// The dialect of errors on this path.
pub fn error_dialect(raw: &str, headers: &HeaderMap) -> Dialect {
    // A shortcut for nearly all requests; the code below would give the same results.
    match raw {
        "/v1/messages" => return Dialect::Anthropic,
        "/v1/chat/completions" => return Dialect::OpenaiChat,
        "/v1/responses" => return Dialect::OpenaiResponses,
        _ => {}
    }
    let path = Path::read(raw).map(|path| path.joined());
    let path = path.as_deref().unwrap_or(raw);
    let segments: smallvec::SmallVec<[&str; 6]> = path.split('/').skip(1).collect();
    if let Some(call) = model_call(&segments, None) {
        return call.dialect;
    }
    match segments.as_slice() {
        ["v1", "messages", ..] => Dialect::Anthropic,
        ["v1", "responses", ..] => Dialect::OpenaiResponses,
        ["v1beta" | "v1alpha", ..] | ["upload" | "download", "v1beta" | "v1alpha", ..] => {
            Dialect::Gemini
        }
        _ => caller(headers),
    }
}

fn model_call(segments: &[&str], deployment: Option<&str>) -> Option<ModelCall> {
    let (dialect, endpoint) = match segments {
        ["v1", "messages"] => (Dialect::Anthropic, Endpoint::Generate),
        ["v1", "messages", "count_tokens"] => (Dialect::Anthropic, Endpoint::Count),
        ["v1", "chat", "completions"] => (Dialect::OpenaiChat, Endpoint::Generate),
        ["v1", "completions"] => (Dialect::OpenaiChat, Endpoint::LegacyCompletions),
        ["v1", "responses"] => (Dialect::OpenaiResponses, Endpoint::Generate),
        ["v1", "responses", "compact"] => (Dialect::OpenaiResponses, Endpoint::Compact),
        ["v1", "responses", "input_tokens"] => (Dialect::OpenaiResponses, Endpoint::Count),
        _ => return gemini_call(segments),
    };
    let mut call = ModelCall::new(dialect, endpoint);
    call.deployment = deployment.map(str::to_owned);
    Some(call)
}

fn gemini_call(segments: &[&str]) -> Option<ModelCall> {
    let (model, verb) = vendor_call::gemini_model(segments)?;
    let (endpoint, stream) = match verb.as_str() {
        "generateContent" => (Endpoint::Generate, false),
        "streamGenerateContent" => (Endpoint::Generate, true),
        "countTokens" => (Endpoint::Count, false),
        _ => return None,
    };
    let mut call = ModelCall::new(Dialect::Gemini, endpoint);
    call.path_model = Some(model);
    call.path_stream = Some(stream);
    Some(call)
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

/// Whether clients and browsers ask for this path beside the API and do well without it: Claude Code's own services,
/// icons, discovery.
fn is_absent(segments: &[&str]) -> bool {
    match segments {
        [
            "api",
            "claude_cli" | "claude_code" | "event_logging" | "oauth" | "organizations",
            ..,
        ]
        | [
            "v1",
            "mcp_servers" | "mcp" | "me" | "organizations" | "toolbox",
            ..,
        ]
        | [".well-known" | "oauth", ..] => true,
        [file] => matches!(
            *file,
            "favicon.ico"
                | "robots.txt"
                | "apple-touch-icon.png"
                | "apple-touch-icon-precomposed.png"
        ),
        _ => false,
    }
}

/// The methods that Weir accepts.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

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
    use super::super::vendor_call::Place;
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
        Operation::Model(ModelCall::new(dialect, Endpoint::Generate))
    }

    /// A request for an endpoint other than generation: its dialect, the upstream path, and the place of the model.
    fn vendor_call(method: &str, path: &str, header: Option<&str>) -> (Dialect, String, Place) {
        match check(method, path, header) {
            Operation::Model(ModelCall {
                dialect,
                vendor_call: Some(vendor_call),
                ..
            }) => (dialect, vendor_call.path, vendor_call.model),
            other => panic!("{method} {path}: {other:?}"),
        }
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
                    path_model: Some("gemini-2.5".into()),
                    path_stream: Some(true),
                    ..ModelCall::new(Dialect::Gemini, Endpoint::Generate)
                })
            );
        }
        let verb = "embedContent".to_owned();
        assert_eq!(
            vendor_call("POST", "/v1beta/models/text-embedding:embedContent", None).2,
            Place::Path { verb }
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
        let verb = "embedContent".to_owned();
        assert_eq!(
            vendor_call("POST", "/v1/models/embed:embedContent", None).2,
            Place::Path { verb }
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
    fn what_stands_beside_generation_goes_to_its_vendor() {
        for (method, path, header, dialect, model) in [
            (
                "POST",
                "/v1/messages/batches",
                None,
                Dialect::Anthropic,
                Place::Nowhere,
            ),
            (
                "POST",
                "/v1/embeddings",
                None,
                Dialect::OpenaiChat,
                Place::Body,
            ),
            (
                "GET",
                "/v1/files",
                Some("x-api-key"),
                Dialect::Anthropic,
                Place::Nowhere,
            ),
            (
                "GET",
                "/v1/files",
                None,
                Dialect::OpenaiChat,
                Place::Nowhere,
            ),
            (
                "GET",
                "/v1/responses/resp_1",
                None,
                Dialect::OpenaiResponses,
                Place::Nowhere,
            ),
            (
                "POST",
                "/v1/videos",
                None,
                Dialect::OpenaiChat,
                Place::BodyOrDefault,
            ),
            (
                "GET",
                "/v1/videos",
                None,
                Dialect::OpenaiChat,
                Place::Nowhere,
            ),
            (
                "PATCH",
                "/v1beta/cachedContents/c",
                None,
                Dialect::Gemini,
                Place::Nowhere,
            ),
        ] {
            let expected = (dialect, path.to_owned(), model);
            assert_eq!(
                vendor_call(method, path, header),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn methods_that_no_vendor_documents_are_refused() {
        for (method, path) in [
            ("TRACE", "/v1/files"),
            ("BREW", "/v1/messages"),
            ("PUT", "/v1/files/f"),
            ("GET", "/v1/embeddings"),
            ("OPTIONS", "/v1/files"),
        ] {
            let found = check(method, path, None);
            assert!(
                matches!(found, Operation::WrongMethod { .. }),
                "{method} {path}: {found:?}"
            );
        }
    }

    #[test]
    fn no_path_climbs_out_of_the_base() {
        for path in [
            "/v1/files/../admin",
            "/v1/files/%2e%2E/admin",
            "/v1/files/a%2f..",
            "/v1/../x",
        ] {
            assert_eq!(
                check("GET", path, None),
                Operation::Path(path::Fault::Dots),
                "{path}"
            );
        }
        assert_eq!(check("GET", "/nothing", None), Operation::Unknown);
    }

    #[test]
    fn what_clients_look_for_in_passing_is_quietly_absent() {
        for path in [
            "/api/claude_cli/bootstrap",
            "/favicon.ico",
            "/.well-known/x/y",
        ] {
            assert_eq!(
                check("GET", path, None),
                Operation::Local(Local::Absent),
                "{path}"
            );
        }
        assert_eq!(check("GET", "/v1", None), Operation::Local(Local::Index));
        assert_eq!(check("HEAD", "/", None), Operation::Local(Local::Health));
    }

    #[test]
    fn what_the_openapi_document_lists_is_there() {
        let document: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/openapi.json")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.len() > 15);
        for (path, methods) in paths {
            let path = path.replace("{model}", "some-model");
            for method in methods.as_object().expect("methods").keys() {
                let found = check(&method.to_uppercase(), &path, None);
                let is_there = match &found {
                    Operation::Local(local) => *local != Local::Absent,
                    Operation::Model(_) | Operation::WebSocket => true,
                    _ => false,
                };
                assert!(is_there, "{method} {path}: {found:?}");
                let is_public = methods[method]["security"]
                    .as_array()
                    .is_some_and(Vec::is_empty);
                let public = matches!(&found, Operation::Local(local) if local.is_public());
                assert_eq!(is_public, public, "{method} {path}");
            }
        }
    }

    #[test]
    fn an_azure_deployment_is_the_model() {
        let Operation::Model(call) =
            check("POST", "/openai/deployments/gpt-4o/chat/completions", None)
        else {
            panic!("a call")
        };
        assert_eq!(call.deployment.as_deref(), Some("gpt-4o"));
        assert_eq!(call.endpoint, Endpoint::Generate);
    }

    #[test]
    fn a_model_with_a_slash_stands_before_its_verb() {
        for path in [
            "/v1beta/models/zai-org%2FGLM-4.5:generateContent",
            "/v1beta/models/zai-org/GLM-4.5:generateContent",
            "/v1beta/models/zai-org%2FGLM-4.5%3AgenerateContent",
        ] {
            let Operation::Model(call) = check("POST", path, None) else {
                panic!("{path}")
            };
            assert_eq!(
                call.path_model.as_deref(),
                Some("zai-org/GLM-4.5"),
                "{path}"
            );
            assert_eq!(call.endpoint, Endpoint::Generate, "{path}");
        }
    }

    const CALLS: [&str; 9] = [
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/responses/compact",
        "/v1beta/openai/chat/completions",
        "/v1beta/models/gemini-3:generateContent",
        "/v1beta/tunedModels/t:streamGenerateContent",
    ];

    proptest::proptest! {
        /// Any path that decodes to a model call is that call, or it is refused; it never becomes another operation.
        #[test]
        fn no_spelling_of_a_model_call_is_another_operation(
            call in proptest::sample::select(&CALLS[..]),
            coded in proptest::collection::vec(0..4u8, 64),
            slashes in (0..3usize, 0..3usize),
        ) {
            let mut path = "/".repeat(slashes.0);
            for (at, byte) in call.bytes().enumerate() {
                match coded.get(at % 64) {
                    Some(0) if at > 0 => path.push_str(&format!("%{byte:02x}")),
                    Some(1) if at > 0 => path.push_str(&format!("%{byte:02X}")),
                    _ => path.push(char::from(byte)),
                }
            }
            path.push_str(&"/".repeat(slashes.1));
            let plain = check("POST", call, None);
            let found = check("POST", &path, None);
            proptest::prop_assert!(
                found == plain || matches!(found, Operation::Path(_)),
                "{path}: {found:?}"
            );
        }
    }
}

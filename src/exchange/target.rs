//! The path of a request at an upstream, and its head.
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::operation::{self, ModelCall};
use super::vendor_call::{Place, VendorCall};
use crate::config::paths::{Call, join, join_query};
use crate::config::{Account, Endpoint};
use crate::protocol::UpstreamDialect;

/// What an upstream is called for.
#[derive(Clone, Debug)]
pub struct UpstreamCall {
    pub dialect: UpstreamDialect,
    pub endpoint: operation::Endpoint,
    /// Whether the path asks for a stream, where the dialect says it there (Gemini).
    pub path_stream: bool,
    /// Which endpoint beside generation.
    pub vendor_call: Option<Box<VendorCall>>,
}

impl UpstreamCall {
    /// Of a dialect's own endpoint.
    pub fn new(dialect: UpstreamDialect, endpoint: operation::Endpoint, path_stream: bool) -> Self {
        Self {
            dialect,
            endpoint,
            path_stream,
            vendor_call: None,
        }
    }

    /// The method that the upstream is asked with.
    pub fn method(&self) -> &Method {
        match self.vendor_call.as_deref() {
            Some(vendor_call) => &vendor_call.method,
            None => &Method::POST,
        }
    }
}

/// The client's call, for an upstream that speaks its dialect.
impl From<&ModelCall> for UpstreamCall {
    fn from(call: &ModelCall) -> Self {
        Self {
            vendor_call: call.vendor_call.clone(),
            ..Self::new(
                call.dialect.upstream(),
                call.endpoint,
                call.path_stream == Some(true),
            )
        }
    }
}

/// The path and query of a model call at `endpoint`.
pub fn call(
    call: &UpstreamCall,
    endpoint: &Endpoint,
    model: &str,
    query: Option<&str>,
    account: &Account,
) -> String {
    if let Some(vendor_call) = call.vendor_call.as_deref() {
        let dialect = call.dialect;
        let upstream = match &vendor_call.model {
            Place::Path { verb } => Call::GeminiOther { model, verb },
            _ => Call::Vendor {
                dialect,
                path: &vendor_call.path,
            },
        };
        return with_query(join(&endpoint.path, upstream), query, account);
    }
    let upstream = match (call.dialect, call.endpoint) {
        (UpstreamDialect::Anthropic, operation::Endpoint::Count) => Call::AnthropicCountTokens,
        (UpstreamDialect::Anthropic, _) => Call::AnthropicMessages,
        (UpstreamDialect::OpenaiChat, operation::Endpoint::LegacyCompletions) => {
            Call::OpenaiCompletions
        }
        (UpstreamDialect::OpenaiChat, _) => Call::OpenaiChat,
        (UpstreamDialect::OpenaiResponses, operation::Endpoint::Compact) => Call::OpenaiCompact,
        (UpstreamDialect::OpenaiResponses, operation::Endpoint::Count) => Call::OpenaiCountTokens,
        (UpstreamDialect::OpenaiResponses, _) => Call::OpenaiResponses,
        (UpstreamDialect::Gemini, operation::Endpoint::Count) => Call::GeminiCountTokens { model },
        (UpstreamDialect::Gemini, _) if call.path_stream => Call::GeminiStream { model },
        (UpstreamDialect::Gemini, _) => Call::GeminiGenerate { model },
    };
    with_query(join(&endpoint.path, upstream), query, account)
}

/// The path of the list of models. Two vendors return it page by page.
pub const fn models(dialect: UpstreamDialect) -> &'static str {
    match dialect {
        UpstreamDialect::Gemini => "/v1beta/models?pageSize=1000",
        UpstreamDialect::Anthropic => "/v1/models?limit=1000",
        UpstreamDialect::OpenaiChat | UpstreamDialect::OpenaiResponses => "/v1/models",
    }
}

/// The path and query of a vendor's endpoint other than generation.
pub fn vendor(
    dialect: UpstreamDialect,
    path: &str,
    endpoint: &Endpoint,
    account: &Account,
) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    with_query(
        join(&endpoint.path, Call::Vendor { dialect, path }),
        query,
        account,
    )
}

fn with_query(mut path: String, client: Option<&str>, account: &Account) -> String {
    // A Gemini client may send its key to Weir in the query; nobody else may see it.
    let client = client.map(|query| {
        let kept = query.split('&').filter(|pair| !is_credential(pair));
        kept.collect::<Vec<_>>().join("&")
    });
    if let Some(query) = join_query(client.as_deref(), &account.query) {
        path.push('?');
        path.push_str(&query);
    }
    path
}

fn is_credential(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    operation::percent_decode(name) == "key"
}

/// The head of a request, for any version of HTTP.
#[derive(Debug)]
pub struct Head<'a> {
    pub method: &'a Method,
    /// The path with its query.
    pub path: &'a str,
    pub headers: HeaderMap,
    pub length: Length,
}

/// The length of the body after a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Length {
    Nothing,
    Bytes(u64),
    /// Unknown; the body ends when the client's body ends.
    Unknown,
}

impl Head<'_> {
    /// The head for `endpoint`. HTTP/2 needs an absolute URI and no `Host`; HTTP/1.1 needs the opposite, and a length.
    pub fn written(self, endpoint: &Endpoint, h2: bool) -> Option<Parts> {
        let Self {
            method,
            path,
            mut headers,
            length,
        } = self;
        let authority = HeaderValue::from_str(&endpoint.authority).ok()?;
        let builder = http::Request::builder().method(method);
        let request = if h2 {
            let scheme = if endpoint.tls { "https" } else { "http" };
            let uri = format!("{scheme}://{}{path}", endpoint.authority);
            builder.version(http::Version::HTTP_2).uri(uri)
        } else {
            headers.insert(HOST, authority);
            builder.version(http::Version::HTTP_11).uri(path)
        };
        match length {
            Length::Nothing => {}
            Length::Bytes(length) => {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            Length::Unknown if h2 => {}
            Length::Unknown => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        let (mut parts, ()) = request.body(()).ok()?.into_parts();
        parts.headers = headers;
        Some(parts)
    }
}

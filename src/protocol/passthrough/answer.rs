//! Reads an answer that came as one body.
use std::sync::LazyLock;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::hosted::tools_in;
use super::peek::{Text, lenient, object, read_usage, usage};
use super::state::state_of;
use super::{Ending, Tap, content, front};
use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, ParsedError};
use crate::protocol::hub::stated::{AnthropicUsage, ChatUsage, GeminiUsage, ResponsesUsage};
use crate::protocol::hub::usage::{Stated, Tools};
use crate::protocol::json::{self, Members, loose};
use crate::protocol::written::Written;

/// What the body of an answer states.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// The usage, if it is stated.
    pub usage: Option<Stated>,
    /// An error despite the status 200.
    pub error: Option<ParsedError>,
    /// The upstream's name of the model.
    pub model: Option<String>,
    /// The upstream's name of the service tier.
    pub service_tier: Option<String>,
    /// The id of a response to which a later request can refer (`previous_response_id`).
    pub response_id: Option<String>,
    /// The names of further objects of the answer that exist only at its account.
    pub state: Vec<String>,
    /// Whether the response is still being generated in the background.
    pub pending: bool,
    /// Whether it is a whole answer: JSON that is not an error.
    pub complete: bool,
}

/// Reads the body of an answer with a status of 2xx. A body in any known form of an error is an error.
pub fn read_answer(dialect: Dialect, body: &[u8]) -> Answer {
    if dialect == Dialect::Gemini && body.trim_ascii_start().starts_with(b"[") {
        return read_array(body);
    }
    let Ok(members) = json::look(body) else {
        // NaN as a number, or a control character in a text, does not make an answer no answer.
        return match loose::strict(body) {
            Some(mended) if json::look(&mended).is_ok() => read_answer(dialect, &mended),
            _ => Answer::failed(unreadable(dialect, body)),
        };
    };
    let object = Object {
        dialect,
        body,
        members,
    };
    Answer {
        usage: object.usage(),
        model: object.text(if dialect == Dialect::Gemini {
            "modelVersion"
        } else {
            "model"
        }),
        service_tier: object.service_tier(),
        response_id: match dialect {
            Dialect::OpenaiResponses => object.text("id"),
            Dialect::Anthropic | Dialect::Gemini | Dialect::OpenaiChat => None,
        },
        state: match object.value("output") {
            Some(output) if dialect == Dialect::OpenaiResponses => {
                state_of(output, object.value("store") != Some(b"false"))
            }
            _ => Vec::new(),
        },
        pending: dialect == Dialect::OpenaiResponses
            && matches!(
                object.value("status"),
                Some(b"\"queued\"" | b"\"in_progress\"")
            ),
        ..match object.error() {
            Some(error) => Answer::failed(error),
            None => Answer {
                complete: true,
                ..Answer::default()
            },
        }
    }
}

/// The usage in the last bytes of an answer that was too large to keep: in every dialect it comes after the content.
/// The last match counts, so that content which quotes an answer is not mistaken for it.
pub fn usage_near_end(dialect: Dialect, end: &[u8]) -> Option<Stated> {
    let name = format!("\"{}\"", usage_name(dialect));
    let at = memmem::rfind(end, name.as_bytes())?;
    let rest = end.get(at + name.len()..)?.trim_ascii_start();
    usage_at(dialect, rest.strip_prefix(b":")?)
}

/// The usage in the first bytes of such an answer, for servers that state it before the content.
pub fn usage_near_start(dialect: Dialect, start: &[u8]) -> Option<Stated> {
    usage_at(dialect, front::value(start, usage_name(dialect))?)
}

/// The service tier in the first bytes of such an answer.
pub fn tier_near_start(start: &[u8]) -> Option<String> {
    let value = front::value(start, "service_tier")?;
    first::<Text<'_>>(value).map(|text| text.0.into_owned())
}

const fn usage_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemini => "usageMetadata",
        Dialect::Anthropic | Dialect::OpenaiChat | Dialect::OpenaiResponses => "usage",
    }
}

/// The usage at the beginning of `value`; `None` = there is none, or it is not complete.
fn usage_at(dialect: Dialect, value: &[u8]) -> Option<Stated> {
    if !value.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    match dialect {
        Dialect::Anthropic => first::<AnthropicUsage>(value).map(Stated::from),
        Dialect::Gemini => first::<GeminiUsage>(value).map(Stated::from),
        Dialect::OpenaiChat => first::<ChatUsage>(value).map(Stated::from),
        Dialect::OpenaiResponses => first::<ResponsesUsage>(value).map(Stated::from),
    }
}

/// The service tier in these bytes, beside the usage or in it. Quotations in content are escaped, so they are not
/// mistaken for a member.
pub fn tier_near_end(end: &[u8]) -> Option<String> {
    last_text(&TIER, end)
}

/// The text of the last member of this name, at any depth.
fn last_text(name: &memmem::FinderRev<'_>, bytes: &[u8]) -> Option<String> {
    let rest = bytes.get(name.rfind(bytes)? + name.needle().len()..)?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    first::<Text<'_>>(value).map(|text| text.0.into_owned())
}

/// The member names for a tier. Prepared once: preparing a search costs more than searching a usage.
static TIER: LazyLock<memmem::FinderRev<'static>> =
    LazyLock::new(|| memmem::FinderRev::new("\"service_tier\""));
static TRAFFIC: LazyLock<memmem::FinderRev<'static>> =
    LazyLock::new(|| memmem::FinderRev::new("\"trafficType\""));

/// What the model wrote in an answer, or in the beginning of an answer.
pub fn written_in(dialect: Dialect, body: &[u8]) -> Written {
    let mut written = Written::default();
    content::whole(dialect, body, &mut written);
    written
}

/// The first JSON value in `bytes`, whatever follows it.
fn first<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(bytes)).ok()
}

impl Answer {
    fn failed(error: ParsedError) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

/// Reads Gemini's stream without server-sent events from one body.
fn read_array(body: &[u8]) -> Answer {
    let mut tap = Tap::json_array();
    let readable = tap.push(body).is_ok();
    let ending = tap.finish().ending;
    let error = match (tap.error(), ending) {
        (Some(error), _) => Some(error.clone()),
        (None, Ending::Complete) if readable => None,
        _ => Some(unreadable(Dialect::Gemini, body)),
    };
    Answer {
        usage: tap.usage(),
        model: tap.model().map(str::to_owned),
        service_tier: tap.service_tier().map(str::to_owned),
        response_id: None,
        state: Vec::new(),
        pending: false,
        complete: error.is_none(),
        error,
    }
}

/// The error for half an answer, or for something that is not an answer. Only a body that is not JSON at all is quoted:
/// half an answer is a user's text.
fn unreadable(dialect: Dialect, body: &[u8]) -> ParsedError {
    let error = error::parse(dialect, 200, body);
    let is_cut = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    ParsedError {
        kind: ErrorKind::BadGateway,
        message: if is_cut {
            "the upstream's answer is not whole".to_owned()
        } else {
            error.message
        },
        ..error
    }
}

/// A body that is one object.
struct Object<'a> {
    dialect: Dialect,
    body: &'a [u8],
    members: Members,
}

impl Object<'_> {
    /// The error in the body. A document is built only if something indicates an error, because content may have
    /// several MiB.
    fn error(&self) -> Option<ParsedError> {
        let content = match self.dialect {
            Dialect::Anthropic => "content",
            Dialect::Gemini => "candidates",
            Dialect::OpenaiChat => "choices",
            Dialect::OpenaiResponses => "output",
        };
        let empty = matches!(self.value(content), None | Some(b"null" | b"[]"));
        let suspicious = empty
            || self.members.has(self.body, "error")
            || self.members.has(self.body, "base_resp")
            || ["type", "object"]
                .iter()
                .any(|name| self.value(name) == Some(b"\"error\""));
        if !suspicious {
            return None;
        }
        if let Some(error) = error::parse_event(self.dialect, self.body) {
            return Some(error);
        }
        let failed = match self.dialect {
            Dialect::OpenaiChat => empty && !self.members.has(self.body, "usage"),
            Dialect::OpenaiResponses => self.value("status") == Some(b"\"failed\""),
            Dialect::Anthropic | Dialect::Gemini => false,
        };
        failed.then(ParsedError::empty_answer)
    }

    fn usage(&self) -> Option<Stated> {
        match self.dialect {
            Dialect::Anthropic => self.read::<AnthropicUsage>("usage").map(Stated::from),
            Dialect::Gemini => {
                let usage = self.read::<GeminiUsage>("usageMetadata");
                let usage = usage.or_else(|| self.read("usage_metadata"));
                let mut stated = Stated::from(usage?);
                if let Some(candidates) = self.value("candidates") {
                    stated.extras.tools = grounded(candidates);
                }
                Some(stated)
            }
            Dialect::OpenaiChat => self.chat_usage().map(Stated::from),
            Dialect::OpenaiResponses => {
                let mut stated = Stated::from(self.read::<ResponsesUsage>("usage")?);
                if let Some(output) = self.value("output") {
                    stated.extras.tools = tools_in(output, self.value("tools"));
                }
                Some(stated)
            }
        }
    }

    /// The usage beside the choices, or where some vendors state it: in `x_groq` or in a choice.
    fn chat_usage(&self) -> Option<ChatUsage> {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default, deserialize_with = "usage")]
            usage: Option<ChatUsage>,
        }
        self.read("usage")
            .or_else(|| object::<Part>(self.value("x_groq")?)?.usage)
            .or_else(|| {
                let choices = self.value("choices")?;
                let choices = serde_json::from_slice::<Vec<Part>>(choices).ok()?;
                choices.into_iter().find_map(|choice| choice.usage)
            })
    }

    /// The service tier. Anthropic states it in the usage, Gemini states the kind of traffic there, `OpenAI` states the
    /// tier beside the usage.
    fn service_tier(&self) -> Option<String> {
        let usage = match self.dialect {
            Dialect::Anthropic => "usage",
            Dialect::Gemini => "usageMetadata",
            Dialect::OpenaiChat | Dialect::OpenaiResponses => return self.text("service_tier"),
        };
        tier(self.value(usage)?)
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = self.members.string(self.body, name)?;
        (!text.is_empty()).then(|| text.into_owned())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        read_usage(self.value(name)?)
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.members.value(self.body, name)
    }
}

/// The tools behind the candidates of a Gemini answer or event: every query to Google Search, and one query to Google
/// Maps if there are places, because map queries are not listed.
pub(super) fn grounded(candidates: &[u8]) -> Tools {
    let mut tools = Tools::default();
    if memmem::find(candidates, b"roundingMetadata").is_none()
        && memmem::find(candidates, b"rounding_metadata").is_none()
    {
        return tools;
    }
    for candidate in serde_json::from_slice::<Vec<Grounded<'_>>>(candidates).unwrap_or_default() {
        let Some(found) = candidate.metadata else {
            continue;
        };
        let chunks = found.chunks.unwrap_or_default();
        let has = |kind: fn(&Chunk) -> bool| chunks.iter().any(kind);
        let (web, maps) = (
            has(|chunk| chunk.web.is_some()),
            has(|chunk| chunk.maps.is_some()),
        );
        let queries = found.queries.map_or(0, |queries| queries.len()) as u64;
        tools.maps = tools.maps.max(u64::from(maps));
        // If there are only places, the queries are those to the map.
        if web || !maps {
            tools.web_searches = tools.web_searches.max(queries);
        } else {
            tools.maps = tools.maps.max(queries);
        }
    }
    tools
}

#[derive(Deserialize)]
struct Grounded<'a> {
    #[serde(
        alias = "grounding_metadata",
        borrow,
        default,
        deserialize_with = "lenient",
        rename = "groundingMetadata"
    )]
    metadata: Option<Grounding<'a>>,
}

#[derive(Deserialize)]
struct Grounding<'a> {
    #[serde(
        alias = "web_search_queries",
        borrow,
        default,
        deserialize_with = "lenient",
        rename = "webSearchQueries"
    )]
    queries: Option<Vec<Text<'a>>>,
    #[serde(
        alias = "grounding_chunks",
        default,
        deserialize_with = "lenient",
        rename = "groundingChunks"
    )]
    chunks: Option<Vec<Chunk>>,
}

#[derive(Deserialize)]
struct Chunk {
    web: Option<IgnoredAny>,
    maps: Option<IgnoredAny>,
}

/// The service tier in a `usage` of Anthropic or a `usageMetadata` of Gemini.
pub(super) fn tier(usage: &[u8]) -> Option<String> {
    last_text(&TIER, usage).or_else(|| last_text(&TRAFFIC, usage))
}

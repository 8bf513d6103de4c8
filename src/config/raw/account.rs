//! `accounts`: credentials at upstreams.
use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Texts;
use super::limits::{at_once, requests, tokens};
use super::mapping::mapping;
use super::oauth2::OAuth2;
use super::secret::{RawSecret, RawValue};
use super::setting::{Measure as _, Or, Rule, Setting, hours, minutes, seconds};
use crate::config::diagnostic::{did_you_mean, one_of};
use crate::config::raw::values::{
    Boolean, Name, Pattern, Signed, Span, Text, UrlPath, Whole, Word, Words,
};
use crate::config::settings::StreamUsage;
use crate::config::settings::providers::{Auth, PROVIDERS, Provider};
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::{Decode, Field, Map, Needed, Section};
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;
use crate::protocol::hub::target::PromptCache;
use crate::protocol::{Dialect, UpstreamDialect};

mapping!("an account: `{ name: NAME, provider: PROVIDER, key: { env: NAME } }`"
/// A credential at an upstream, and where that is.
Account {
    /// Unique. A label of metrics.
    name: Needed<Name>,
    /// The preset: dialect, base URL and authentication.
    provider: Needed<ProviderName>,
    /// The API key.
    key: Field<RawSecret>,
    /// Several API keys in place of one: the account becomes one a key, named `NAME-1`, `NAME-2` and so on. A pool that
    /// names it has them all.
    keys: Field<Vec<Field<RawSecret>>>,
    /// Overrides the base URL of the preset. Anthropic: without `/v1`; OpenAI: with `/v1`; Gemini: without `/v1beta`.
    base_url: Field<Text>,
    /// Several base URLs instead of one: a fleet behind one account.
    endpoints: Field<Vec<Field<Endpoint>>>,
    /// Overrides what the upstream speaks.
    dialect: Field<Word<UpstreamDialect>>,
    /// Overrides how the key travels; `{ oauth2: … }`: access tokens in place of a key.
    auth: Field<RawAuth>,
    /// Added to the query of every upstream request, such as the api-version of Azure.
    query: Texts<Text>,
    /// Added to every upstream request.
    headers: Texts<RawValue>,
    /// Its share within its priority; 0 = only when asked by name.
    weight: Setting<Whole> = weight(),
    /// Lower is preferred.
    priority: Setting<Signed> = Signed::or(0).from(-1_000).up_to(1_000),
    /// Patterns of the models it may serve, or a mapping from such patterns to the upstream's names. Default: all.
    models: Field<RawModels>,
    /// What it may be asked for at most.
    limits: Field<AccountLimits>,
    /// A proxy on the way: `http://host:port` (CONNECT) or `socks5://user:password@host:port`. Default: direct.
    egress: Field<RawSecret>,
    /// When to give up.
    timeouts: Section<Timeouts>,
    /// Asks every endpoint whether it is alive. Default: only what real requests tell.
    health_check: Field<HealthCheck>,
    /// Sets cache markers on translated Anthropic requests of a conversation whose client sets none.
    prompt_cache: Setting<Word<PromptCache>> = Word::or(PromptCache::Auto),
    /// Whether Chat streams are asked for their usage where the client did not ask. Default: `ask`, for `openai-legacy` `as-sent`.
    stream_usage: Field<Word<StreamUsage>>,
    /// Whether its Responses API is also spoken on WebSockets. A client's WebSocket then goes on as one to the account.
    websocket: Setting<Boolean> = Boolean::or(false),
    /// A free label for reports.
    project: Field<Name>,
});

mapping!("an endpoint: `{ url: URL }`"
/// One of several base URLs of an account.
Endpoint {
    /// As `base_url`.
    url: Needed<Text>,
    /// Its share.
    weight: Setting<Whole> = weight(),
});

mapping!("the limits of an account"
/// What an account may be asked for at most. Absent = no limit.
AccountLimits {
    /// Requests at once.
    concurrency: Field<Whole> = at_once(),
    /// Requests per minute.
    rpm: Field<Whole> = requests(),
    /// Tokens per minute.
    tpm: Field<Whole> = tokens(),
});

mapping!("the timeouts of an account"
/// When to give up.
Timeouts {
    /// Until the connection (and TLS) is established.
    connect: Setting<Span> = Span::or(seconds(5)).above(Duration::ZERO).up_to(minutes(5)),
    /// From the request being sent to the head of the answer.
    first_byte: Setting<Span> = Span::or(seconds(120)).above(Duration::ZERO).up_to(hours(1)),
    /// Between two pieces of the answer.
    idle: Setting<Span> = Span::or(seconds(90)).above(Duration::ZERO).up_to(hours(1)),
    /// While the upstream takes nothing more of a request.
    write: Setting<Span> = Span::or(minutes(1)).above(Duration::ZERO).up_to(minutes(5)),
    /// From the request being sent to the end of the answer. Default: as long as it goes on.
    total: Field<Span> = Span::otherwise("leave it out: then an answer may go on").above(Duration::ZERO).up_to(hours(24)),
});

mapping!("a health check: `{ path: /health }`"
/// An active health check: GET, healthy when 2xx.
HealthCheck {
    /// The path, from the root of the host.
    path: Needed<UrlPath>,
    /// How often each endpoint is asked.
    interval: Setting<Span> = Span::or(seconds(5)).from(Duration::from_millis(100)).up_to(hours(1)),
});

/// Weights are shares, not bytes; larger values are probably mistakes.
fn weight() -> Rule<Whole, Or<Whole>> {
    Whole::or(1).from(0).up_to(10_000)
}

/// A row of the table of presets.
#[derive(Clone, Copy, Debug)]
pub struct ProviderName(pub &'static Provider);

impl Decode for ProviderName {
    const EXPECTED: &'static str = "the name of a provider such as `anthropic` or `openai`";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let text = cursor.scalar(Self::EXPECTED, faults)?;
        let names = || PROVIDERS.iter().map(|provider| provider.name);
        let provider = PROVIDERS.iter().find(|provider| provider.name == text);
        if provider.is_none() {
            let hint = "a server that speaks a known dialect is `openai-compatible` or `anthropic-compatible`";
            let hint = did_you_mean(text, names()).unwrap_or_else(|| hint.to_owned());
            cursor.mismatch(&one_of(names()), Some(hint), faults);
        }
        provider.map(Self)
    }
}

impl JsonSchema for ProviderName {
    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Words for Dialect {
    const EXPECTED: &'static str = "a dialect";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("anthropic", Self::Anthropic),
        ("openai-chat", Self::OpenaiChat),
        ("openai-responses", Self::OpenaiResponses),
        ("gemini", Self::Gemini),
    ];
}

impl Words for UpstreamDialect {
    const EXPECTED: &'static str = Dialect::EXPECTED;
    const WORDS: &'static [(&'static str, Self)] = Self::NAMED;
}

impl Words for PromptCache {
    const EXPECTED: &'static str = "whether cache markers are set";
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("off", Self::Off), ("1h", Self::Hour)];
}

impl Words for StreamUsage {
    const EXPECTED: &'static str = "whether streams are asked for their usage";
    const WORDS: &'static [(&'static str, Self)] = &[("ask", Self::Ask), ("as-sent", Self::AsSent)];
}

impl Words for Auth {
    const EXPECTED: &'static str = "a way to authenticate";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("x-api-key", Self::XApiKey),
        ("bearer", Self::Bearer),
        ("api-key", Self::ApiKey),
        ("x-goog-api-key", Self::XGoogApiKey),
        ("none", Self::None),
    ];
}

/// How an account authenticates: a fixed key by one of the ways, or access tokens.
#[derive(Clone, Debug)]
pub enum RawAuth {
    OAuth2(Box<OAuth2Section>),
    Way(Auth),
}

mapping!("`{ oauth2: { token_url: URL, … } }`"
/// Access tokens in place of a key.
OAuth2Section {
    /// Where they come from.
    oauth2: Needed<OAuth2>,
});

impl Decode for RawAuth {
    const EXPECTED: &'static str = Auth::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        if let Kind::Mapping(_) = &cursor.node.kind {
            let section = OAuth2Section::decode(cursor, faults)?;
            return Some(Self::OAuth2(Box::new(section)));
        }
        Word::decode(cursor, faults).map(|Word(auth)| Self::Way(auth))
    }
}

impl JsonSchema for RawAuth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = Word::<Auth>::json_schema(generator);
        let section = generator.subschema_for::<OAuth2Section>();
        json_schema!({ "anyOf": [word, section] })
    }
}

/// Which models an account serves: a list of patterns, or a mapping from patterns to the upstream's names.
#[derive(Clone, Debug)]
pub enum RawModels {
    List(Vec<Field<Pattern>>),
    Mapping(Map<Optional>),
}

impl Decode for RawModels {
    const EXPECTED: &'static str = "a list of patterns, or a mapping from patterns to names";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        match &cursor.node.kind {
            Kind::List(_) => Vec::decode(cursor, faults).map(Self::List),
            Kind::Mapping(_) => Map::decode(cursor, faults).map(Self::Mapping),
            Kind::Scalar { .. } => {
                let hint = "put it into a list: models: [ … ]".to_owned();
                cursor.mismatch(Self::EXPECTED, Some(hint), faults);
                None
            }
        }
    }
}

/// Text, or nothing: as asked.
#[derive(Clone, Debug)]
pub struct Optional(pub Option<String>);

impl Decode for Optional {
    const EXPECTED: &'static str = "the upstream's name of the model";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        if cursor.node.is_null() {
            return Some(Self(None));
        }
        Text::decode(cursor, faults).map(|Text(name)| Self(Some(name)))
    }
}

impl JsonSchema for RawModels {
    fn schema_name() -> Cow<'static, str> {
        "Models".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pattern = generator.subschema_for::<Pattern>();
        json_schema!({
            "anyOf": [
                { "type": "array", "items": pattern, "minItems": 1 },
                { "type": "object", "additionalProperties": { "type": ["string", "null"] }, "minProperties": 1 },
            ]
        })
    }
}

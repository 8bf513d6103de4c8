//! The report about a request: the JSON of `POST /admin/explain` and of `weir explain --json`, field for field.
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Everything that would happen to a request.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether the client would get what it asks for, as far as that is known before any upstream is called.
    pub served: bool,
    /// Notes that are needed to understand the rest.
    pub notes: Vec<String>,
    pub request: RequestPart,
    pub client: Option<ClientPart>,
    /// Names of the rewrites that apply; everything below describes the request after them.
    pub rewrites: Vec<String>,
    pub route: Option<RoutePart>,
    pub pool: Option<PoolPart>,
    pub session: Option<SessionPart>,
    /// In the order in which they would be tried, pool after pool; excluded accounts last.
    pub candidates: Vec<Candidate>,
    pub attempts: Option<AttemptsPart>,
    /// Why some dialects cannot express the request; another dialect can.
    pub untranslatable: Option<UntranslatablePart>,
    /// The request of the first attempt.
    pub upstream: Option<UpstreamPart>,
    /// Weir's own answer: a refusal, or an estimate that needs no upstream.
    pub answer: Option<AnswerPart>,
    pub limits: Vec<LimitPart>,
    pub price: Option<PricePart>,
}

impl Report {
    /// A report with only this information.
    pub(super) fn new(path: &str, body_bytes: usize, notes: Vec<String>) -> Self {
        Self {
            served: false,
            notes,
            request: RequestPart {
                method: http::Method::POST.to_string(),
                path: path.to_owned(),
                operation: "none",
                dialect: None,
                model: None,
                stream: None,
                body_bytes,
                input_tokens: None,
                reserved: None,
            },
            client: None,
            rewrites: Vec::new(),
            route: None,
            pool: None,
            session: None,
            candidates: Vec::new(),
            attempts: None,
            untranslatable: None,
            upstream: None,
            answer: None,
            limits: Vec::new(),
            price: None,
        }
    }
}

/// The request as Weir reads it.
#[derive(Debug, Serialize)]
pub struct RequestPart {
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// `generate`, `completions`, `count`, `compact`, `vendor`, or `none`.
    pub operation: &'static str,
    /// The client's dialect.
    pub dialect: Option<&'static str>,
    pub model: Option<String>,
    pub stream: Option<bool>,
    pub body_bytes: usize,
    /// The input tokens by the count that routes use.
    pub input_tokens: Option<u64>,
    /// What is reserved until the real use is known.
    pub reserved: Option<ReservedPart>,
}

/// What a request reserves in limits before its end.
#[derive(Debug, Serialize)]
pub struct ReservedPart {
    /// Tokens in the account's own limit.
    pub account_tokens: u64,
    /// Tokens in the limits of the key, its group, its project and everyone, including the expected answer; `null` =
    /// none of these limits needs an estimate.
    pub tokens: Option<u64>,
    /// US dollars in the same limits; `null` as for `tokens`.
    pub usd: Option<f64>,
}

/// The calling key.
#[derive(Debug, Serialize)]
pub struct ClientPart {
    /// The name of the key.
    pub key: String,
    /// `credential`, `name` (named without its secret) or `anonymous`.
    pub found_by: &'static str,
    pub group: Option<String>,
    pub project: Option<String>,
    /// The pools that it may use; `null` = all.
    pub pools: Option<Vec<String>>,
    /// The models that it may use; `null` = all.
    pub models: Option<Vec<String>>,
}

/// The route that matched, and why earlier ones did not.
#[derive(Debug, Serialize)]
pub struct RoutePart {
    /// The position, as in `x-weir-route`; `null` = none matched.
    pub matched: Option<usize>,
    /// The pool that it leads to; `null` = the default pool.
    pub pool: Option<String>,
    /// The model that it requests instead.
    pub model: Option<String>,
    pub passed_over: Vec<PassedOver>,
}

/// A route that did not match.
#[derive(Debug, Serialize)]
pub struct PassedOver {
    pub route: usize,
    /// The first condition that does not hold.
    pub condition: String,
    pub wanted: String,
    /// The value in the request; `null` = there is none.
    pub found: Option<String>,
}

/// The pool of the route.
#[derive(Debug, Serialize)]
pub struct PoolPart {
    pub name: String,
    pub select: &'static str,
    pub affinity: &'static str,
    /// The pools that follow when every account here is out, in order, as far as the key may use them.
    pub fallbacks: Vec<String>,
    /// The fallback that the key may not use; the chain ends there.
    pub forbidden: Option<String>,
}

/// What binds the request to one account.
#[derive(Debug, Serialize)]
pub struct SessionPart {
    /// The place of the session id in the request.
    pub kind: &'static str,
    pub id: String,
    /// `hit`, `new`, `detour` or `rebind`; `null` when no account serves the request.
    pub affinity: Option<&'static str>,
}

/// An account of the pool or of a fallback.
#[derive(Debug, Serialize)]
pub struct Candidate {
    pub pool: String,
    pub account: String,
    pub dialects: Vec<&'static str>,
    pub priority: i32,
    /// Its weight, reduced as one of its windows comes near its end.
    pub weight: f64,
    /// The number of the attempt in which it is tried, if all attempts before fail to reach their upstream; `null` = it
    /// is not tried.
    pub attempt: Option<usize>,
    /// Why it would not serve; `null` = it would.
    pub excluded: Option<Exclusion>,
}

/// Why an account is excluded.
#[derive(Debug, Serialize)]
pub struct Exclusion {
    pub reason: &'static str,
    /// The class of the failure behind it.
    pub class: Option<&'static str>,
    /// The account's own limit that is reached, by its name in `accounts[].limits`.
    pub limit: Option<&'static str>,
    /// Seconds until the account is back, if that is known.
    pub wait_seconds: Option<f64>,
    /// The reason in words.
    pub why: String,
}

/// How often and in which order accounts are tried.
#[derive(Debug, Serialize)]
pub struct AttemptsPart {
    /// The most attempts, including the first.
    pub max: u32,
    pub deadline_seconds: f64,
    /// The share that retries may add to the traffic.
    pub budget: f64,
    /// The attempts, if each of them fails to reach its upstream.
    pub order: Vec<AttemptPart>,
    /// How long the request waits for an account on a ramp, or for an overloaded provider.
    pub wait_seconds: f64,
}

/// One attempt.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AttemptPart {
    pub pool: String,
    pub account: String,
    pub dialect: &'static str,
    pub model: String,
    pub url: String,
}

/// What some dialects cannot express.
#[derive(Debug, Serialize)]
pub struct UntranslatablePart {
    pub dialects: Vec<&'static str>,
    /// The first such field, as a path.
    pub field: String,
    pub why: String,
}

/// The request of the first attempt.
#[derive(Debug, Serialize)]
pub struct UpstreamPart {
    pub account: String,
    pub provider: &'static str,
    pub dialect: &'static str,
    /// The model name at the upstream.
    pub model: Option<String>,
    /// The egress proxy.
    pub egress: Option<String>,
    pub method: String,
    pub url: String,
    /// The headers over HTTP/1.1. Credentials, the account's own headers and those of rewrites read `***`.
    pub headers: Vec<(String, String)>,
    /// `unchanged`, `model` (only the model's name was replaced), `rewritten` or `translated`.
    pub change: &'static str,
    pub body_bytes: usize,
    /// The body as it is sent, except for white space around it.
    pub body: Option<Box<RawValue>>,
    pub dropped: Vec<DroppedPart>,
}

/// A field that the upstream's dialect or model cannot express.
#[derive(Debug, Serialize)]
pub struct DroppedPart {
    pub field: &'static str,
    /// Whether the client may notice it. Such fields are in the access log and in `weir_dropped_fields_total`.
    pub notable: bool,
}

/// An answer of Weir's own.
#[derive(Debug, Serialize)]
pub struct AnswerPart {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The body in the client's dialect, as the client would see it.
    pub body: Value,
    /// What the operator can do, in addition to what the client is told.
    pub hint: Option<String>,
}

/// A limit that the request is under.
#[derive(Debug, Serialize)]
pub struct LimitPart {
    /// `key team-a`, `group research`, `everyone`, `server`, `account claude-a`.
    pub scope: String,
    /// The name of the limit in the configuration.
    pub limit: &'static str,
    pub cap: f64,
    /// What counts against it now; `null` = there is no live state.
    pub used: Option<f64>,
    /// Seconds until nothing of `used` counts any more, where time has that effect.
    pub resets_in_seconds: Option<f64>,
}

/// What the request costs.
#[derive(Debug, Serialize)]
pub struct PricePart {
    /// The model or pattern that has the price; `null` = no price is known.
    pub model: Option<String>,
    pub source: Option<String>,
    /// USD per million tokens, by kind.
    pub rates: Option<RatesPart>,
    /// The cost in USD of the estimated input if nothing of it is cached.
    pub input_usd: Option<f64>,
}

/// USD per million tokens.
#[derive(Debug, Serialize)]
pub struct RatesPart {
    pub input: f64,
    pub output: f64,
    pub cache_read: f64,
    pub cache_write_5m: f64,
    pub cache_write_1h: f64,
}

//! What is said about a request: the JSON of `POST /admin/explain` and of `weir explain --json`, field for field.
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Everything that would happen to a request.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether the client would get what it asks for, as far as that is known before anybody is called.
    pub served: bool,
    /// What a reader has to know to read the rest.
    pub notes: Vec<String>,
    pub request: RequestPart,
    pub client: Option<ClientPart>,
    /// Names of those that apply; everything below is about the request after them.
    pub rewrites: Vec<String>,
    pub route: Option<RoutePart>,
    pub pool: Option<PoolPart>,
    pub session: Option<SessionPart>,
    /// In the order in which they would be tried, pool after pool; those that are out last.
    pub candidates: Vec<Candidate>,
    pub attempts: Option<AttemptsPart>,
    /// What keeps the request from some dialects; another can say it.
    pub untranslatable: Option<UntranslatablePart>,
    /// The request of the first attempt.
    pub upstream: Option<UpstreamPart>,
    /// What Weir answers by itself: a refusal, or an estimate that needs no upstream.
    pub answer: Option<AnswerPart>,
    pub limits: Vec<LimitPart>,
    pub price: Option<PricePart>,
}

impl Report {
    /// Of a request that nothing is known of but this.
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
    /// Without its query.
    pub path: String,
    /// `generate`, `completions`, `count`, `compact`, `vendor`, or `none`.
    pub operation: &'static str,
    /// What the client speaks.
    pub dialect: Option<&'static str>,
    pub model: Option<String>,
    pub stream: Option<bool>,
    pub body_bytes: usize,
    /// As routes count it.
    pub input_tokens: Option<u64>,
    /// What is set aside until the real use is known.
    pub reserved: Option<ReservedPart>,
}

/// What limits count a request with before its end.
#[derive(Debug, Serialize)]
pub struct ReservedPart {
    /// In the account's own limit.
    pub account_tokens: u64,
    /// In the limits of the key, its group and everyone, the expected answer included; `null` = none of them needs it.
    pub tokens: Option<u64>,
    /// See `tokens`.
    pub usd: Option<f64>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct ClientPart {
    /// The name of the key.
    pub key: String,
    /// `credential`, `name` (asked for without its secret) or `anonymous`.
    pub found_by: &'static str,
    pub group: Option<String>,
    pub project: Option<String>,
    /// `null` = all.
    pub pools: Option<Vec<String>>,
    /// `null` = all.
    pub models: Option<Vec<String>>,
}

/// Which route, and why not an earlier one.
#[derive(Debug, Serialize)]
pub struct RoutePart {
    /// Its position, as in `x-weir-route`; `null` = none matched.
    pub matched: Option<usize>,
    /// Where it leads; `null` = to the default.
    pub pool: Option<String>,
    /// The model that it asks for instead.
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
    /// `null` = the request has none.
    pub found: Option<String>,
}

/// The pool that the request is led to.
#[derive(Debug, Serialize)]
pub struct PoolPart {
    pub name: String,
    pub select: &'static str,
    pub affinity: &'static str,
    /// Where the request goes when everything here is out, in order, as far as the key may go.
    pub fallbacks: Vec<String>,
    /// The fallback that the key may not use, at which the chain ends.
    pub forbidden: Option<String>,
}

/// What keeps the request on one account.
#[derive(Debug, Serialize)]
pub struct SessionPart {
    /// Where its id stands in the request.
    pub kind: &'static str,
    pub id: String,
    /// `hit`, `new`, `detour` or `rebind`; `null` when nobody serves.
    pub affinity: Option<&'static str>,
}

/// An account of the pool or of a fallback.
#[derive(Debug, Serialize)]
pub struct Candidate {
    pub pool: String,
    pub account: String,
    pub dialects: Vec<&'static str>,
    pub priority: i32,
    /// Its share, less the nearer its windows are to their end.
    pub weight: f64,
    /// In which attempt it is asked, when those before it fail to reach their upstream; `null` = in none.
    pub attempt: Option<usize>,
    /// Why it would not serve.
    pub excluded: Option<Exclusion>,
}

/// Why an account is out.
#[derive(Debug, Serialize)]
pub struct Exclusion {
    pub reason: &'static str,
    /// The class of the failure that put it out.
    pub class: Option<&'static str>,
    /// Its own limit that is reached, as it is named in `accounts[].limits`.
    pub limit: Option<&'static str>,
    /// Until it is back, as far as that is known.
    pub wait_seconds: Option<f64>,
    /// In words.
    pub why: String,
}

/// Who is asked how often.
#[derive(Debug, Serialize)]
pub struct AttemptsPart {
    /// At most, the first included.
    pub max: u32,
    pub deadline_seconds: f64,
    /// Retries may add this share to the traffic.
    pub budget: f64,
    /// If every one of them fails to reach its upstream.
    pub order: Vec<AttemptPart>,
    /// How long it waits for an account that is being eased in, or an overloaded provider.
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

/// What some dialects cannot say.
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
    /// The model as the upstream is asked for it.
    pub model: Option<String>,
    /// The proxy on the way.
    pub egress: Option<String>,
    pub method: String,
    pub url: String,
    /// Over HTTP/1.1. Credentials, the account's own headers and those of rewrites read `***`.
    pub headers: Vec<(String, String)>,
    /// `unchanged`, `model` (only its name was replaced), `rewritten` or `translated`.
    pub change: &'static str,
    pub body_bytes: usize,
    /// As it is sent, but for white space around it.
    pub body: Option<Box<RawValue>>,
    pub dropped: Vec<DroppedPart>,
}

/// A field that the upstream's dialect, or its model, cannot be told.
#[derive(Debug, Serialize)]
pub struct DroppedPart {
    pub field: &'static str,
    /// Whether the client may notice: these are in the access log and in `weir_dropped_fields_total`.
    pub notable: bool,
}

/// An answer of Weir's own.
#[derive(Debug, Serialize)]
pub struct AnswerPart {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// As the client would see it, in its dialect.
    pub body: Value,
    /// What the operator can do, beyond what the client is told.
    pub hint: Option<String>,
}

/// A limit that the request is under.
#[derive(Debug, Serialize)]
pub struct LimitPart {
    /// `key team-a`, `group research`, `everyone`, `server`, `account claude-a`.
    pub scope: String,
    /// As in the configuration.
    pub limit: &'static str,
    pub cap: f64,
    /// `null` = there is no live state to look at.
    pub used: Option<f64>,
    /// When nothing of `used` counts any more, where time makes it so.
    pub resets_in_seconds: Option<f64>,
}

/// What the request costs.
#[derive(Debug, Serialize)]
pub struct PricePart {
    /// The model, or the pattern, that has the price; `null` = none is known.
    pub model: Option<String>,
    pub source: Option<String>,
    /// USD per million tokens, by kind.
    pub rates: Option<RatesPart>,
    /// What the estimated input costs if nothing of it is cached.
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

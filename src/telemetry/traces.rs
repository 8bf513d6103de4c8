//! Traces of requests for an OpenTelemetry collector: a bounded queue, and the encoding of a batch.
//!
//! The format is OTLP/HTTP with JSON; attributes follow the semantic conventions that [`SCHEMA`] names. No content of
//! requests and answers is exported.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::IntCounter;
use serde_json::{Value, json};

use super::verdict::Verdict;
use crate::outcome::{AttemptRecord, FailureClass, Outcome, Trace};
use crate::protocol::{Dialect, UpstreamDialect};

/// The requests that wait for export.
#[derive(Debug)]
pub struct Traces {
    waiting: Mutex<VecDeque<(Outcome, SystemTime)>>,
    dropped: IntCounter,
}

impl Traces {
    /// An empty queue. `dropped` counts the requests that find no room or that no collector accepts.
    pub fn new(dropped: IntCounter) -> Self {
        Self {
            waiting: Mutex::default(),
            dropped,
        }
    }

    /// Adds a finished request. Never waits.
    pub fn push(&self, outcome: &Outcome, at: SystemTime) {
        if !outcome.trace.is_some_and(|trace| trace.is_sampled()) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            drop(waiting);
            return self.lost(1);
        }
        waiting.push_back((outcome.clone(), at));
    }

    /// Counts requests that could not be exported.
    pub fn lost(&self, requests: usize) {
        self.dropped.inc_by(requests as u64);
    }

    /// Takes the next batch: the body of a request to a collector, and the number of requests in it.
    pub fn take(&self, instance: &str) -> Option<(Vec<u8>, usize)> {
        let batch: Vec<(Outcome, SystemTime)> = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(BATCH);
            waiting.drain(..count).collect()
        };
        let count = batch.len();
        (count > 0).then(|| (export(&batch, instance), count))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Outcome, SystemTime)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An `ExportTraceServiceRequest`.
fn export(batch: &[(Outcome, SystemTime)], instance: &str) -> Vec<u8> {
    let traced = batch.iter().filter_map(|(outcome, at)| {
        let trace = outcome.trace.as_ref()?;
        Some(spans(outcome, trace, *at))
    });
    let spans: Vec<Value> = traced.flatten().collect();
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        text("service.name", Some("weir")),
        text("service.version", Some(version)),
        text("service.instance.id", Some(instance)),
    ];
    let body = json!({
        "resourceSpans": [{
            "resource": { "attributes": known(resource) },
            "scopeSpans": [{
                "scope": { "name": "weir", "version": version },
                "spans": spans,
                "schemaUrl": SCHEMA,
            }],
            "schemaUrl": SCHEMA,
        }],
    });
    body.to_string().into_bytes()
}

/// The span of a request, and a span for each attempt below it.
fn spans(outcome: &Outcome, trace: &Trace, ended: SystemTime) -> Vec<Value> {
    let began = ended.checked_sub(outcome.duration).unwrap_or(UNIX_EPOCH);
    let verdict = Verdict::of(outcome).as_str();
    let mut spans = vec![json!({
        "traceId": trace.trace_id(),
        "spanId": trace.span_id(),
        "parentSpanId": trace.parent_id().unwrap_or_default(),
        "name": format!("{} {}", outcome.method, outcome.path),
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(began),
        "endTimeUnixNano": nanoseconds(ended),
        "attributes": of_request(outcome, verdict),
        "status": status(outcome.status >= 500, outcome.detail.as_deref()),
    })];
    let last = outcome.attempts.len().saturating_sub(1);
    let model = outcome.model_served.as_deref().unwrap_or_default();
    spans.extend(outcome.attempts.iter().enumerate().map(|(number, attempt)| {
        let from = began + attempt.after;
        // The attempt that served ends with the answer, the others with their failure.
        let to = match attempt.failure {
            None if number == last => ended.max(from),
            _ => from + attempt.took,
        };
        json!({
            "traceId": trace.trace_id(),
            "spanId": trace.attempt_id(number),
            "parentSpanId": trace.span_id(),
            "name": format!("{} {model}", operation(outcome)).trim_end(),
            "kind": CLIENT,
            "startTimeUnixNano": nanoseconds(from),
            "endTimeUnixNano": nanoseconds(to),
            "attributes": of_attempt(outcome, attempt, attempt.failure.is_none() && number == last),
            "status": status(attempt.failure.is_some(), attempt.failure.map(FailureClass::as_str)),
        })
    }));
    spans
}

fn of_request(outcome: &Outcome, verdict: &str) -> Vec<Value> {
    let address = outcome.client_ip.map(|ip| ip.to_string());
    let failed = outcome.status >= 400 || verdict != "ok";
    known([
        text("http.request.method", Some(&outcome.method)),
        text("url.path", Some(&outcome.path)),
        number("http.response.status_code", Some(outcome.status.into())),
        text("client.address", address.as_deref()),
        text("user_agent.original", outcome.user_agent.as_deref()),
        text("error.type", failed.then_some(verdict)),
        text("weir.request_id", Some(&outcome.request_id)),
        text("weir.key", outcome.key.as_deref()),
        text("weir.project", outcome.project.as_deref()),
        text("weir.pool", outcome.pool.as_deref()),
        text("weir.outcome", Some(verdict)),
        text("weir.dialect", outcome.client_dialect.map(Dialect::as_str)),
        text("gen_ai.request.model", outcome.model_asked.as_deref()),
    ])
}

fn of_attempt(outcome: &Outcome, attempt: &AttemptRecord, served: bool) -> Vec<Value> {
    let usage = outcome.usage.as_ref().filter(|_| served);
    let first = outcome.time_to_first_token.filter(|_| served);
    let input = usage.map(|usage| usage.total().saturating_sub(usage.output));
    known([
        text("gen_ai.operation.name", Some(operation(outcome))),
        text(
            "gen_ai.provider.name",
            outcome.upstream_dialect.map(UpstreamDialect::vendor),
        ),
        text("gen_ai.request.model", outcome.model_served.as_deref()),
        number("gen_ai.usage.input_tokens", input),
        number(
            "gen_ai.usage.output_tokens",
            usage.map(|usage| usage.output),
        ),
        text("error.type", attempt.failure.map(FailureClass::as_str)),
        text("weir.account", Some(&attempt.account)),
        text(
            "weir.cause",
            attempt.cause.map(crate::outcome::Cause::as_str),
        ),
        amount("weir.cost_usd", outcome.cost_usd.filter(|_| served)),
        amount(
            "weir.time_to_first_token_s",
            first.map(|first| first.as_secs_f64()),
        ),
    ])
}

/// The name of the operation in the conventions, by the path.
fn operation(outcome: &Outcome) -> &'static str {
    match outcome.path.rsplit(['/', ':']).next() {
        Some("embeddings" | "embedContent" | "batchEmbedContents") => "embeddings",
        Some("generateContent" | "streamGenerateContent") => "generate_content",
        Some("completions") if !outcome.path.ends_with("/chat/completions") => "text_completion",
        _ => "chat",
    }
}

fn status(failed: bool, message: Option<&str>) -> Value {
    if failed {
        json!({ "code": FAILED, "message": message.unwrap_or_default() })
    } else {
        json!({})
    }
}

fn text(name: &str, value: Option<&str>) -> Option<Value> {
    Some(json!({ "key": name, "value": { "stringValue": value? } }))
}

/// In the JSON of protocol buffers, 64-bit numbers are strings.
fn number(name: &str, value: Option<u64>) -> Option<Value> {
    Some(json!({ "key": name, "value": { "intValue": value?.to_string() } }))
}

fn amount(name: &str, value: Option<f64>) -> Option<Value> {
    let value = value.filter(|value| value.is_finite())?;
    Some(json!({ "key": name, "value": { "doubleValue": value } }))
}

fn known<const N: usize>(attributes: [Option<Value>; N]) -> Vec<Value> {
    attributes.into_iter().flatten().collect()
}

fn nanoseconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_nanos().to_string()
}

/// The version of the semantic conventions.
pub const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// `SPAN_KIND_SERVER`, `SPAN_KIND_CLIENT`.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// `STATUS_CODE_ERROR`.
const FAILED: u8 = 2;

/// Most requests that wait for a collector: a few MiB.
const MOST_WAITING: usize = 4096;

/// The number of requests per batch.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::samples;

    fn traces() -> (Traces, IntCounter) {
        let dropped = IntCounter::new("dropped", "requests").expect("a counter");
        (Traces::new(dropped.clone()), dropped)
    }

    fn traced(share: f64) -> Outcome {
        Outcome {
            trace: Some(Trace::of(None, [1, 1 << 60, 3], share)),
            ..samples::answered()
        }
    }

    fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
        let all = span["attributes"].as_array().expect("attributes");
        let found = all.iter().find(|attribute| attribute["key"] == name);
        found.map_or(&Value::Null, |attribute| &attribute["value"])
    }

    #[test]
    fn a_request_is_a_span_and_each_attempt_one_below_it() {
        let (traces, _) = traces();
        traces.push(&traced(1.0), UNIX_EPOCH + Duration::from_secs(100));
        let (body, count) = traces.take("edge-1").expect("one");
        assert_eq!(count, 1);
        assert!(traces.take("edge-1").is_none());
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
        let [request, failed, served] = &spans.expect("spans")[..] else {
            panic!("three: {body}");
        };
        assert_eq!(request["kind"], SERVER);
        assert_eq!(request["endTimeUnixNano"], "100000000000");
        assert_eq!(request["startTimeUnixNano"], "87500000000");
        assert_eq!(attribute(request, "weir.key")["stringValue"], "team-a");
        assert_eq!(
            attribute(request, "http.response.status_code")["intValue"],
            "200"
        );
        for attempt in [failed, served] {
            assert_eq!(attempt["parentSpanId"], request["spanId"]);
            assert_eq!(attempt["traceId"], request["traceId"]);
            assert_ne!(attempt["spanId"], request["spanId"]);
        }
        assert_ne!(failed["spanId"], served["spanId"]);
        assert_eq!(failed["status"]["code"], FAILED);
        assert_eq!(attribute(failed, "error.type")["stringValue"], "throttled");
        assert_eq!(
            attribute(failed, "gen_ai.usage.output_tokens"),
            &Value::Null
        );
        assert_eq!(
            attribute(served, "gen_ai.usage.input_tokens")["intValue"],
            "130"
        );
        assert_eq!(
            attribute(served, "gen_ai.usage.output_tokens")["intValue"],
            "20"
        );
        assert_eq!(served["name"], "chat claude-sonnet-4-5-20250929");
        assert_eq!(served["endTimeUnixNano"], request["endTimeUnixNano"]);
    }

    #[test]
    fn nothing_waits_without_bound_and_what_is_lost_is_counted() {
        let (traces, dropped) = traces();
        traces.push(&samples::answered(), UNIX_EPOCH);
        traces.push(&traced(0.0), UNIX_EPOCH);
        assert!(traces.take("").is_none(), "neither is to be exported");
        for _ in 0..MOST_WAITING + 7 {
            traces.push(&traced(1.0), UNIX_EPOCH);
        }
        assert_eq!(dropped.get(), 7);
        let taken = std::iter::from_fn(|| traces.take("")).map(|(_, count)| count);
        assert_eq!(taken.sum::<usize>(), MOST_WAITING);
    }
}

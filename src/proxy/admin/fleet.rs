//! `GET /admin/api/v1/fleet`: every Weir that the configured Prometheus scrapes, and whether they agree.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::answer::Answer;
use super::times::timestamp;
use crate::fleet::question::About;
use crate::fleet::{Question, answer};
use crate::proxy::state::app::App;
use crate::proxy::upstream::prometheus;

/// The last answer. However many pages are open, Prometheus is queried once in [`FRESH`].
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Option<(Instant, String, Value)>>);

pub(super) async fn fleet(app: &App, seen: &Seen) -> Answer {
    let gateway = app.gateway();
    let Some(server) = &gateway.config.prometheus else {
        let none = json!({
            "source": null,
            "why": "no Prometheus is configured: `prometheus: { url: … }` names the one that scrapes every weir",
            "hosts": [],
        });
        return Answer::json(200, &none);
    };
    let source = server.endpoint.origin.to_string();
    let mut last = seen.0.lock().await;
    if let Some((at, of, value)) = &*last
        && at.elapsed() < FRESH
        && *of == source
    {
        return Answer::json(200, value);
    }
    let wall = SystemTime::now();
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let question = Question {
        about: About::Myself,
        query: query(&server.matchers),
        at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    };
    let asked = prometheus::ask(&app.connections, server, &question).await;
    let read = match &asked {
        Ok(body) => hosts(body).ok_or_else(|| "it answers what no Prometheus would".to_owned()),
        Err(unanswered) => Err(unanswered.to_string()),
    };
    let value = match read {
        Ok(hosts) => described(
            &hosts,
            (&source, &app.telemetry.status().applied_hash),
            wall,
        ),
        Err(why) => json!({ "source": source, "why": why, "hosts": [] }),
    };
    *last = Some((Instant::now(), source, value.clone()));
    Answer::json(200, &value)
}

/// The query for the metrics that each process reports about itself.
fn query(matchers: &[(String, String)]) -> String {
    let mut all = format!("__name__=~\"{}\"", METRICS.join("|"));
    for (name, value) in matchers {
        // PromQL quotes as JSON does.
        all.push_str(&format!(",{name}={}", Value::from(value.as_str())));
    }
    format!("{{{all}}}")
}

#[derive(Debug, Default, PartialEq)]
struct Host {
    version: Option<String>,
    revision: Option<String>,
    hash: Option<String>,
    run_id: Option<String>,
    figures: BTreeMap<&'static str, f64>,
}

/// The hosts by their `instance` label in Prometheus.
fn hosts(body: &[u8]) -> Option<BTreeMap<String, Host>> {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for (mut labels, (_, value)) in answer::labelled::<(f64, String)>(body)? {
        let instance = labels.remove("instance").unwrap_or_default();
        if hosts.len() >= MOST && !hosts.contains_key(&instance) {
            continue;
        }
        let host = hosts.entry(instance).or_default();
        let name = labels.remove("__name__").unwrap_or_default();
        let mut label = |label: &str| labels.remove(label);
        match name.as_str() {
            "weir_build_info" => {
                host.version = label("version");
                host.revision = label("revision");
            }
            "weir_config_hash_info" => host.hash = label("hash"),
            "weir_run_info" => host.run_id = label("run_id"),
            name => {
                let known = METRICS.iter().find(|metric| **metric == name);
                if let (Some(metric), Ok(value)) = (known, value.parse::<f64>()) {
                    host.figures.insert(metric, value);
                }
            }
        }
    }
    Some(hosts)
}

fn described(
    hosts: &BTreeMap<String, Host>,
    (source, own): (&str, &str),
    wall: SystemTime,
) -> Value {
    let set = |of: fn(&Host) -> Option<&String>| {
        let all: BTreeSet<&String> = hosts.values().filter_map(of).collect();
        all.len()
    };
    let rows: Vec<Value> = hosts
        .iter()
        .map(|(instance, host)| {
            let figure = |name: &str| host.figures.get(name).copied();
            let time = |name: &str| {
                let seconds = figure(name).filter(|seconds| *seconds > 0.0)?;
                let since = Duration::try_from_secs_f64(seconds).ok()?;
                Some(timestamp(UNIX_EPOCH.checked_add(since)?))
            };
            json!({
                "instance": instance,
                "version": host.version,
                "revision": host.revision,
                "hash": host.hash,
                "same_as_here": host.hash.as_deref().map(|hash| hash == own),
                "generation": figure("weir_config_generation"),
                "reload_ok": figure("weir_config_last_reload_successful").map(|ok| ok > 0.5),
                "applied_at": time("weir_config_last_reload_success_timestamp_seconds"),
                "started_at": time("process_start_time_seconds"),
                "in_flight": figure("weir_inflight_requests"),
            })
        })
        .collect();
    json!({
        "source": source,
        "why": null,
        "at": timestamp(wall),
        "hosts": rows,
        "versions": set(|host| host.version.as_ref()),
        "configurations": set(|host| host.hash.as_ref()),
    })
}

const METRICS: &[&str] = &[
    "process_start_time_seconds",
    "weir_build_info",
    "weir_config_generation",
    "weir_config_hash_info",
    "weir_config_last_reload_success_timestamp_seconds",
    "weir_config_last_reload_successful",
    "weir_inflight_requests",
    "weir_run_info",
];

/// The most hosts that are shown.
const MOST: usize = 1_000;

/// How long an answer is reused.
const FRESH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_differ_are_counted() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"weir_build_info","instance":"a","version":"0.1.0","revision":"r"},"value":[1,"1"]},
            {"metric":{"__name__":"weir_config_hash_info","instance":"a","hash":"aa"},"value":[1,"1"]},
            {"metric":{"__name__":"weir_config_hash_info","instance":"b","hash":"bb"},"value":[1,"1"]},
            {"metric":{"__name__":"weir_config_generation","instance":"b"},"value":[1,"3"]},
            {"metric":{"__name__":"weir_config_last_reload_successful","instance":"b"},"value":[1,"0"]},
            {"metric":{"__name__":"something_else","instance":"b"},"value":[1,"NaN"]}]}}"#;
        let hosts = hosts(body).expect("hosts");
        let told = described(&hosts, ("http://p", "aa"), UNIX_EPOCH);
        assert_eq!(
            (&told["versions"], &told["configurations"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(told["hosts"][0]["same_as_here"], true);
        assert_eq!(told["hosts"][1]["same_as_here"], false);
        assert_eq!(told["hosts"][1]["reload_ok"], false);
        assert_eq!(told["hosts"][1]["generation"], 3.0);
        assert_eq!(told["hosts"][0]["reload_ok"], Value::Null);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for body in ["", "[]", "{}", r#"{"status":"error","data":{"result":[]}}"#] {
            assert!(hosts(body.as_bytes()).is_none(), "{body}");
        }
        let query = query(&[("job".to_owned(), "a\"b".to_owned())]);
        assert!(query.ends_with(",job=\"a\\\"b\"}"), "{query}");
    }
}

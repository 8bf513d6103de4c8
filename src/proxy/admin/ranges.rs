//! `GET /admin/api/v1/usage/range`: spend over time, from the Prometheus that scrapes every Weir of a fleet.
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::answer::Answer;
use super::requests::Query;
use crate::fleet::question::About;
use crate::fleet::{Question, answer};
use crate::proxy::state::app::App;
use crate::proxy::upstream::prometheus;

/// The requested span, and the length of its steps.
#[derive(Debug, PartialEq)]
struct RangeQuery {
    /// Milliseconds since the epoch.
    from: u64,
    to: u64,
    step: Duration,
    by: &'static str,
}

pub(super) async fn range(app: &App, query: &Query, now_ms: u64) -> Answer {
    let gateway = app.gateway();
    let Some(server) = &gateway.config.prometheus else {
        let why = "no Prometheus is configured: `prometheus: { url: … }` names the one that scrapes every weir";
        return Answer::json(200, &json!({ "source": null, "why": why, "series": [] }));
    };
    let zone = gateway.limits.zone().clone();
    let range = match RangeQuery::read(query, &zone, now_ms) {
        Ok(range) => range,
        Err(why) => return Answer::fault(400, &why),
    };
    let question = Question {
        about: About::Myself,
        query: range.query(&server.matchers),
        at: range.to,
    };
    let source = server.endpoint.origin.to_string();
    let asked = prometheus::ask(&app.connections, server, &question).await;
    let read = match &asked {
        Ok(body) => {
            series(body, range.by).ok_or_else(|| "it answers what no Prometheus would".to_owned())
        }
        Err(unanswered) => Err(unanswered.to_string()),
    };
    Answer::json(
        200,
        &match read {
            Ok(series) => json!({
                "source": source,
                "by": range.by,
                "from_ms": range.from,
                "to_ms": range.to,
                "step_s": range.step.as_secs(),
                "series": series,
            }),
            Err(why) => json!({ "source": source, "why": why, "series": [] }),
        },
    )
}

impl RangeQuery {
    fn read(query: &Query, zone: &TimeZone, now_ms: u64) -> Result<Self, String> {
        let date = |name: &str| {
            let text = query.get(name).map_or("", String::as_str);
            text.parse::<Date>()
                .map_err(|_| format!("`{name}` wants a date such as 2026-11-01"))
        };
        let (from, last) = (date("from")?, date("to")?);
        let begin = |date: Date| {
            let begin = date.to_zoned(zone.clone()).ok()?.timestamp();
            u64::try_from(begin.as_millisecond()).ok()
        };
        let ends = last.tomorrow().ok().and_then(begin);
        let (Some(from), Some(to)) = (begin(from), ends) else {
            return Err("these days are none of this calendar".to_owned());
        };
        let to = to.min(now_ms);
        if to <= from {
            return Err("`to` comes before `from`, or the span has not begun".to_owned());
        }
        let by = query.get("by").map_or("model", String::as_str);
        let known = ["model", "key", "account"];
        let by = known
            .into_iter()
            .find(|known| *known == by)
            .ok_or_else(|| {
                "Prometheus knows model, key and account: `by` wants one of them".to_owned()
            })?;
        // Whole minutes, so that the same span is divided in the same way each time.
        let step = ((to - from) / POINTS / 60_000).max(1) * 60;
        Ok(Self {
            from,
            to,
            step: Duration::from_secs(step),
            by,
        })
    }

    fn query(&self, matchers: &[(String, String)]) -> String {
        let all: Vec<String> = matchers
            .iter()
            // PromQL quotes strings as JSON does.
            .map(|(name, value)| format!("{name}={}", Value::from(value.as_str())))
            .collect();
        let (by, step, all) = (self.by, self.step.as_secs(), all.join(","));
        let span = (self.to - self.from).div_ceil(1000);
        format!("sum by ({by}) (increase(weir_cost_usd_total{{{all}}}[{step}s]))[{span}s:{step}s]")
    }
}

/// Unix time in seconds, and the value then.
type Point = (f64, f64);

/// The most expensive series with their points; all others are added up in one series.
fn series(body: &[u8], by: &str) -> Option<Vec<Value>> {
    let found = answer::labelled::<Vec<(f64, String)>>(body)?;
    let mut all: Vec<(f64, String, Vec<Point>)> = found
        .into_iter()
        .map(|(mut labels, values)| {
            let points: Vec<Point> = values
                .iter()
                .take(MOST_POINTS)
                .filter_map(|(at, value)| Some((*at, value.parse().ok()?)))
                .filter(|(_, value): &Point| value.is_finite())
                .collect();
            let sum = points.iter().map(|(_, value)| value).sum();
            (sum, labels.remove(by).unwrap_or_default(), points)
        })
        .filter(|(sum, _, _)| *sum > 0.0)
        .collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    let rest = all.split_off(all.len().min(SHOWN));
    if !rest.is_empty() {
        let mut points: BTreeMap<u64, f64> = BTreeMap::new();
        for (at, value) in rest.iter().flat_map(|(_, _, points)| points) {
            *points.entry(at.max(0.0) as u64).or_default() += value;
        }
        let sum = rest.iter().map(|(sum, _, _)| sum).sum();
        let points = points.into_iter().map(|(at, value)| (at as f64, value));
        all.push((sum, "other".to_owned(), points.collect()));
    }
    let shown = all
        .into_iter()
        .map(|(sum, name, points)| json!({ "name": name, "usd": sum, "points": points }));
    Some(shown.collect())
}

/// The approximate number of points in a span.
const POINTS: u64 = 96;
/// The most points of one series.
const MOST_POINTS: usize = 1_000;
/// The number of series that are shown by name.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<RangeQuery, String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        // 2026-11-10T12:00:00Z.
        RangeQuery::read(&pairs.collect(), &TimeZone::UTC, 1_794_312_000_000)
    }

    #[test]
    fn a_span_is_cut_into_about_a_hundred_points_and_ends_now() {
        let range = read(&[("from", "2026-11-10"), ("to", "2026-11-10"), ("by", "key")]);
        let range = range.expect("a span");
        assert_eq!((range.to, range.step.as_secs()), (1_794_312_000_000, 420));
        let query = range.query(&[("job".to_owned(), "we\"ir".to_owned())]);
        assert_eq!(
            query,
            "sum by (key) (increase(weir_cost_usd_total{job=\"we\\\"ir\"}[420s]))[43200s:420s]"
        );
        for wrong in [
            &[("from", "x"), ("to", "2026-11-10")][..],
            &[("from", "2026-11-11"), ("to", "2026-11-10")],
            &[("from", "2027-01-01"), ("to", "2027-01-02")],
            &[
                ("from", "2026-11-10"),
                ("to", "2026-11-10"),
                ("by", "group"),
            ],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_dearest_have_names_and_the_rest_is_together() {
        let one = |name: &str, usd: &str| {
            format!(
                r#"{{"metric":{{"model":"{name}"}},"values":[[60,"{usd}"],[120,"0"],[180,"NaN"]]}}"#
            )
        };
        let all: Vec<String> = ["1", "6", "2", "3", "4", "5", "0"]
            .iter()
            .map(|usd| one(&format!("m{usd}"), usd))
            .collect();
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#,
            all.join(",")
        );
        let found = series(body.as_bytes(), "model").expect("series");
        let names: Vec<&str> = found
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        assert_eq!(names, ["m6", "m5", "m4", "m3", "other"]);
        assert_eq!(found[4]["points"], json!([[60.0, 3.0], [120.0, 0.0]]));
        assert!(series(b"<html>", "model").is_none());
        let refused = br#"{"status":"error","data":{"result":[]}}"#;
        assert!(series(refused, "model").is_none());
    }
}

//! Statistics over the requests that match a filter: the values of the facets with their counts, and a histogram by
//! outcome.
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::HashMap;
use serde_json::{Value, json};

use super::row::Row;
use crate::outcome::FailureClass;
use crate::telemetry::verdict::Verdict;

/// Statistics over the rows that match a filter.
#[derive(Debug)]
pub struct Stats {
    matched: usize,
    facets: Vec<(&'static str, Vec<(String, usize)>)>,
    histogram: Histogram,
}

/// The number of requests by outcome, over equal time steps.
#[derive(Debug)]
struct Histogram {
    from: u64,
    step: u64,
    /// Per bar: successful, the client's fault, limited or drained, an upstream's fault.
    bars: Vec<[u32; 4]>,
}

impl Stats {
    /// The statistics of `rows`; the histogram ends at `now`. `since` is when the ring's oldest row ended.
    pub fn of(rows: &[Arc<Row>], since: Option<SystemTime>, now: SystemTime) -> Self {
        let mut counts: [HashMap<&str, usize>; 5] = Default::default();
        let mut histogram = Histogram::over(since.unwrap_or(now), now);
        for row in rows {
            let outcome = row.outcome();
            let [verdicts, classes, keys, models, accounts] = &mut counts;
            *verdicts.entry(row.verdict().as_str()).or_default() += 1;
            for class in outcome
                .attempts
                .iter()
                .filter_map(|attempt| attempt.failure)
            {
                *classes.entry(FailureClass::as_str(class)).or_default() += 1;
            }
            let values = [
                (keys, outcome.key.as_deref()),
                (models, outcome.model_asked.as_deref()),
                (accounts, outcome.account.as_deref()),
            ];
            for (counts, value) in values {
                if let Some(value) = value {
                    *counts.entry(value).or_default() += 1;
                }
            }
            histogram.record(row);
        }
        let facets = FACETS.iter().copied().zip(counts.map(sorted)).collect();
        Self {
            matched: rows.len(),
            facets,
            histogram,
        }
    }

    /// The JSON for the console: six values of each facet, and the number of values.
    pub fn json(&self) -> Value {
        let facets: serde_json::Map<String, Value> = self
            .facets
            .iter()
            .map(|(name, values)| {
                let shown: Vec<_> = values.iter().take(SHOWN).collect();
                (
                    (*name).to_owned(),
                    json!({ "values": shown, "of": values.len() }),
                )
            })
            .collect();
        let bars = |place: usize| -> Vec<u32> {
            self.histogram.bars.iter().map(|bar| bar[place]).collect()
        };
        json!({
            "matched": self.matched,
            "facets": facets,
            "histogram": {
                "from_s": self.histogram.from,
                "step_s": self.histogram.step,
                "ok": bars(0),
                "client": bars(1),
                "limited": bars(2),
                "upstream": bars(3),
            },
        })
    }
}

impl Histogram {
    fn over(since: SystemTime, now: SystemTime) -> Self {
        let (now, since) = (seconds(now), seconds(since));
        // A bar is one second if two minutes contain everything, otherwise as many minutes as necessary.
        let span = now.saturating_sub(since) + 1;
        let step = if span <= BARS {
            1
        } else {
            span.div_ceil(BARS * 60).max(1) * 60
        };
        let until = now / step + 1;
        Self {
            from: until.saturating_sub(BARS) * step,
            step,
            bars: vec![[0; 4]; usize::try_from(BARS).unwrap_or(0)],
        }
    }

    fn record(&mut self, row: &Row) {
        let Some(offset) = seconds(row.at()).checked_sub(self.from) else {
            return;
        };
        let place = usize::try_from(offset / self.step).unwrap_or(usize::MAX);
        if let Some(bar) = self.bars.get_mut(place) {
            bar[kind(row.verdict())] += 1;
        }
    }
}

fn kind(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Ok | Verdict::ClientGone => 0,
        Verdict::ClientError | Verdict::Refused | Verdict::Unauthenticated => 1,
        // Neither requires a person to act.
        Verdict::Drained | Verdict::Limited => 2,
        Verdict::Timeout | Verdict::UpstreamError => 3,
    }
}

fn sorted(counts: HashMap<&str, usize>) -> Vec<(String, usize)> {
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    list.into_iter()
        .map(|(value, count)| (value.to_owned(), count))
        .collect()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// The facets, in the order in which they are shown.
const FACETS: [&str; 5] = ["outcome", "class", "key", "model", "account"];

/// The number of values of each facet that are shown.
const SHOWN: usize = 6;

/// The number of bars of the histogram.
const BARS: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::samples;

    fn rows(list: &[(u16, u64)]) -> Vec<Arc<Row>> {
        let row = |(number, (status, second)): (usize, &(u16, u64))| {
            let outcome = match status {
                200 => samples::answered(),
                status => samples::refused(*status),
            };
            let at = UNIX_EPOCH + Duration::from_secs(*second);
            Arc::new(Row::new(number as u64, outcome, at))
        };
        list.iter().enumerate().map(row).collect()
    }

    fn stats(list: &[(u16, u64)], now: u64) -> Value {
        let rows = rows(list);
        let since = rows.iter().map(|row| row.at()).min();
        Stats::of(&rows, since, UNIX_EPOCH + Duration::from_secs(now)).json()
    }

    #[test]
    fn facets_are_counted_and_the_most_frequent_stand_first() {
        let json = stats(&[(401, 1000), (200, 1001), (200, 1002)], 1003);
        assert_eq!(json["matched"], 3);
        assert_eq!(
            json["facets"]["outcome"],
            json!({ "values": [["ok", 2], ["unauthenticated", 1]], "of": 2 })
        );
        assert_eq!(json["facets"]["class"]["values"], json!([["throttled", 2]]));
    }

    #[test]
    fn bars_are_of_a_second_while_that_is_enough() {
        let json = stats(&[(200, 1000), (401, 1003), (200, 1003)], 1003);
        let histogram = &json["histogram"];
        assert_eq!(
            (&histogram["from_s"], &histogram["step_s"]),
            (&json!(876), &json!(1))
        );
        assert_eq!(
            (
                &histogram["ok"][127],
                &histogram["client"][127],
                &histogram["ok"][124]
            ),
            (&json!(1), &json!(1), &json!(1))
        );
        let hours = stats(&[(200, 1000), (200, 1000 + 3600 * 5)], 1000 + 3600 * 5);
        let histogram = &hours["histogram"];
        assert_eq!(histogram["step_s"], 180);
        let all: u64 = histogram["ok"]
            .as_array()
            .expect("bars")
            .iter()
            .filter_map(Value::as_u64)
            .sum();
        assert_eq!(all, 2);
    }

    #[test]
    fn nothing_is_no_fault() {
        let json = Stats::of(&[], None, UNIX_EPOCH).json();
        assert_eq!(json["matched"], 0);
    }
}

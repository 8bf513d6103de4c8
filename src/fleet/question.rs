//! The queries to Prometheus: instant queries, and the path of their requests.
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Family, RUN_INFO, Window};

/// Label matchers for every query, in the form of PromQL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Matchers(String);

impl Matchers {
    /// Matchers for these label names and values.
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in labels {
            // Writing to a String cannot fail.
            let _ = write!(text, ",{name}={}", Quoted(value));
        }
        Self(text)
    }
}

/// A query, the subject of its answer, and the time for which it is evaluated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    pub about: About,
    pub query: String,
    /// The time for which it is evaluated, in milliseconds since the epoch.
    pub at: u64,
}

/// The subject of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    /// Tokens used by other runs in the last minute.
    LastMinute,
    /// Whether this run is scraped.
    Myself,
    /// The use of other runs in a window.
    Used(Window),
}

impl Question {
    /// Queries the last value within `range` of every number that runs other than `run_id` export.
    pub(super) fn used(
        window: Window,
        run_id: &str,
        matchers: &Matchers,
        at: u64,
        range: Duration,
    ) -> Self {
        let names = Family::ALL.map(Family::name).join("|");
        let series = others(&format!("__name__=~\"{names}\","), window, run_id, matchers);
        // The range is exact to the millisecond: a second more would include the last value of yesterday.
        let millis = range.as_millis().max(1);
        // `max by` keeps only the needed labels, and merges the values of two Prometheus replicas that both scraped a
        // run.
        let query = format!(
            "max by (__name__,run_id,instance,scope,name,kind) (last_over_time({{{series}}}[{millis}ms]))"
        );
        Self {
            about: About::Used(window),
            query,
            at,
        }
    }

    /// Queries the last value within `range` before `at` of every number that any run exported for a day.
    pub fn of_everyone(at: u64, range: Duration) -> Self {
        Self::used(Window::Day, "", &Matchers::default(), at, range)
    }

    /// Queries by how much a counter of all runs grew within `range` before `at`, grouped by these labels. For a run
    /// that did not restart, it is the difference of two values. For others it is the sum over steps of five minutes,
    /// as in `conf/prometheus/weir.usage.rules.yml`: nothing is extrapolated, and the first value of a new run counts.
    pub fn growth(metric: &str, by: &[&str], at: u64, range: Duration) -> Self {
        let (millis, by) = (range.as_millis().max(1), by.join(","));
        let last = format!("last_over_time({metric}[{millis}ms])");
        let before = format!("last_over_time({metric}[1h] offset {millis}ms)");
        let grown = format!("clamp_min({last} - ({before} or {last} * 0), 0)");
        let restarted = format!("resets({metric}[{millis}ms]) > 0");
        // Prometheus counts the steps of a subquery from the epoch, so that the last one ends before `at`.
        let rest = at % STEP;
        let whole = format!(
            "sum_over_time({}[{}ms:{STEP}ms])",
            grown_in(metric, STEP),
            millis.saturating_sub(1).max(1)
        );
        let stepped = if rest == 0 {
            whole
        } else {
            let rest = grown_in(metric, rest);
            format!("({whole} + {rest} or {whole} or {rest})")
        };
        Self {
            about: About::Used(Window::Day),
            query: format!(
                "sum by ({by}) (({grown} unless ({restarted})) or ({stepped} and ({restarted})))"
            ),
            at,
        }
    }

    /// Queries the tokens that other runs used in the minute before `at`: their last value minus the value a minute
    /// earlier, which is missing for a younger run. A run that was not scraped for more than an hour looks younger.
    pub(super) fn last_minute(run_id: &str, matchers: &Matchers, at: u64) -> Self {
        let name = Family::Tokens.name();
        let series = others("", Window::Month, run_id, matchers);
        let now = format!("last_over_time({name}{{{series}}}[5m])");
        let before = format!("last_over_time({name}{{{series}}}[1h] offset 1m)");
        let used = format!("clamp_min({now} - ({before} or {now} * 0), 0)");
        Self {
            about: About::LastMinute,
            query: format!("sum by (scope,name) (max by (run_id,scope,name,kind) ({used}))"),
            at,
        }
    }

    /// Queries whether this run is scraped, and under which `instance`.
    pub(super) fn myself(run_id: &str, matchers: &Matchers, at: u64) -> Self {
        Self {
            about: About::Myself,
            query: format!("{RUN_INFO}{{run_id={}{}}}", Quoted(run_id), matchers.0),
            at,
        }
    }

    /// Path and query of the request, relative to the base URL of the server.
    pub fn path(&self) -> String {
        let mut path = String::from("/api/v1/query?query=");
        for byte in self.query.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
        let _ = write!(path, "&time={}.{:03}", self.at / 1000, self.at % 1000);
        path
    }
}

/// By how much a counter grew in the step of so many milliseconds that ends at the time of the query: its highest value
/// there less the last one before, or all of it where none was known or the value fell; and where it fell within the
/// step, what it has come to since.
fn grown_in(metric: &str, step: u64) -> String {
    let here = format!("{metric}[{step}ms]");
    let highest = format!("max_over_time({here})");
    let before = format!("last_over_time({metric}[1d] offset {step}ms)");
    let since = format!("last_over_time({here})");
    format!(
        "(({highest} - {before} >= 0 or {highest}) + ({since} and resets({here}) > 0 or {since} * 0))"
    )
}

/// The length of a step, in milliseconds.
const STEP: u64 = 300_000;

/// Matchers for other runs. A series without a `run_id` is excluded, because it might be this run's own.
fn others(name: &str, window: Window, run_id: &str, matchers: &Matchers) -> String {
    format!(
        "{name}window=\"{}\",run_id!=\"\",run_id!={}{}",
        window.as_str(),
        Quoted(run_id),
        matchers.0
    )
}

/// Milliseconds since the epoch.
pub(super) fn millis(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A text as a string literal of PromQL.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_its_window_and_leaves_this_run_out() {
        let matchers = Matchers::new([("job", "weir"), ("fleet", "a\"b\\c\nd")]);
        let question = Question::used(
            Window::Day,
            "abc",
            &matchers,
            1500,
            Duration::from_millis(2001),
        );
        assert_eq!(
            question.query,
            r#"max by (__name__,run_id,instance,scope,name,kind) (last_over_time({__name__=~"weir_window_cost_usd|weir_window_reasoning_tokens|weir_window_requests|weir_window_tokens|weir_window_units",window="day",run_id!="",run_id!="abc",job="weir",fleet="a\"b\\c\nd"}[2001ms]))"#
        );
        let question = Question::used(Window::Day, "abc", &matchers, 1500, Duration::ZERO);
        assert!(question.query.contains("[1ms]"), "{}", question.query);
    }

    #[test]
    fn a_path_says_query_and_time() {
        let question = Question::myself("abc", &Matchers::default(), 1_794_312_000_007);
        assert_eq!(
            question.path(),
            "/api/v1/query?query=weir_run_info%7Brun_id%3D%22abc%22%7D&time=1794312000.007"
        );
    }
}

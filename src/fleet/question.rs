//! What is asked of Prometheus: instant queries, and the path that asks them.
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Family, RUN_INFO, Window};

/// Label matchers that every query carries, ready for use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Matchers(String);

impl Matchers {
    /// Label names and the values that they must have.
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in labels {
            // Writing into a String cannot fail.
            let _ = write!(text, ",{name}={}", Quoted(value));
        }
        Self(text)
    }
}

/// A query, what its answer is about, and the time that it is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    pub about: About,
    pub query: String,
    /// The time that the answer is to be of, in milliseconds since the epoch.
    pub at: u64,
}

/// What an answer tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    /// Tokens used by other runs in the last minute.
    LastMinute,
    /// Whether this run is scraped.
    Myself,
    /// What other runs used in a window.
    Used(Window),
}

impl Question {
    /// The last value within `range` of everything that runs but `run_id` export.
    pub(super) fn used(
        window: Window,
        run_id: &str,
        matchers: &Matchers,
        at: u64,
        range: Duration,
    ) -> Self {
        let names = Family::ALL.map(Family::name).join("|");
        let series = others(&format!("__name__=~\"{names}\","), window, run_id, matchers);
        // To the millisecond: a second too long would take in the last value of yesterday.
        let millis = range.as_millis().max(1);
        // `max by` leaves the labels that matter, and makes one of two Prometheus replicas that both scraped a run.
        let query = format!(
            "max by (__name__,run_id,instance,scope,name,kind) (last_over_time({{{series}}}[{millis}ms]))"
        );
        Self {
            about: About::Used(window),
            query,
            at,
        }
    }

    /// The last value within `range` before `at` of everything that any run exported of a day.
    pub fn of_everyone(at: u64, range: Duration) -> Self {
        Self::used(Window::Day, "", &Matchers::default(), at, range)
    }

    /// By how much a counter of everybody grew within `range` before `at`, by these labels. Where no process began anew, that is
    /// the difference of two values; elsewhere it is what Prometheus makes of it, which is about right.
    pub fn growth(metric: &str, by: &[&str], at: u64, range: Duration) -> Self {
        let (millis, by) = (range.as_millis().max(1), by.join(","));
        let last = format!("last_over_time({metric}[{millis}ms])");
        let before = format!("last_over_time({metric}[1h] offset {millis}ms)");
        let grown = format!("clamp_min({last} - ({before} or {last} * 0), 0)");
        let restarted = format!("resets({metric}[{millis}ms]) > 0");
        Self {
            about: About::Used(Window::Day),
            query: format!(
                "sum by ({by}) (({grown} unless ({restarted})) or increase({metric}[{millis}ms]))"
            ),
            at,
        }
    }

    /// Tokens that other runs used in the minute before `at`: their last value less that of a minute ago, which a run
    /// that is younger does not have. A run that was silent for longer than an hour seems to be young.
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

    /// Whether this run is scraped, and under which `instance`.
    pub(super) fn myself(run_id: &str, matchers: &Matchers, at: u64) -> Self {
        Self {
            about: About::Myself,
            query: format!("{RUN_INFO}{{run_id={}{}}}", Quoted(run_id), matchers.0),
            at,
        }
    }

    /// Path and query of the request, below the base URL of the server.
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

/// A series without a run is nobody's: it might be this run's own.
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

/// A text as PromQL writes it.
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

//! The filter language of the live view: `key:team-a outcome:trouble -model:*haiku* slower:2s "reset by peer"`.
//!
//! Terms with different names must all match; of terms with the same name one match is enough; `-` before a term
//! excludes. Values are patterns as in the configuration. Words without a name are searched in the detail, the id and
//! the path.
use std::time::Duration;

use crate::config::{Config, Glob};
use crate::outcome::{FailureClass, Outcome};
use crate::protocol::{Dialect, UpstreamDialect};
use crate::telemetry::verdict::Verdict;

/// A parsed filter. The empty filter matches every request.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    wanted: Vec<(Name, Vec<Test>)>,
    excluded: Vec<Test>,
}

/// A request that a filter is applied to, finished or still running.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    outcome: &'a Outcome,
    /// `None` = it is still running.
    verdict: Option<Verdict>,
    /// The time so far if it is still running.
    took: Duration,
}

impl<'a> Subject<'a> {
    /// A finished request.
    pub fn done(outcome: &'a Outcome) -> Self {
        Self {
            outcome,
            verdict: Some(Verdict::of(outcome)),
            took: outcome.duration,
        }
    }

    /// A request that has been running for `took`.
    pub fn running(outcome: &'a Outcome, took: Duration) -> Self {
        Self {
            outcome,
            verdict: None,
            took,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    Account,
    Class,
    Cost,
    Dialect,
    Id,
    Key,
    Limit,
    Model,
    Outcome,
    Path,
    Pool,
    Project,
    Slower,
    Status,
    Text,
}

#[derive(Clone, Debug)]
enum Test {
    Matches(Name, Glob),
    /// The names of the keys of a group.
    OneOf(Vec<std::sync::Arc<str>>),
    InFlight,
    Trouble,
    Slower(Duration),
    Cost(Comparison, f64),
    Holds(String),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Above,
    Below,
}

impl Filter {
    /// Parses a filter; the error tells what is wrong with it. Groups are those of `config`.
    pub fn parse(text: &str, config: &Config) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a filter has at most {LONGEST} bytes"));
        }
        let mut filter = Self::default();
        for term in terms(text) {
            let (negated, term) = match term.strip_prefix('-') {
                Some(rest) if !rest.is_empty() => (true, rest),
                _ => (false, term.as_str()),
            };
            let (name, test) = one(term, config)?;
            if negated {
                filter.excluded.push(test);
            } else if name == Name::Text {
                // Every word must occur.
                filter.wanted.push((name, vec![test]));
            } else if let Some((_, tests)) =
                filter.wanted.iter_mut().find(|(known, _)| *known == name)
            {
                tests.push(test);
            } else {
                filter.wanted.push((name, vec![test]));
            }
        }
        Ok(filter)
    }

    /// Whether it matches every request.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.excluded.is_empty()
    }

    /// Whether it matches `subject`.
    pub fn holds(&self, subject: Subject<'_>) -> bool {
        self.wanted
            .iter()
            .all(|(_, tests)| tests.iter().any(|test| test.holds(subject)))
            && !self.excluded.iter().any(|test| test.holds(subject))
    }
}

impl Test {
    fn holds(&self, subject: Subject<'_>) -> bool {
        let outcome = subject.outcome;
        match self {
            Self::Matches(name, glob) => matches(*name, glob, subject),
            Self::OneOf(keys) => outcome.key.as_ref().is_some_and(|key| keys.contains(key)),
            Self::InFlight => subject.verdict.is_none(),
            Self::Trouble => matches!(
                subject.verdict,
                Some(Verdict::UpstreamError | Verdict::Limited)
            ),
            Self::Slower(bound) => subject.took > *bound,
            Self::Cost(Comparison::Above, bound) => {
                outcome.cost_usd.is_some_and(|cost| cost > *bound)
            }
            Self::Cost(Comparison::Below, bound) => {
                outcome.cost_usd.is_some_and(|cost| cost < *bound)
            }
            Self::Holds(word) => [Some(&outcome.request_id), Some(&outcome.path)]
                .into_iter()
                .chain([outcome.detail.as_ref(), outcome.model_asked.as_ref()])
                .flatten()
                .any(|text| text.to_lowercase().contains(word)),
        }
    }
}

fn matches(name: Name, glob: &Glob, subject: Subject<'_>) -> bool {
    let outcome = subject.outcome;
    let text = |text: Option<&str>| text.is_some_and(|text| glob.is_match(text));
    match name {
        Name::Account => {
            text(outcome.account.as_deref())
                || outcome
                    .attempts
                    .iter()
                    .any(|attempt| glob.is_match(&attempt.account))
        }
        Name::Class => outcome
            .attempts
            .iter()
            .filter_map(|attempt| attempt.failure)
            .any(|class| glob.is_match(FailureClass::as_str(class))),
        Name::Dialect => {
            text(outcome.client_dialect.map(Dialect::as_str))
                || text(outcome.upstream_dialect.map(UpstreamDialect::as_str))
        }
        Name::Id => glob.is_match(&outcome.request_id),
        Name::Key => text(outcome.key.as_deref()),
        Name::Limit => text(outcome.limit.map(|(_, limit)| limit.as_str())),
        Name::Model => {
            text(outcome.model_asked.as_deref()) || text(outcome.model_served.as_deref())
        }
        Name::Outcome => text(subject.verdict.map(Verdict::as_str)),
        Name::Path => glob.is_match(&outcome.path),
        Name::Pool => text(outcome.pool.as_deref()),
        Name::Project => text(outcome.project.as_deref()),
        Name::Status => subject.verdict.is_some() && glob.is_match(&outcome.status.to_string()),
        Name::Cost | Name::Slower | Name::Text => false,
    }
}

fn one(term: &str, config: &Config) -> Result<(Name, Test), String> {
    let Some((name, value)) = term.split_once(':') else {
        return Ok((Name::Text, Test::Holds(term.to_lowercase())));
    };
    if value.is_empty() {
        return Err(format!("`{name}:` wants a value"));
    }
    let glob =
        |text: &str| Glob::new_ignoring_case(text).map_err(|_| format!("`{text}` is no pattern"));
    let name = match name {
        "slower" => return Ok((Name::Slower, Test::Slower(span(value)?))),
        "cost" => return cost(value).map(|test| (Name::Cost, test)),
        "outcome" => match value {
            "trouble" => return Ok((Name::Outcome, Test::Trouble)),
            "in_flight" => return Ok((Name::Outcome, Test::InFlight)),
            _ => Name::Outcome,
        },
        "group" => {
            let groups = glob(value)?;
            let keys = config.keys.iter().filter(|key| {
                let group = key.group.as_deref();
                group.is_some_and(|group| groups.is_match(group))
            });
            let keys = keys.map(|key| key.name.clone()).collect();
            return Ok((Name::Key, Test::OneOf(keys)));
        }
        "account" => Name::Account,
        "class" => Name::Class,
        "dialect" => Name::Dialect,
        "id" => Name::Id,
        "key" => Name::Key,
        "limit" => Name::Limit,
        "model" => Name::Model,
        "path" => Name::Path,
        "pool" => Name::Pool,
        "project" => Name::Project,
        "status" => Name::Status,
        // A word with a colon in it, such as `https://…`, is not a name.
        other
            if value.starts_with("//") || !other.bytes().all(|byte| byte.is_ascii_lowercase()) =>
        {
            return Ok((Name::Text, Test::Holds(term.to_lowercase())));
        }
        other => return Err(format!("there is no `{other}:`; there are {NAMES}")),
    };
    Ok((name, Test::Matches(name, glob(value)?)))
}

fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len()),
    );
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = number.parse().unwrap_or(f64::NAN) * factor;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        format!("`slower:{text}` wants a duration such as `slower:2s` or `slower:500ms`")
    })
}

fn cost(text: &str) -> Result<Test, String> {
    let (comparison, number) = match text.as_bytes().first() {
        Some(b'<') => (Comparison::Below, &text[1..]),
        Some(b'>') => (Comparison::Above, &text[1..]),
        _ => (Comparison::Above, text),
    };
    match number.parse::<f64>() {
        Ok(bound) if bound.is_finite() => Ok(Test::Cost(comparison, bound)),
        _ => Err(format!("`cost:{text}` wants USD, such as `cost:>0.1`")),
    }
}

/// Splits at white space, except between double quotes.
fn terms(text: &str) -> Vec<String> {
    let (mut terms, mut term, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !term.is_empty() {
                    terms.push(std::mem::take(&mut term));
                }
            }
            c => term.push(c),
        }
    }
    if !term.is_empty() {
        terms.push(term);
    }
    terms
}

/// The names, for an error message.
const NAMES: &str = "key, group, project, model, account, pool, outcome, class, status, path, dialect, limit, slower, cost and id";

/// Longest filter, in bytes.
const LONGEST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::telemetry::samples;

    fn read(text: &str) -> Result<Filter, String> {
        let yaml = "version: 1\n\
             accounts: [{ name: a, provider: ollama }]\n\
             keys:\n  - { name: team-a, group: research, sha256: 1111111111111111111111111111111111111111111111111111111111111111 }\n";
        let config = config::parse("weir.yaml", yaml, &|_| None).expect("valid");
        Filter::parse(text, &config)
    }

    #[track_caller]
    fn holds(text: &str) -> bool {
        let mut outcome = samples::answered();
        outcome.detail = Some("Connection reset by peer".to_owned());
        let filter = read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        filter.holds(Subject::done(&outcome))
    }

    #[test]
    fn terms_that_hold() {
        for text in [
            "",
            "key:team-a",
            "key:TEAM-*",
            "group:research",
            "model:sonnet",
            "model:claude-*",
            "account:claude-a",
            "class:throttled",
            "outcome:ok",
            "status:200",
            "status:2*",
            "path:/v1/*",
            "dialect:anthropic",
            "slower:12s",
            "slower:500ms",
            "slower:0.2m",
            "cost:>0.1",
            "cost:0.1",
            "cost:<1",
            "id:req_1",
            "project:research",
            "pool:claude",
            "reset",
            "RESET peer",
            "\"reset by peer\"",
            "-key:team-b",
            "-outcome:trouble",
            "key:team-b key:team-a",
            "-https://x",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn terms_that_do_not() {
        for text in [
            "key:team-b",
            "group:other",
            "key:team-a model:gpt-*",
            "outcome:trouble",
            "outcome:in_flight",
            "slower:13s",
            "cost:>0.3",
            "cost:<0.2",
            "-key:team-a",
            "-class:throttled key:team-a",
            "nothing",
            "reset nothing",
            "status:4*",
            "limit:rpm",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("kye:a", "there is no `kye:`; there are key, group"),
            ("slower:fast", "wants a duration"),
            ("slower:", "wants a value"),
            ("cost:>much", "wants USD"),
        ] {
            let fault = read(text).expect_err(text);
            assert!(fault.contains(part), "{text}: {fault}");
        }
        assert!(read(&"x".repeat(LONGEST + 1)).is_err());
        assert!(read(" \"unclosed quote").is_ok());
    }

    #[test]
    fn what_runs_has_no_outcome_yet() {
        let outcome = samples::answered();
        let running = Subject::running(&outcome, Duration::from_secs(3));
        for (text, expected) in [
            ("outcome:in_flight", true),
            ("slower:2s", true),
            ("slower:4s", false),
            ("outcome:ok", false),
            ("status:200", false),
        ] {
            assert_eq!(read(text).expect("fine").holds(running), expected, "{text}");
        }
    }
}

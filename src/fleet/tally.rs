//! Adds up the use of other runs, from answers that each contain a part of it.
//!
//! A window is queried in chunks of at most a day, oldest first, so that no single query is expensive, and an
//! interrupted round continues where it stopped. For every run, key and number the latest value counts. Querying the
//! same span twice changes nothing, so the spans overlap, and a sample that Prometheus stored late is not missed.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::HashMap;
use jiff::tz::TimeZone;

use super::answer::{Fault, Sample};
use super::question::{About, millis};
use super::{Family, Matchers, Question, Window};
use crate::limits::{ExternalSpend, Scope, Totals, nano_usd, spend};

/// What is known of other runs.
#[derive(Debug)]
pub struct Tally {
    run_id: String,
    instance: Option<Arc<str>>,
    matchers: Matchers,
    known: [Known; Window::ALL.len()],
    /// The last complete round.
    before: Option<Round>,
    /// The tokens of the last minute, if no earlier round tells them.
    last_minute: HashMap<Subject, u64>,
    scraped: Scraped,
}

/// How Prometheus knows this run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Scraped {
    /// Under another `instance` than the configured one.
    As(String),
    #[default]
    No,
    Yes,
}

/// A key, a group, a project or everyone.
type Subject = (Scope, Arc<str>);

/// What is known of one window.
#[derive(Debug, Default)]
struct Known {
    /// When it began, in milliseconds since the epoch, like all times here.
    begins: u64,
    /// The time up to which everything is known.
    until: u64,
    runs: HashMap<Box<str>, Run>,
    /// The number of entries of all runs.
    entries: usize,
}

/// The use of one run.
#[derive(Debug, Default)]
struct Run {
    /// Whether it was an earlier run on this host.
    is_earlier: bool,
    used: HashMap<Subject, Totals>,
}

#[derive(Debug)]
struct Round {
    at: u64,
    /// When the month of the round began.
    month: u64,
    /// Tokens of this month by all other runs.
    tokens: HashMap<Subject, u64>,
}

impl Tally {
    /// A tally for the run `run_id`, on the host with the label `instance` in Prometheus.
    pub fn new(run_id: &str, instance: Option<Arc<str>>, matchers: Matchers) -> Self {
        Self {
            run_id: run_id.to_owned(),
            instance,
            matchers,
            known: Default::default(),
            before: None,
            last_minute: HashMap::default(),
            scraped: Scraped::No,
        }
    }

    /// Begins a round: returns the queries, in order, that are needed to know everything up to `now`.
    pub fn begin(&mut self, now: SystemTime, zone: &TimeZone) -> VecDeque<Question> {
        let at = millis(now);
        let (run_id, matchers) = (&self.run_id, &self.matchers);
        let mut questions = VecDeque::from([Question::myself(run_id, matchers, at)]);
        let Some((day, month)) = spend::begins(now, zone) else {
            return questions;
        };
        for (window, begins) in Window::ALL.into_iter().zip([day, month]) {
            let known = &mut self.known[window as usize];
            let begins = begins.saturating_mul(1000);
            if known.begins != begins {
                *known = Known {
                    begins,
                    ..Known::default()
                };
            }
            let mut from = known.until.saturating_sub(OVERLAP).max(begins);
            loop {
                let to = from.saturating_add(CHUNK).min(at);
                let range = Duration::from_millis(to.saturating_sub(from));
                questions.push_back(Question::used(window, run_id, matchers, to, range));
                if to >= at {
                    break;
                }
                from = to;
            }
        }
        if !self.is_continued(at) {
            questions.push_back(Question::last_minute(run_id, matchers, at));
        }
        questions
    }

    /// Adds an answer. Answers come in the order of their queries, each at most once.
    pub fn take(&mut self, question: &Question, mut samples: Vec<Sample<'_>>) -> Result<(), Fault> {
        match question.about {
            About::Myself => self.scraped = self.scraped_as(&samples),
            About::LastMinute => {
                let tokens = samples.iter().filter_map(|(labels, value)| {
                    Some((
                        (scope(&labels.scope)?, labels.name.as_ref().into()),
                        count(*value),
                    ))
                });
                self.last_minute = tokens.collect();
            }
            About::Used(window) => {
                // Of two values of the same series, for example from two jobs that scrape one target, the larger is the
                // later one.
                samples.sort_by(|(_, a), (_, b)| a.total_cmp(b));
                let instance = self.instance.as_deref();
                let known = &mut self.known[window as usize];
                for sample in &samples {
                    known.put(sample, instance)?;
                }
                known.until = question.at;
            }
        }
        Ok(())
    }

    /// Ends the round that began at `now`, after all its answers were added. Returns the use of other runs.
    pub fn learned(&mut self, now: SystemTime) -> HashMap<Subject, ExternalSpend> {
        let at = millis(now);
        let mut learned: HashMap<Subject, ExternalSpend> = HashMap::default();
        for window in Window::ALL {
            for run in self.known[window as usize].runs.values() {
                for (subject, used) in &run.used {
                    let external = learned.entry(subject.clone()).or_default();
                    let windows = if run.is_earlier {
                        &mut external.earlier
                    } else {
                        &mut external.others
                    };
                    match window {
                        Window::Day => windows.day.add(used),
                        Window::Month => windows.month.add(used),
                    }
                }
            }
        }
        let mut tokens = HashMap::default();
        let month = self.known[Window::Month as usize].begins;
        let is_continued = self.is_continued(at);
        for (subject, external) in &mut learned {
            let (earlier, others) = (&external.earlier.month, &external.others.month);
            let total = earlier.usage.total().saturating_add(others.usage.total());
            let before = self.before.as_ref().filter(|_| is_continued);
            external.tokens = match before {
                None => self.last_minute.get(subject).copied().unwrap_or_default(),
                Some(before) => match before.tokens.get(subject) {
                    Some(known) if *known <= total => total - known,
                    // The value is smaller than before: a key was removed from a configuration and came back, so it
                    // began at 0.
                    Some(_) if before.month == month => 0,
                    // A new month began with 0 too.
                    _ => total,
                },
            };
            tokens.insert(subject.clone(), total);
        }
        self.before = Some(Round { at, month, tokens });
        self.last_minute = HashMap::default();
        learned
    }

    /// How Prometheus knows this run.
    pub fn scraped(&self) -> &Scraped {
        &self.scraped
    }

    /// Whether the last round was so recent that everything new belongs to the last minute.
    fn is_continued(&self, at: u64) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| at.saturating_sub(before.at) <= MINUTE)
    }

    fn scraped_as(&self, samples: &[Sample<'_>]) -> Scraped {
        let Some((first, _)) = samples.first() else {
            return Scraped::No;
        };
        let Some(instance) = &self.instance else {
            return Scraped::Yes;
        };
        let mut instances = samples.iter().map(|(labels, _)| &labels.instance);
        if instances.any(|found| **found == **instance) {
            Scraped::Yes
        } else {
            Scraped::As(first.instance.clone().into_owned())
        }
    }
}

impl Known {
    fn put(&mut self, (labels, value): &Sample<'_>, instance: Option<&str>) -> Result<(), Fault> {
        let mut families = Family::ALL.into_iter();
        let family = families.find(|family| family.name() == labels.metric);
        let Some((family, scope)) = family.zip(scope(&labels.scope)) else {
            return Ok(());
        };
        if !self.runs.contains_key(&*labels.run_id) {
            self.runs.insert((*labels.run_id).into(), Run::default());
        }
        let Some(run) = self.runs.get_mut(&*labels.run_id) else {
            return Ok(());
        };
        // Without a name of this host, every run counts as its own: its use is then not added to that in the ledger.
        run.is_earlier |= instance.is_none_or(|instance| labels.instance == instance);
        let subject = (scope, Arc::from(&*labels.name));
        if !run.used.contains_key(&subject) {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(Fault::TooMany);
            }
        }
        let used = run.used.entry(subject).or_default();
        match family {
            Family::Cost => used.nano_usd = nano_usd(*value),
            Family::Reasoning => used.usage.reasoning = count(*value),
            Family::Requests => used.requests = count(*value),
            Family::Tokens | Family::Units => {
                if let Some(tokens) = used.usage.of_kind(&labels.kind) {
                    *tokens = count(*value);
                }
            }
        }
        Ok(())
    }
}

fn scope(name: &str) -> Option<Scope> {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == name)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and a negative count becomes 0"
)]
fn count(value: f64) -> u64 {
    value.round() as u64
}

/// The longest span of one query, in ms.
const CHUNK: u64 = 24 * 60 * MINUTE;

/// How far a query reaches back before the end of the previous one, in ms: samples may be stored this late.
const OVERLAP: u64 = 5 * MINUTE;

const MINUTE: u64 = 60_000;

/// Most entries (runs times subjects) in one window: about 64 MB.
const MAX_ENTRIES: usize = 250_000;

#[cfg(test)]
mod tests;

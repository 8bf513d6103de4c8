//! Adds up what other runs used, from answers that each tell a part of it.
//!
//! A window is asked for in chunks of at most a day, oldest first, so that no single query is dear and a broken round goes
//! on where it broke. For every run, key and figure the latest value counts: asking for the same span twice changes
//! nothing, so the spans overlap, and a sample that Prometheus stored late is not missed.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::HashMap;
use jiff::tz::TimeZone;

use super::answer::{Fault, Sample};
use super::question::{About, millis};
use super::{Family, Matchers, Question, Window};
use crate::limits::{Elsewhere, Scope, Totals, nano_usd, spend};

/// What is known of other runs.
#[derive(Debug)]
pub struct Tally {
    run_id: String,
    instance: Option<Arc<str>>,
    matchers: Matchers,
    known: [Known; Window::ALL.len()],
    /// The round that was last finished.
    before: Option<Round>,
    /// Tokens of the last minute, where no round before tells.
    last_minute: HashMap<Subject, u64>,
    scraped: Scraped,
}

/// How Prometheus knows this run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Scraped {
    /// Under another `instance` than the configuration says.
    As(String),
    #[default]
    No,
    Yes,
}

/// A key, a group or everyone.
type Subject = (Scope, Arc<str>);

/// What is known of one window.
#[derive(Debug, Default)]
struct Known {
    /// When it began; milliseconds since the epoch, as all times here.
    begins: u64,
    /// Until when everything is known.
    until: u64,
    runs: HashMap<Box<str>, Run>,
    /// Entries of all runs together.
    entries: usize,
}

/// What one run used.
#[derive(Debug, Default)]
struct Run {
    /// Whether it ran on this host, before this one.
    is_earlier: bool,
    used: HashMap<Subject, Totals>,
}

#[derive(Debug)]
struct Round {
    at: u64,
    /// When the month began that it was in.
    month: u64,
    /// Tokens of this month by all other runs.
    tokens: HashMap<Subject, u64>,
}

impl Tally {
    /// For the run `run_id`, on the host that Prometheus calls `instance`.
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

    /// Begins a round: what is to be asked, in this order, to know everything up to `now`.
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

    /// Takes an answer in. Answers come in the order of their questions, each at most once.
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
                // Of two that tell of the same, as two jobs that scrape one target do, the larger is the later.
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

    /// Ends the round that began at `now`, all of whose answers were taken in: what other runs used.
    pub fn learned(&mut self, now: SystemTime) -> HashMap<Subject, Elsewhere> {
        let at = millis(now);
        let mut learned: HashMap<Subject, Elsewhere> = HashMap::default();
        for window in Window::ALL {
            for run in self.known[window as usize].runs.values() {
                for (subject, used) in &run.used {
                    let elsewhere = learned.entry(subject.clone()).or_default();
                    let windows = if run.is_earlier {
                        &mut elsewhere.earlier
                    } else {
                        &mut elsewhere.others
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
        for (subject, elsewhere) in &mut learned {
            let (earlier, others) = (&elsewhere.earlier.month, &elsewhere.others.month);
            let total = earlier.usage.total().saturating_add(others.usage.total());
            let before = self.before.as_ref().filter(|_| is_continued);
            elsewhere.tokens = match before {
                None => self.last_minute.get(subject).copied().unwrap_or_default(),
                Some(before) => match before.tokens.get(subject) {
                    Some(known) if *known <= total => total - known,
                    // Less than before: a key that was gone from a configuration and came back there begins at 0.
                    Some(_) if before.month == month => 0,
                    // A month that has begun since began with 0, too.
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

    /// Whether the round before was so recent that what is new since is of the last minute.
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
        // Without a name for this host every run counts as its own: what a ledger knows is then not added to it.
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

/// Milliseconds that one question covers at most.
const CHUNK: u64 = 24 * 60 * MINUTE;

/// Milliseconds by which a question goes back before the end of the one before it: a sample may be stored that late.
const OVERLAP: u64 = 5 * MINUTE;

const MINUTE: u64 = 60_000;

/// Runs times keys and groups, in one window: 64 MB, say.
const MAX_ENTRIES: usize = 250_000;

#[cfg(test)]
mod tests;

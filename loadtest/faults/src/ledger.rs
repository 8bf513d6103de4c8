//! What each side says of each request, joined by its id: the client that asked, the upstreams that answered, the access
//! line that Weir wrote.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::client::{Asked, Outcome};

/// Tokens by exclusive kind: input outside of the cache, read from the cache, output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    pub input: u64,
    pub cache_read: u64,
    pub output: u64,
}

impl Tokens {
    pub fn add(&mut self, other: Self) {
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.output += other.output;
    }

    /// Billionths of a dollar, by the prices of the soak's configuration.
    pub fn nano_usd(self) -> u64 {
        1_000 * self.input + 100 * self.cache_read + 5_000 * self.output
    }

    pub fn sum(self) -> u64 {
        self.input + self.cache_read + self.output
    }

    /// Whether this is what may be booked of an answer that was cut: the prompt as it was stated, and of the answer what
    /// was stated or what an estimate of the relayed part says, the larger. What nobody stated is estimated, and an
    /// estimate is at most twice what the whole would have been.
    fn is_part_of(self, stated: Self, whole: Self) -> bool {
        let prompt = |tokens: Self| tokens.input + tokens.cache_read;
        let prompt_fits = if prompt(stated) > 0 {
            self.input <= stated.input && self.cache_read <= stated.cache_read
        } else {
            prompt(self) <= 2 * prompt(whole)
        };
        prompt_fits && self.output <= stated.output.max(2 * whole.output)
    }
}

/// Requests that are not judged yet, and the sums of those that are.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    open: HashMap<u64, Record>,
    sums: Sums,
}

#[derive(Debug)]
struct Record {
    asked: Asked,
    outcome: Option<Outcome>,
    line: Option<Value>,
    /// What the upstreams stated in the bytes that they wrote, by account; the last attempt counts.
    stated: Vec<(String, Option<Tokens>)>,
}

/// What came of everything that is judged.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    pub requests: u64,
    /// Further ones that only filled what Weir remembers.
    pub filled: u64,
    pub translated: u64,
    pub retried: u64,
    pub outcomes: BTreeMap<String, u64>,
    /// By where Weir has its figures from: requests, Weir's tokens, and what the upstream had stated.
    pub sources: BTreeMap<String, (u64, Tokens, Tokens)>,
    /// Every access line.
    pub logged: Tokens,
    pub violations: BTreeMap<String, (u64, String)>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ask(&self, asked: Asked) {
        let record = Record {
            asked,
            outcome: None,
            line: None,
            stated: Vec::new(),
        };
        self.books().open.insert(asked.id, record);
    }

    /// An upstream begins to answer.
    pub fn attempt(&self, id: u64, account: &str) {
        if let Some(record) = self.books().open.get_mut(&id) {
            record.stated.push((account.to_owned(), None));
        }
    }

    /// An upstream is about to write what states this usage.
    pub fn state(&self, id: u64, account: &str, tokens: Tokens) {
        if let Some(record) = self.books().open.get_mut(&id)
            && let Some((_, stated)) = record
                .stated
                .iter_mut()
                .rfind(|(known, _)| known == account)
        {
            *stated = Some(tokens);
        }
    }

    pub fn settle(&self, id: u64, outcome: Outcome) {
        let mut books = self.books();
        if let Some(record) = books.open.get_mut(&id) {
            record.outcome = Some(outcome);
        }
        books.judge(id);
    }

    /// An access line of Weir's.
    pub fn line(&self, line: Value) {
        // The soak's own question, at the end.
        if line["path"] == "/v1/usage" {
            return;
        }
        let mut books = self.books();
        let id = line["request_id"]
            .as_str()
            .and_then(|id| id.strip_prefix("soak-")?.parse().ok());
        let Some(id) = id else {
            return books
                .sums
                .violate("an access line of no request", line.to_string());
        };
        let known = books
            .open
            .get_mut(&id)
            .filter(|record| record.line.is_none());
        let Some(record) = known else {
            return books.sums.violate("a second access line", line.to_string());
        };
        record.line = Some(line);
        books.judge(id);
    }

    pub fn open(&self) -> usize {
        self.books().open.len()
    }

    /// The end: what is still open will not be closed any more.
    pub fn close(&self) -> Sums {
        let mut books = self.books();
        for (id, record) in std::mem::take(&mut books.open) {
            let what = if record.line.is_none() {
                "a request without an access line"
            } else {
                "a request whose client never came to an end"
            };
            books
                .sums
                .violate(what, format!("soak-{id} {:?}", record.outcome));
        }
        books.sums.clone()
    }

    pub fn violate(&self, what: &str, detail: String) {
        self.books().sums.violate(what, detail);
    }
}

impl Books {
    fn judge(&mut self, id: u64) {
        let whole = self
            .open
            .get(&id)
            .is_some_and(|record| record.outcome.is_some() && record.line.is_some());
        if whole && let Some(record) = self.open.remove(&id) {
            self.sums.judge(&record);
        }
    }
}

impl Sums {
    fn judge(&mut self, record: &Record) {
        let (Some(outcome), Some(line)) = (&record.outcome, &record.line) else {
            return;
        };
        if record.asked.fills {
            self.filled += 1;
        } else {
            self.count(outcome, line);
        }
        self.judge_tokens(record, outcome, line);
        let told = |what: &str| {
            let asked = record.asked;
            (what.to_owned(), format!("{asked:?} {outcome:?} {line}"))
        };
        let fault = match outcome {
            Outcome::Complete { text, usage } => {
                let expected = record.asked.tokens;
                if *text != 4 * expected.output {
                    Some(told("a complete answer whose text is not what was sent"))
                } else if usage.is_some_and(|usage| usage != expected)
                    // An upstream that falls silent before its usage is not waited for.
                    && line["usage_source"] != "estimated"
                {
                    Some(told("a complete answer with other usage than was sent"))
                } else if line["end"] != "complete" || line["status"] != 200 {
                    Some(told("a complete answer that Weir does not know as one"))
                } else {
                    None
                }
            }
            Outcome::Refused { status } => {
                (line["status"] != *status).then(|| told("another status than Weir logs"))
            }
            Outcome::Failed | Outcome::Left => None,
            Outcome::Broken(why) => Some(told(why)),
        };
        if let Some((what, detail)) = fault {
            self.violate(&what, detail);
        }
    }

    fn count(&mut self, outcome: &Outcome, line: &Value) {
        self.requests += 1;
        *self.outcomes.entry(outcome.name()).or_default() += 1;
        let (client, upstream) = (&line["client_dialect"], &line["upstream_dialect"]);
        self.translated += u64::from(!upstream.is_null() && upstream != client);
        self.retried += u64::from(line["attempts"].as_array().is_some_and(|all| all.len() > 1));
    }

    fn judge_tokens(&mut self, record: &Record, outcome: &Outcome, line: &Value) {
        let source = line["usage_source"].as_str().unwrap_or("none");
        let count = |kind: &str| line["tokens"][kind].as_u64().unwrap_or(0);
        let weir = Tokens {
            input: count("input"),
            cache_read: count("cache_read"),
            output: count("output"),
        };
        let account = line["account"].as_str().unwrap_or_default();
        let stated = record
            .stated
            .iter()
            .rfind(|(known, _)| known == account)
            .and_then(|(_, stated)| *stated)
            .unwrap_or_default();
        let (requests, ours, theirs) = self.sources.entry(source.to_owned()).or_default();
        *requests += 1;
        ours.add(weir);
        theirs.add(stated);
        self.logged.add(weir);
        let complete = matches!(outcome, Outcome::Complete { .. });
        let cost = line["cost_usd"].as_f64().unwrap_or(0.0);
        let fault = match source {
            _ if (cost * 1e9 - weir.nano_usd() as f64).abs() > 0.5 => {
                Some("a cost that is not that of its tokens")
            }
            "reported" if weir != stated => Some("tokens other than the upstream stated"),
            "partial" if !weir.is_part_of(stated, record.asked.tokens) => {
                Some("more tokens than the answer could have had")
            }
            // What the simulated upstreams state of a prompt has nothing to do with its text; of an answer it has.
            "estimated" if weir.output > 2 * record.asked.tokens.output => {
                Some("an estimate of more than twice the answer")
            }
            "partial" | "none" if complete => Some("a complete answer without its usage"),
            "estimated" if complete && stated != Tokens::default() => {
                Some("tokens estimated although the upstream stated them")
            }
            _ => None,
        };
        if let Some(what) = fault {
            let detail = format!("upstream {stated:?}, {:?} {outcome:?} {line}", record.asked);
            self.violate(what, detail);
        }
    }

    fn violate(&mut self, what: &str, detail: String) {
        let (count, _) = self
            .violations
            .entry(what.to_owned())
            .or_insert((0, detail));
        *count += 1;
    }
}

//! Translation, case by case. A case is one file in `goldens/translate/`: what the client asks, what the upstream is asked, what it
//! answers, what the client gets, separated by rulers. `UPDATE_GOLDEN=1` rewrites what is computed, `GOLDEN=part` runs only the
//! cases with that in their name.
//!
//! Every stream is replayed whole, byte by byte, and split at every offset, with the same output; and what comes out is held to
//! the grammar of the client's dialect.
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bytes::BytesMut;
use serde_json::Value;
use weir::protocol::gemini::Delivery;
use weir::protocol::hub::context::Stamp;
use weir::protocol::hub::error::RequestFault;
use weir::protocol::hub::target::{PromptCache, Quirks, Target};
use weir::protocol::translate::{self, Terminal, Translator};
use weir::protocol::{Dialect, error, models};

mod grammar;

#[test]
fn every_case_translates_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/translate");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 190, "only {} cases found", paths.len());
    if let Ok(part) = std::env::var("GOLDEN") {
        paths.retain(|path| path.to_string_lossy().contains(&part));
        assert!(!paths.is_empty(), "no case has `{part}` in its name");
    }
    // Every stream runs as often as it has bytes.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let share = paths.len().div_ceil(threads);
        let workers: Vec<_> = paths
            .chunks(share.max(1))
            .map(|paths| {
                scope.spawn(|| {
                    paths
                        .iter()
                        .filter_map(|path| check(path))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 rewrites these:\n{}",
        wrong.join("\n")
    );
}

/// Runs one case; what is wrong with it, unless it is rewritten.
fn check(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).unwrap();
    let actual = Case::parse(&text).run().print();
    if actual == text {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, actual).unwrap();
        return None;
    }
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Some(format!("{name}: {}", first_difference(&text, &actual)))
}

/// One file: what it shows, who speaks with whom, and sections.
struct Case {
    title: String,
    client: Dialect,
    upstream: Dialect,
    provider: String,
    model: String,
    /// Only Gemini's clients say it outside the body.
    delivery: Option<Delivery>,
    /// As the account has it; off unless the case is about it.
    prompt_cache: PromptCache,
    sections: Vec<(String, String)>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut blocks = text.split(RULER);
        let head = blocks.next().unwrap();
        let mut lines = head.lines();
        let title = lines.next().unwrap().to_owned();
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| *key == name);
            found.unwrap_or_else(|| panic!("{title}: no `{name}`")).1
        };
        let sections = blocks
            .map(|block| block.split_once('\n').unwrap())
            .map(|(name, body)| (name.to_owned(), body.to_owned()))
            .collect();
        Self {
            client: Dialect::from_name(field("client")).unwrap(),
            upstream: Dialect::from_name(field("upstream")).unwrap(),
            provider: field("provider").to_owned(),
            model: field("model").to_owned(),
            delivery: fields
                .iter()
                .find(|(key, _)| *key == "delivery")
                .map(|(_, name)| delivery(name)),
            prompt_cache: match fields.iter().find(|(key, _)| *key == "prompt_cache") {
                None => PromptCache::Off,
                Some((_, "auto")) => PromptCache::Auto,
                Some((_, "1h")) => PromptCache::Hour,
                Some((_, other)) => panic!("no cache `{other}`"),
            },
            title,
            sections,
        }
    }

    fn print(&self) -> String {
        let mut text = format!(
            "{}\nclient: {}\nupstream: {}\nprovider: {}\nmodel: {}\n",
            self.title, self.client, self.upstream, self.provider, self.model
        );
        if let Some(delivery) = self.delivery {
            writeln!(text, "delivery: {}", format!("{delivery:?}").to_lowercase()).unwrap();
        }
        match self.prompt_cache {
            PromptCache::Off | PromptCache::Refused => {}
            PromptCache::Auto => text.push_str("prompt_cache: auto\n"),
            PromptCache::Hour => text.push_str("prompt_cache: 1h\n"),
        }
        for (name, body) in &self.sections {
            write!(text, "{RULER}{name}\n{body}").unwrap();
        }
        text
    }

    fn section(&self, name: &str) -> Option<&str> {
        let found = self.sections.iter().find(|(key, _)| key == name);
        found.map(|(_, body)| body.as_str())
    }

    /// The case with everything that is computed.
    fn run(&self) -> Self {
        let mut done = Self {
            title: self.title.clone(),
            client: self.client,
            upstream: self.upstream,
            provider: self.provider.clone(),
            model: self.model.clone(),
            delivery: self.delivery,
            prompt_cache: self.prompt_cache,
            sections: self
                .sections
                .iter()
                .filter(|(name, _)| INPUTS.contains(&name.as_str()))
                .cloned()
                .collect(),
        };
        done.compute();
        let order = |name: &str| ORDER.iter().position(|known| *known == name).unwrap();
        done.sections.sort_by_key(|(name, _)| order(name));
        done
    }

    fn compute(&mut self) {
        let asked = self
            .section(ASKED)
            .unwrap_or_else(|| panic!("{}: no request", self.title));
        let decoded = match self.delivery {
            Some(delivery) => translate::decode_gemini(asked.as_bytes(), "gemini-alias", delivery),
            None => translate::decode(self.client, asked.as_bytes()),
        };
        let request = match decoded {
            Ok(request) => request,
            Err(fault) => return self.refuse(fault),
        };
        let capabilities = models::capabilities(&self.model);
        let quirks = quirks(&self.provider);
        let target = Target {
            model: &self.model,
            capabilities: &capabilities,
            quirks: &quirks,
            account: "account-1",
            prompt_cache: self.prompt_cache,
        };
        let start = || Translator::new(&request, self.upstream, &target, STAMP);
        let (mut translator, encoded) = match start() {
            Ok(started) => started,
            Err(fault) => return self.refuse(fault),
        };
        let mut asked = String::new();
        for (name, value) in &encoded.headers {
            writeln!(asked, "{name}: {value}").unwrap();
        }
        asked.push_str(&pretty(&encoded.body));
        if let Some(stream) = self.section(STREAM) {
            let stream = stream.to_owned();
            let whole = replay(&mut translator, &[stream.as_bytes()]);
            for cut in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                let split = replay(&mut start().unwrap().0, &[head, tail]);
                assert_eq!(split, whole, "{}: cut at {cut}", self.title);
            }
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(
                replay(&mut start().unwrap().0, &bytes),
                whole,
                "{}: byte by byte",
                self.title
            );
            if let Err(breach) = grammar::check(self.client, &whole) {
                panic!("{}: {breach}\n{whole}", self.title);
            }
            self.add(STREAMED, whole);
        } else if let Some(answer) = self.section(ANSWER) {
            let answered = match translator.response(answer.as_bytes()) {
                Ok(answer) => pretty(&answer),
                Err(said) => format!(
                    "HTTP {}\n{}",
                    error::status(self.client, said.kind),
                    pretty(&error::encode(self.client, &said))
                ),
            };
            self.add(ANSWERED, answered);
        } else if let Some(failure) = self.section(FAILURE) {
            let (status, body) = failure.split_once('\n').unwrap();
            let said = error::parse(self.upstream, status.parse().unwrap(), body.as_bytes());
            let said = translate::error(self.client, &said);
            let answered = format!(
                "HTTP {}\n{}",
                error::status(self.client, said.kind),
                pretty(&error::encode(self.client, &said))
            );
            self.add(ANSWERED, answered);
        }
        self.add(ASKED_UPSTREAM, asked);
        self.add(OUTCOME, outcome(&translator));
    }

    fn refuse(&mut self, fault: RequestFault) {
        let said = error::encode(self.client, &fault.into());
        self.add(REFUSED, pretty(&said));
    }

    fn add(&mut self, name: &str, body: String) {
        self.sections.push((name.to_owned(), body));
    }
}

fn replay(translator: &mut Translator, chunks: &[&[u8]]) -> String {
    let mut out = BytesMut::new();
    for chunk in chunks {
        translator.push(chunk, &mut out);
    }
    translator.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn outcome(translator: &Translator) -> String {
    let mut text = match translator.terminal() {
        None => String::new(),
        Some(Terminal::Paused) => "paused\n".to_owned(),
        Some(Terminal::Complete) => "complete\n".to_owned(),
        Some(Terminal::Truncated) => "truncated\n".to_owned(),
        Some(Terminal::Failed(said)) => format!("failed: {}\n", said.message),
    };
    for dropped in translator.dropped() {
        let how = if dropped.notable {
            "dropped"
        } else {
            "omitted"
        };
        writeln!(text, "{how}: {}", dropped.field).unwrap();
    }
    for violation in translator.violations() {
        writeln!(text, "violation: {}", violation.rule).unwrap();
    }
    text
}

fn delivery(name: &str) -> Delivery {
    match name {
        "array" => Delivery::Array,
        "events" => Delivery::Events,
        "whole" => Delivery::Whole,
        other => panic!("no delivery `{other}`"),
    }
}

fn quirks(provider: &str) -> Quirks {
    match provider {
        "anthropic" => Quirks::ANTHROPIC,
        "gemini" => Quirks::GEMINI,
        "openai" => Quirks::OPENAI,
        "openai-legacy" => Quirks::OPENAI_LEGACY,
        "openai-compatible" => Quirks::COMPATIBLE,
        "deepseek" => Quirks::DEEPSEEK,
        "moonshot" => Quirks::THINKING,
        "vllm" => Quirks::OPEN_MODELS,
        "mistral" => Quirks::MISTRAL,
        other => panic!("no provider `{other}`"),
    }
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn first_difference(expected: &str, actual: &str) -> String {
    let mut lines = expected.lines().zip(actual.lines()).enumerate();
    match lines.find(|(_, (expected, actual))| expected != actual) {
        Some((index, (expected, actual))) => format!(
            "line {}:\n  expected {expected}\n  got      {actual}",
            index + 1
        ),
        None => "one is longer".to_owned(),
    }
}

const RULER: &str = "----- ";

const ASKED: &str = "client request";
const ASKED_UPSTREAM: &str = "upstream request";
const REFUSED: &str = "refused";
const STREAM: &str = "upstream stream";
const ANSWER: &str = "upstream answer";
const FAILURE: &str = "upstream error";
const STREAMED: &str = "client stream";
const ANSWERED: &str = "client answer";
const OUTCOME: &str = "outcome";

const INPUTS: [&str; 4] = [ASKED, STREAM, ANSWER, FAILURE];

const ORDER: [&str; 9] = [
    ASKED,
    REFUSED,
    ASKED_UPSTREAM,
    STREAM,
    ANSWER,
    FAILURE,
    STREAMED,
    ANSWERED,
    OUTCOME,
];

const STAMP: Stamp = Stamp {
    created: 1_790_000_000,
    seed: 7,
    stored: false,
};

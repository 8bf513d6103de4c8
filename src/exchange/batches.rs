//! Batches: requests that a vendor answers within a day, at the price of its batch tier. Their use is stated in their
//! results, which are files. When a file is fetched, the use is booked to the key that created the batch: each line
//! once, however often and by whichever key it is fetched.
mod split;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::HashMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Gateway, charge};
use crate::limits::ledger::{Attribution, Kind, Note};
use crate::limits::nano_usd;
use crate::protocol::Dialect;
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::passthrough::{self, Answer};
use split::Split;

/// Which key created which batch. Survives reloads.
#[derive(Debug, Default)]
pub struct Batches {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    by_id: HashMap<String, Arc<Batch>>,
    /// The ids, oldest first.
    order: VecDeque<String>,
}

/// One batch, or one file with results of a batch.
#[derive(Debug)]
pub struct Batch {
    id: String,
    /// To whom its use is attributed.
    who: Attribution,
    /// The project whose limits apply.
    project: Option<Arc<str>>,
    /// The number of result lines that are already booked.
    booked: AtomicU64,
}

/// The format of results.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One line per result: `{"custom_id":…,"result":{"type":"succeeded","message":{…}}}`.
    Anthropic,
    /// One line per result: `{"custom_id":…,"response":{"status_code":200,"body":{…}}}`.
    OpenAi,
    /// Elements of a list within the answer: `{"response":{…}}`.
    Gemini,
    /// One line per result: `{"key":…,"response":{…}}`.
    GeminiLines,
}

/// The use of one model in results that passed through.
#[derive(Clone, Debug)]
pub struct Results {
    /// To whom the use is attributed.
    pub who: Attribution,
    /// The project whose limits apply.
    pub project: Option<Arc<str>>,
    pub dialect: Dialect,
    /// The number of answers.
    pub answers: u64,
    pub usage: Usage,
    /// Billionths of a US dollar; `None` = the model has no price.
    pub nano_usd: Option<u64>,
    /// Whether stated figures were rejected as impossible.
    pub refused: bool,
}

impl Batches {
    /// Remembers which key created a batch. `None` = it is known already.
    pub(super) fn keep(
        &self,
        id: &str,
        who: &Attribution,
        project: Option<&Arc<str>>,
    ) -> Option<Arc<Batch>> {
        self.insert(Arc::new(Batch::new(id, who, project)))
    }

    /// Remembers that this file contains results of a batch. `None` = the batch is unknown, or the file is known
    /// already.
    pub(super) fn results_in(&self, batch: &str, file: &str) -> Option<Arc<Batch>> {
        let batch = self.named(batch)?;
        self.keep(file, &batch.who, batch.project.as_ref())
    }

    /// The batch, or the file with results, that has this id.
    pub(super) fn named(&self, id: &str) -> Option<Arc<Batch>> {
        self.lock().by_id.get(id).cloned()
    }

    /// Takes over a note from the ledger.
    pub(super) fn recall(&self, note: &Note) {
        let known = self.named(&note.id).or_else(|| {
            let batch = Batch::new(&note.id, &note.who(), note.limited.as_ref());
            let batch = Arc::new(batch);
            self.insert(Arc::clone(&batch));
            Some(batch)
        });
        if let Some(batch) = known {
            batch.booked.fetch_max(note.booked, Ordering::Relaxed);
        }
    }

    /// The known batch with the id of `batch`, or otherwise `batch` itself, which is known from now on.
    fn adopt(&self, batch: &Arc<Batch>) -> Arc<Batch> {
        let known = self.named(&batch.id);
        known.unwrap_or_else(|| {
            self.insert(Arc::clone(batch));
            Arc::clone(batch)
        })
    }

    fn insert(&self, batch: Arc<Batch>) -> Option<Arc<Batch>> {
        let mut made = self.lock();
        if made.by_id.contains_key(&batch.id) {
            return None;
        }
        while made.order.len() >= MOST
            && let Some(oldest) = made.order.pop_front()
        {
            made.by_id.remove(&oldest);
        }
        made.order.push_back(batch.id.clone());
        made.by_id.insert(batch.id.clone(), Arc::clone(&batch));
        Some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// A batch of which nothing is booked yet.
    pub(super) fn new(id: &str, who: &Attribution, project: Option<&Arc<str>>) -> Self {
        Self {
            id: id.to_owned(),
            who: who.clone(),
            project: project.cloned(),
            booked: AtomicU64::new(0),
        }
    }

    pub(super) fn note(&self) -> Note {
        Note {
            limited: self.project.clone(),
            booked: self.booked.load(Ordering::Relaxed),
            ..Note::new(&self.id, Kind::Batch, &self.who)
        }
    }

    /// Whether this line, counted from 0, has to be booked. Each line gets `true` only once.
    fn take(&self, line: u64) -> bool {
        self.booked.fetch_max(line + 1, Ordering::Relaxed) <= line
    }
}

/// Reads results as they pass through.
#[derive(Debug)]
pub struct Reader {
    gateway: Arc<Gateway>,
    batch: Arc<Batch>,
    form: Form,
    split: Split,
    /// The number of lines that were read.
    lines: u64,
    sums: Vec<Results>,
}

impl Reader {
    pub(super) fn new(gateway: Arc<Gateway>, batch: Arc<Batch>, form: Form) -> Self {
        Self {
            gateway,
            batch,
            form,
            split: Split::of(form),
            lines: 0,
            sums: Vec::new(),
        }
    }

    /// Reads further bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((item, after)) = self.split.next(rest) {
            self.read(&item);
            rest = after;
        }
    }

    /// Ends the reading. Returns what is to be booked, by model.
    pub(super) fn finish(mut self) -> Vec<Results> {
        // The last line may lack its line end.
        let last = self.split.rest();
        self.read(&last);
        if !self.sums.is_empty() {
            self.gateway.background.note_batch(&self.batch);
        }
        self.sums
    }

    fn read(&mut self, item: &[u8]) {
        if item.trim_ascii().is_empty() {
            return;
        }
        let line = self.lines;
        self.lines += 1;
        let Some((dialect, answer)) = answer_in(self.form, item) else {
            return;
        };
        let body = answer.get().as_bytes();
        let answer = passthrough::read_answer(dialect, body);
        let stated = self.completed(dialect, body, &answer);
        if stated.is_nothing() && !stated.extras.refused {
            return;
        }
        self.batch = self.gateway.background.batches().adopt(&self.batch);
        if self.batch.take(line) {
            self.add(dialect, answer.model, &stated);
        }
    }

    /// What the answer states; where it states no output, or figures that cannot be, with an estimate of what the model
    /// wrote.
    fn completed(&self, dialect: Dialect, body: &[u8], answer: &Answer) -> Stated {
        let stated = answer.usage.unwrap_or_default();
        if !answer.complete || stated.usage.output > 0 || stated.extras.nano_usd.is_some() {
            return stated;
        }
        let model = answer.model.as_deref();
        let model = model
            .or(self.batch.who.model.as_deref())
            .unwrap_or_default();
        let written = passthrough::written_in(dialect, body);
        let guess = charge::estimate(&self.gateway.tokens, model, &written);
        Stated {
            usage: stated.usage.and(guess),
            ..stated
        }
    }

    fn add(&mut self, dialect: Dialect, model: Option<String>, stated: &Stated) {
        let model = model
            .map(Arc::from)
            .or_else(|| self.batch.who.model.clone());
        let extras = Extras {
            tier: Some(TIER),
            ..stated.extras
        };
        let prices = &self.gateway.prices;
        let price = |model: &str| charge::usd(prices, model, &stated.usage, Some(TIER), &extras);
        let usd = model.as_deref().and_then(price).map(nano_usd);
        let known = self.sums.iter().position(|sum| sum.who.model == model);
        // Real batches use one model. Beyond `MOST_MODELS`, the rest is added to the last one.
        let at = known.or_else(|| {
            self.sums
                .len()
                .checked_sub(1)
                .filter(|at| *at + 1 >= MOST_MODELS)
        });
        if at.is_none() {
            let who = Attribution {
                model,
                ..self.batch.who.clone()
            };
            self.sums.push(Results {
                who: who.bounded(),
                project: self.batch.project.clone(),
                dialect,
                answers: 0,
                usage: Usage::default(),
                nano_usd: None,
                refused: false,
            });
        }
        let at = at.unwrap_or(self.sums.len().saturating_sub(1));
        let Some(sum) = self.sums.get_mut(at) else {
            return;
        };
        sum.answers += 1;
        sum.usage = sum.usage.and(stated.usage);
        sum.nano_usd = match (sum.nano_usd, usd) {
            (Some(sum), Some(usd)) => Some(sum.saturating_add(usd)),
            (sum, usd) => sum.or(usd),
        };
        sum.refused |= stated.extras.refused;
    }
}

/// The answer in one result, and its dialect. `None` = the request failed, or this is not a result.
fn answer_in(form: Form, item: &[u8]) -> Option<(Dialect, Box<RawValue>)> {
    let item: Item = serde_json::from_slice(item).ok()?;
    match form {
        Form::Anthropic => Some((Dialect::Anthropic, item.result?.message?)),
        Form::Gemini | Form::GeminiLines => Some((Dialect::Gemini, item.response?)),
        Form::OpenAi => {
            // A client's own file may contain anything.
            item.custom_id?;
            let response: OpenAiResponse = serde_json::from_str(item.response?.get()).ok()?;
            let status = response.status_code.and_then(|status| status.as_u64());
            if status.is_some_and(|status| !(200..300).contains(&status)) {
                return None;
            }
            let body = response.body?;
            let kind: Object = serde_json::from_str(body.get()).ok()?;
            let is_response = kind.object.as_deref() == Some("response");
            let dialect = if is_response {
                Dialect::OpenaiResponses
            } else {
                Dialect::OpenaiChat
            };
            Some((dialect, body))
        }
    }
}

#[derive(Deserialize)]
struct Item {
    custom_id: Option<String>,
    result: Option<AnthropicResult>,
    response: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct AnthropicResult {
    message: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct OpenAiResponse {
    status_code: Option<Value>,
    body: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Object {
    object: Option<String>,
}

/// The service tier at whose price batches are booked.
const TIER: &str = "batch";
/// The most batches and result files that are remembered: some MiB.
const MOST: usize = 10_000;
/// The most models of one batch.
const MOST_MODELS: usize = 32;

#[cfg(test)]
mod tests {
    use super::split::LONGEST;
    use super::*;
    use crate::config;

    fn gateway() -> Arc<Gateway> {
        let text = "version: 1\nanonymous: true\naccounts: [{ name: a, provider: ollama }]\n";
        let config = config::parse("test", text, &|_| None).expect("a configuration");
        Arc::new(Gateway::build(config, None))
    }

    fn who() -> Attribution {
        Attribution {
            key: "team".into(),
            group: None,
            project: None,
            model: None,
            account: Some("a".into()),
        }
    }

    /// What is booked for results that arrive in pieces of this length: key, model, answers, input, output, nano-USD.
    fn booked(
        gateway: &Arc<Gateway>,
        form: Form,
        text: &str,
        piece: usize,
    ) -> Vec<(String, u64, u64, u64, u64)> {
        let batches = gateway.background.batches();
        let batch = batches
            .named("b")
            .unwrap_or_else(|| Arc::new(Batch::new("b", &who(), None)));
        let mut reader = Reader::new(Arc::clone(gateway), batch, form);
        for piece in text.as_bytes().chunks(piece) {
            reader.push(piece);
        }
        let results = reader.finish().into_iter().map(|sum| {
            assert_eq!(&*sum.who.key, "team");
            (
                sum.who.model.as_deref().unwrap_or_default().to_owned(),
                sum.answers,
                sum.usage.input,
                sum.usage.output,
                sum.nano_usd.unwrap_or_default(),
            )
        });
        results.collect()
    }

    const ANTHROPIC: &str = concat!(
        r#"{"custom_id":"1","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[{"type":"text","text":"a\n{"}],"stop_reason":"end_turn","usage":{"input_tokens":1000,"output_tokens":100,"service_tier":"batch"}}}}"#,
        "\n",
        r#"{"custom_id":"2","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request","message":"usage"}}}}"#,
        "\n\n",
        r#"{"custom_id":"3","result":{"type":"succeeded","message":{"id":"msg_3","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1000,"output_tokens":100,"service_tier":"batch"}}}}"#,
    );

    #[test]
    fn every_line_is_booked_once_at_half_the_price_however_it_comes() {
        for piece in [1, 7, 100_000] {
            let gateway = gateway();
            // 2000×0.50 + 200×2.50 millionths of a dollar.
            let expected = (
                "claude-haiku-4-5-20251001".to_owned(),
                2,
                2000,
                200,
                1_500_000,
            );
            let found = booked(&gateway, Form::Anthropic, ANTHROPIC, piece);
            assert_eq!(found, [expected]);
            assert_eq!(booked(&gateway, Form::Anthropic, ANTHROPIC, piece), []);
        }
    }

    #[test]
    fn what_was_cut_off_is_booked_the_next_time() {
        let gateway = gateway();
        let half = &ANTHROPIC[..ANTHROPIC.len() - 40];
        let first = booked(&gateway, Form::Anthropic, half, 64);
        assert_eq!(first.iter().map(|sum| sum.1).sum::<u64>(), 1);
        let rest = booked(&gateway, Form::Anthropic, ANTHROPIC, 64);
        assert_eq!(rest.iter().map(|sum| sum.1).sum::<u64>(), 1);
        assert_eq!(booked(&gateway, Form::Anthropic, ANTHROPIC, 64), []);
    }

    #[test]
    fn the_answers_of_openai_are_of_several_kinds() {
        let text = concat!(
            r#"{"id":"1","custom_id":"a","response":{"status_code":200,"body":{"id":"chatcmpl","object":"chat.completion","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}},"error":null}"#,
            "\n",
            r#"{"id":"2","custom_id":"b","response":{"status_code":200,"body":{"id":"resp","object":"response","status":"completed","model":"gpt-5","output":[],"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15}}},"error":null}"#,
            "\n",
            r#"{"id":"3","custom_id":"c","response":{"status_code":200,"body":{"object":"list","model":"text-embedding-3-small","data":[],"usage":{"prompt_tokens":100,"total_tokens":100}}},"error":null}"#,
            "\n",
            r#"{"id":"4","custom_id":"d","response":null,"error":{"code":"batch_expired","message":"x"}}"#,
            "\n",
            r#"{"response":{"body":{"object":"chat.completion","model":"gpt-4o-mini","usage":{"prompt_tokens":10,"completion_tokens":5}}}}"#,
            "\n",
        );
        let found = booked(&gateway(), Form::OpenAi, text, 11);
        let found: Vec<(&str, u64, u64, u64)> = found
            .iter()
            .map(|(model, answers, input, _, nano)| (model.as_str(), *answers, *input, *nano))
            .collect();
        assert_eq!(
            found,
            [
                ("gpt-4o-mini", 1, 10, 2_250),
                ("gpt-5", 1, 10, 31_250),
                ("text-embedding-3-small", 1, 100, 1_000),
            ]
        );
    }

    #[test]
    fn a_line_that_states_no_use_or_an_impossible_one_is_estimated_and_one_that_failed_is_not_booked()
     {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
        for (status, usage, booked, refused) in [
            (
                "200",
                r#"{"prompt_tokens":10,"completion_tokens":5}"#,
                Some((10, 5)),
                false,
            ),
            (
                "200",
                r#"{"prompt_tokens":-10,"completion_tokens":5}"#,
                Some((0, 100)),
                true,
            ),
            (
                "200",
                r#"{"prompt_tokens":"10","completion_tokens":5}"#,
                Some((0, 100)),
                true,
            ),
            (
                "200",
                r#"{"prompt_tokens":10,"completion_tokens":1e30}"#,
                Some((0, 100)),
                true,
            ),
            (
                "200",
                r#"{"prompt_tokens":10,"completion_tokens":0}"#,
                Some((10, 100)),
                false,
            ),
            ("200", "null", Some((0, 100)), false),
            ("200", "[1,2]", Some((0, 100)), false),
            ("null", "null", Some((0, 100)), false),
            (
                "400",
                r#"{"prompt_tokens":10,"completion_tokens":5}"#,
                None,
                false,
            ),
            ("429", "null", None, false),
        ] {
            let line = format!(
                r#"{{"custom_id":"a","response":{{"status_code":{status},"body":{{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{usage}}}}}}}"#
            );
            let batch = Arc::new(Batch::new("b", &who(), None));
            let mut reader = Reader::new(gateway(), batch, Form::OpenAi);
            reader.push(line.as_bytes());
            let results = reader.finish();
            let what = format!("{status} {usage}: {results:?}");
            let Some((input, output)) = booked else {
                assert!(results.is_empty(), "{what}");
                continue;
            };
            let [sum] = results.as_slice() else {
                panic!("{what}");
            };
            assert_eq!((sum.usage.input, sum.refused), (input, refused), "{what}");
            // An estimate is within a third of what the text has.
            let range = if output == 5 { 5..=5 } else { 70..=140 };
            assert!(range.contains(&sum.usage.output), "{what}");
            assert!(sum.nano_usd.is_some_and(|nano| nano > 0), "{what}");
        }
    }

    #[test]
    fn the_answers_of_gemini_stand_in_a_list_or_in_lines() {
        let one = r#"{"response":{"candidates":[{"content":{"parts":[{"text":"} ] \" {"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14},"modelVersion":"gemini-2.5-flash"},"metadata":{"key":"k"}}"#;
        let inline = format!(
            r#"{{"name":"batches/b","metadata":{{"x":[{{"y":{{"z":[{{}}]}}}}]}},"done":true,"response":{{"@type":"t","inlinedResponses":{{"inlinedResponses":[{one},{{"error":{{"code":3}}}},{one}]}}}}}}"#
        );
        for piece in [1, 13, 10_000] {
            let found = booked(&gateway(), Form::Gemini, &inline, piece);
            // 20×0.15 + 8×1.25 millionths.
            assert_eq!(found, [("gemini-2.5-flash".to_owned(), 2, 20, 8, 13_000)]);
        }
        let lines = format!("{one}\n{one}\n");
        let found = booked(&gateway(), Form::GeminiLines, &lines, 50);
        assert_eq!(found.first().map(|sum| sum.1), Some(2));
    }

    #[test]
    fn a_line_that_is_too_long_and_what_is_no_result_do_no_harm() {
        let gateway = gateway();
        let long = format!("{{\"a\":\"{}\"}}\n{ANTHROPIC}", "x".repeat(LONGEST + 10));
        let found = booked(&gateway, Form::Anthropic, &long, 1 << 20);
        assert_eq!(found.iter().map(|sum| sum.1).sum::<u64>(), 2);
        for text in [
            "\0\n\u{fffd}".to_owned(),
            "[]\n{}\n\"x\"\n".to_owned(),
            "]]]]}}}}".to_owned(),
        ] {
            for form in [
                Form::Anthropic,
                Form::OpenAi,
                Form::Gemini,
                Form::GeminiLines,
            ] {
                assert_eq!(booked(&gateway, form, &text, 3), []);
            }
        }
    }

    #[test]
    fn batches_and_their_files_are_known_by_who_made_them_and_are_bounded() {
        let batches = Batches::default();
        batches.keep("batch_1", &who(), None).expect("new");
        assert!(batches.keep("batch_1", &who(), None).is_none());
        assert!(batches.results_in("batch_2", "file-1").is_none());
        let file = batches.results_in("batch_1", "file-1").expect("new");
        assert_eq!(&*file.who.key, "team");
        for number in 0..MOST {
            batches.keep(&number.to_string(), &who(), None);
        }
        assert!(batches.named("batch_1").is_none());
        assert_eq!(batches.lock().by_id.len(), MOST);
    }
}

//! An answer in the client's own dialect, and the facts that are read in it while it passes.
//!
//! ```text
//! anthropic stream          dialect and form: a stream, an array (Gemini's) or an answer; `crlf` = with CRLF line ends
//! === stream
//! …                         the unchanged bytes
//! === facts
//! …                         the facts that must be read in them
//! ```
use std::fmt::Write as _;

use bytes::Bytes;

use super::Cuts;
use crate::protocol::Dialect;
use crate::protocol::error::{ErrorKind, ParsedError, WireError};
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough::{Tap, read_answer};

/// The form of the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Server-sent events.
    Stream,
    /// One JSON array: Gemini's stream without `alt=sse`.
    Array,
    /// A whole answer.
    Answer,
}

impl Form {
    const ALL: [(&str, Self); 3] = [
        ("stream", Self::Stream),
        ("array", Self::Array),
        ("answer", Self::Answer),
    ];

    pub(super) fn name(self) -> &'static str {
        let mut named = Self::ALL.iter();
        named
            .find(|(_, form)| *form == self)
            .map_or("", |(name, _)| name)
    }
}

/// One case file.
#[derive(Clone, Debug)]
pub struct Case {
    dialect: Dialect,
    form: Form,
    crlf: bool,
    bytes: Vec<u8>,
    facts: Vec<u8>,
}

impl Case {
    /// A case whose facts are not known yet.
    pub fn new(dialect: Dialect, form: Form, bytes: Vec<u8>) -> Self {
        Self {
            dialect,
            form,
            crlf: false,
            bytes,
            facts: Vec::new(),
        }
    }

    /// Whether a file is of this kind.
    pub(super) fn looks_like(file: &[u8]) -> bool {
        let end = memchr::memchr(b'\n', file).unwrap_or(file.len());
        file.get(end..).is_some_and(|rest| rest.starts_with(STREAM))
    }

    /// Reads a file. `Err` tells what is wrong with it and what is expected.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        let (head, rest) = split(file, STREAM).ok_or("there is no `=== stream`")?;
        let (bytes, facts) = split(rest, FACTS)
            .ok_or("there is no `=== facts` behind the stream: the file is cut")?;
        let head = String::from_utf8_lossy(head);
        let mut words = head.split(' ');
        let dialect = words.next().unwrap_or_default();
        let dialect = Dialect::from_name(dialect).ok_or_else(|| {
            format!(
                "begins with `{dialect:.40}`, expected a dialect (`anthropic`, `openai-chat`, …)"
            )
        })?;
        let form = words.next().unwrap_or_default();
        let known = Form::ALL.iter().find(|(name, _)| *name == form);
        let (_, form) = *known.ok_or_else(|| {
            format!("is of the form `{form:.40}`, expected `stream`, `array` or `answer`")
        })?;
        let crlf = match words.next() {
            None => false,
            Some("crlf") => true,
            Some(other) => {
                return Err(format!(
                    "has `{other:.40}` in its head, expected `crlf` or nothing"
                ));
            }
        };
        Ok(Self {
            dialect,
            form,
            crlf,
            bytes: bytes.to_vec(),
            facts: facts.to_vec(),
        })
    }

    /// The expected facts.
    pub fn expected(&self) -> &[u8] {
        &self.facts
    }

    /// The file with these facts.
    pub fn with_facts(&self, facts: &str) -> Vec<u8> {
        let crlf = if self.crlf { " crlf" } else { "" };
        let mut file = format!("{} {}{crlf}", self.dialect, self.form.name()).into_bytes();
        file.extend_from_slice(STREAM);
        file.extend_from_slice(&self.bytes);
        file.extend_from_slice(FACTS);
        file.extend_from_slice(facts.as_bytes());
        file
    }

    /// The facts that are read in the bytes. `Err` = they depend on how the bytes are divided.
    pub fn facts(&self, cuts: Cuts) -> Result<String, String> {
        let ended;
        let bytes = if self.crlf {
            ended = String::from_utf8_lossy(&self.bytes).replace('\n', "\r\n");
            ended.as_bytes()
        } else {
            &self.bytes
        };
        match self.form {
            Form::Answer => Ok(answer_facts(self.dialect, bytes)),
            Form::Array => stream_facts(&Tap::json_array, bytes, cuts),
            Form::Stream => stream_facts(&|| Tap::new(self.dialect), bytes, cuts),
        }
    }
}

/// The facts of a stream, which must not depend on how it is divided.
fn stream_facts(tap: &dyn Fn() -> Tap, bytes: &[u8], cuts: Cuts) -> Result<String, String> {
    let singly = replay(tap(), Vec::new(), bytes.chunks(1))?;
    let commit = singly.commit;
    let whole = replay(tap(), Vec::new(), std::iter::once(bytes))?;
    if whole.facts != singly.facts {
        return Err(
            "what is read byte by byte is something else than what is read at once".to_owned(),
        );
    }
    if !bytes.starts_with(&singly.out) {
        return Err("what is relayed is not the stream itself".to_owned());
    }
    for at in cuts.places(bytes.len()) {
        let (head, rest) = bytes.split_at(at);
        let mut tap = tap();
        let mut first = Vec::new();
        push(&mut tap, head, &mut first)?;
        if tap.committed() != commit.is_some_and(|commit| at >= commit) {
            return Err(format!(
                "when it commits depends on how it is cut: at byte {at}"
            ));
        }
        if replay(tap, first, std::iter::once(rest))?.facts != whole.facts {
            return Err(format!(
                "what is read depends on how it is cut: at byte {at}"
            ));
        }
    }
    Ok(match commit {
        None => format!("commits: never\n{}", whole.facts),
        Some(commit) => format!("commits: after {} bytes\n{}", commit, whole.facts),
    })
}

struct Replay {
    facts: String,
    /// The bytes that were forwarded before the end.
    out: Vec<u8>,
    /// The number of bytes after which the answer was committed.
    commit: Option<usize>,
}

/// Replays chunks through the tap, which has already forwarded `out`.
fn replay<'a>(
    mut tap: Tap,
    mut out: Vec<u8>,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Result<Replay, String> {
    let mut commit = None;
    let mut read = 0;
    for chunk in chunks {
        push(&mut tap, chunk, &mut out)?;
        read += chunk.len();
        if tap.committed() && commit.is_none() {
            commit = Some(read);
        }
    }
    let terminal = tap.terminal();
    let finish = tap.finish();
    let wire = WireError::new(ErrorKind::BadGateway, "the upstream's stream ended early")
        .request_id("req_1");
    let last = tap.terminal_error(&wire);
    let facts = format!(
        "relayed: {} bytes\nterminal: {terminal:?}\nending: {:?}\nrest: {:?}\nmodel: {}\nservice tier: {}\nusage {}: {}\nerror: {}\nterminal error: {:?}\n",
        out.len(),
        finish.ending,
        String::from_utf8_lossy(&finish.rest),
        tap.model().unwrap_or("-"),
        tap.service_tier().unwrap_or("-"),
        if tap.usage_final() { "final" } else { "so far" },
        usage(tap.usage()),
        error(tap.error()),
        String::from_utf8_lossy(&last),
    );
    Ok(Replay { facts, out, commit })
}

/// Pushes a chunk into the tap; forwarded bytes are appended to `out`.
fn push(tap: &mut Tap, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let chunk = Bytes::copy_from_slice(chunk);
    let pieces = tap.relay(&chunk);
    for piece in pieces.map_err(|_| "has an event that is too long to be relayed")? {
        out.extend_from_slice(&piece);
    }
    Ok(())
}

fn answer_facts(dialect: Dialect, body: &[u8]) -> String {
    let answer = read_answer(dialect, body);
    format!(
        "complete: {}\nmodel: {}\nservice tier: {}\nusage: {}\nerror: {}\n",
        answer.complete,
        answer.model.as_deref().unwrap_or("-"),
        answer.service_tier.as_deref().unwrap_or("-"),
        usage(answer.usage),
        error(answer.error.as_ref()),
    )
}

fn usage(stated: Option<Stated>) -> String {
    stated.map_or("-".to_owned(), |Stated { usage, .. }| {
        format!(
            "input {} + read {} + written {} (5m) {} (1h), output {} (reasoning {})",
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
            usage.reasoning,
        )
    })
}

fn error(error: Option<&ParsedError>) -> String {
    let Some(error) = error else {
        return "-".to_owned();
    };
    let mut text = format!("{:?}, status {}", error.kind, error.status);
    let retry_after = error.retry_after.map(|delay| format!("{delay:?}"));
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        ", type {}, code {}, retry after {}, quotas {:?}: {}",
        error.type_.as_deref().unwrap_or("-"),
        error.code.as_deref().unwrap_or("-"),
        retry_after.as_deref().unwrap_or("-"),
        error.quota_ids,
        error.message,
    );
    text
}

fn split<'a>(file: &'a [u8], ruler: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(file, ruler)?;
    Some((file.get(..at)?, file.get(at + ruler.len()..)?))
}

const STREAM: &[u8] = b"\n=== stream\n";
const FACTS: &[u8] = b"\n=== facts\n";

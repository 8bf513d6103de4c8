//! What the tap reads from recorded streams and answers, however the bytes are cut.
//!
//! Every file of `tests/goldens/passthrough/` is one case: a line that says what it is (`anthropic stream`,
//! `gemini array`, `openai-chat answer`), the bytes between two rulers, and the facts that must come out of them.
//! `UPDATE_GOLDEN=1 cargo test --test passthrough` writes the facts anew.
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use weir::protocol::Dialect;
use weir::protocol::error::{ErrorKind, ParsedError, WireError};
use weir::protocol::hub::usage::Stated;
use weir::protocol::passthrough::{Tap, read_answer};

#[test]
fn every_golden_holds_however_its_bytes_are_cut() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut failed = String::new();
    let mut cases = 0;
    for path in files() {
        let case = Case::read(&path);
        let facts = case.facts();
        cases += 1;
        if update {
            std::fs::write(&path, case.with_facts(&facts)).expect("golden is written");
        } else if facts != case.expected {
            let name = path.file_name().unwrap_or_default().display();
            write!(
                failed,
                "\n--- {name}\nexpected:\n{}\nfound:\n{facts}",
                case.expected
            )
            .expect("text");
        }
    }
    assert!(cases > 80, "only {cases} goldens were found");
    assert!(failed.is_empty(), "{failed}");
}

struct Case {
    head: String,
    bytes: Vec<u8>,
    expected: String,
}

impl Case {
    fn read(path: &Path) -> Self {
        let file = std::fs::read(path).expect("golden is read");
        let (head, rest) = split_at_ruler(&file, "\n=== stream\n");
        let (bytes, expected) = split_at_ruler(rest, "\n=== facts\n");
        Self {
            head: String::from_utf8(head.to_vec()).expect("a text"),
            bytes: bytes.to_vec(),
            expected: String::from_utf8(expected.to_vec()).expect("a text"),
        }
    }

    fn with_facts(&self, facts: &str) -> Vec<u8> {
        let mut file = format!("{}\n=== stream\n", self.head).into_bytes();
        file.extend_from_slice(&self.bytes);
        file.extend_from_slice(b"\n=== facts\n");
        file.extend_from_slice(facts.as_bytes());
        file
    }

    fn facts(&self) -> String {
        let mut words = self.head.split(' ');
        let dialect = words
            .next()
            .and_then(Dialect::from_name)
            .expect("a dialect");
        let form = words.next().expect("a form");
        let mut bytes = self.bytes.clone();
        if words.next() == Some("crlf") {
            bytes = String::from_utf8(bytes)
                .expect("text")
                .replace('\n', "\r\n")
                .into_bytes();
        }
        match form {
            "answer" => answer_facts(dialect, &bytes),
            "array" => stream_facts(&Tap::json_array, &bytes),
            "stream" => stream_facts(&|| Tap::new(dialect), &bytes),
            other => panic!("unknown form {other}"),
        }
    }
}

/// The facts of a stream; they must not depend on how it is cut.
fn stream_facts(tap: &dyn Fn() -> Tap, bytes: &[u8]) -> String {
    let singly = replay(tap(), bytes.chunks(1));
    let commit = singly.commit;
    let whole = replay(tap(), std::iter::once(bytes));
    assert_eq!(whole.facts, singly.facts);
    assert!(
        bytes.starts_with(&singly.out),
        "what is relayed is the stream itself"
    );
    for at in 0..=bytes.len() {
        let (head, rest) = bytes.split_at(at);
        let mut tap = tap();
        let mut first = Vec::new();
        push(&mut tap, head, &mut first);
        assert_eq!(
            tap.committed(),
            commit.is_some_and(|commit| at >= commit),
            "at {at}"
        );
        let split = replay_from(tap, first, std::iter::once(rest));
        assert_eq!(split.facts, whole.facts, "split at {at}");
    }
    match commit {
        None => format!("commits: never\n{}", whole.facts),
        Some(commit) => format!("commits: after {} bytes\n{}", commit, whole.facts),
    }
}

struct Replay {
    facts: String,
    /// What was relayed before the end.
    out: Vec<u8>,
    /// After how many bytes the answer was committed.
    commit: Option<usize>,
}

fn replay<'a>(tap: Tap, chunks: impl Iterator<Item = &'a [u8]>) -> Replay {
    replay_from(tap, Vec::new(), chunks)
}

fn replay_from<'a>(
    mut tap: Tap,
    mut out: Vec<u8>,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Replay {
    let mut commit = None;
    let mut read = 0;
    for chunk in chunks {
        push(&mut tap, chunk, &mut out);
        read += chunk.len();
        if tap.committed() && commit.is_none() {
            commit = Some(read);
        }
    }
    let terminal = tap.terminal();
    let finish = tap.finish();
    let mut facts = String::new();
    let line = &mut facts;
    writeln!(line, "relayed: {} bytes", out.len()).expect("text");
    writeln!(line, "terminal: {terminal:?}").expect("text");
    writeln!(line, "ending: {:?}", finish.ending).expect("text");
    writeln!(line, "rest: {:?}", String::from_utf8_lossy(&finish.rest)).expect("text");
    writeln!(line, "model: {}", tap.model().unwrap_or("-")).expect("text");
    writeln!(line, "service tier: {}", tap.service_tier().unwrap_or("-")).expect("text");
    let last = if tap.usage_final() { "final" } else { "so far" };
    writeln!(line, "usage {last}: {}", usage(tap.usage())).expect("text");
    writeln!(line, "error: {}", error(tap.error())).expect("text");
    let wire = WireError::new(ErrorKind::BadGateway, "the upstream's stream ended early")
        .request_id("req_1");
    let last = tap.terminal_error(&wire);
    writeln!(line, "terminal error: {:?}", String::from_utf8_lossy(&last)).expect("text");
    Replay { facts, out, commit }
}

/// Feeds the tap; what it lets through is appended to `out`.
fn push(tap: &mut Tap, chunk: &[u8], out: &mut Vec<u8>) {
    let chunk = Bytes::copy_from_slice(chunk);
    for piece in tap.relay(&chunk).expect("short frames") {
        out.extend_from_slice(&piece);
    }
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
    error.map_or("-".to_owned(), |error| {
        format!(
            "{:?}, status {}, type {}, code {}, retry after {}, quotas {:?}: {}",
            error.kind,
            error.status,
            error.type_.as_deref().unwrap_or("-"),
            error.code.as_deref().unwrap_or("-"),
            error
                .retry_after
                .map_or("-".to_owned(), |delay: Duration| format!("{delay:?}")),
            error.quota_ids,
            error.message,
        )
    })
}

fn split_at_ruler<'a>(file: &'a [u8], ruler: &str) -> (&'a [u8], &'a [u8]) {
    let at = memchr::memmem::find(file, ruler.as_bytes()).expect("a ruler");
    (&file[..at], &file[at + ruler.len()..])
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/passthrough");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the goldens")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

//! What must hold for any bytes: one function per fuzz target, also run by `tests/fuzz_smoke.rs`.
use bytes::Bytes;
use serde::de::IgnoredAny;
use weir::protocol::passthrough::{Ending, Tap, read_answer};
use weir::protocol::sound::{self, Spoken};
use weir::protocol::sse::Frames;
use weir::protocol::{Dialect, error, json};

mod translation;
pub use translation::{
    stream_anthropic, stream_gemini, stream_openai_chat, stream_openai_responses, translate_request,
};

/// The scanner accepts exactly the objects that `serde_json` accepts, but for its own bounds, and its spans are values.
pub fn json_scan(data: &[u8]) {
    let data = inner(data);
    let reference = serde_json::from_slice::<IgnoredAny>(data).is_ok();
    let body = Bytes::copy_from_slice(data);
    match json::scan(&body) {
        Ok(members) => {
            assert!(reference, "accepted what is no JSON");
            for member in &members {
                serde_json::from_slice::<IgnoredAny>(&body[member.value.clone()]).expect("a value");
                member.name(&body).expect("a name");
            }
            if members.span(&body, "model").is_none() {
                // Perhaps there is a `Model`, beside which no `model` may be put.
                return;
            }
            let renamed = json::rename(&body, &members, "another").to_bytes();
            let again = json::scan(&renamed).expect("an edited object is an object");
            assert_eq!(again.string(&renamed, "model").as_deref(), Some("another"));
        }
        Err(json::Fault::Syntax { .. } | json::Fault::Empty) => assert!(!reference, "refused JSON"),
        Err(_) => {}
    }
}

/// No file is longer than a week, and where speech is cut as it goes by changes nothing.
pub fn sound(data: &[u8]) {
    const WEEK: u64 = 7 * 24 * 3_600_000;
    let Some((cut, file)) = data.split_first() else {
        return;
    };
    assert!(sound::length(file).is_none_or(|millis| millis <= WEEK));
    let heard = |pieces: &[&[u8]]| {
        let mut spoken = Spoken::default();
        for piece in pieces {
            spoken.push(piece);
        }
        [false, true].map(|raw| spoken.length(raw))
    };
    let (begin, end) = file.split_at(usize::from(*cut).min(file.len()));
    let whole = heard(&[file]);
    assert_eq!(heard(&[begin, end]), whole);
    assert!(whole.iter().flatten().all(|millis| *millis <= WEEK));
}

/// Where a stream is cut changes nothing, and relaying loses nothing.
pub fn sse_frames(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else {
        return;
    };
    let read = |chunks: &[&[u8]]| {
        let mut frames = Frames::new();
        let (mut seen, mut out) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let chunk = Bytes::copy_from_slice(chunk);
            let on = |frame: weir::protocol::sse::Frame<'_>| {
                seen.push((
                    frame.event.map(<[u8]>::to_vec),
                    frame.data.into_owned(),
                    frame.raw.to_vec(),
                ));
            };
            for piece in frames
                .relay(&chunk, on)
                .expect("shorter than the longest frame")
            {
                out.extend_from_slice(&piece);
            }
        }
        let relayed = out.len();
        out.extend_from_slice(&frames.take_held());
        assert_eq!(out, stream);
        (seen, relayed)
    };
    let (head, rest) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(read(&[stream]), read(&[head, rest]));
}

/// What the tap reads does not depend on where the stream is cut. A golden file is an input: its first line says which
/// dialect.
pub fn tap(data: &[u8]) {
    let (make, stream) = golden(data);
    let read = |chunks: &[&[u8]]| {
        let mut tap = make();
        for chunk in chunks {
            tap.push(chunk).expect("shorter than the longest frame");
        }
        let committed = tap.committed();
        let finish = tap.finish();
        assert!(finish.ending != Ending::Failed || tap.error().is_some());
        let wire = error::WireError::new(error::ErrorKind::Api, "x");
        let last = tap.terminal_error(&wire);
        (
            committed,
            finish,
            tap.usage(),
            tap.usage_final(),
            tap.model().map(str::to_owned),
            tap.error().cloned(),
            last,
        )
    };
    let whole = read(&[stream]);
    let (head, rest) = stream.split_at(stream.len() / 2);
    assert_eq!(whole, read(&[head, rest]));
    let singly: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, read(&singly));
}

/// Any body gives a kind, and no secret survives.
pub fn error_parse(data: &[u8]) {
    let data = inner(data);
    for dialect in Dialect::ALL {
        let status = 400 + u16::from(data.first().copied().unwrap_or(0)) % 200;
        let parsed = error::parse(dialect, status, data);
        assert!(parsed.message.len() <= 4096);
        let answer = read_answer(dialect, data);
        assert_eq!(answer.complete, answer.error.is_none());
    }
    let masked = error::mask(data, "a-secret");
    assert!(!masked.windows(8).any(|window| window == b"a-secret"));
}

/// The kind of tap that the first line of a golden asks for, and the stream.
fn golden(data: &[u8]) -> (Box<dyn Fn() -> Tap>, &[u8]) {
    let line = data.iter().position(|&byte| byte == b'\n');
    let head = String::from_utf8_lossy(&data[..line.unwrap_or(data.len())]).into_owned();
    let dialect = head.split(' ').next().and_then(Dialect::from_name);
    let dialect = dialect.unwrap_or(Dialect::OpenaiChat);
    if head.ends_with("array") {
        return (Box::new(Tap::json_array), inner(data));
    }
    (Box::new(move || Tap::new(dialect)), inner(data))
}

/// What stands between the rulers of a golden; of anything else, all of it.
fn inner(data: &[u8]) -> &[u8] {
    let find = |ruler: &[u8]| data.windows(ruler.len()).position(|window| window == ruler);
    let start = find(STREAM).map_or(0, |at| at + STREAM.len());
    let end = find(FACTS)
        .filter(|end| *end >= start)
        .unwrap_or(data.len());
    &data[start..end]
}

const STREAM: &[u8] = b"\n=== stream\n";
const FACTS: &[u8] = b"\n=== facts\n";

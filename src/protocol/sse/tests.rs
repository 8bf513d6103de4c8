//! Tests of the module above this file.
use proptest::prelude::*;

use super::*;

/// A frame without its lifetime.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Owned {
    event: Option<Vec<u8>>,
    data: Vec<u8>,
    raw: Vec<u8>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            event: frame.event.map(<[u8]>::to_vec),
            data: frame.data.into_owned(),
            raw: frame.raw.to_vec(),
        }
    }
}

/// Everything that a reader of these chunks gets, and the number of complete bytes of each chunk.
fn read(chunks: &[&[u8]]) -> (Vec<Owned>, Vec<usize>, Vec<Owned>) {
    let mut frames = Frames::new();
    let mut seen = Vec::new();
    let mut complete = Vec::new();
    let mut before = 0;
    for chunk in chunks {
        let cut = frames
            .push(chunk, |frame| seen.push(frame.into()))
            .expect("short frames");
        if cut.complete > 0 {
            complete.push(before + cut.complete);
        } else {
            complete.push(complete.last().copied().unwrap_or(0));
        }
        before += chunk.len();
        assert_eq!(
            frames.held(),
            before - complete.last().copied().unwrap_or(0)
        );
    }
    let mut tail = Vec::new();
    frames.finish(|frame| tail.push(frame.into()));
    (seen, complete, tail)
}

/// Checks the event and the data of each frame of a stream, for every possible division into chunks.
#[track_caller]
fn check(stream: &str, expected: &[(Option<&str>, &str)]) {
    let stream = stream.as_bytes();
    let whole = read(&[stream]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let shown: Vec<_> = whole
        .0
        .iter()
        .map(|frame| (frame.event.as_deref().map(text), text(&frame.data)))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(event, data)| (event.map(str::to_owned), (*data).to_owned()))
        .collect();
    assert_eq!(shown, expected);
    split_everywhere(stream);
}

/// Frames, rest and completeness depend only on the bytes, not on the division into chunks.
fn split_everywhere(stream: &[u8]) {
    let whole = read(&[stream]);
    for at in 0..=stream.len() {
        let (head, rest) = stream.split_at(at);
        let parts = read(&[head, rest]);
        assert_eq!((&parts.0, &parts.2), (&whole.0, &whole.2), "split at {at}");
        assert_eq!(parts.1, [read(&[head]).1[0], whole.1[0]], "split at {at}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    let single = read(&bytes);
    assert_eq!((&single.0, &single.2), (&whole.0, &whole.2));
    assert_eq!(
        single.1.last(),
        whole.1.last().filter(|_| !stream.is_empty())
    );
    relays(&[stream]);
    relays(&bytes);
}

/// Forwarded bytes always end with a frame, and nothing is lost.
fn relays(chunks: &[&[u8]]) {
    let mut frames = Frames::new();
    let mut out = Vec::new();
    for chunk in chunks {
        let chunk = Bytes::copy_from_slice(chunk);
        for piece in frames.relay(&chunk, |_| {}).expect("short frames") {
            out.extend_from_slice(&piece);
        }
        assert_eq!(
            read(&[&out]).1[0],
            out.len(),
            "only whole frames are relayed"
        );
    }
    out.extend_from_slice(&frames.take_held());
    assert_eq!(out, chunks.concat());
}

#[test]
fn reads_events_and_data() {
    check(
        "event: a\ndata: 1\n\ndata: 2\n\n",
        &[(Some("a"), "1"), (None, "2")],
    );
    check("data:1\n\ndata:  2\n\n", &[(None, "1"), (None, " 2")]);
    check("data: 1\ndata:\ndata: 2\n\n", &[(None, "1\n\n2")]);
    check("data\n\ndata\ndata\n\n", &[(None, ""), (None, "\n")]);
    check("event: a\nevent: b\ndata: 1\n\n", &[(Some("b"), "1")]);
    check("id: 7\nretry: 3\ndatax: no\n\n", &[(None, "")]);
}

#[test]
fn every_line_end_ends_a_line() {
    check(
        "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
        &[(Some("a"), "1"), (None, "2")],
    );
    check(
        "event: a\rdata: 1\r\rdata: 2\r\r",
        &[(Some("a"), "1"), (None, "2")],
    );
    check(
        "data: 1\r\ndata: 2\rdata: 3\n\r\ndata: 4\n\r",
        &[(None, "1\n2\n3"), (None, "4")],
    );
    check("\n\n\r\n\r\rdata: 1\n\n\n\n", &[(None, "1")]);
}

#[test]
fn other_line_separators_are_text() {
    check(
        "data: a\u{2028}b\u{2029}c\u{85}d\u{b}e\n\n",
        &[(None, "a\u{2028}b\u{2029}c\u{85}d\u{b}e")],
    );
}

#[test]
fn comments_are_silent_frames() {
    check(
        ": keep-alive\n\n:\n\ndata: 1\n\n",
        &[(None, ""), (None, ""), (None, "1")],
    );
    let mut silent = 0;
    let mut frames = Frames::new();
    frames
        .push(b": x\n\n", |frame| silent += usize::from(frame.is_silent()))
        .expect("short");
    assert_eq!(silent, 1);
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    check(
        "\u{feff}data: 1\n\n\u{feff}data: 2\n\n",
        &[(None, "1"), (None, "")],
    );
}

#[test]
fn an_unfinished_frame_is_the_tail() {
    let (seen, complete, tail) = read(&[b"data: 1\n\ndata: 2\n"]);
    assert_eq!((seen.len(), complete), (1, vec![9]));
    assert_eq!(tail[0].data, b"2");
    assert_eq!(tail[0].raw, b"data: 2\n");
    assert!(read(&[b"data: 1\n\n"]).2.is_empty());
    assert_eq!(read(&["\u{feff}data: 1".as_bytes()]).2[0].data, b"1");
}

#[test]
fn a_whole_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let mut frames = Frames::new();
    let pieces = frames
        .relay(&chunk, |frame| {
            assert!(matches!(frame.data, Cow::Borrowed(_)));
        })
        .expect("short");
    let pieces: Vec<&Bytes> = pieces.iter().collect();
    assert_eq!(pieces.len(), 1);
    assert_eq!(pieces[0].as_ptr(), chunk.as_ptr());
    assert_eq!(frames.held.capacity(), 0);
}

#[test]
fn a_frame_has_a_longest_length_however_it_is_cut() {
    let limit = 64;
    let stream =
        |length: usize| format!("data: 1\n\ndata: {}\n\n", "x".repeat(length - 8)).into_bytes();
    for size in [1, 7, 63, 64, 65, 200] {
        let feed = |stream: &[u8]| {
            let mut frames = Frames::with_limit(limit);
            let mut seen = 0;
            let fits = stream
                .chunks(size)
                .try_for_each(|chunk| frames.push(chunk, |_| seen += 1).map(|_| ()));
            assert!(frames.held() <= limit);
            (fits, seen)
        };
        assert_eq!(feed(&stream(limit)), (Ok(()), 2), "chunks of {size}");
        assert_eq!(
            feed(&stream(limit + 1)),
            (Err(TooLong { limit }), 1),
            "chunks of {size}"
        );
    }
    let endless = vec![b'x'; MAX_FRAME + 1];
    assert_eq!(
        Frames::new().push(&endless, |_| {}),
        Err(TooLong { limit: MAX_FRAME })
    );
}

#[test]
fn what_is_written_reads_back() {
    let mut out = BytesMut::new();
    write(&mut out, Some("a"), b"1\n2\r\n3\r4");
    write(&mut out, None, b"");
    assert_eq!(
        out,
        &b"event: a\ndata: 1\ndata: 2\ndata: 3\ndata: 4\n\ndata: \n\n"[..]
    );
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        tokens in prop::collection::vec(
            prop::sample::select(vec!["\n", "\r", "\r\n", "data: ", "data:", "data", "event: ", ":", "x", "é", "\u{2028}", "\u{feff}"]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = tokens.concat().into_bytes();
        split_everywhere(&stream);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let (parts, whole) = (read(&chunks), read(&[&stream]));
        prop_assert_eq!((parts.0, parts.2), (whole.0, whole.2));
        relays(&chunks);
    }

    #[test]
    fn written_frames_are_read_back(event in prop::option::of("[a-z._]{1,12}"), data in "[a\n:é ]{0,20}") {
        let mut out = BytesMut::new();
        write(&mut out, event.as_deref(), data.as_bytes());
        let (seen, complete, _) = read(&[&out]);
        prop_assert_eq!(complete, vec![out.len()]);
        prop_assert_eq!(seen[0].event.as_deref(), event.as_deref().map(str::as_bytes));
        prop_assert_eq!(&seen[0].data, data.as_bytes());
    }
}

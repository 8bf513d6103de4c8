//! Speech that is sold by the token comes as bare sound: what it costs is told by how long what went by is, row by row of
//! `docs/MONEY.md`.
use std::time::Duration;

use serde_json::Value;

use super::books::{add_up, nano, priced};
use crate::rig::{Upstream, Weir, Wire, account, eventually, sample};
use weir::protocol::Dialect::OpenaiChat;

const SPOKEN: &str = "/v1/audio/speech";
/// By the price of the table: 0.60 USD for a million tokens of text, 12 USD for a million of sound.
const ASK: &str = r#"{"model":"gpt-4o-mini-tts","voice":"alloy","input":"The fox, who is quick, jumps over the dog.","response_format":"FORMAT"}"#;

/// Two seconds at 24,000 samples of 16 bits.
fn raw() -> Vec<u8> {
    vec![0; 96_000]
}

/// The same with a head of someone who does not know how much follows.
fn wav() -> Vec<u8> {
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend_from_slice(&24_000_u32.to_le_bytes());
    file.extend_from_slice(&48_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data\xff\xff\xff\xff");
    file.extend(raw());
    file
}

/// The format that is asked for, its media type, a sound, and how many tokens it is: one for every 48 milliseconds.
fn sounds() -> Vec<(&'static str, &'static str, Vec<u8>, u64)> {
    let file = |bytes: &[u8]| bytes.to_vec();
    vec![
        (
            "mp3",
            "audio/mpeg",
            file(include_bytes!("../sounds/pipe.mp3")),
            75,
        ),
        (
            "mp3",
            "audio/mpeg",
            file(include_bytes!("../sounds/vbr.mp3")),
            75,
        ),
        (
            "opus",
            "audio/opus",
            file(include_bytes!("../sounds/pipe.ogg")),
            73,
        ),
        (
            "aac",
            "audio/aac",
            file(include_bytes!("../sounds/raw.aac")),
            75,
        ),
        (
            "flac",
            "audio/flac",
            file(include_bytes!("../sounds/pipe.flac")),
            73,
        ),
        ("wav", "audio/wav", wav(), 42),
        ("pcm", "audio/pcm", raw(), 42),
        // What cannot be read is as long as its text usually is: 42 characters.
        ("mp3", "audio/mpeg", b"\x01 sound".to_vec(), 58),
        // Of what was not asked for, the bytes tell.
        ("pcm", "audio/mpeg", wav(), 42),
    ]
}

/// How a sound comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    Whole,
    InPieces,
    /// Half of it, and the client leaves.
    UntilLeft,
    /// Half of it, and the upstream is gone.
    UntilBroken,
}

fn play(wire: &mut Wire, media: &str, sound: &[u8], comes: Comes) {
    if comes == Comes::Whole {
        return wire.answer(200, &[("content-type", media)], sound);
    }
    wire.raw(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n"
    ));
    let sent = match comes {
        Comes::InPieces => sound,
        _ => &sound[..sound.len() / 2],
    };
    for piece in sent.chunks(1_777) {
        wire.chunk(piece);
    }
    match comes {
        Comes::InPieces => wire.end(),
        Comes::UntilLeft => {
            wire.closes_within(Duration::from_secs(20));
        }
        _ => wire.close(),
    }
}

fn line(weir: &Weir, number: usize) -> Value {
    eventually("its line", || {
        let mut lines = weir.lines().into_iter();
        lines.nth(number - 1)
    })
}

/// The tokens of the answer, after it was proved that all else of its line goes with them.
fn spoken(line: &Value) -> u64 {
    let count = |kind: &str| line["tokens"][kind].as_u64().unwrap_or(0);
    let (input, output) = (count("input"), count("output"));
    assert!((10..80).contains(&input), "{line}");
    assert_eq!(
        nano(&line["cost_usd"]),
        input * 600 + output * 12_000,
        "{line}"
    );
    assert_eq!(line["usage_source"], "estimated", "{line}");
    assert_eq!(line["units"]["characters"], 42, "{line}");
    output
}

#[test]
fn speech_that_is_sold_by_the_token_is_booked_by_its_length() {
    for (format, media, sound, tokens) in sounds() {
        let (ways, played) = ([Comes::Whole, Comes::InPieces], sound.clone());
        let upstream = Upstream::start(move |request, wire| {
            play(wire, media, &played, ways[request.number % 2]);
        });
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let entry = account("a", &sample(OpenaiChat), &upstream, "");
        let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
        for number in 1..=2 {
            let said = weir
                .post(SPOKEN, ASK.replace("FORMAT", format))
                .send()
                .is(200);
            assert!(said.body == sound, "{format}: bytes pass untouched");
            let line = line(&weir, number);
            assert_eq!(spoken(&line), tokens, "{format} {media}: {line}");
        }
        add_up(&weir, &ledger, 2);
        let labels = [("key", "team"), ("kind", "output")];
        weir.until_metric("weir_tokens_total", &labels, (2 * tokens) as f64);
    }
}

/// A client that leaves and an upstream that breaks off: what was relayed is paid for. Before anything came, only the text.
#[test]
fn speech_that_breaks_off_is_paid_for_as_far_as_it_came() {
    for comes in [Comes::UntilLeft, Comes::UntilBroken] {
        let upstream = Upstream::start(move |request, wire| match request.number {
            0 => play(wire, "audio/pcm", &raw(), comes),
            _ => {
                wire.closes_within(Duration::from_secs(20));
            }
        });
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let entry = account("a", &sample(OpenaiChat), &upstream, "");
        let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
        let call = || weir.post(SPOKEN, ASK.replace("FORMAT", "pcm"));
        let mut open = call().open();
        if comes == Comes::UntilLeft {
            open.until(raw().len() / 2);
            drop(open);
        } else {
            assert!(!open.rest().whole);
        }
        let half = line(&weir, 1);
        assert_eq!(spoken(&half), 21, "{comes:?}: {half}");
        let open = call().start();
        upstream.until(2);
        drop(open);
        let none = line(&weir, 2);
        assert_eq!(spoken(&none), 0, "{none}");
        add_up(&weir, &ledger, 2);
    }
}

/// What is sold by the character stays so, whatever its sound says; and what events state goes before what is heard.
#[test]
fn what_is_stated_or_sold_by_the_character_is_not_estimated_by_its_length() {
    let sound = include_bytes!("../sounds/pipe.mp3");
    let events = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\n\
        data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":101,\"total_tokens\":115}}\n\n";
    let upstream = Upstream::start(move |request, wire| {
        if request.number == 0 {
            return wire.answer(200, &[("content-type", "audio/mpeg")], sound);
        }
        wire.stream();
        wire.chunk(events);
        wire.end();
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
    weir.post(SPOKEN, r#"{"model":"tts-1","input":"Hello"}"#)
        .send()
        .is(200);
    let characters = line(&weir, 1);
    assert_eq!(nano(&characters["cost_usd"]), 75_000, "{characters}");
    assert!(
        characters["tokens"]["output"].as_u64().unwrap_or(0) == 0,
        "{characters}"
    );
    let ask = ASK.replace(
        "\"response_format\":\"FORMAT\"",
        "\"stream_format\":\"sse\"",
    );
    weir.post(SPOKEN, ask).send().is(200);
    let stated = line(&weir, 2);
    assert_eq!(stated["usage_source"], "reported", "{stated}");
    assert_eq!(
        nano(&stated["cost_usd"]),
        14 * 600 + 101 * 12_000,
        "{stated}"
    );
    add_up(&weir, &ledger, 2);
}

/// Eight thousand characters take nine minutes, which cost 0.13.
#[test]
fn speech_that_is_sold_by_the_token_is_reserved_before_it_is_made() {
    let upstream = Upstream::start(|_, wire| play(wire, "audio/pcm", &raw(), Comes::Whole));
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "usd_per_day: 0.1", &[entry]));
    let long = format!(
        r#"{{"model":"gpt-4o-mini-tts","input":"{}"}}"#,
        "a".repeat(8_000)
    );
    weir.post(SPOKEN, long).send().is(429);
    assert_eq!(upstream.count(), 0, "nothing was asked for");
    weir.post(SPOKEN, ASK.replace("FORMAT", "pcm"))
        .send()
        .is(200);
}

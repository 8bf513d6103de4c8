//! `weir replay`: recorded exchanges once more, offline.
use std::path::{Path, PathBuf};

use crate::rig::process::{Ended, command, run};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

fn replay(directory: &Path, cases: &[&str]) -> Ended {
    let mut command = command(&["replay"]);
    run(command.arg(directory).args(cases))
}

/// A directory with one golden of each kind.
fn recorded() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (folder, name) in [
        ("translate", "anthropic_to_chat_stream_crlf.txt"),
        ("passthrough", "answer_chat.txt"),
    ] {
        std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        let to = dir.path().join(folder).join(name);
        std::fs::copy(goldens().join(folder).join(name), to).expect("a golden");
    }
    dir
}

#[test]
fn goldens_are_cases_like_any_other() {
    let dir = recorded();
    let ended = replay(dir.path(), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "ok       passthrough/answer_chat\nok       translate/anthropic_to_chat_stream_crlf\n2 cases: 2 as recorded\n"
    );
    // By their names, in the folder above them and in their own.
    for (directory, name) in [
        (goldens(), "answer_chat.txt"),
        (goldens(), "passthrough/answer_chat"),
        (goldens().join("translate"), "anthropic_to_chat_stream_crlf"),
    ] {
        let ended = replay(&directory, &[name]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.stdout.ends_with("1 case: 1 as recorded\n"),
            "{ended:?}"
        );
    }
}

#[test]
fn what_differs_is_shown_and_ends_with_1() {
    let dir = recorded();
    let path = dir
        .path()
        .join("translate/anthropic_to_chat_stream_crlf.txt");
    let text = std::fs::read_to_string(&path).expect("a case");
    std::fs::write(&path, text.replace("message_stop", "message_halt")).expect("a case");
    let ended = replay(dir.path(), &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let out = &ended.stdout;
    assert!(
        out.contains(
            "differs  translate/anthropic_to_chat_stream_crlf\n  client stream, from line"
        ),
        "{out}"
    );
    assert!(
        out.contains("\n  - event: message_halt") && out.contains("\n  + event: message_stop"),
        "{out}"
    );
    assert!(
        out.ends_with("2 cases: 1 as recorded, 1 different\n"),
        "{out}"
    );
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_what_is_expected() {
    let dir = recorded();
    let good = std::fs::read(
        dir.path()
            .join("translate/anthropic_to_chat_stream_crlf.txt"),
    )
    .expect("a case");
    let put =
        |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a file");
    put("binary.txt", b"\x00\x01\xff\xfe");
    put("empty.txt", b"");
    put("cut.txt", &good[..good.len() / 5]);
    put("headless.txt", b"----- client request\n{}\n");
    put("half.txt", b"anthropic answer\n=== stream\n{}");
    std::fs::create_dir(dir.path().join("folder.txt")).expect("a folder");
    let huge = std::fs::File::create(dir.path().join("huge.txt")).expect("a file");
    huge.set_len(1 << 40).expect("a hole");
    // What a killed recorder left behind is no case.
    put(".half.part", b"anthropic answer");
    put(".hidden.txt", b"anthropic answer");
    let ended = replay(dir.path(), &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for (name, part) in [
        ("binary", "is not text"),
        ("empty", "is empty; expected a case"),
        ("headless", "in its head"),
        ("half", "=== facts"),
        ("folder", "is no file"),
        (
            "huge",
            "has 1099511627776 bytes, expected a case of at most",
        ),
    ] {
        let line = ended
            .stderr
            .lines()
            .find(|line| line.contains(&format!("{name}.txt ")));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stderr));
        assert!(line.contains(part), "{line}");
    }
    assert!(
        !ended.stderr.contains("panicked") && !ended.stderr.contains(".hidden"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.contains("ok       passthrough/answer_chat\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    let dir = recorded();
    let file = dir.path().join("passthrough/answer_chat.txt");
    let empty = tempfile::tempdir().expect("a directory");
    for (directory, cases, part) in [
        (
            dir.path(),
            &["answer_chat", "no-such-case"][..],
            "has no case `no-such-case`; it has 2 cases, the first is `passthrough/answer_chat`",
        ),
        (&file, &[], "is no directory, expected one with cases"),
        (
            empty.path(),
            &[],
            "has no cases: expected files that end in .txt",
        ),
        (&empty.path().join("nothing"), &[], "cannot be read"),
    ] {
        let ended = replay(directory, cases);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(part), "{ended:?}");
        assert_eq!(ended.stdout, "", "{ended:?}");
    }
    let ended = run(&mut command(&["replay"]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("<DIR>"), "{ended:?}");
}

//! What the documents show can be typed: configurations pass `weir check`, commands and their options exist, shell is shell.
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::process::{command, run};

/// A block of a document.
struct Block {
    /// File and line.
    place: String,
    text: String,
}

/// Every Markdown file that users read.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md"), root.join("README.zh-CN.md")];
    for directory in ["docs", "docs/decisions", "docs/dialects"] {
        let entries = fs::read_dir(root.join(directory)).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    found.sort();
    found
}

/// The blocks of this language.
fn blocks(language: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).expect("a document");
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            if let Some(mut block) = open.take() {
                if !line.starts_with("```") {
                    writeln!(block.text, "{line}").expect("text");
                    open = Some(block);
                } else if !block.place.is_empty() {
                    found.push(block);
                }
            } else if let Some(named) = line.strip_prefix("```") {
                let is_meant = named == language;
                let place = format!("{}:{}", path.display(), number + 2);
                open = Some(Block {
                    place: if is_meant { place } else { String::new() },
                    text: String::new(),
                });
            }
        }
    }
    found
}

/// The words that stand after `before` in a text of YAML.
fn after<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let parts = text.split(before).skip(1);
    let word = |part: &'a str| part.split([',', ' ', '}', '\n']).next().unwrap_or_default();
    parts.map(word).filter(|word| !word.is_empty()).collect()
}

/// The whole configuration that a block is a part of.
fn whole(block: &str) -> String {
    let digest = format!("sha256: \"{}\"", "0a".repeat(32));
    let mut text = String::new();
    for line in block.lines() {
        // A digest that is only hinted at.
        let line = match line.split_once("sha256: \"…") {
            Some((before, rest)) => {
                let rest = rest.split_once('"').map_or("", |(_, rest)| rest);
                format!("{before}{digest}{rest}")
            }
            None => line.to_owned(),
        };
        writeln!(text, "{line}").expect("text");
    }
    let has = |section: &str| {
        block
            .lines()
            .any(|line| line.starts_with(&format!("{section}:")))
    };
    if !has("version") {
        text += "version: 1\n";
    }
    if !has("accounts") {
        text += "accounts: [{ name: some, provider: anthropic, key: { env: SOME_KEY } }]\n";
    }
    if !has("keys") {
        text += "anonymous: true\n";
    }
    if !has("pools") && has("routes") {
        text += "pools:\n";
        for name in after(block, "pool: ") {
            writeln!(text, "  - {{ name: {name}, accounts: [some] }}").expect("text");
        }
    }
    text
}

#[test]
fn every_configuration_in_the_documents_passes_the_check() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("weir.yaml");
    let prices = "- { model: some, input: 1, output: 2 }\n";
    fs::write(dir.path().join("prices.yaml"), prices).expect("a file");
    let (mut checked, mut faults) = (0, String::new());
    for block in blocks("yaml") {
        // That of a Prometheus.
        if block.text.contains("scrape_configs:") {
            continue;
        }
        checked += 1;
        fs::write(&file, whole(&block.text)).expect("a file");
        let mut check = command(&["check", "--allow-missing-secrets", "-c"]);
        let ended = run(check.arg(&file));
        if ended.code != Some(0) {
            writeln!(faults, "{}\n{}{}", block.place, ended.stdout, ended.stderr).expect("text");
        }
    }
    assert!(checked > 12, "only {checked}");
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_block_of_shell_is_one() {
    let mut checked = 0;
    for block in blocks("sh") {
        checked += 1;
        let mut bash = Command::new("bash");
        let child = bash
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("bash exists");
        let mut input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, block.text.as_bytes()).expect("it reads");
        drop(input);
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {said}", block.place);
    }
    assert!(checked > 10, "only {checked}");
}

/// The commands of a block, each in words; comments and what pipes lead to are none.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| match line.find(" #") {
        Some(comment) => &line[..comment],
        None if line.starts_with('#') => "",
        None => line,
    });
    let commands = lines.flat_map(|line| line.split(['|', ';', '<', '>']));
    let words = |command: &str| {
        let words = command.split_whitespace().map(str::to_owned);
        words
            .skip_while(|word| word == "sudo" || word.contains("_KEY="))
            .collect::<Vec<_>>()
    };
    commands
        .map(words)
        .filter(|words| !words.is_empty())
        .collect()
}

#[test]
fn every_command_and_option_in_the_documents_exists() {
    let (mut seen, mut faults) = (0, BTreeSet::new());
    let makefile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile"));
    let makefile = makefile.expect("a Makefile");
    for block in blocks("sh") {
        for words in commands(&block.text) {
            let Some(first) = words.first() else { continue };
            let options: Vec<&str> = words
                .iter()
                .filter(|word| word.starts_with('-') && word.len() > 1)
                .map(|word| word.split('=').next().unwrap_or_default())
                .collect();
            if first == "make" {
                for word in words.iter().skip(1).filter(|word| !word.contains('=')) {
                    let is_there = makefile
                        .lines()
                        .any(|line| line.starts_with(&format!("{word}:")));
                    if !is_there {
                        faults.insert(format!("{}: make {word}", block.place));
                    }
                }
            } else if first == "weir" || first.ends_with("/weir") {
                let two = words
                    .get(1)
                    .is_some_and(|word| word == "key" || word == "prices");
                let path: Vec<&str> = words
                    .iter()
                    .skip(1)
                    .take(1 + usize::from(two))
                    .map(String::as_str)
                    .collect();
                seen += 1;
                let ended = run(command(&path).arg("--help"));
                if ended.code != Some(0) {
                    faults.insert(format!("{}: weir {}", block.place, path.join(" ")));
                }
                for option in options {
                    let known = ended
                        .stdout
                        .split([' ', ',', '\n', '['])
                        .any(|word| word == option);
                    if !known {
                        faults.insert(format!("{}: weir {} {option}", block.place, path.join(" ")));
                    }
                }
            }
        }
    }
    assert!(seen > 15, "only {seen}");
    assert!(faults.is_empty(), "{faults:#?}");
}

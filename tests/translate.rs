//! Translation, case by case. A case is one file in `goldens/translate/`: what the client asks, what the upstream is asked, what it
//! answers, what the client gets, separated by rulers. `UPDATE_GOLDEN=1` rewrites what is computed, `GOLDEN=part` runs only the
//! cases with that in their name. `weir run --record` writes such files: one that is copied there is a test from then on.
//!
//! Every stream is replayed whole, byte by byte, and split at every offset, with the same output; and what comes out is held to
//! the grammar of the client's dialect.
use std::fs;
use std::path::Path;

use weir::cases::Cuts;
use weir::cases::difference::differences;
use weir::cases::translated::{Case, Section};
use weir::outcome::End;

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
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let run = Case::parse(&text).and_then(|case| case.run(Cuts::Many));
    let done = match run {
        Ok(done) => done,
        Err(why) => return Some(format!("{name}: {why}")),
    };
    let left = done.head().ended.as_ref().map(|ended| ended.end) == Some(End::ClientGone);
    if let Some(stream) = done.section(Section::ClientStream).filter(|_| !left)
        && let Err(breach) = grammar::check(done.head().client, stream)
    {
        return Some(format!("{name}: {breach}\n{stream}"));
    }
    let actual = done.print();
    if actual == text {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, actual).unwrap();
        return None;
    }
    let differences = differences(text.as_bytes(), actual.as_bytes());
    Some(format!("{name}:\n{}", differences.join("\n")))
}

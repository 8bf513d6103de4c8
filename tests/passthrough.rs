//! What the tap reads from recorded streams and answers, however the bytes are cut.
//!
//! Every file of `tests/goldens/passthrough/` is one case: a line that says what it is (`anthropic stream`,
//! `gemini array`, `openai-chat answer`), the bytes between two rulers, and the facts that must come out of them.
//! `UPDATE_GOLDEN=1 cargo test --test passthrough` writes the facts anew. `weir run --record` writes such files, too.
use std::fmt::Write;
use std::path::{Path, PathBuf};

use weir::cases::Cuts;
use weir::cases::passed::Case;

#[test]
fn every_golden_holds_however_its_bytes_are_cut() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut failed = String::new();
    let mut cases = 0;
    for path in files() {
        let name = path.file_name().unwrap_or_default().display();
        let file = std::fs::read(&path).expect("golden is read");
        let case = Case::read(&file).unwrap_or_else(|why| panic!("{name} {why}"));
        let facts = case
            .facts(Cuts::Many)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        cases += 1;
        if update {
            std::fs::write(&path, case.with_facts(&facts)).expect("golden is written");
        } else if facts.as_bytes() != case.expected() {
            write!(
                failed,
                "\n--- {name}\nexpected:\n{}\nfound:\n{facts}",
                String::from_utf8_lossy(case.expected())
            )
            .expect("text");
        }
    }
    assert!(cases > 80, "only {cases} goldens were found");
    assert!(failed.is_empty(), "{failed}");
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

//! The architecture as a test: import order, who may name the framework, file budgets, documentation that leads somewhere.
//!
//! Each rule is a function from text to faults, tried on small bad inputs at the end of this file, so that a rule which
//! cannot fail is found out. The order is the one of `docs/ARCHITECTURE.md`.
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use structure::Tree;
use tokens::tokens;

#[path = "architecture/documents.rs"]
mod documents;
#[path = "architecture/signatures.rs"]
mod signatures;
#[path = "architecture/structure.rs"]
mod structure;
#[path = "architecture/tokens.rs"]
mod tokens;

/// Top-level modules of `src/`, highest first. A module may import lower ones only.
const ORDER: &[&str] = &[
    "main",
    "cli",
    "proxy",
    "telemetry",
    "cases",
    "exchange",
    "pool",
    "fleet",
    "limits",
    "pricing",
    "keys",
    "credentials",
    "config",
    "outcome",
    "moment",
    "tokens",
    "catalog",
    "protocol",
];

/// The only modules that may name the frameworks.
const MAY_NAME_FRAMEWORKS: &[&str] = &["main", "cli", "proxy"];
const FRAMEWORKS: &[&str] = &["pingora", "tokio"];

/// Lines of a file before its tests. Tables may be longer: the files named here, and `*table*`.
const MAX_LINES: usize = 400;
const TABLES: &[&str] = &["families.rs"];

/// Files that may have up to [`LONGEST`] lines, each with its reason: to cut a type by its length helps no reader.
const LONG: &[&str] = &[
    "src/exchange/attempts.rs", // what `proxy` drives: mostly one-line verbs
    "src/exchange/refusal.rs", // one enum and what each of its variants says, asks and is counted as
    "src/exchange/relaying.rs", // the same of an answer: the phases are types of their own
    "src/exchange/serving_record.rs", // what is known of who served a request, written by many and read once
    "src/protocol/translate.rs", // the halves, stops and pauses of a translator are types of their own
    "src/proxy/edge.rs",         // the hooks of Pingora, in their order
];
const LONGEST: usize = 450;

const SIMULATED: &str = "crates/simulated/src";

/// Types whose methods may stand in several files, each with its reason.
const SCATTERED: &[&str] = &[
    "Compiler", // one method a section of the configuration, each beside the section's own rules
    "Pool", // never changed once it is built: a file a question that is asked of it, each reading the same four lists
];

/// The order inside a room, highest first: of its sub-rooms, and of the files beside them.
const SUB_ROOMS: &[(&str, &[&str])] = &[
    (
        "catalog",
        &["rows", "row", "counting", "price", "terms", "units"],
    ),
    (
        "exchange",
        &[
            "socket",
            "local",
            "catalogue",
            "usage",
            "framing",
            "explain",
            "attempts",
            "counting",
            "telling",
            "step",
            "attempt",
            "plan",
            "search",
            "served",
            "unsaid",
            "estimate",
            "relaying",
            "translation",
            "target",
            "stream_usage",
            "markers",
            "order",
            "codex",
            "bill",
            "limits",
            "admit",
            "store",
            "rewrite",
            "session",
            "received",
            "route",
            "form",
            "reading",
            "extent",
            "occasion",
            "tape",
            "origin",
            "headers",
            "refusal",
            "failure_messages",
            "verdict",
            "account_objects",
            "operation",
            "vendor_call",
            "path",
            "echo",
        ],
    ),
    (
        "pool",
        &[
            "select",
            "unbooked",
            "shadow",
            "explain",
            "status",
            "spare",
            "strategy",
            "roster",
            "want",
            "lease",
            "live",
            "state",
            "spare_slot",
            "level",
            "exhausted",
            "health",
            "classify",
            "failure",
            "quota",
        ],
    ),
    (
        "protocol",
        &[
            "translate",
            "system",
            "regroup",
            "openai_responses",
            "openai_chat",
            "gemini",
            "anthropic",
            "passthrough",
            "sse",
            "hub",
            "models",
            "error",
            "json",
        ],
    ),
    (
        "proxy",
        &[
            "process",
            "simulator",
            "admin",
            "edge",
            "websocket",
            "request",
            "relay",
            "state",
            "client",
            "upstream",
            "recording",
            "random",
            "clocks",
        ],
    ),
];

/// Parameters of a function beside `self`. More of them are a type that nobody has named yet.
const MAX_PARAMETERS: usize = 5;

/// Fields that other files of their room may touch. A type's state is private to its file; this number only shrinks.
const SHARED_FIELDS: usize = 44;

/// Rooms whose public fields each have a comment.
const SAYING_FIELDS: &[&str] = &[
    "src/catalog",
    "src/config/settings",
    "src/limits",
    "src/outcome",
    "src/pricing",
];

/// What a finished file does not contain. Compared token by token, so spacing does not matter.
const UNFINISHED: &[&str] = &[
    "todo!",
    "unimplemented!",
    "dbg!",
    "#[ignore",
    "allow(dead_code",
];

#[test]
fn modules_import_downwards_only() {
    verdict(&over(&rust_files("src"), |file, text| {
        imports(&module_of(file), text)
    }));
}

#[test]
fn frameworks_are_named_at_the_edge_only() {
    verdict(&over(&rust_files("src"), |file, text| {
        frameworks(&module_of(file), text)
    }));
}

/// A type's state is private to the file that defines it, so its methods stand there too.
#[test]
fn methods_stand_in_the_file_of_their_type() {
    verdict(&tree().scattered(SCATTERED));
}

#[test]
fn functions_take_few_parameters() {
    verdict(&over(&all_rust_files(), |_, text| {
        signatures::crowded(&tokens(text), MAX_PARAMETERS)
    }));
}

/// See `docs/decisions/records.md` for the types whose fields are plainly public.
#[test]
fn state_is_private_to_its_file() {
    let mut files = rust_files("src");
    files.extend(rust_files("crates"));
    let shared: usize = files
        .iter()
        .map(|file| signatures::shared_fields(&tokens(&read(file))).len())
        .sum();
    assert!(
        shared <= SHARED_FIELDS,
        "{shared} fields are open to other files, at most {SHARED_FIELDS}: make them private, with verbs on the type"
    );
    assert!(
        SHARED_FIELDS < shared + 10,
        "only {shared} fields are open to other files: take the number down"
    );
}

/// What an operator or another room reads off a field stands there: unit, bounds, default, the setting that it comes from.
#[test]
fn public_fields_say_what_they_hold() {
    let mut files: Vec<PathBuf> = SAYING_FIELDS
        .iter()
        .flat_map(|place| rust_files(place))
        .collect();
    files.push("src/outcome.rs".into());
    verdict(&over(&files, |_, text| unsaid_fields(text)));
}

#[test]
fn files_of_a_room_stand_in_no_circle() {
    verdict(&tree().circles());
}

#[test]
fn sub_rooms_import_downwards_only() {
    let tree = tree();
    let faults: Vec<String> = SUB_ROOMS
        .iter()
        .flat_map(|(room, order)| tree.climbs(room, order))
        .collect();
    verdict(&faults);
}

#[test]
fn files_keep_to_their_budget() {
    let mut files = rust_files("src");
    files.extend(rust_files(SIMULATED));
    verdict(&over(&files, budget));
}

#[test]
fn every_file_says_what_it_is() {
    // A fuzz target is one line that calls a property; the property says what it is.
    let mut files = all_rust_files();
    files.retain(|file| !file.starts_with("fuzz/fuzz_targets"));
    verdict(&over(&files, |_, text| head(text)));
}

#[test]
fn nothing_is_left_unfinished() {
    verdict(&over(&all_rust_files(), |_, text| unfinished(text)));
}

#[test]
fn every_configuration_in_conf_is_loaded_by_a_test() {
    let mut tests = String::new();
    for file in rust_files("src").iter().chain(&rust_files("tests")) {
        if file.starts_with("tests/architecture") || file.ends_with("architecture.rs") {
            continue; // names them, loads none
        }
        let text = read(file);
        tests.push_str(tests_of(file, &text));
    }
    let names = files(Path::new("conf"), "yaml");
    assert!(!names.is_empty(), "no files to look at");
    let faults: Vec<String> = names
        .iter()
        .filter_map(|file| untested(file, &tests))
        .collect();
    verdict(&faults);
}

#[test]
fn links_in_documents_lead_somewhere() {
    verdict(&over(&files(Path::new("."), "md"), |file, text| {
        let directory = file.parent().unwrap_or(Path::new(""));
        links(text)
            .into_iter()
            .filter(|link| !directory.join(link).exists())
            .map(|link| format!("`{link}` does not exist"))
            .collect()
    }));
}

/// A stranger finds a behaviour's file by `docs/ARCHITECTURE.md`, so what it names is there.
#[test]
fn files_named_in_documents_exist() {
    verdict(&over(&files(Path::new("docs"), "md"), |_, text| {
        named_files(text)
            .into_iter()
            .filter(|file| !root().join(file).exists())
            .map(|file| format!("`{file}` does not exist"))
            .collect()
    }));
}

// The rules: text in, faults out.

/// Imports of modules that do not stand below `module`, whose path within the crate is given.
fn imports(module: &[String], text: &str) -> Vec<String> {
    let own = module.first().map_or("main", String::as_str);
    if own == "lib" {
        return Vec::new();
    }
    let Some(own_rank) = rank(own) else {
        return vec![format!("`{own}` has no place in the order of modules")];
    };
    let mut faults = Vec::new();
    for name in crate_paths(module, &tokens(text)) {
        match rank(&name) {
            Some(other) if name != own && other <= own_rank => {
                faults.push(format!("`{own}` imports `{name}`, which is not below it"));
            }
            _ => {}
        }
    }
    faults.dedup();
    faults
}

/// Public fields without a comment.
fn unsaid_fields(text: &str) -> Vec<String> {
    let code = &text[..text.len() - tests_of(Path::new("src/x.rs"), text).len()];
    let mut faults = Vec::new();
    let mut before = "";
    for line in code.lines() {
        let field = line
            .strip_prefix("    pub ")
            .and_then(|rest| rest.split_once(": "))
            .map(|(name, _)| name);
        if let Some(name) = field.filter(|name| !name.contains(['(', ' ']))
            && !before.starts_with("    ///")
        {
            faults.push(format!("`{name}` does not say what it holds"));
        }
        if !line.trim_start().starts_with("#[") {
            before = line;
        }
    }
    faults
}

fn frameworks(module: &[String], text: &str) -> Vec<String> {
    let own = module.first().map_or("main", String::as_str);
    if MAY_NAME_FRAMEWORKS.contains(&own) {
        return Vec::new();
    }
    let named = tokens(text).into_iter().find(|token| {
        FRAMEWORKS.iter().any(|name| {
            token == name
                || token
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('_'))
        })
    });
    named
        .map(|name| format!("names `{name}`"))
        .into_iter()
        .collect()
}

fn budget(file: &Path, text: &str) -> Vec<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let lines = text[..text.len() - tests_of(file, text).len()]
        .lines()
        .count();
    let table = TABLES.contains(&&*name) || name.contains("table");
    // A module's tests in a file of their own.
    let tests = name == "tests.rs";
    let long = LONG.iter().any(|known| file == Path::new(known));
    let most = if long { LONGEST } else { MAX_LINES };
    if lines > most && !table && !tests {
        vec![format!("{lines} lines before its tests, at most {most}")]
    } else if long && lines <= MAX_LINES {
        vec![format!("{lines} lines before its tests, and among `LONG`")]
    } else {
        Vec::new()
    }
}

/// A file begins with `//!`; only attributes of the crate may stand before it.
fn head(text: &str) -> Vec<String> {
    let first = text.lines().find(|line| !line.starts_with("#!["));
    if first.is_some_and(|line| line.starts_with("//! ")) {
        Vec::new()
    } else {
        vec!["does not begin with `//!`".to_owned()]
    }
}

fn unfinished(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let wanted = UNFINISHED.iter().map(|what| (what, self::tokens(what)));
    wanted
        .filter(|(_, what)| tokens.windows(what.len()).any(|window| window == what))
        .map(|(what, _)| format!("contains `{what}`"))
        .collect()
}

/// A test names the file, or the whole directory.
fn untested(file: &Path, tests: &str) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let named = tests.contains(name) || tests.contains("\"conf\"");
    (!named).then(|| format!("{}: no test names it", file.display()))
}

/// Paths of source files that stand in the prose as code.
fn named_files(text: &str) -> Vec<String> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| code.starts_with("src/") && !code.contains([' ', '*', '<', '{']))
        .map(str::to_owned)
        .collect()
}

/// Relative targets of Markdown links, without fragments; what stands in code is not a link.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        let inline = prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        let defined = prose
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target.trim());
        for target in inline.chain(defined) {
            let path = target.split('#').next().unwrap_or_default();
            if !(path.is_empty() || path.contains(':') || path.starts_with('<')) {
                found.push(path.to_owned());
            }
        }
    }
    found
}

// Reading Rust, as far as the rules need it.

/// First names of all paths that start at the root of the crate: `crate::x`, `crate::{x, y::z}`, `weir::x`, `super::…`.
fn crate_paths(module: &[String], tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut inline = Vec::new(); // brace depths at which an inline module was opened
    let mut depth = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => {
                inline.pop_if(|opened| *opened == depth);
                depth = depth.saturating_sub(1);
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token == "{") => inline.push(depth + 1),
            "crate" | "weir" if tokens.get(at + 1).is_some_and(|token| token == "::") => {
                first_names(&tokens[at + 2..], &mut found);
            }
            "super" => {
                let ups = tokens[at..]
                    .chunks(2)
                    .take_while(|pair| *pair == ["super", "::"])
                    .count();
                if ups == module.len() + inline.len() {
                    first_names(&tokens[at + 2 * ups..], &mut found);
                }
                at += (2 * ups).saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The name that follows, or the first name of each path in the group that follows.
fn first_names(tokens: &[String], found: &mut Vec<String>) {
    if tokens.first().is_none_or(|token| token != "{") {
        found.extend(tokens.first().cloned());
        return;
    }
    let mut depth = 0_usize;
    let mut fresh = false;
    for token in tokens {
        match token.as_str() {
            "{" => {
                depth += 1;
                fresh = depth == 1;
            }
            "}" if depth == 1 => return,
            "}" => depth -= 1,
            "," => fresh = depth == 1,
            name => {
                if std::mem::take(&mut fresh) {
                    found.push(name.to_owned());
                }
            }
        }
    }
}

/// All of a test file; else the text from the first `#[cfg(test)] mod … {` on. A test module in a file of its own may be
/// declared anywhere.
fn tests_of<'a>(file: &Path, text: &'a str) -> &'a str {
    if file
        .iter()
        .any(|part| part == "tests" || part == "tests.rs")
    {
        return text;
    }
    let mut at = 0;
    let mut attribute = None;
    for line in text.split_inclusive('\n') {
        match attribute {
            Some(begin) if line.starts_with("mod ") && line.trim_end().ends_with('{') => {
                return &text[begin..];
            }
            _ => attribute = line.starts_with("#[cfg(test)]").then_some(at),
        }
        at += line.len();
    }
    ""
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// `src/proxy/admin/mod.rs` → `proxy`, `admin`; `src/main.rs` → `main`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let names = inside
        .iter()
        .map(|part| part.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

// Files and verdicts.

fn all_rust_files() -> Vec<PathBuf> {
    [
        "src", "crates", "tests", "benches", "fuzz", "loadtest", "examples",
    ]
    .iter()
    .flat_map(|place| rust_files(place))
    .collect()
}

fn rust_files(place: &str) -> Vec<PathBuf> {
    files(Path::new(place), "rs")
}

/// All files under `place` with that extension, as paths from the repository's root.
fn files(place: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(place)) else {
        return found;
    };
    for entry in entries {
        let path = place.join(entry.expect("a directory entry").file_name());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if root().join(&path).is_dir() {
            if !(name.starts_with('.') || ["target", "node_modules"].contains(&&*name)) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of the library, without tests.
fn tree() -> Tree {
    let files = rust_files("src");
    assert!(!files.is_empty(), "no files to look at");
    let mut texts: Vec<(Vec<String>, String)> = files
        .iter()
        .filter(|file| !["src/lib.rs", "src/main.rs"].contains(&&*file.to_string_lossy()))
        .map(|file| {
            let text = read(file);
            let code = text.len() - tests_of(file, &text).len();
            (module_of(file), text[..code].to_owned())
        })
        .collect();
    // The simulated upstream is a crate of its own; here it is a room like the others.
    for file in rust_files(SIMULATED) {
        let text = read(&file);
        let code = text.len() - tests_of(&file, &text).len();
        let inside = file.strip_prefix(SIMULATED).unwrap_or(&file);
        let mut module = vec!["simulated".to_owned()];
        module.extend(module_of(inside).into_iter().filter(|name| name != "lib"));
        texts.push((
            module,
            text[..code].replace("crate::", "crate::simulated::"),
        ));
    }
    Tree::new(texts.iter().map(|(module, text)| (module.clone(), &**text)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file))
        .unwrap_or_else(|fault| panic!("{}: {fault}", file.display()))
}

/// The faults of `rule` over `files`, each with its file. No files at all means the rule looks in the wrong place.
fn over(files: &[PathBuf], rule: impl Fn(&Path, &str) -> Vec<String>) -> Vec<String> {
    assert!(!files.is_empty(), "no files to look at");
    let faults = files.iter().flat_map(|file| {
        rule(file, &read(file))
            .into_iter()
            .map(move |fault| format!("{}: {fault}", file.display()))
    });
    faults.collect()
}

#[track_caller]
fn verdict(faults: &[String]) {
    let mut text = String::new();
    for fault in faults {
        let _ = write!(text, "\n  {fault}");
    }
    assert!(faults.is_empty(), "{} faults:{text}", faults.len());
}

#[cfg(test)]
mod rules_can_fail {
    use super::*;

    fn imports_in(file: &str, text: &str) -> usize {
        imports(&module_of(Path::new(file)), text).len()
    }

    #[test]
    fn upward_imports_are_faults() {
        for text in [
            "use crate::proxy::edge;",
            "use crate::{config::Config, proxy};",
            "use crate :: { config::{self, Secret}, pool::Pool };",
            "fn f() { crate::exchange::Gateway::new() }",
            "use super::super::telemetry::Metrics;",
            "mod tests { use super::super::super::pool; }",
            "pub(in crate::pool) struct X;",
        ] {
            assert_eq!(imports_in("src/config/raw.rs", text), 1, "{text}");
        }
        assert_eq!(imports_in("src/config/mod.rs", "use super::pool::Pool;"), 1);
        assert_eq!(imports_in("src/cli/mod.rs", "use crate::main::x;"), 1);
        assert_eq!(imports_in("src/utils.rs", ""), 1);
    }

    #[test]
    fn downward_imports_are_none() {
        for text in [
            "use crate::protocol::{Dialect, sse}; use crate::outcome;",
            "use super::secret; mod tests { use super::super::proxy; }",
            "// use crate::proxy;\n/* crate::proxy /* nested */ crate::pool */",
            "const A: &str = \"crate::proxy\"; const B: &str = r#\"crate::\"pool\"#; const C: char = '\"'; use crate::protocol;",
            "fn f<'a>(x: &'a str, y: u8) -> bool { y == b'\"' && x == '\\''.into() } use crate::protocol;",
            "use super::mod_of_config::proxy;",
        ] {
            assert_eq!(imports_in("src/config/raw.rs", text), 0, "{text}");
        }
        assert_eq!(
            imports_in("src/main.rs", "use weir::proxy; use weir::{config, pool};"),
            0
        );
        assert_eq!(
            imports_in("src/lib.rs", "pub mod proxy; use crate::pool::Pool;"),
            0
        );
    }

    #[test]
    fn frameworks_below_the_edge_are_faults() {
        let named = |file: &str, text| frameworks(&module_of(Path::new(file)), text).len();
        assert_eq!(named("src/pool/lease.rs", "use tokio::sync::Semaphore;"), 1);
        assert_eq!(
            named(
                "src/exchange/mod.rs",
                "fn f(x: &pingora_http::RequestHeader) {}"
            ),
            1
        );
        assert_eq!(
            named("src/pool/mod.rs", "// tokio\nlet tokio2 = \"pingora\";"),
            0
        );
        assert_eq!(named("src/proxy/edge.rs", "use pingora::Result;"), 0);
    }

    #[test]
    fn long_files_are_faults() {
        let long = "let x = 1;\n".repeat(MAX_LINES + 1);
        let tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(budget(Path::new("src/pool/mod.rs"), &long).len(), 1);
        assert_eq!(
            budget(Path::new("src/pool/mod.rs"), &tests),
            Vec::<String>::new()
        );
        let declared = format!("#[cfg(test)]\nmod tests;\n{long}");
        assert_eq!(budget(Path::new("src/pool/mod.rs"), &declared).len(), 1);
        assert_eq!(
            budget(Path::new("src/pool/tests.rs"), &long),
            Vec::<String>::new()
        );
        assert_eq!(
            budget(Path::new("src/telemetry/families.rs"), &long),
            Vec::<String>::new()
        );
        let known = Path::new(LONG[0]);
        assert_eq!(budget(known, &long), Vec::<String>::new());
        assert_eq!(budget(known, &"let x = 1;\n".repeat(LONGEST + 1)).len(), 1);
        assert_eq!(budget(known, "//! short").len(), 1);
    }

    #[test]
    fn fields_without_a_comment_are_faults() {
        let bare =
            "pub struct A {\n    /// Bytes.\n    pub a: u8,\n    pub b: u8,\n    c: u8,\n}\n";
        assert_eq!(unsaid_fields(bare).len(), 1);
        let said =
            "    /// Seconds.\n    #[serde(default)]\n    pub a: u8,\n    pub fn f(a: u8) {}\n";
        assert_eq!(unsaid_fields(said), Vec::<String>::new());
    }

    #[test]
    fn headless_and_unfinished_files_are_faults() {
        assert_eq!(head("use std::fs;\n//! late").len(), 1);
        assert_eq!(head("").len(), 1);
        assert_eq!(
            head("#![forbid(unsafe_code)]\n//! Weir.\n"),
            Vec::<String>::new()
        );
        for text in [
            "todo!()",
            "x.map(|_| unimplemented ! ())",
            "#[ignore = \"later\"]",
            "#![allow(dead_code, unused)]",
            "dbg!(x);",
        ] {
            assert_eq!(unfinished(text).len(), 1, "{text}");
        }
        assert_eq!(
            unfinished("// todo!\nlet todo = \"dbg!\";"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn configurations_without_a_test_are_faults() {
        assert!(untested(Path::new("conf/azure.yaml"), "load(\"conf/minimal.yaml\")").is_some());
        assert!(
            untested(
                Path::new("conf/minimal.yaml"),
                "load(\"conf/minimal.yaml\")"
            )
            .is_none()
        );
        assert!(untested(Path::new("conf/azure.yaml"), "files(\"conf\", \"yaml\")").is_none());
    }

    #[test]
    fn named_files_are_found() {
        let text =
            "In `src/a/b.rs`, not `src/x/<name>.rs` and not src/c.rs;\n`tests/d.rs` is none.\n";
        assert_eq!(named_files(text), ["src/a/b.rs"]);
    }

    #[test]
    fn links_are_found() {
        let text = "[a](b.md#c) and ![d](e/f.png \"t\") [x](https://x.y/z) [s](#here) `[n](o.md)`\n[r]: g.md\n```\n[q](r.md)\n```\n";
        assert_eq!(links(text), ["b.md", "e/f.png", "g.md"]);
    }
}

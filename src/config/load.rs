//! Where configurations come from: a file, the environment, or `weir demo`. All of them are YAML text and pass the same
//! checks.
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::Config;
use super::compile::{World, compile};
use super::diagnostic::Diagnostic;
use super::raw::Raw;
use super::secret::{Secret, hex};
use super::yaml;
use super::yaml::cursor::Cursor;
use super::yaml::decode::Decode;
use super::yaml::document;
use super::yaml::faults::Faults;

/// Reads, resolves and validates a file; the one door for starting, checking and reloading. Every fault at once.
pub fn load(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let text = read(path).map_err(|(line, message)| vec![whole_file(&name, line, message)])?;
    parse(&name, &text, &|name| std::env::var(name).ok())
}

/// As [`load`], with the text and the environment given. Relative paths begin at the directory of `file_name`.
pub fn parse(
    file_name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Diagnostic>> {
    let mut faults = Faults::new(file_name);
    let world = World {
        env,
        directory: Path::new(file_name)
            .parent()
            .unwrap_or(Path::new(""))
            .to_owned(),
        now: SystemTime::now(),
    };
    let config = compile_text(text, &world, &mut faults);
    let warnings = faults.finish()?;
    match config {
        Some(config) => Ok(Config { warnings, ..config }),
        // Whoever withholds a value has recorded a fault; should that be forgotten, this is still no configuration.
        None => Err(vec![whole_file(
            file_name,
            0,
            "found no valid configuration, expected one".to_owned(),
        )]),
    }
}

/// A configuration made from `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` and `GEMINI_API_KEY`: one account for each that is
/// set, reached by the model's name, and one client key. `None` = none is set.
pub fn from_environment(
    env: &dyn Fn(&str) -> Option<String>,
    client_key: &Secret,
) -> Option<Result<Config, Vec<Diagnostic>>> {
    use std::fmt::Write as _;

    let set = |name: &str| env(name).is_some_and(|value| !value.trim().is_empty());
    let vendors: Vec<_> = VENDORS
        .iter()
        .filter(|(_, variable, _)| set(variable))
        .collect();
    let (mut accounts, mut pools, mut routes) = (String::new(), String::new(), String::new());
    for (name, variable, models) in &vendors {
        // Writing into a String cannot fail.
        let _ = writeln!(
            accounts,
            "  - {{ name: {name}, provider: {name}, key: {{ env: {variable} }} }}"
        );
        let _ = writeln!(pools, "  - {{ name: {name}, accounts: [{name}] }}");
        let _ = writeln!(
            routes,
            "  - {{ when: {{ model: \"{models}\" }}, pool: {name} }}"
        );
    }
    let routing = match vendors.len() {
        0 => return None,
        1 => String::new(),
        _ => format!("pools:\n{pools}routes:\n{routes}"),
    };
    let digest = hex(&Sha256::digest(client_key.expose()));
    let text = format!(
        "version: 1\nadmin: {{ addr: \"127.0.0.1:9090\" }}\naccounts:\n{accounts}{routing}keys:\n  - {{ name: generated, sha256: {digest} }}\n"
    );
    Some(parse("environment", &text, env))
}

/// The configuration of `weir demo`: one account per dialect at the simulated upstream, and the client key `demo`.
pub fn demo(
    upstream: SocketAddr,
    listen: SocketAddr,
    admin: SocketAddr,
) -> Result<Config, Vec<Diagnostic>> {
    let account = |dialect: &str, path: &str| {
        format!(
            "  - {{ name: simulated-{dialect}, provider: simulated, dialect: {dialect}, base_url: \"http://{upstream}{path}\" }}\n"
        )
    };
    let accounts = account("anthropic", "")
        + &account("openai-chat", "/v1")
        + &account("openai-responses", "/v1")
        + &account("gemini", "");
    let text = format!(
        "version: 1\nlisten: [{{ addr: \"{listen}\" }}]\nadmin: {{ addr: \"{admin}\" }}\naccounts:\n{accounts}keys:\n  - {{ name: demo, key: {{ env: key }}, debug: true }}\n"
    );
    parse("demo", &text, &|name| {
        (name == "key").then(|| "demo".to_owned())
    })
}

fn compile_text(text: &str, world: &World<'_>, faults: &mut Faults) -> Option<Config> {
    // Some editors begin UTF-8 with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, text_faults) = match document::read(text) {
        Ok(read) => read,
        Err(fault) => {
            faults.add_document(fault);
            return None;
        }
    };
    if text_faults.is_empty()
        && let Some(fault) = yaml::check(text, &root)
    {
        faults.add_document(fault);
    }
    for fault in text_faults {
        faults.add_document(fault);
    }
    let cursor = Cursor::root(&root);
    if root.is_null() {
        let hint = "`conf/minimal.yaml` is a place to begin".to_owned();
        faults.add_with(
            cursor.at(),
            format!("found an empty file, expected {}", Raw::EXPECTED),
            Some(hint),
        );
        return None;
    }
    let raw = Raw::decode(&cursor, faults)?;
    compile(&raw, &Sha256::digest(text.as_bytes()).into(), world, faults)
}

/// The text of the file, bounded; or the line (0 = none) and what is wrong.
fn read(path: &Path) -> Result<String, (usize, String)> {
    let file = std::fs::File::open(path).map_err(|err| (0, format!("cannot be read: {err}")))?;
    let mut bytes = Vec::new();
    // One byte more than is allowed: then the document says that it is too long.
    let limit = document::MAX_BYTES as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|err| (0, format!("cannot be read: {err}")))?;
    String::from_utf8(bytes).map_err(|err| {
        let before = err
            .as_bytes()
            .get(..err.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        (
            line,
            "found bytes that are not UTF-8, expected text".to_owned(),
        )
    })
}

fn whole_file(file: &str, line: usize, message: String) -> Diagnostic {
    let hint = if line > 0 {
        "save the file as UTF-8"
    } else {
        "`-c FILE` or `$WEIR_CONFIG` names another; whoever runs weir must be able to read it"
    };
    Diagnostic {
        file: file.to_owned(),
        line,
        column: usize::from(line > 0),
        path: String::new(),
        message,
        hint: Some(hint.to_owned()),
    }
}

/// Account (also the preset's name), its variable, and its models; the last takes what the others do not.
const VENDORS: &[(&str, &str, &str)] = &[
    ("anthropic", "ANTHROPIC_API_KEY", "claude-*"),
    ("gemini", "GEMINI_API_KEY", "gemini-*"),
    ("openai", "OPENAI_API_KEY", "*"),
];

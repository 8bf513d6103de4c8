//! The sources of configurations: a file, the environment, or `weir demo`. All of them are YAML text and pass the same
//! checks.
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::compile::{Missing, World, base_url, compile, token_url};
use super::diagnostic::Diagnostic;
use super::raw::Raw;
use super::raw::prices::PriceFile;
use super::secret::hex;
use super::shown::masked;
use super::sources::{self, Sources};
use super::yaml;
use super::yaml::cursor::Cursor;
use super::yaml::decode::Decode;
use super::yaml::document::{self, Node};
use super::yaml::faults::Faults;
use super::yaml::fragments;
use super::{Config, Endpoint, Prometheus, Shown};

/// Reads, resolves and validates a file: the only way for starting, checking and reloading. The error has every fault.
pub fn load(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    load_with(path, Missing::Refused)
}

/// The same as [`load`], but missing secrets and certificates are warnings. It is for checking only: the configuration
/// must not be run.
pub fn check_without_secrets(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    load_with(path, Missing::Tolerated)
}

fn load_with(path: &Path, missing: Missing) -> Result<Config, Vec<Diagnostic>> {
    let name = path.display().to_string();
    build(&name, &read(path)?, &environment, missing)
}

fn read(path: &Path) -> Result<Sources, Vec<Diagnostic>> {
    let told = |(line, message)| vec![whole_file(&path.display().to_string(), line, message)];
    Sources::read(path, &environment).map_err(told)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The same as [`load`], as if `fragment` contained `text`: the admin plane calls this before it writes to the
/// fragment.
pub fn check_fragment(path: &Path, fragment: &Path, text: &str) -> Result<Config, Vec<Diagnostic>> {
    let sources = read(path)?.with(fragment, text);
    let name = path.display().to_string();
    build(&name, &sources, &environment, Missing::Refused)
}

/// The same as [`load`], for a text that shall replace the file.
pub fn check_text(path: &Path, text: &str) -> Result<Config, Vec<Diagnostic>> {
    let name = path.display().to_string();
    parse(&name, text, &environment)
}

/// The same as [`load`], with the text and the environment given. Relative paths begin at the directory of `file_name`.
pub fn parse(
    file_name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Diagnostic>> {
    let sources = Sources::of(text.to_owned(), directory_of(file_name), env);
    build(file_name, &sources, env, Missing::Refused)
}

/// The settings for a Prometheus server at this base URL, with its token; or what is wrong with them.
pub fn prometheus_at(url: &str, token: Option<&str>) -> Result<Prometheus, String> {
    if url.contains('@') {
        return Err("found a URL with a credential in it, expected one without".to_owned());
    }
    let endpoint = base_url(url, 1)
        .map_err(|_| "expected a URL such as `http://127.0.0.1:9090`".to_owned())?;
    let authorization = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
    let mut authorization = authorization
        .transpose()
        .map_err(|_| "the token has characters that no header may hold".to_owned())?;
    if let Some(value) = &mut authorization {
        value.set_sensitive(true);
    }
    Ok(Prometheus {
        endpoint,
        instance: None,
        poll: Duration::ZERO,
        timeout: Duration::from_mins(1),
        matchers: Vec::new(),
        authorization,
    })
}

/// The endpoint of this URL, whose path and query stay as they are; or what is wrong with it.
pub fn endpoint_at(url: &str) -> Result<Endpoint, String> {
    token_url(url).map_err(|(expected, _)| format!("expected {expected}"))
}

/// The value that [`Config::hash`] would have for the files on disk now; `None` = they cannot be read.
pub fn hash_on_disk(path: &Path) -> Option<String> {
    Sources::read(path, &environment)
        .ok()
        .map(|sources| hex(&sources.digest()))
}

/// The texts on disk now, with their secrets masked.
pub fn shown_on_disk(path: &Path) -> Result<Vec<Shown>, Vec<Diagnostic>> {
    let sources = read(path)?;
    Ok(shown(&path.display().to_string(), &sources))
}

fn shown(file_name: &str, sources: &Sources) -> Vec<Shown> {
    let one = |file: String, text: &str| Shown {
        file,
        text: masked(text),
    };
    let fragments = sources
        .others()
        .map(|own| one(own.path.display().to_string(), &own.text));
    let own = one(file_name.to_owned(), &sources.text);
    std::iter::once(own).chain(fragments).collect()
}

fn directory_of(file_name: &str) -> &Path {
    Path::new(file_name).parent().unwrap_or(Path::new(""))
}

fn build(
    file_name: &str,
    sources: &Sources,
    env: &dyn Fn(&str) -> Option<String>,
    missing: Missing,
) -> Result<Config, Vec<Diagnostic>> {
    let mut faults = Faults::new(file_name);
    let world = World {
        env,
        directory: directory_of(file_name).to_owned(),
        now: SystemTime::now(),
        missing,
    };
    let config = compile_sources(sources, &world, &mut faults);
    let warnings = faults.finish()?;
    match config {
        Some(mut config) => {
            config.files.extend_from_slice(&sources.watched);
            if let Some(admin) = &mut config.admin {
                config.shown = shown(file_name, sources).into();
                admin.fragments.clone_from(&sources.kept);
            }
            Ok(Config { warnings, ..config })
        }
        // A step that returns no value has recorded a fault; this is a safeguard in case one has not.
        None => Err(vec![whole_file(
            file_name,
            0,
            "found no valid configuration, expected one".to_owned(),
        )]),
    }
}

/// Whether any of `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` and `GEMINI_API_KEY` is set.
pub fn has_vendor_key(env: &dyn Fn(&str) -> Option<String>) -> bool {
    VENDORS.iter().any(|(_, variable, _)| is_set(env, variable))
}

fn is_set(env: &dyn Fn(&str) -> Option<String>, name: &str) -> bool {
    env(name).is_some_and(|value| !value.trim().is_empty())
}

/// A configuration from `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` and `GEMINI_API_KEY`: one account for each that is set,
/// selected by the model's name, and one client key, given by its SHA-256. `None` = none is set.
pub fn from_environment(
    env: &dyn Fn(&str) -> Option<String>,
    key_digest: &str,
    listen: SocketAddr,
    admin: SocketAddr,
) -> Option<Result<Config, Vec<Diagnostic>>> {
    use std::fmt::Write as _;

    let vendors: Vec<_> = VENDORS
        .iter()
        .filter(|(_, variable, _)| is_set(env, variable))
        .collect();
    let (mut accounts, mut pools, mut routes) = (String::new(), String::new(), String::new());
    for (name, variable, models) in &vendors {
        // Writing to a String cannot fail.
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
    let text = format!(
        "version: 1\nlisten: [{{ addr: \"{listen}\" }}]\nadmin: {{ addr: \"{admin}\" }}\naccounts:\n{accounts}{routing}keys:\n  - {{ name: generated, sha256: \"{key_digest}\" }}\n"
    );
    Some(parse("environment", &text, env))
}

/// The configuration of `weir demo`: one account per dialect at the simulated upstream, the client key `demo`, and the
/// keys of simulated clients. The console shows their requests; an access log would hide the output of the command.
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
    let keys: String = DEMO_KEYS
        .iter()
        .map(|(name, group, limits)| {
            let variable = name.replace('-', "_");
            format!("  - {{ name: {name}, group: {group}, key: {{ env: {variable} }}, limits: {limits} }}\n")
        })
        .collect();
    let text = format!(
        "version: 1\nlisten: [{{ addr: \"{listen}\" }}]\nadmin: {{ addr: \"{admin}\" }}\naccounts:\n{accounts}groups:\n  - {{ name: platform, limits: {{ usd_per_month: 400 }} }}\n  - {{ name: research }}\nkeys:\n  - {{ name: demo, key: {{ env: demo }}, debug: true }}\n{keys}log: {{ access: off }}\n"
    );
    parse("demo", &text, &|name| {
        let is_key = name == "demo"
            || DEMO_KEYS
                .iter()
                .any(|(key, ..)| key.replace('-', "_") == name);
        is_key.then(|| match name {
            "demo" => "demo".to_owned(),
            name => format!("demo-{}", name.replace('_', "-")),
        })
    })
}

fn compile_sources(sources: &Sources, world: &World<'_>, faults: &mut Faults) -> Option<Config> {
    let mut root = tree(&sources.text, 0, faults);
    for fragment in &sources.fragments {
        let file = faults.add_file(fragment.path.display().to_string());
        if let Some(added) = tree(&fragment.text, file, faults) {
            root = root.map(|root| fragments::merge(&root, &added, faults));
        }
    }
    sources.report(faults);
    let root = root?;
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
    let mut raw = Raw::decode(&cursor, faults)?;
    if let Some(prices) = &sources.prices {
        let file = faults.add_file(prices.path.display().to_string());
        let filed = tree(&prices.text, file, faults)
            .and_then(|root| PriceFile::decode(&Cursor::root(&root), faults));
        let PriceFile(filed) = filed?;
        if let Some(prices) = raw.prices.get_mut() {
            prices.filed = Some(Box::new(filed));
        }
    }
    compile(raw, &sources.digest(), world, faults)
}

/// The tree of one text; `None` = the text cannot be read.
fn tree(text: &str, file: usize, faults: &mut Faults) -> Option<Rc<Node>> {
    let text = sources::plain(text);
    let (root, text_faults) = match document::read(text, file) {
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
    Some(root)
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

/// The keys of the simulated clients of `weir demo`: name, group and limits. The key itself is `demo-` followed by the
/// name.
const DEMO_KEYS: &[(&str, &str, &str)] = &[
    ("team-a", "platform", "{ usd_per_day: 20, rpm: 600 }"),
    ("team-b", "platform", "{ usd_per_day: 20 }"),
    ("support", "platform", "{ tpm: 400000 }"),
    ("nightly", "research", "{ usd_per_day: 0.05 }"),
];

/// The account (which is also the preset's name), its variable, and its models; the last one serves all other models.
const VENDORS: &[(&str, &str, &str)] = &[
    ("anthropic", "ANTHROPIC_API_KEY", "claude-*"),
    ("gemini", "GEMINI_API_KEY", "gemini-*"),
    ("openai", "OPENAI_API_KEY", "*"),
];

//! `weir init`: creates a first configuration.
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{WRONG_USAGE, failure, print, random, test};
use crate::config;
use crate::config::providers::PROVIDERS;
use crate::keys;
use crate::proxy::accounts;
use crate::proxy::setup::Setup;

/// Write a first configuration: an account, its key in a file of its own, and a client key.
///
/// Asks for what is not given, on a terminal. The account is asked for its models before anything is written, which costs nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Where the files go
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The provider of the account
    #[arg(long, value_parser = PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name)))]
    provider: Option<String>,
    /// The API key at the provider; `-` reads it from standard input
    #[arg(long)]
    key: Option<String>,
    /// The base URL, where the provider has none of its own
    #[arg(long)]
    base_url: Option<String>,
    /// The name of the client key
    #[arg(long, default_value = "me", value_parser = config::valid_name)]
    name: String,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Do not ask the account
    #[arg(long)]
    no_test: bool,
    /// Ask on a page in the browser, which the terminal shows the link to
    #[arg(long, conflicts_with_all = ["provider", "key", "base_url", "no_test"])]
    web: bool,
    /// Where that page listens, on loopback
    #[arg(long, default_value = "127.0.0.1:9090", requires = "web")]
    addr: SocketAddr,
}

/// The data that the page of `--web` sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    provider: String,
    key: String,
    base_url: Option<String>,
    name: String,
    test: bool,
}

/// The files to write.
struct Files {
    directory: PathBuf,
    yaml: String,
    key: String,
}

impl Init {
    pub(super) fn run(self) -> ExitCode {
        if self.web {
            return self.on_a_page();
        }
        let (provider, key) = match self.answers() {
            Ok(answers) => answers,
            Err(why) => {
                eprintln!("weir: {why}");
                return ExitCode::from(WRONG_USAGE);
            }
        };
        let random = match random() {
            Ok(random) => random,
            Err(error) => return failure(&format!("no randomness: {error}")),
        };
        let client = keys::generate(random);
        let files = Files {
            yaml: self.yaml(&provider, &client),
            directory: self.dir.clone(),
            key,
        };
        if !self.force
            && let Some(there) = files.present()
        {
            return failure(&format!(
                "{} is there already: `--force` replaces it",
                there.display()
            ));
        }
        if !self.no_test
            && let Err(why) = files.test()
        {
            return failure(&why);
        }
        if let Err(error) = files.write(&self.dir) {
            return failure(&error);
        }
        let path = self.dir.join(CONFIGURATION);
        let shown = path.display();
        let text = format!(
            "wrote {shown} and {}\n\nThe client key, shown only now:\n\n    {client}\n\nNext:\n\n    weir run -c {shown}\n    weir client claude-code --key {client}      # or another client: `weir client --help`\n",
            self.dir.join(KEY_FILE).display(),
        );
        match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }

    /// Serves the setup page until somebody has filled it in.
    fn on_a_page(self) -> ExitCode {
        let (dir, force) = (self.dir, self.force);
        let files = [CONFIGURATION, KEY_FILE].map(|name| dir.join(name));
        if let Some(there) = files.iter().find(|path| !force && path.exists()) {
            return failure(&format!(
                "{} is there already: `--force` replaces it",
                there.display()
            ));
        }
        let providers = PROVIDERS.iter().map(|provider| provider.name).collect();
        let make = Box::new(move |body: &[u8]| make(&dir, force, body));
        let (setup, code) = match Setup::bind(self.addr, providers, make) {
            Ok(bound) => bound,
            Err(error) => return failure(&format!("{}: {error}", self.addr)),
        };
        let addr = match setup.addr() {
            Ok(addr) => addr,
            Err(error) => return failure(&error),
        };
        let told = print(&format!(
            "Open this within ten minutes; it works once:\n\n    http://{addr}/#code={code}\n"
        ));
        if let Err(error) = told {
            return failure(&error);
        }
        match setup.run() {
            Ok(true) => {
                eprintln!("Written. The page shows the client key and what comes next.");
                ExitCode::SUCCESS
            }
            Ok(false) => failure(&"nobody came: nothing was written"),
            Err(error) => failure(&error),
        }
    }

    /// The provider and its key; they are asked for if they are not given.
    fn answers(&self) -> Result<(String, String), String> {
        let asks = io::stdin().is_terminal() && self.key.as_deref() != Some("-");
        let provider = match &self.provider {
            Some(provider) => provider.clone(),
            None if asks => {
                let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
                let answer = ask(&format!("Provider ({}): ", names.join(", ")))?;
                if !names.contains(&answer.as_str()) {
                    return Err(format!("there is no provider `{answer}`"));
                }
                answer
            }
            None => return Err(LINE.to_owned()),
        };
        let key = match self.key.as_deref() {
            Some("-") => ask("")?,
            Some(key) => key.to_owned(),
            None if asks => ask(&format!(
                "API key at {provider} (it is shown while you type): "
            ))?,
            None => return Err(LINE.to_owned()),
        };
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UNFIT.to_owned());
        }
        Ok((provider, key))
    }

    fn yaml(&self, provider: &str, client: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let base = self
            .base_url
            .as_ref()
            .map(|url| format!(", base_url: {}", quoted(url)));
        format!(
            "# Made by `weir init`. Every setting: docs/CONFIGURATION.md.\nversion: 1\nlisten: [{{ addr: 127.0.0.1:8080 }}]\nadmin: {{ addr: 127.0.0.1:9090 }}\n\naccounts:\n  - {{ name: {provider}, provider: {provider}, key: {{ file: {KEY_FILE} }}{} }}\n\nkeys:\n{}\n",
            base.unwrap_or_default(),
            keys::entry(&self.name, client).trim_end()
        )
    }
}

/// Executes the request of the page of `--web`. Returns the client key, which only that page shows.
fn make(dir: &Path, force: bool, body: &[u8]) -> Result<Value, String> {
    let wish: Wish = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !PROVIDERS.iter().any(|one| one.name == wish.provider) {
        return Err(format!("there is no provider `{}`", wish.provider));
    }
    config::valid_name(&wish.name)?;
    if wish.key.is_empty() || !wish.key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UNFIT.to_owned());
    }
    let random = random().map_err(|error| format!("no randomness: {error}"))?;
    let client = keys::generate(random);
    let init = Init {
        dir: dir.to_owned(),
        provider: None,
        key: None,
        base_url: wish.base_url,
        name: wish.name,
        force,
        no_test: !wish.test,
        web: true,
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
    };
    let files = Files {
        yaml: init.yaml(&wish.provider, &client),
        directory: dir.to_owned(),
        key: wish.key,
    };
    if let Some(there) = files.present().filter(|_| !force) {
        return Err(format!("{} is there already", there.display()));
    }
    if wish.test {
        files.test()?;
    }
    files
        .write(dir)
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    let shown = |name: &str| dir.join(name).display().to_string();
    Ok(json!({
        "files": [shown(CONFIGURATION), shown(KEY_FILE)],
        "client_key": client,
        "next": [
            format!("weir run -c {}", shown(CONFIGURATION)),
            format!("weir client claude-code --key {client}"),
        ],
    }))
}

impl Files {
    /// One of the files that already exists, if any.
    fn present(&self) -> Option<PathBuf> {
        let paths = [CONFIGURATION, KEY_FILE].map(|name| self.directory.join(name));
        paths.into_iter().find(|path| path.exists())
    }

    /// Checks that the configuration is valid and that its account serves.
    fn test(&self) -> Result<(), String> {
        let place = std::env::temp_dir().join(format!("weir-init-{}", std::process::id()));
        let tested = self.test_in(&place);
        let _ = fs::remove_dir_all(&place);
        tested
    }

    fn test_in(&self, place: &Path) -> Result<(), String> {
        self.write(place)
            .map_err(|error| format!("{}: {error}", place.display()))?;
        let config = config::load(&place.join(CONFIGURATION)).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            faults.join("\n")
        })?;
        let probed = accounts::test(config, &[]).map_err(|error| error.to_string())?;
        eprint!("{}", test::table(&probed));
        if probed.iter().all(|probed| probed.verdict.is_fine()) {
            return Ok(());
        }
        Err(
            "nothing was written: the account would not serve (`--no-test` writes it all the same)"
                .to_owned(),
        )
    }

    fn write(&self, directory: &Path) -> Result<(), io::Error> {
        let key = directory.join(KEY_FILE);
        let secrets = key.parent().unwrap_or(directory);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(secrets)?;
        put(&key, &format!("{}\n", self.key), 0o600)?;
        put(&directory.join(CONFIGURATION), &self.yaml, 0o644)
    }
}

/// Writes a file completely, with the given mode.
fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Asks a question and reads one line from standard input.
fn ask(question: &str) -> Result<String, String> {
    eprint!("{question}");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| format!("standard input cannot be read: {error}"))?;
    Ok(line.trim().to_owned())
}

const UNFIT: &str = "the key is empty, or holds what no header can";

const CONFIGURATION: &str = "weir.yaml";

/// The path below the directory of the configuration.
const KEY_FILE: &str = "secrets/provider.key";

const LINE: &str =
    "there is no terminal to ask on: weir init --provider anthropic --key - < key.txt";

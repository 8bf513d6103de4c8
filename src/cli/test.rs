//! `weir test`: checks whether accounts would serve.
use std::fmt::Write as _;
use std::process::ExitCode;

use super::{ConfigFile, WRONG_USAGE, failure, print};
use crate::config::name;
use crate::proxy::accounts::{self, Probed};

/// Ask accounts whether they would serve: for their list of models, which costs nothing.
///
/// Exit code 0 when all of them would, else 1. The upstreams are asked from here, with the keys and over the proxies of the
/// configuration; a running Weir is not involved.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    #[command(flatten)]
    file: ConfigFile,
    /// Names of accounts
    #[arg(required_unless_present = "all", value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "accounts")]
    all: bool,
}

impl Test {
    pub(super) fn run(mut self) -> ExitCode {
        for account in &mut self.accounts {
            *account = name::normal(account).into_owned();
        }
        let config = match self.file.load() {
            Ok(config) => config,
            Err(end) => return end,
        };
        let is_known = |name: &&String| {
            config
                .accounts
                .iter()
                .any(|account| *account.name == ***name)
        };
        if let Some(unknown) = self.accounts.iter().find(|name| !is_known(name)) {
            let names: Vec<&str> = config
                .accounts
                .iter()
                .map(|account| &*account.name)
                .collect();
            eprintln!(
                "weir: there is no account `{unknown}`; there are {}",
                names.join(", ")
            );
            return ExitCode::from(WRONG_USAGE);
        }
        let probed = match accounts::test(config, &self.accounts) {
            Ok(probed) => probed,
            Err(error) => return failure(&error),
        };
        if let Err(error) = print(&table(&probed)) {
            return failure(&error);
        }
        if probed.iter().all(|probed| probed.verdict.is_fine()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// A table with one line per account.
pub(super) fn table(probed: &[Probed]) -> String {
    let width = probed
        .iter()
        .map(|probed| probed.account.chars().count())
        .max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for probed in probed {
        let status = probed
            .status
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        let millis = probed.latency.as_millis();
        let word = probed.verdict.as_str();
        let _ = write!(
            text,
            "{:width$}  {word:<11}  {status:<3}  {millis:>5} ms",
            probed.account
        );
        if !probed.models.is_empty() {
            let _ = write!(text, "  {} models", probed.models.len());
        }
        if let Some(detail) = &probed.detail {
            let _ = write!(text, "  {detail}");
        }
        text.push('\n');
    }
    text
}

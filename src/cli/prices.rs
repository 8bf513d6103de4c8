//! `weir prices`: what is known of prices, beside what public maps list.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigFile, failure, print, print_faults};
use crate::config::{self, Glob};
use crate::pricing::maps::{self, Change, Map};
use crate::pricing::{PriceTable, Rates};

#[derive(Debug, Subcommand)]
pub(super) enum Prices {
    /// Print a fragment of a configuration with every price of a map that Weir does not know, or knows otherwise
    Import(Listed),
    /// Print how a map differs from the prices that Weir knows
    Diff(Listed),
}

#[derive(Debug, clap::Args)]
pub(super) struct Listed {
    /// Which map the file is: `litellm` (model_prices_and_context_window.json) or `models.dev` (api.json)
    #[arg(value_parser = map)]
    map: Map,
    /// The file
    file: PathBuf,
    /// Only models whose name matches, such as `claude-*`
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

fn map(text: &str) -> Result<Map, String> {
    let known = Map::ALL.into_iter().find(|map| map.as_str() == text);
    known.ok_or_else(|| "expected `litellm` or `models.dev`".to_owned())
}

impl Prices {
    pub(super) fn run(self) -> ExitCode {
        let (listed, import) = match self {
            Self::Import(listed) => (listed, true),
            Self::Diff(listed) => (listed, false),
        };
        let known = match &listed.config.config {
            None => PriceTable::new(&[]),
            Some(file) => match config::check_without_secrets(file) {
                Ok(config) => PriceTable::new(&config.prices),
                Err(faults) => return print_faults(&faults),
            },
        };
        let changes = match listed.changes(&known) {
            Ok(changes) => changes,
            Err(why) => return failure(&format!("{}: {why}", listed.file.display())),
        };
        let unknown = changes.iter().filter(|change| change.known.is_none());
        let unknown = unknown.count();
        let text = if import {
            maps::fragment(changes.iter())
        } else {
            changes.iter().map(line).collect()
        };
        eprintln!(
            "{} cost something else than Weir knows, {unknown} have no price there",
            changes.len() - unknown
        );
        match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

impl Listed {
    fn changes(&self, known: &PriceTable) -> Result<Vec<Change>, String> {
        let only = self.only.as_deref().map(Glob::new).transpose();
        let only = only.map_err(|error| format!("--only: {error}"))?;
        let text = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        let mut changes = maps::changes(known, &self.map.read(&text)?);
        changes.retain(|change| {
            only.as_ref()
                .is_none_or(|only| only.is_match(&change.model))
        });
        Ok(changes)
    }
}

/// One model: what is known and what is listed, in the order of the price table.
fn line(change: &Change) -> String {
    let shown = |rates: &Rates| {
        let kinds = [
            rates.input,
            rates.cache_write_5m,
            rates.cache_write_1h,
            rates.cache_read,
            rates.output,
        ];
        kinds.map(|usd| usd.to_string()).join("/")
    };
    let known = change.known.as_ref().map_or_else(|| "-".to_owned(), shown);
    let model: String = change
        .model
        .chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    format!("{model}  {known}  {}\n", shown(&change.listed))
}

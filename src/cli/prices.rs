//! `weir prices`: compares the known prices with those in public maps.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{failure, print, print_faults};
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::{self, Glob};
use crate::pricing::PriceTable;
use crate::pricing::maps::{self, Change, Listed, Map};

#[derive(Debug, Subcommand)]
pub(super) enum Prices {
    /// Print a fragment of a configuration with every price of a map that Weir does not know, or knows otherwise
    Import(Chosen),
    /// Print how a map differs from the prices that Weir knows
    Diff(Chosen),
}

#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// Which map the file is: `litellm` (model_prices_and_context_window.json) or `models.dev` (api.json)
    #[arg(value_parser = map)]
    map: Map,
    /// The file
    file: PathBuf,
    /// Only models whose name matches, such as `claude-*`
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// The configuration whose `prices` count [default: none, only the built-in table]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn map(text: &str) -> Result<Map, String> {
    let known = Map::ALL.into_iter().find(|map| map.as_str() == text);
    known.ok_or_else(|| "expected `litellm` or `models.dev`".to_owned())
}

impl Prices {
    pub(super) fn run(self) -> ExitCode {
        let (chosen, import) = match self {
            Self::Import(chosen) => (chosen, true),
            Self::Diff(chosen) => (chosen, false),
        };
        let known = match &chosen.config {
            None => PriceTable::new(&[]),
            Some(file) => match config::check_without_secrets(file) {
                Ok(config) => PriceTable::new(&config.prices),
                Err(faults) => return print_faults(&faults),
            },
        };
        let changes = match chosen.changes(&known) {
            Ok(changes) => changes,
            Err(why) => return failure(&format!("{}: {why}", chosen.file.display())),
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
        if let Some(beyond) = beyond(&changes) {
            eprintln!("{beyond}");
        }
        match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

impl Chosen {
    fn changes(&self, known: &PriceTable) -> Result<Vec<Change>, String> {
        let only = self.only.as_deref().map(Glob::new).transpose();
        let only = only.map_err(|error| format!("--only: {error}"))?;
        let text = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        let text = text.trim_start_matches('\u{feff}');
        let mut changes = maps::changes(known, &self.map.read(text)?);
        changes.retain(|change| {
            only.as_ref()
                .is_none_or(|only| only.is_match(&change.model))
        });
        Ok(changes)
    }
}

/// The line for one model: the known and the listed prices, in the order of the price table, and a remark.
fn line(change: &Change) -> String {
    let known = change.known.as_ref().map_or_else(|| "-".to_owned(), shown);
    let model: String = change
        .model
        .chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    format!("{model}  {known}  {}\n", shown(&change.listed))
}

/// Formats prices: `5/5/5/0.5/30 >272000:10/10/10/1/45 batch:0.5 flex:2/2/2/0.5/15 flex>272000:4/4/4/1/22`
fn shown(listed: &Listed) -> String {
    let mut said = vec![kinds(&listed.rates)];
    said.extend(media(&listed.media));
    said.extend(longs("", &listed.long));
    for tier in &listed.tiers {
        let name = &tier.name;
        if let Some(factor) = listed.factor(tier) {
            said.push(format!("{name}:{factor}"));
            continue;
        }
        said.push(format!("{name}:{}", kinds(&tier.rates)));
        said.extend(media(&tier.media).map(|media| format!("{name}:{media}")));
        said.extend(longs(name, &tier.long));
    }
    let units = listed.units.named().into_iter();
    said.extend(units.filter_map(|(name, usd)| Some(format!("{name}:{}", usd?))));
    let images = listed.units.images.iter();
    said.extend(images.map(|(kind, usd)| format!("{}:{usd}", kind.replace(' ', "/"))));
    said.join(" ")
}

fn kinds(rates: &Rates) -> String {
    rates.kinds().map(|usd| usd.to_string()).join("/")
}

fn media(media: &MediaRates) -> impl Iterator<Item = String> {
    let all = media.all().into_iter();
    all.filter_map(|(name, usd)| Some(format!("{name}:{}", usd?)))
}

fn longs(tier: &str, longs: &[Long]) -> impl Iterator<Item = String> {
    longs.iter().flat_map(move |long| {
        let above = format!("{tier}>{}", long.above);
        let rates = format!("{above}:{}", kinds(&long.rates));
        let media = media(&long.media).map(move |media| format!("{above}:{media}"));
        std::iter::once(rates).chain(media)
    })
}

/// A remark about data of a map that a price entry cannot express, with the models concerned.
fn beyond(changes: &[Change]) -> Option<String> {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for change in changes {
        for member in &change.listed.left {
            members.entry(member).or_default().push(&change.model);
        }
    }
    let said = members.iter().map(|(member, models)| {
        let first = models.get(..SHOWN).unwrap_or(models).join(", ");
        let rest = if models.len() > SHOWN {
            ", \u{2026}"
        } else {
            ""
        };
        format!("  {member} of {first}{rest} ({})", models.len())
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        format!(
            "an entry has no place for these prices of the map:\n{}",
            said.join("\n")
        )
    })
}

/// Most names in a remark.
const SHOWN: usize = 5;

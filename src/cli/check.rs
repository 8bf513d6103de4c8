//! `weir check`.
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, ConfigFile, failure, print, print_faults};
use crate::config;

/// The arguments of `weir check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Secrets and certificates that are not here are warnings: for a check on another machine than the one that runs it
    #[arg(long)]
    allow_missing_secrets: bool,
}

impl Check {
    pub(super) fn run(&self) -> ExitCode {
        let Some(path) = self.file.find() else {
            eprintln!(
                "weir: no configuration found; name one with `-c FILE` (conf/minimal.yaml is a start)"
            );
            return ExitCode::from(BAD_CONFIGURATION);
        };
        let checked = if self.allow_missing_secrets {
            config::check_without_secrets(&path)
        } else {
            config::load(&path)
        };
        match checked {
            Ok(config) => {
                let mut lines: Vec<String> = config
                    .warnings
                    .iter()
                    .map(|warning| format!("warning: {warning}\n"))
                    .collect();
                lines.push(format!(
                    "{}: fine: {} accounts, {} pools, {} routes, {} keys\n",
                    path.display(),
                    config.accounts.len(),
                    config.pools.len(),
                    config.routes.len(),
                    config.keys.len()
                ));
                match print(&lines.concat()) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => failure(&error),
                }
            }
            Err(faults) => print_faults(&faults),
        }
    }
}

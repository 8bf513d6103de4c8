//! `weir check`.
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, ConfigFile, print_faults};
use crate::config;

pub(super) fn run(file: &ConfigFile) -> ExitCode {
    let Some(path) = file.find() else {
        eprintln!(
            "weir: no configuration found; name one with `-c FILE` (conf/minimal.yaml is a start)"
        );
        return ExitCode::from(BAD_CONFIGURATION);
    };
    match config::load(&path) {
        Ok(config) => {
            for warning in &config.warnings {
                println!("{warning}");
            }
            println!(
                "{}: fine: {} accounts, {} pools, {} routes, {} keys",
                path.display(),
                config.accounts.len(),
                config.pools.len(),
                config.routes.len(),
                config.keys.len()
            );
            ExitCode::SUCCESS
        }
        Err(faults) => print_faults(&faults),
    }
}

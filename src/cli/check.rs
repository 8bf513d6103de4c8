//! `weir check`.
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, ConfigFile, failure, print, print_faults};
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

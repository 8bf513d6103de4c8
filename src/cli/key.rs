//! `weir key`.
use std::process::ExitCode;

use clap::Subcommand;

use super::{failure, print, random};
use crate::config;
use crate::keys;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Print a fresh client key once, and its entry for the configuration
    New {
        /// The name of the key in metrics and logs
        #[arg(long, default_value = "new-key", value_parser = config::valid_name)]
        name: String,
    },
}

impl Key {
    pub(super) fn run(self) -> ExitCode {
        let Self::New { name } = self;
        let random = match random() {
            Ok(random) => random,
            Err(error) => return failure(&format!("no randomness: {error}")),
        };
        let key = keys::generate(random);
        let entry = keys::entry(&name, &key);
        let text = format!(
            "{key}\n\n# give the line above to the client: it is shown only now. Under `keys:` goes:\n{entry}"
        );
        match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

//! `weir completions` and `weir manual`: prints the documentation of the command line itself.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, failure, print};

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "weir", &mut text);
        match print(&String::from_utf8_lossy(&text)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

/// Write the manual pages into a directory: `weir.1`, and one for each command
#[derive(Debug, clap::Args)]
pub(super) struct Manual {
    directory: PathBuf,
}

impl Manual {
    pub(super) fn run(self) -> ExitCode {
        match clap_mangen::generate_to(Arguments::command(), &self.directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&format!("{}: {error}", self.directory.display())),
        }
    }
}

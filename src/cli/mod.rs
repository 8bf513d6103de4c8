//! The command line: the commands and their exit codes.
//!
//! Exit codes: 0 fine, 1 failure at run time, 2 wrong usage, 78 bad configuration (`EX_CONFIG` of sysexits.h, which
//! the systemd unit does not restart on).
mod check;
mod client;
mod completions;
mod demo;
mod explain;
mod focus;
mod health;
mod import;
mod init;
mod key;
mod log;
mod metered;
mod prices;
mod reconcile;
mod replay;
mod run;
mod state;
mod test;
mod traffic;
mod upstream;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config};

/// An edge proxy for LLM traffic: one binary, one YAML file, every dialect.
#[derive(Debug, Parser)]
#[command(name = "weir", version = VERSION, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration and print every fault at once; starts nothing
    Check(check::Check),
    Client(client::Arguments),
    Completions(completions::Completions),
    /// Run the proxy in front of a built-in simulated upstream: no key, no network, no file
    Demo(demo::Demo),
    Explain(explain::Explain),
    Health(health::Health),
    Import(import::Import),
    Init(init::Init),
    /// Make client keys
    #[command(subcommand)]
    Key(key::Key),
    /// Compare prices with public maps, and take over what those list
    #[command(subcommand)]
    Prices(prices::Prices),
    Reconcile(reconcile::Reconcile),
    Replay(replay::Replay),
    #[command(hide = true)]
    Manual(completions::Manual),
    /// Run the proxy
    Run(run::Run),
    Test(test::Test),
    /// Run the simulated upstream alone, for load tests and client tests
    Upstream(upstream::Upstream),
    Usage(usage::Usage),
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration [default: $WEIR_CONFIG, ./conf/weir.yaml, /etc/weir/weir.yaml, else API keys in the environment]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The arguments of this process. Help, version and usage errors (exit code 2) end the process.
pub fn arguments() -> Arguments {
    Arguments::parse()
}

/// Runs the command.
pub fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Check(check) => check.run(),
        Command::Client(client) => client.run(),
        Command::Completions(completions) => completions.run(),
        Command::Demo(demo) => demo.run(),
        Command::Explain(explain) => explain.run(),
        Command::Health(health) => health.run(),
        Command::Import(import) => import.run(),
        Command::Init(init) => init.run(),
        Command::Key(key) => key.run(),
        Command::Prices(prices) => prices.run(),
        Command::Reconcile(reconcile) => reconcile.run(),
        Command::Replay(replay) => replay.run(),
        Command::Manual(manual) => manual.run(),
        Command::Run(run) => run.run(),
        Command::Test(test) => test.run(),
        Command::Upstream(upstream) => upstream.run(),
        Command::Usage(usage) => usage.run(),
    }
}

impl ConfigFile {
    /// The file to read, by the documented order. `None` = there is none.
    fn find(&self) -> Option<PathBuf> {
        if let Some(file) = &self.config {
            return Some(file.clone());
        }
        if let Some(file) = std::env::var_os("WEIR_CONFIG") {
            return Some(file.into());
        }
        PLACES
            .iter()
            .map(Path::new)
            .find(|place| place.exists())
            .map(Path::to_owned)
    }

    /// The configuration. `Err` is the exit code of the command, after the reason was written to standard error.
    fn load(&self) -> Result<Config, ExitCode> {
        let Some(path) = self.find() else {
            eprintln!("weir: no configuration found; name one with `-c FILE`");
            return Err(ExitCode::from(BAD_CONFIGURATION));
        };
        config::load(&path).map_err(|faults| print_faults(&faults))
    }
}

/// Prints every fault to standard error, one per paragraph.
fn print_faults(faults: &[Diagnostic]) -> ExitCode {
    for fault in faults {
        eprintln!("{fault}");
    }
    let count = faults.len();
    eprintln!("{count} fault{} found", if count == 1 { "" } else { "s" });
    ExitCode::from(BAD_CONFIGURATION)
}

/// Prints `text` to standard output. If the reader has gone (`| head`, `| true`), this is not a failure of the command.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("weir: {error}");
    ExitCode::FAILURE
}

/// 256 random bits from the operating system.
fn random() -> std::io::Result<[u8; 32]> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Where to look for the configuration, in this order.
const PLACES: [&str; 2] = ["conf/weir.yaml", "/etc/weir/weir.yaml"];

/// The exit code of clap too.
const WRONG_USAGE: u8 = 2;

/// `EX_CONFIG`.
const BAD_CONFIGURATION: u8 = 78;

const VERSION: &str = env!("CARGO_PKG_VERSION");

//! `weir run`.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::state::State;
use super::{BAD_CONFIGURATION, ConfigFile, WRONG_USAGE, failure, log, print_faults, random};
use crate::config::{self, Config};
use crate::keys;
use crate::proxy::reload::Source;
use crate::proxy::server::{Inherited, Server, StartError, Until};

/// How it is run.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
    /// Where it listens, when there is no configuration [default: 127.0.0.1:8080]
    #[arg(long)]
    addr: Option<SocketAddr>,
    /// Where the admin plane listens, when there is no configuration [default: 127.0.0.1:9090]
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// Make a new client key, when there is no configuration; the one before is no longer valid
    #[arg(long)]
    new_key: bool,
    /// Write every exchange down in this directory, as cases for `weir replay`: bodies whole, credentials masked, for debugging
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Take over from a running Weir, which starts this by itself when it gets SIGQUIT
    #[arg(long)]
    upgrade: bool,
}

impl Run {
    pub(super) fn run(self) -> ExitCode {
        let inherited = match self.upgrade.then(Inherited::receive).transpose() {
            Ok(inherited) => inherited,
            Err(why) => {
                eprintln!("weir: {why}");
                return ExitCode::from(WRONG_USAGE);
            }
        };
        let record = self.record.as_deref();
        if let Some(path) = self.file.find() {
            if self.addr.is_some() || self.admin.is_some() || self.new_key {
                eprintln!(
                    "weir: `--addr`, `--admin` and `--new-key` are for a start without a configuration; {} has `listen`, `admin` and `keys`",
                    path.display()
                );
                return ExitCode::from(WRONG_USAGE);
            }
            return match config::load(&path) {
                Ok(config) => serve(config, Source::File(path), inherited, record),
                Err(faults) => print_faults(&faults),
            };
        }
        let env = |name: &str| std::env::var(name).ok();
        if !config::has_vendor_key(&env) {
            eprintln!(
                "weir: no configuration found: name one with `-c FILE`, or set ANTHROPIC_API_KEY, OPENAI_API_KEY or \
                 GEMINI_API_KEY, or try `weir demo`; \
                 `weir init` and `weir init --web` make a configuration"
            );
            return ExitCode::from(BAD_CONFIGURATION);
        }
        let key = match Generated::obtain(self.new_key) {
            Ok(key) => key,
            Err(error) => return failure(&error),
        };
        let listen = self.addr.unwrap_or(DEFAULT_ADDR);
        let admin = self.admin.unwrap_or(DEFAULT_ADMIN);
        match config::from_environment(&env, &key.digest, listen, admin) {
            Some(Ok(config)) => {
                announce(&config, &key);
                serve(config, Source::Fixed, inherited, record)
            }
            Some(Err(faults)) => print_faults(&faults),
            None => ExitCode::from(BAD_CONFIGURATION),
        }
    }
}

/// The client key of a start without a configuration.
struct Generated {
    /// 64 hex digits.
    digest: String,
    /// The key itself, when it was made now.
    fresh: Option<String>,
    /// Where the digest is kept; or why it is not.
    kept: Result<PathBuf, String>,
}

impl Generated {
    /// The one of the last start, or a new one.
    fn obtain(renew: bool) -> Result<Self, String> {
        let state = State::find(&|name| std::env::var_os(name).map(PathBuf::from));
        if let Some(state) = state.as_ref().filter(|_| !renew) {
            let shown = state.path().display().to_string();
            let digest = state
                .digest()
                .map_err(|error| format!("{shown} cannot be used: {error}"))?;
            if let Some(digest) = digest {
                return Ok(Self {
                    digest,
                    fresh: None,
                    kept: Ok(state.path()),
                });
            }
        }
        let random = random().map_err(|error| format!("no randomness: {error}"))?;
        let key = keys::generate(random);
        let digest = keys::hex_digest(&key);
        let kept = match &state {
            None => Err("neither STATE_DIRECTORY nor HOME is set".to_owned()),
            Some(state) => state
                .keep(&digest)
                .map(|()| state.path())
                .map_err(|error| format!("{}: {error}", state.path().display())),
        };
        Ok(Self {
            digest,
            fresh: Some(key),
            kept,
        })
    }
}

fn announce(config: &Config, key: &Generated) {
    let accounts: Vec<&str> = config
        .accounts
        .iter()
        .map(|account| &*account.name)
        .collect();
    eprintln!(
        "No configuration file: serving {} with the API keys found in the environment.",
        accounts.join(", ")
    );
    match &key.fresh {
        Some(fresh) => {
            eprintln!("The client key, made now and shown only now:");
            eprintln!();
            eprintln!("    {fresh}");
            eprintln!();
        }
        None => eprintln!(
            "The client key is the one that was shown when it was made; `--new-key` makes another."
        ),
    }
    match &key.kept {
        Ok(path) => eprintln!("Its SHA-256 is kept in {}.", path.display()),
        Err(why) => {
            eprintln!(
                "It is valid until this process ends: its SHA-256 could not be kept ({why})."
            );
        }
    }
}

const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

fn serve(
    config: Config,
    source: Source,
    inherited: Option<Inherited>,
    record: Option<&Path>,
) -> ExitCode {
    let set_level = log::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let server = match Server::bind_with(config, source, set_level, inherited) {
        Ok(server) => server,
        Err(error) => return not_started(&error),
    };
    if let Some(directory) = record
        && let Err(error) = server.record(directory)
    {
        return not_started(&error);
    }
    for addr in server.addrs() {
        tracing::info!(%addr, "listening");
    }
    if let Some(addr) = server.admin_addr() {
        tracing::info!(%addr, "admin plane listening");
    }
    match server.run(Until::Signalled) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => not_started(&error),
    }
}

/// A supervisor tries again after 1, and not after 78.
fn not_started(error: &StartError) -> ExitCode {
    let code = failure(error);
    if error.is_configuration() {
        ExitCode::from(BAD_CONFIGURATION)
    } else {
        code
    }
}

//! `weir run`.
use std::process::ExitCode;

use super::{BAD_CONFIGURATION, ConfigFile, failure, log, print_faults, random};
use crate::config::secret::Secret;
use crate::config::{self, Config};
use crate::keys;
use crate::proxy::reload::Source;
use crate::proxy::server::{Server, Until};

pub(super) fn run(file: &ConfigFile) -> ExitCode {
    if let Some(path) = file.find() {
        return match config::load(&path) {
            Ok(config) => serve(config, Source::File(path)),
            Err(faults) => print_faults(&faults),
        };
    }
    let key = match random() {
        Ok(random) => keys::generate(random),
        Err(error) => return failure(&format!("no randomness: {error}")),
    };
    let secret = Secret::new(key.as_str());
    match config::from_environment(&|name| std::env::var(name).ok(), &secret) {
        Some(Ok(config)) => {
            announce(&config, &key);
            serve(config, Source::Fixed)
        }
        None => {
            eprintln!(
                "weir: no configuration found: name one with `-c FILE`, or set ANTHROPIC_API_KEY, OPENAI_API_KEY or \
                 GEMINI_API_KEY, or try `weir demo`"
            );
            ExitCode::from(BAD_CONFIGURATION)
        }
        Some(Err(faults)) => print_faults(&faults),
    }
}

fn announce(config: &Config, key: &str) {
    let accounts: Vec<&str> = config
        .accounts
        .iter()
        .map(|account| &*account.name)
        .collect();
    let addr = config
        .listen
        .first()
        .map(|listener| listener.addr.to_string())
        .unwrap_or_default();
    eprintln!(
        "No configuration file: serving {} with the API keys found in the environment.",
        accounts.join(", ")
    );
    eprintln!("Listening on http://{addr}. The client key, made now and shown only now:");
    eprintln!();
    eprintln!("    {key}");
    eprintln!();
}

fn serve(config: Config, source: Source) -> ExitCode {
    let on_reload = log::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let server = match Server::bind_with(config, source, on_reload) {
        Ok(server) => server,
        Err(error) => return failure(&error),
    };
    for addr in server.addrs() {
        tracing::info!(%addr, "listening");
    }
    if let Some(addr) = server.admin_addr() {
        tracing::info!(%addr, "admin plane listening");
    }
    match server.run(Until::Signalled) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

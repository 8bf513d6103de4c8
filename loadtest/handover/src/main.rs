//! Stops and upgrades the real proxy under load, and counts what was lost on the way.
//!
//! `drain`: streams over HTTP/2, stopped by SIGTERM while both cores are busy, round after round: each must come to its end,
//! with the flag that says so. `upgrade`: requests at a steady rate and long streams while one process takes over from
//! another: none may be lost, and what the key has used must be the sum of what its clients were told.
mod client;
mod drain;
mod process;
mod upgrade;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_default();
    let ended = match Options::read(args) {
        Ok(mut options) => match what.as_str() {
            "drain" => drain::run(&mut options).await,
            "upgrade" => upgrade::run(&mut options).await,
            _ => Err(USAGE.to_owned()),
        },
        Err(fault) => Err(fault),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("handover: {fault}");
            ExitCode::from(2)
        }
    }
}

/// What the command line says, taken out one by one.
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = HashMap::new();
        while let Some(name) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| format!("{name}: a value is missing"))?;
            given.insert(name, value);
        }
        Ok(Self(given))
    }

    pub(crate) fn binary(&mut self) -> PathBuf {
        let given = self.0.remove("--weir");
        given
            .unwrap_or_else(|| "target/release/weir".to_owned())
            .into()
    }

    pub(crate) fn number(&mut self, name: &str, default: u32) -> Result<u32, String> {
        let Some(text) = self.0.remove(name) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|fault| format!("{name} {text}: {fault}"))
    }

    /// After the last one that there is.
    pub(crate) fn end(&self) -> Result<(), String> {
        let unknown = self.0.keys().next();
        unknown.map_or(Ok(()), |name| {
            Err(format!("{name}: no such option\n{USAGE}"))
        })
    }
}

const USAGE: &str = "usage: handover drain [--weir BINARY] [--streams 10000] [--at-once 500]
       handover upgrade [--weir BINARY] [--rate 2000] [--streams 200] [--seconds 30]";

//! `weir upstream`: the simulated upstream alone.
use std::net::SocketAddr;
use std::process::ExitCode;

use super::{WRONG_USAGE, failure};
use crate::proxy::simulator::Simulator;
use simulated::{Live, Settings, Simulated};

#[derive(Debug, clap::Args)]
pub(super) struct Upstream {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8081")]
    addr: SocketAddr,
    /// Worker threads; 0 = one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// A credential that is let in; repeat for several. Without it everyone is
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// A model that it serves, and no others; repeat for several
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// How every answer is made, `KNOB=VALUE`: docs/SIMULATED.md lists the knobs. Repeat for several
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = assignment)]
    knobs: Vec<(String, String)>,
    /// A knob for one credential only, `KEY:KNOB=VALUE`. Repeat for several
    #[arg(long = "fail", value_name = "KEY:KNOB=VALUE", value_parser = deviation)]
    fail: Vec<(String, (String, String))>,
}

impl Upstream {
    pub(super) fn run(self) -> ExitCode {
        let (addr, threads) = (self.addr, self.threads);
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(why) => {
                eprintln!("weir: {why}");
                return ExitCode::from(WRONG_USAGE);
            }
        };
        let simulator = match Simulator::bind(addr, Simulated::new(settings)) {
            Ok(simulator) => simulator,
            Err(error) => return failure(&format!("cannot listen on {addr}: {error}")),
        };
        match simulator.addr() {
            Ok(addr) => println!("the simulated upstream listens on http://{addr}"),
            Err(error) => return failure(&error),
        }
        match simulator.run(threads, std::future::pending::<()>()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }

    fn settings(self) -> Result<Settings, String> {
        let mut live = Live::default();
        for (knob, value) in &self.knobs {
            live.set(knob, value)?;
        }
        let mut keys: Vec<&String> = self.fail.iter().map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let own = self.fail.iter().filter(|(other, _)| other == key);
            live.fail(key, own.map(|(_, knob)| knob.clone()).collect())?;
        }
        let mut settings = Settings {
            keys: self.keys,
            live,
            ..Settings::default()
        };
        if !self.models.is_empty() {
            settings.models = self.models;
            settings.only_listed_models = true;
        }
        Ok(settings)
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (knob, value) = text.split_once('=').ok_or("expected KNOB=VALUE")?;
    Ok((knob.to_owned(), value.to_owned()))
}

fn deviation(text: &str) -> Result<(String, (String, String)), String> {
    let (key, rest) = text.split_once(':').ok_or("expected KEY:KNOB=VALUE")?;
    Ok((key.to_owned(), assignment(rest)?))
}

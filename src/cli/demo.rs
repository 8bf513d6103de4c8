//! `weir demo`: the real proxy in front of the simulated upstream, in one process.
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use super::{failure, log, print_faults, traffic};
use crate::config;
use crate::proxy::reload::Source;
use crate::proxy::server::{Server, Until};
use crate::proxy::simulator::Simulator;
use simulated::{Settings, Simulated};

#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where the proxy listens
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// Where the admin plane listens
    #[arg(long, default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// Without the simulated clients that give the console something to show
    #[arg(long)]
    no_traffic: bool,
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulated = Simulated::new(Settings::default());
        let (simulator, upstream) = match Simulator::bind(any_port, simulated)
            .and_then(|bound| Ok((bound.addr()?, bound)))
        {
            Ok((addr, simulator)) => (simulator, addr),
            Err(error) => return failure(&format!("cannot start the simulated upstream: {error}")),
        };
        let config = match config::demo(upstream, self.addr, self.admin) {
            Ok(config) => config,
            Err(faults) => return print_faults(&faults),
        };
        let set_level = log::start(&config.log);
        let server = match Server::bind_with(config, Source::Fixed, set_level, None) {
            Ok(server) => server,
            Err(error) => return failure(&error),
        };
        // The thread ends with the process.
        std::thread::spawn(move || simulator.run(1, std::future::pending::<()>()));
        println!("{}", welcome(self.addr, self.admin));
        if let Some(code) = server.invite() {
            let admin = self.admin;
            println!(
                "The console, for one sign-in within ten minutes: http://{admin}/console#signin={code}\n"
            );
        }
        if !self.no_traffic {
            let mut front = self.addr;
            if front.ip().is_unspecified() {
                front.set_ip(match front {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
            if let Some(bound) = server.addrs().first() {
                front.set_port(bound.port());
            }
            traffic::start(front);
        }
        match server.run(Until::Signalled) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

fn welcome(addr: SocketAddr, admin: SocketAddr) -> String {
    format!(
        r#"weir is serving simulated models on http://{addr} (metrics: http://{admin}/metrics). Paste one of these:

curl -s http://{addr}/v1/messages -H 'x-api-key: demo' -H 'anthropic-version: 2023-06-01' -d '{{"model":"claude-sonnet-5","max_tokens":64,"messages":[{{"role":"user","content":"Hello"}}]}}'

curl -sN http://{addr}/v1/chat/completions -H 'authorization: Bearer demo' -d '{{"model":"gpt-5.5","stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'

curl -s 'http://{addr}/v1beta/models/gemini-2.5-flash:generateContent?key=demo' -d '{{"contents":[{{"parts":[{{"text":"Hello"}}]}}]}}'

Simulated clients keep the console busy (`--no-traffic` leaves them out). Ctrl-C ends it.
"#
    )
}

//! `weir explain`: shows what would happen to a request. Nothing is called and no port is opened.
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ConfigFile, WRONG_USAGE, failure, print};
use crate::config::name;
use crate::exchange::Gateway;
use crate::exchange::explain::{self, ExplainedRequest};
use crate::exchange::occasion::Occasion;
use crate::proxy::clocks;

/// Say what would happen to a request: the client key, the route, the accounts in order, the upstream's request.
///
/// The request's body is read from standard input. Nobody is called. Secrets are masked. A running Weir knows more
/// (which accounts are out, how limits stand): ask it with `POST /admin/explain`.
///
/// Exit codes: 0 the request would be served, 1 it would be refused, 2 wrong usage, 78 bad configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    file: ConfigFile,
    /// Where the request would be sent, with its query [default: inferred from the body, and reported]
    #[arg(long, value_name = "P")]
    path: Option<String>,
    /// A header of the request, `NAME: VALUE`; repeat for several
    #[arg(short = 'H', long = "header", value_name = "H", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Act as the configured key of that name, without its secret [default: the credential in the headers]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Print JSON, with the upstream's whole body
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> ExitCode {
        let config = match self.file.load() {
            Ok(config) => config,
            Err(end) => return end,
        };
        let body = match request(config.server.max_body) {
            Ok(body) => body,
            Err(error) => return failure(&format!("cannot read standard input: {error}")),
        };
        let headers: HeaderMap = self.headers.into_iter().collect();
        let key = self.key.as_deref().map(name::normal);
        let explained = ExplainedRequest {
            path: self.path.as_deref(),
            headers: &headers,
            key: key.as_deref(),
            body: body.into(),
            in_flight: None,
        };
        let occasion = Occasion {
            moment: clocks::moment(),
            // A fixed draw, so that the same question always gets the same answer.
            draw: 0,
        };
        let report = match explain::explain(&Gateway::build(config, None), &explained, occasion) {
            Ok(report) => report,
            Err(why) => {
                eprintln!("weir: {why}");
                return ExitCode::from(WRONG_USAGE);
            }
        };
        let text = if self.json {
            serde_json::to_string_pretty(&report).map(|json| json + "\n")
        } else {
            Ok(report.to_string())
        };
        match text
            .map_err(std::io::Error::from)
            .and_then(|text| print(&text))
        {
            Err(error) => failure(&error),
            _ if report.served => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

/// The body from standard input; one that is too long is read just far enough to detect that.
fn request(limit: usize) -> std::io::Result<Vec<u8>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("Paste the request's body and end it with Ctrl-D.");
    }
    let mut body = Vec::new();
    stdin
        .lock()
        .take(limit as u64 + 1)
        .read_to_end(&mut body)
        .map(|_| body)
}

/// Parses `NAME: VALUE`, as in curl.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected `NAME: VALUE`, with a colon")?;
    let name: HeaderName = name
        .trim()
        .parse()
        .map_err(|_| "the part before the colon is no name of a header")?;
    let value: HeaderValue = value
        .trim()
        .parse()
        .map_err(|_| "the part after the colon holds what no header can")?;
    Ok((name, value))
}

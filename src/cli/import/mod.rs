//! `weir import`: converts the configuration of another gateway.
//!
//! Everything that cannot be converted is listed with its place in the other gateway's file: nothing is left out
//! silently.
mod ccr;
mod claude_proxy;
mod draft;
mod litellm;
mod one_api;
mod relay_service;
mod source;
mod upstreams;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

use super::{failure, print};
use draft::Draft;

/// Convert the configuration of another gateway into one of Weir's.
///
/// The configuration goes to standard output, or into a new file with `--output`; what could not be converted is listed
/// on standard error, with its place in FILE. Secrets that FILE holds in plain text are in the result, too.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The gateway it is from
    #[arg(value_enum)]
    kind: Kind,
    /// LiteLLM's config.yaml; the JSON of one-api's or new-api's channel list; the decrypted export of
    /// claude-relay-service; config.json of claude-code-router; .config/config.json of claude-proxy
    file: PathBuf,
    /// A file to write to, which must not exist
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Ccr,
    ClaudeProxy,
    ClaudeRelayService,
    Litellm,
    /// Also new-api
    #[value(alias = "new-api")]
    OneApi,
}

impl Import {
    pub(super) fn run(&self) -> ExitCode {
        let shown = self.file.display();
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) => return failure(&format!("{shown} cannot be read: {error}")),
        };
        let draft = match convert(self.kind, &text) {
            Ok(draft) => draft,
            Err(why) => return failure(&format!("{shown} cannot be converted: {why}")),
        };
        let yaml = draft.yaml(&shown.to_string());
        let written = match &self.output {
            None => print(&yaml),
            Some(path) => std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .and_then(|mut file| file.write_all(yaml.as_bytes())),
        };
        if let Err(error) = written {
            let target = self.output.as_ref().map(|path| path.display().to_string());
            return failure(&format!(
                "{}: {error}",
                target.unwrap_or_else(|| "standard output".to_owned())
            ));
        }
        for note in draft.notes() {
            eprintln!("{shown}: {note}");
        }
        eprintln!("{}", draft.summary());
        ExitCode::SUCCESS
    }
}

fn convert(kind: Kind, text: &str) -> Result<Draft, String> {
    let mut draft = Draft::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = match kind {
        Kind::Litellm => {
            serde_yaml::from_str(text).map_err(|error| format!("it is not YAML: {error}"))?
        }
        _ => json(text)?,
    };
    match kind {
        Kind::Ccr => ccr::convert(&value, &mut draft),
        Kind::ClaudeProxy => claude_proxy::convert(&value, &mut draft),
        Kind::ClaudeRelayService => relay_service::convert(&value, &mut draft),
        Kind::Litellm => litellm::convert(&value, &mut draft),
        Kind::OneApi => one_api::convert(&value, &mut draft),
    }?;
    if draft.is_empty() {
        return Err("there is no upstream in it that Weir could serve".to_owned());
    }
    Ok(draft)
}

/// Parses JSON as people write it for these programs: with comments and trailing commas.
fn json(text: &str) -> Result<Value, String> {
    let options = jsonc_parser::ParseOptions::default();
    jsonc_parser::parse_to_serde_value::<Value>(text, &options)
        .map_err(|error| format!("it is not JSON: {error}"))
}

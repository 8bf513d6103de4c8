//! `weir client`: the settings that make a client use this Weir, printed or written into the client's own files.
mod document;
mod file;
mod items;
mod lines;
mod table;
mod value;

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use super::{WRONG_USAGE, failure, print};
use file::SettingsFile;
use table::{CLIENTS, Client};
use value::Target;

/// Print what points a client at this Weir, or write it into the client's own settings.
///
/// Without `--write` nothing is changed. What is written keeps order and comments of the file, beside which a backup is
/// kept; `--undo` takes it back.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which client
    #[arg(value_parser = PossibleValuesParser::new(CLIENTS.iter().map(|client| client.name)))]
    name: String,
    /// Where this Weir listens, as the client reaches it
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = base_url)]
    url: String,
    /// The client key; `-` reads it from standard input [default: $WEIR_KEY]
    #[arg(long)]
    key: Option<String>,
    /// Write it into the client's settings
    #[arg(long, conflicts_with = "undo")]
    write: bool,
    /// Take back what `--write` wrote
    #[arg(long)]
    undo: bool,
}

impl Arguments {
    pub(super) fn run(self) -> ExitCode {
        let Some(client) = CLIENTS.iter().find(|client| client.name == self.name) else {
            return ExitCode::from(WRONG_USAGE);
        };
        let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
        if self.undo {
            return undo(client, &env);
        }
        let key = match self.key() {
            Ok(key) => key,
            Err(why) => return usage(&why),
        };
        if !self.write {
            let target = Target {
                url: &self.url,
                key: key.as_deref().unwrap_or("KEY"),
            };
            return match print(&client.lines(&target, &env)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error),
            };
        }
        match &key {
            None => usage(
                "a key is needed: `--key KEY`, `--key -` to read it from standard input, or WEIR_KEY",
            ),
            Some(key) => write(
                client,
                &Target {
                    url: &self.url,
                    key,
                },
                &env,
            ),
        }
    }

    fn key(&self) -> Result<Option<String>, String> {
        let key = match self.key.as_deref() {
            Some("-") => {
                if std::io::stdin().is_terminal() {
                    eprintln!("Paste the key and end it with Ctrl-D.");
                }
                let mut text = String::new();
                std::io::stdin()
                    .lock()
                    .take(LONGEST_KEY + 1)
                    .read_to_string(&mut text)
                    .map_err(|error| format!("cannot read standard input: {error}"))?;
                Some(text.trim().to_owned())
            }
            Some(key) => Some(key.to_owned()),
            None => std::env::var("WEIR_KEY").ok(),
        };
        match key {
            Some(key) if key.is_empty() || key.len() as u64 > LONGEST_KEY => {
                Err("the key is empty or too long".to_owned())
            }
            Some(key) if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("the key holds what no header can".to_owned())
            }
            key => Ok(key),
        }
    }
}

fn write(client: &Client, target: &Target<'_>, env: &table::Environment<'_>) -> ExitCode {
    let files = match client.files(env) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => {
            return usage(&format!(
                "{} has no settings file that could be written: `weir client {}` prints what to enter",
                client.title, client.name
            ));
        }
        Err(why) => return failure(&why),
    };
    // All texts are made before any file is written, so that an unreadable file leaves the others unchanged.
    let made: Result<Vec<(SettingsFile, String)>, String> = files
        .into_iter()
        .map(|(path, settings)| {
            let file = SettingsFile::read(path)?;
            let text = file.changed(settings, target)?;
            Ok((file, text))
        })
        .collect();
    let made = match made {
        Ok(made) => made,
        Err(why) => return failure(&why),
    };
    let mut said = String::new();
    for (file, text) in made {
        match file.write(&text) {
            Ok(line) => said += &line,
            Err(why) => return failure(&why),
        }
    }
    said += &format!("`weir client {} --undo` takes it back.\n", client.name);
    said += &client.remark();
    match print(&said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn undo(client: &Client, env: &table::Environment<'_>) -> ExitCode {
    let files = match client.files(env) {
        Ok(files) => files,
        Err(why) => return failure(&why),
    };
    let mut said = String::new();
    for (path, settings) in files {
        let undone = SettingsFile::read(path).and_then(|file| file.undo(settings));
        match undone {
            Ok(line) => said += &line,
            Err(why) => return failure(&why),
        }
    }
    if said.is_empty() {
        return failure(&format!(
            "there is nothing to take back of {}",
            client.title
        ));
    }
    match print(&said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("weir: {why}");
    ExitCode::from(WRONG_USAGE)
}

/// The base URL in the form for clients: without a slash at the end.
fn base_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = url
        .strip_prefix("http://")
        .or(url.strip_prefix("https://"))
        .ok_or("it begins with `http://` or `https://`")?;
    let uri: http::Uri = url.parse().map_err(|_| "this is no URL")?;
    if host.is_empty() || uri.query().is_some() || host.contains(['@', '#', '"', '\'', '\\', '$']) {
        return Err("scheme, host, port and a path at most: `https://weir.example.com`".to_owned());
    }
    if let Some(base) = url.strip_suffix("/v1") {
        return Err(format!(
            "without `/v1`, which each client wants elsewhere: {base}"
        ));
    }
    Ok(url.to_owned())
}

/// Longest key, in bytes. Weir's own keys have 48 characters; others may have more.
const LONGEST_KEY: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_taken_as_clients_need_it() {
        assert_eq!(base_url("http://a:1/"), Ok("http://a:1".to_owned()));
        assert_eq!(base_url("https://a/weir"), Ok("https://a/weir".to_owned()));
        for text in [
            "",
            "a:8080",
            "ftp://a",
            "http://",
            "http://a/v1",
            "http://u:p@a",
            "http://a?b",
            "http://a b",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}

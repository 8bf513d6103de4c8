//! `weir replay`: runs recorded exchanges through the translators again, without a network.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{WRONG_USAGE, failure, print};
use crate::cases::Case;
use crate::cases::difference::differences;

/// Run recorded exchanges through the translators again, offline, and show what differs
///
/// Exits with 0 when every case comes out as it was recorded, with 1 when one does not, and with 2 when a case cannot be
/// read or run. DIR is the directory of `weir run --record DIR`, or any other with such files.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// The directory of the cases
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only these cases, by the names of their files, with or without `.txt` [default: all]
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
}

/// The results of the cases.
#[derive(Debug, Default)]
struct Tally {
    agree: usize,
    differ: usize,
    unreadable: usize,
}

impl Replay {
    pub(super) fn run(self) -> ExitCode {
        let chosen = match self.chosen() {
            Ok(chosen) => chosen,
            Err(why) => {
                failure(&why);
                return ExitCode::from(WRONG_USAGE);
            }
        };
        let mut tally = Tally::default();
        for (name, path) in &chosen {
            let said = match replay(path) {
                Err(why) => {
                    tally.unreadable += 1;
                    eprintln!("weir: {} {why}", path.display());
                    continue;
                }
                Ok(found) if found.is_empty() => {
                    tally.agree += 1;
                    format!("ok       {name}\n")
                }
                Ok(found) => {
                    tally.differ += 1;
                    format!("differs  {name}\n{}\n", found.join("\n"))
                }
            };
            if let Err(error) = print(&said) {
                return failure(&error);
            }
        }
        if let Err(error) = print(&tally.text()) {
            return failure(&error);
        }
        tally.exit_code()
    }

    /// The files to run, with the names under which they are shown.
    fn chosen(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let all = files(&self.directory)?;
        let shown = self.directory.display();
        if all.is_empty() {
            return Err(format!(
                "{shown} has no cases: expected files that end in .txt, in it or in its folders {}",
                FOLDERS.join(" and ")
            ));
        }
        if self.cases.is_empty() {
            return Ok(all);
        }
        let mut chosen = Vec::with_capacity(self.cases.len());
        for asked in &self.cases {
            let asked = asked.strip_suffix(".txt").unwrap_or(asked);
            let is_asked = |name: &str| name == asked || name.rsplit('/').next() == Some(asked);
            let before = chosen.len();
            chosen.extend(all.iter().filter(|(name, _)| is_asked(name)).cloned());
            if chosen.len() == before {
                return Err(format!(
                    "{shown} has no case `{asked}`; it has {} cases, the first is `{}`",
                    all.len(),
                    all.first().map_or("", |(name, _)| name)
                ));
            }
        }
        Ok(chosen)
    }
}

impl Tally {
    fn text(&self) -> String {
        let all = self.agree + self.differ + self.unreadable;
        let plural = if all == 1 { "" } else { "s" };
        let mut text = format!("{all} case{plural}: {} as recorded", self.agree);
        for (count, what) in [
            (self.differ, "different"),
            (self.unreadable, "not readable"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text + "\n"
    }

    fn exit_code(&self) -> ExitCode {
        match (self.unreadable, self.differ) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::FAILURE,
            _ => ExitCode::from(WRONG_USAGE),
        }
    }
}

/// The differences of one case. `Err` tells why it cannot be compared.
fn replay(path: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err("is no file, expected a case".to_owned());
    }
    if about.len() > LARGEST {
        return Err(format!(
            "has {} bytes, expected a case of at most {LARGEST}",
            about.len()
        ));
    }
    let file = std::fs::read(path).map_err(unreadable)?;
    let now = Case::read(&file)?.run()?;
    Ok(differences(&file, &now))
}

/// The cases of a directory and of its folders, by name.
fn files(directory: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut found = listed(directory, "")?;
    for folder in FOLDERS {
        let path = directory.join(folder);
        if path.is_dir() {
            found.extend(listed(&path, &format!("{folder}/"))?);
        }
    }
    found.sort();
    Ok(found)
}

fn listed(directory: &Path, before: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotADirectory => {
            format!(
                "{} is no directory, expected one with cases",
                directory.display()
            )
        }
        _ => format!("{} cannot be read: {error}", directory.display()),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A name that begins with a dot is of a file that is being written.
        if let Some(stem) = name
            .strip_suffix(".txt")
            .filter(|stem| !stem.starts_with('.'))
        {
            found.push((format!("{before}{stem}"), path.clone()));
        }
    }
    Ok(found)
}

/// The folders into which the recorder writes cases; the goldens of the tests have the same ones.
const FOLDERS: [&str; 2] = ["passthrough", "translate"];

/// Largest case, in bytes. The recorder writes smaller ones.
const LARGEST: u64 = 128 << 20;

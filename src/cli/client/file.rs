//! One file of a client's settings on disk: read, changed, backed up, taken back.
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::document::{apply, is_empty, restore};
use super::table::Settings;
use super::value::Target;

/// A file as it is now.
#[derive(Debug)]
pub struct SettingsFile {
    /// Where it is written, behind symbolic links: dotfiles often are some.
    path: PathBuf,
    /// `None` = there is no such file.
    text: Option<String>,
}

impl SettingsFile {
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let path = fs::canonicalize(&path).unwrap_or(path);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self {
                path,
                text: Some(text),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path, text: None }),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// The text with what points the client at a Weir.
    pub fn changed(&self, settings: &Settings, target: &Target<'_>) -> Result<String, String> {
        let text = self.text.as_deref().unwrap_or_default();
        apply(settings.format, text, settings.changes, target)
            .map_err(|why| format!("{} is left as it is: {why}", self.path.display()))
    }

    /// Writes the text, and before that the backup, unless there is one from before. What was done, as a line.
    pub fn write(&self, text: &str) -> Result<String, String> {
        let fault = |path: &Path, error: io::Error| {
            format!("{} cannot be written: {error}", path.display())
        };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(|error| fault(directory, error))?;
        }
        let shown = self.path.display();
        let (backup, made) = (self.beside(BACKUP), self.beside(MADE));
        let said = if let Some(before) = &self.text {
            if !backup.exists() && !made.exists() {
                replace(&backup, before, self.mode()).map_err(|error| fault(&backup, error))?;
            }
            format!(
                "wrote {shown}; what it was is kept in {}\n",
                backup.display()
            )
        } else {
            replace(&made, "", OWNER_ONLY).map_err(|error| fault(&made, error))?;
            format!("made {shown}\n")
        };
        replace(&self.path, text, self.mode()).map_err(|error| fault(&self.path, error))?;
        Ok(said)
    }

    /// Takes back what was written. What was done, as a line; empty = there was nothing.
    pub fn undo(&self, settings: &Settings) -> Result<String, String> {
        let fault =
            |error: io::Error| format!("{} cannot be restored: {error}", self.path.display());
        let shown = self.path.display();
        let (backup, made) = (self.beside(BACKUP), self.beside(MADE));
        let before = match fs::read_to_string(&backup) {
            Ok(before) => Some(before),
            Err(_) if made.exists() => None,
            Err(_) => return Ok(String::new()),
        };
        let original = before.as_deref().unwrap_or_default();
        let now = self.text.as_deref().unwrap_or_default();
        let back = restore(settings.format, now, original, settings.changes)
            .map_err(|why| format!("{shown} is left as it is: {why}"))?;
        let said = match &before {
            // What was changed meanwhile stays; else every byte is as it was.
            Some(before) if same_but_for_space(before, &back) => {
                replace(&self.path, before, self.mode()).map_err(fault)?;
                format!("{shown} is as it was\n")
            }
            None if is_empty(settings.format, &back) => {
                if self.text.is_some() {
                    fs::remove_file(&self.path).map_err(fault)?;
                }
                format!("removed {shown}\n")
            }
            _ => {
                replace(&self.path, &back, self.mode()).map_err(fault)?;
                format!("took the settings out of {shown}; what else changed meanwhile stays\n")
            }
        };
        for remnant in [backup, made] {
            match fs::remove_file(&remnant) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("{} cannot be removed: {error}", remnant.display()));
                }
                _ => {}
            }
        }
        Ok(said)
    }

    /// The mode that the file has; a new one holds a key and is its owner's.
    fn mode(&self) -> u32 {
        fs::metadata(&self.path).map_or(OWNER_ONLY, |meta| meta.permissions().mode() & 0o777)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name: OsString = self.path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        self.path.with_file_name(name)
    }
}

/// Writes a file whole, or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut fresh: OsString = path.file_name().unwrap_or_default().to_owned();
    fresh.push(format!(".weir-{}", std::process::id()));
    let fresh = path.with_file_name(fresh);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

fn same_but_for_space(a: &str, b: &str) -> bool {
    a.split_whitespace()
        .flat_map(str::bytes)
        .eq(b.split_whitespace().flat_map(str::bytes))
}

const BACKUP: &str = ".weir-backup";
/// Stands in the place of a backup when there was no file.
const MADE: &str = ".weir-made";
const OWNER_ONLY: u32 = 0o600;

//! One settings file of a client on disk: reads, changes, backs up and restores it.
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::document::{apply, is_empty, restore};
use super::table::Settings;
use super::value::Target;

/// The present state of a file.
#[derive(Debug)]
pub struct SettingsFile {
    /// The path that is written to. Symbolic links are resolved, because dotfiles often are links.
    path: PathBuf,
    /// `None` = the file does not exist.
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

    /// The text with the settings for Weir.
    pub fn changed(&self, settings: &Settings, target: &Target<'_>) -> Result<String, String> {
        let text = self.text.as_deref().unwrap_or_default();
        apply(settings.format, text, settings.changes, target)
            .map_err(|why| format!("{} is left as it is: {why}", self.path.display()))
    }

    /// Writes the text. Before that, it writes a backup, unless there is an earlier one. Returns a line about what was
    /// done.
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

    /// Restores the file. Returns a line about what was done; empty = there was nothing to do.
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
            // If the file was changed meanwhile, those changes are kept; otherwise every byte is restored.
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

    /// The file's mode. A new file contains a key, so only its owner may read it.
    fn mode(&self) -> u32 {
        fs::metadata(&self.path).map_or(OWNER_ONLY, |meta| meta.permissions().mode() & 0o777)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name: OsString = self.path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        self.path.with_file_name(name)
    }
}

/// Writes a file completely or not at all.
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
/// The suffix of the file that replaces a backup if there was no file before.
const MADE: &str = ".weir-made";
const OWNER_ONLY: u32 = 0o600;

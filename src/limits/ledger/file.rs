//! The file on disk: appended to in whole lines, written anew when it has grown.
//!
//! Several processes may have it open, as two do for the length of an upgrade. Each takes the file's lock for as long as
//! it writes, and looks whether the file at the path is still the one that it has open; so a line is never torn by
//! another, and none is lost to a file that has just been replaced.
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::lines::{Began, Sums};

/// The ledger's file, open.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    file: File,
    max_size: u64,
    /// How long it was when it was last written anew.
    shortest: u64,
}

impl LedgerFile {
    /// Opens the file, or makes it, and reads what is in it.
    pub fn open(path: &Path, max_size: u64, began: Began) -> io::Result<(Self, Sums)> {
        let file = open(path)?;
        let mut ledger = Self {
            // Of a link, the file that it leads to is replaced, not the link.
            path: fs::canonicalize(path)?,
            file,
            max_size,
            shortest: 0,
        };
        let sums = ledger.shorten(began)?;
        Ok((ledger, sums))
    }

    /// Appends lines. How much of them is in the file now, and why that is not all.
    pub fn append(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        let appended = self.locked(|file| {
            if ends_within_a_line(file)? {
                file.write_all(b"\n")?;
            }
            let mut written = 0;
            while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
                match file.write(rest) {
                    Ok(0) => return Ok((written, Some(io::ErrorKind::WriteZero.into()))),
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Ok((written, Some(error))),
                }
            }
            Ok((written, None))
        });
        appended.unwrap_or_else(|error| (0, Some(error)))
    }

    /// Whether it is time to write it anew. One that is long although it was just written anew is given time to grow.
    pub fn is_long(&self) -> bool {
        let length = self.file.metadata().map_or(0, |meta| meta.len());
        length > self.max_size && length > self.shortest.saturating_mul(2)
    }

    /// Writes the file anew, with the sums of what is in it.
    pub fn shorten(&mut self, began: Began) -> io::Result<Sums> {
        let path = self.path.clone();
        let (sums, file) = self.locked(|_| {
            let sums = Sums::read(BufReader::new(File::open(&path)?), began)?;
            let fresh = rewrite(&path, &sums);
            if fresh.is_err() {
                // What is there stays as it is; it goes on being appended to.
                let _ = fs::remove_file(beside(&path));
            }
            Ok((sums, fresh))
        })?;
        match file {
            Ok(file) => self.file = file,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the ledger cannot be written anew, and grows on");
            }
        }
        self.shortest = self.file.metadata().map_or(0, |meta| meta.len());
        Ok(sums)
    }

    /// Does `work` while no other process writes.
    fn locked<T>(&mut self, work: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        for _ in 0..MAX_REPLACED {
            // A file system without locks has to do without: then a line may be lost during an upgrade.
            let _ = self.file.lock();
            if is_at(&self.file, &self.path) {
                let done = work(&mut self.file);
                let _ = self.file.unlock();
                return done;
            }
            // Dropping the old one lets go of its lock.
            self.file = open(&self.path)?;
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

/// Not for everybody: it names clients and what they use.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ))
    }
}

/// A file with the sums, in the place of the one at `path`.
fn rewrite(path: &Path, sums: &Sums) -> io::Result<File> {
    let fresh = beside(path);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = open(&fresh)?;
    let mut lines = BufWriter::new(&file);
    let mut line = Vec::new();
    for entry in sums.entries() {
        line.clear();
        entry.write(&mut line);
        lines.write_all(&line)?;
    }
    lines.flush()?;
    drop(lines);
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |open: fs::Metadata, there: fs::Metadata| {
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    };
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => same(open, there),
        _ => false,
    }
}

/// Whether someone was cut off while writing.
fn ends_within_a_line(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// How often the file may be replaced by others while its lock is waited for.
const MAX_REPLACED: usize = 1000;

//! The file on disk: whole lines are appended to it, and it is rewritten when it has grown.
//!
//! Several processes may have it open, as two do during an upgrade. Each holds the file's lock while it writes, and
//! checks that the file at the path is still the one that it has open. So no process tears a line of another one, and
//! no line is lost to a file that has just been replaced.
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::lines::{Began, Sums};

/// The ledger's file, open.
#[derive(Debug)]
pub(super) struct LedgerFile {
    file: AppendFile,
    max_size: u64,
}

impl LedgerFile {
    /// Opens or creates the file, and reads it.
    pub fn open(path: &Path, max_size: u64, began: Began) -> io::Result<(Self, Sums)> {
        let mut ledger = Self {
            file: AppendFile::open(path)?,
            max_size,
        };
        let sums = ledger.shorten(began)?;
        Ok((ledger, sums))
    }

    /// Appends lines. Returns how many bytes are in the file now, and the error if not all are.
    pub fn append(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        self.file.append(lines)
    }

    /// Whether it is time to rewrite the file. A file that is long although it was just rewritten is given time to
    /// grow.
    pub fn is_long(&self) -> bool {
        self.file.is_long(self.max_size)
    }

    /// Rewrites the file with the sums of its lines. A file that contains nothing of this month is left as it is: if
    /// the clock had run ahead at the start, a rewrite would lose what was used.
    pub fn shorten(&mut self, began: Began) -> io::Result<Sums> {
        let (sums, fault) = self.file.rewrite(
            |lines| Sums::read(lines, began),
            |sums, to| {
                if sums.is_of_the_past() {
                    return Err(io::ErrorKind::Other.into());
                }
                let mut line = Vec::new();
                for entry in sums.entries() {
                    line.clear();
                    entry.write(&mut line);
                    to.write_all(&line)?;
                }
                Ok(())
            },
        )?;
        if let Some(error) = fault
            && !sums.is_of_the_past()
        {
            let path = self.file.path().display();
            tracing::warn!(%path, %error, "the ledger cannot be written anew, and grows on");
        }
        Ok(sums)
    }
}

/// A file of lines to which several processes append, and which each of them may rewrite.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Its length in bytes when it was last rewritten.
    shortest: u64,
}

impl AppendFile {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self {
            // For a symbolic link, the file that it points to is replaced, not the link.
            path: fs::canonicalize(path)?,
            file,
            shortest: 0,
        })
    }

    /// The path of the file, with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is still at its path.
    pub fn is_there(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// Whether the file has more than `max_size` bytes, and more than twice as many as when it was last rewritten.
    pub fn is_long(&self, max_size: u64) -> bool {
        let length = self.length();
        length > max_size && length > self.shortest.saturating_mul(2)
    }

    /// Appends lines. Returns how many bytes are in the file now, and the error if not all are.
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

    /// Rewrites the file: `read` reads the old lines, `write` writes the new ones from its result. Returns that result,
    /// and the error if the rewrite failed; in that case the old file stays and is still appended to.
    pub fn rewrite<T>(
        &mut self,
        read: impl FnOnce(BufReader<File>) -> io::Result<T>,
        write: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<(T, Option<io::Error>)> {
        let path = self.path.clone();
        let (found, fresh) = self.locked(|_| {
            let found = read(BufReader::new(File::open(&path)?))?;
            let fresh = replace(&path, |to| write(&found, to));
            if fresh.is_err() {
                let _ = fs::remove_file(beside(&path));
            }
            Ok((found, fresh))
        })?;
        let fault = match fresh {
            Ok(file) => {
                self.file = file;
                None
            }
            Err(error) => Some(error),
        };
        self.shortest = self.length();
        Ok((found, fault))
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    /// Does `work` while no other process writes.
    fn locked<T>(&mut self, work: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        for _ in 0..MAX_REPLACED {
            // Some file systems have no locks. There a line may be lost during an upgrade.
            let _ = self.file.lock();
            if is_at(&self.file, &self.path) {
                let done = work(&mut self.file);
                let _ = self.file.unlock();
                return done;
            }
            // When the old file is dropped, its lock is released.
            self.file = open(&self.path)?;
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

/// Opens or creates the file. Others may not read it, because it names clients and what they use.
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

/// Writes a new file with these lines and moves it to `path`.
fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let fresh = beside(path);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = open(&fresh)?;
    let mut lines = BufWriter::new(&file);
    write(&mut lines)?;
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

/// Whether the last line has no end, because its writer was interrupted.
fn ends_within_a_line(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// How often other processes may replace the file while this one waits for its lock.
const MAX_REPLACED: usize = 1000;

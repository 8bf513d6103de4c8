//! The directory of recorded cases: its permissions, and how each file appears complete or not at all.
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cases::recorded::{PASSTHROUGH, Recorded, TRANSLATE};

/// A directory with one folder for each kind of case.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    /// Part of every file name of this process, so that no two processes use the same name.
    run: String,
    /// The number of cases that this process has tried to write.
    tried: u64,
}

/// The existing cases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Stock {
    pub cases: u64,
    pub bytes: u64,
}

impl Store {
    /// Creates what is missing, and tests whether files can be written. Existing cases count.
    pub(super) fn open(directory: &Path, run: &str) -> io::Result<(Self, Stock)> {
        if directory.exists() && !directory.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "it is no directory",
            ));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE_FOLDER)
            .create(directory)?;
        let mut stock = Stock::default();
        for folder in [PASSTHROUGH, TRANSLATE] {
            let path = directory.join(folder);
            match DirBuilder::new().mode(PRIVATE_FOLDER).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // A symbolic link, which another user may have made, is not followed.
            if !path.symlink_metadata()?.is_dir() {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("{folder} in it is no directory"),
                ));
            }
            std::fs::set_permissions(&path, Permissions::from_mode(PRIVATE_FOLDER))?;
            let trial = path.join(format!(".{run}.part"));
            drop(create(&trial)?);
            std::fs::remove_file(&trial)?;
            for entry in std::fs::read_dir(&path)? {
                let path = entry?.path();
                let about = path.symlink_metadata()?;
                let ending = path.extension().unwrap_or_default();
                if ending == "txt" {
                    stock.cases += 1;
                    stock.bytes += about.len();
                } else if ending == "part" && is_abandoned(&about) {
                    std::fs::remove_file(&path)?;
                }
            }
        }
        let store = Self {
            directory: directory.to_owned(),
            run: run.to_owned(),
            tried: 0,
        };
        Ok((store, stock))
    }

    /// Writes a case. The file under its name is always complete, even if the process is killed; an existing file is
    /// not replaced.
    pub(super) fn put(&mut self, case: &Recorded) -> io::Result<()> {
        self.tried += 1;
        let name = format!("{}_{}_{:04}", case.name, self.run, self.tried);
        let folder = self.directory.join(case.folder);
        let whole = folder.join(format!("{name}.txt"));
        if whole.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let part = folder.join(format!(".{name}.part"));
        let mut file = create(&part)?;
        let written = file
            .write_all(&case.file)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&part, &whole));
        if written.is_err() {
            // The first failure already explains what is wrong.
            let _ = std::fs::remove_file(&part);
        }
        written
    }
}

/// Whether the partial file was left behind by a process that was killed.
fn is_abandoned(part: &Metadata) -> bool {
    let age = part.modified().ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > LONGEST_WRITE)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path)
}

/// The longest time that writing a case may take.
const LONGEST_WRITE: Duration = Duration::from_mins(10);

const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use super::*;

    fn case(file: &str) -> Recorded {
        Recorded {
            folder: TRANSLATE,
            name: "a_to_b_answer".to_owned(),
            file: file.into(),
        }
    }

    #[test]
    fn cases_are_for_their_owner_only_and_never_written_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new/deep");
        let (mut store, stock) = Store::open(&path, "run1").expect("it opens");
        assert_eq!(stock, Stock::default());
        store.put(&case("one")).expect("it writes");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        let file = path.join("translate/a_to_b_answer_run1_0001.txt");
        assert_eq!(mode(&file), 0o600);
        assert_eq!((mode(&path), mode(&path.join("translate"))), (0o700, 0o700));
        // Another start with the same directory counts the existing case and overwrites nothing, whatever its run is
        // called.
        let (mut again, stock) = Store::open(&path, "run1").expect("it opens");
        assert_eq!(stock, Stock { cases: 1, bytes: 3 });
        let refused = again.put(&case("two")).expect_err("it is there");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        again.put(&case("three")).expect("another number");
        assert_eq!(std::fs::read(&file).expect("there"), b"one");
        let count = || {
            std::fs::read_dir(path.join("translate"))
                .expect("there")
                .count()
        };
        assert_eq!(count(), 2, "nothing else is left behind");
        // Files of a killed process are deleted, but not those that another process may be writing.
        for (name, age) in [("old", 2_u32), ("new", 0)] {
            let part = File::create(path.join(format!("translate/.{name}.part")));
            let at = std::time::SystemTime::now() - age * LONGEST_WRITE;
            part.and_then(|part| part.set_modified(at)).expect("a file");
        }
        Store::open(&path, "run3").expect("it opens");
        assert_eq!(count(), 3);
    }

    #[test]
    fn what_cannot_be_a_directory_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("a file");
        assert!(Store::open(&file, "run").is_err());
        assert!(Store::open(&file.join("below"), "run").is_err());
        let linked = dir.path().join("linked");
        std::fs::create_dir(&linked).expect("a directory");
        std::os::unix::fs::symlink(dir.path(), linked.join("translate")).expect("a link");
        let refused = Store::open(&linked, "run").expect_err("a link");
        assert!(refused.to_string().contains("translate"), "{refused}");
    }
}

//! The files of fragments: read as a whole, written to a temporary file and renamed, with one backup each.
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::secret::hex;
use crate::proxy::admin::access::sha256;

use super::secrets::Fresh;

/// The text of a fragment; `None` = there is no such file.
pub(in crate::proxy::admin) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The revision of a text, by which a client can tell whether the file is still the one that it has seen.
pub(in crate::proxy::admin) fn revision(text: Option<&str>) -> String {
    text.map_or_else(
        || "none".to_owned(),
        |text| hex(&sha256(text.as_bytes())).chars().take(16).collect(),
    )
}

/// Creates the directory and the subdirectory for secrets, which only the user that runs Weir may enter.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory.join(SECRETS))
}

/// Replaces the file by `text`. The previous file stays beside it as a backup.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    replace_as(path, text, OWN)
}

/// The same, for a file with this mode.
pub(in crate::proxy::admin) fn replace_as(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let fresh = beside(".new");
    if let Some(before) = read(path)? {
        write(&fresh, &before, mode)?;
        fs::rename(&fresh, beside(BACKUP))?;
    }
    let written = write(&fresh, text, mode).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    // The rename itself must survive a loss of power, too.
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // A file that a failed attempt left behind may have another mode.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // Restores the bits that the umask took away.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Secrets on disk that are deleted again unless the change is made.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<PathBuf>);

impl Written {
    pub(super) fn new(fresh: &[Fresh]) -> io::Result<Self> {
        let mut written = Self::default();
        for secret in fresh {
            written.0.push(secret.path.clone());
            write(&secret.path, &secret.text, OWN)?;
        }
        Ok(written)
    }

    /// Keeps the files.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Deletes the secrets to which neither the fragment nor its backup refers.
pub(super) fn sweep(directory: &Path, texts: &[String]) -> io::Result<()> {
    for entry in fs::read_dir(directory.join(SECRETS))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        // Deletes only files whose names [`secret`] makes.
        let is_own = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_own && !texts.iter().any(|text| text.contains(&*name)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The path of a new secret; `random` has at least [`DIGITS`] hex digits.
pub(super) fn secret(directory: &Path, random: &str) -> PathBuf {
    let name: String = random.chars().take(DIGITS).collect();
    directory.join(SECRETS).join(name)
}

/// Whether the directory can be written to. Writes and deletes a file in it, or in the nearest parent that exists.
pub(super) fn writable(directory: &Path) -> Result<(), String> {
    let secrets = directory.join(SECRETS);
    let mut there = secrets.as_path();
    while !there.exists() {
        there = there.parent().ok_or("there is no such directory")?;
    }
    let trial = there.join(".weir-can-write");
    let tried = write(&trial, "", OWN);
    let _ = fs::remove_file(&trial);
    tried.map_err(|error| format!("{} cannot be written to: {error}", there.display()))
}

/// The suffix of a fragment's backup. It is not `.yaml`, so the backup is not read.
pub(super) const BACKUP: &str = ".bak";

/// The mode of the files: only the user that runs Weir may read and write them.
const OWN: u32 = 0o600;

const SECRETS: &str = "secrets";

/// The number of hex digits in the name of a secret's file.
const DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_the_one_before_stays_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.yaml");
        for text in ["one", "two", "three"] {
            replace(&path, text).expect("it is written");
        }
        let read = |path: &Path| fs::read_to_string(path).expect("a file");
        assert_eq!(read(&path), "three");
        assert_eq!(read(&directory.path().join("keys.yaml.bak")), "two");
        let left = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(left, 2);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn secrets_go_with_the_change_that_was_not_made() {
        let directory = tempfile::tempdir().expect("a directory");
        make(directory.path()).expect("directories");
        let fresh = |digit: &str| Fresh {
            path: secret(directory.path(), &digit.repeat(64)),
            text: "sk".to_owned(),
        };
        drop(Written::new(&[fresh("a")]).expect("they are written"));
        let (kept, gone) = (fresh("b"), fresh("c"));
        assert!(!fresh("a").path.exists());
        Written::new(&[fresh("b"), fresh("c")])
            .expect("they are written")
            .keep();
        fs::write(directory.path().join("secrets/notes"), "").expect("a file");
        sweep(directory.path(), &[kept.path.display().to_string()]).expect("they are swept");
        assert!(kept.path.exists() && !gone.path.exists());
        assert!(
            directory.path().join("secrets/notes").exists(),
            "not Weir's"
        );
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(
            (mode(&kept.path), mode(&directory.path().join("secrets"))),
            (0o600, 0o700)
        );
    }

    #[test]
    fn a_revision_tells_one_text_from_another() {
        assert_eq!(revision(None), "none");
        assert_ne!(revision(Some("a")), revision(Some("b")));
        assert!(writable(Path::new("/proc/nothing/here")).is_err());
    }
}

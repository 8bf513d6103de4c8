//! The state directory: `weir run` without a file keeps data about its generated client key there.
//!
//! Only the SHA-256 is kept. So a reader of the directory cannot use the key, and a restart does not lock clients out.
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The directory for data that shall outlive the process.
#[derive(Debug)]
pub(super) struct State {
    directory: PathBuf,
}

impl State {
    /// `$STATE_DIRECTORY` (systemd's), else `$XDG_STATE_HOME/weir`, else `$HOME/.local/state/weir`. `None` = none of them
    /// is set.
    pub(super) fn find(env: &dyn Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|path| path.is_absolute());
        let directory = set("STATE_DIRECTORY")
            .or_else(|| Some(set("XDG_STATE_HOME")?.join("weir")))
            .or_else(|| Some(set("HOME")?.join(".local/state/weir")))?;
        Some(Self { directory })
    }

    /// The file with the digest.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(KEY_FILE)
    }

    /// The kept digest, 64 hex digits; `None` = there is none.
    pub(super) fn digest(&self) -> io::Result<Option<String>> {
        let mut text = String::new();
        match File::open(self.path()) {
            Ok(file) => file.take(LONGEST).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let digest = text.trim();
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest {
            Ok(Some(digest.to_owned()))
        } else {
            Err(io::Error::other(
                "it does not hold a SHA-256; `--new-key` replaces it",
            ))
        }
    }

    /// Keeps a digest instead of the previous one. The file is never incomplete, and only its owner can read it.
    pub(super) fn keep(&self, digest: &str) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let fresh = self
            .directory
            .join(format!("{KEY_FILE}.{}", std::process::id()));
        let written = write(&fresh, digest).and_then(|()| fs::rename(&fresh, self.path()));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }
}

fn write(path: &Path, digest: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(digest.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

const KEY_FILE: &str = "client-key.sha256";
const LONGEST: u64 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let env = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        State::find(&env).map(|state| state.directory)
    }

    #[test]
    fn the_directory_is_the_units_else_the_users() {
        let all = [
            ("STATE_DIRECTORY", "/a"),
            ("XDG_STATE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(find(&all), Some("/a".into()));
        assert_eq!(find(&all[1..]), Some("/b/weir".into()));
        assert_eq!(find(&all[2..]), Some("/c/.local/state/weir".into()));
        assert_eq!(find(&[]), None);
        assert_eq!(find(&[("HOME", "relative")]), None);
    }

    #[test]
    fn a_digest_is_kept_for_its_owner_only_and_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = State {
            directory: directory.path().join("new/weir"),
        };
        assert_eq!(state.digest().expect("none"), None);
        for digit in ["a", "b"] {
            state.keep(&digit.repeat(64)).expect("kept");
            assert_eq!(state.digest().expect("a digest"), Some(digit.repeat(64)));
        }
        let mode = fs::metadata(state.path())
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(&state.directory).expect("a directory").count();
        assert_eq!(files, 1);
        fs::write(state.path(), "nonsense").expect("a file");
        assert!(state.digest().is_err());
    }
}

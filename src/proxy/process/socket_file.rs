//! The file of a Unix socket, which outlives its process unless it is removed.
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file of a Unix socket that this process created.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// The file of the socket that was just bound at `path`.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Removes the file, unless another process has put its own there meanwhile.
    pub(super) fn remove(self) {
        if identity(&self.path) == Some(self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            let file = self.path.display();
            tracing::warn!(%file, %error, "the socket's file could not be removed");
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_file_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        std::fs::write(&path, "").expect("a file");
        let own = SocketFile::of(&path).expect("a file");
        std::fs::write(directory.path().join("other"), "").expect("a file");
        std::fs::rename(directory.path().join("other"), &path).expect("a rename");
        own.remove();
        assert!(path.exists(), "another's file");
        SocketFile::of(&path).expect("a file").remove();
        assert!(!path.exists());
        assert!(SocketFile::of(&path).is_none());
    }
}

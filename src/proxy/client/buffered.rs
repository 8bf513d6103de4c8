//! Counts how many bytes of request bodies all requests together hold in memory.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The counter, for the whole process.
#[derive(Debug, Default)]
pub(crate) struct Buffered(AtomicUsize);

/// The bytes that one request holds; they are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct BufferShare {
    all: Arc<Buffered>,
    bytes: usize,
    most: usize,
}

impl Buffered {
    /// A share for one request. All shares together stay within `most` bytes.
    pub(crate) fn share(self: &Arc<Self>, most: usize) -> BufferShare {
        BufferShare {
            all: self.clone(),
            bytes: 0,
            most,
        }
    }

    /// The bytes that are held now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl BufferShare {
    /// Whether `bytes` more would have room now. Nothing is reserved for them.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let room = self.most.saturating_sub(self.all.bytes());
        usize::try_from(bytes).is_ok_and(|bytes| bytes <= room)
    }

    /// Holds `bytes` more. `false` = there is no room for them; then nothing changes.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.all.0.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.most {
            self.all.0.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for BufferShare {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A quarter of the memory that this process may use, in bytes: of the smallest value among the machine's memory and
/// the limits of its control groups (version 2). If none is known, 1 GiB.
pub(crate) fn quarter_of_memory() -> usize {
    static QUARTER: OnceLock<usize> = OnceLock::new();
    *QUARTER.get_or_init(measured_quarter)
}

fn measured_quarter() -> usize {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let group = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let mut directory = PathBuf::from("/sys/fs/cgroup").join(group.unwrap_or_default());
    let mut least = read(Path::new("/proc/meminfo")).and_then(|text| machine(&text));
    while directory.starts_with("/sys/fs/cgroup") {
        let limit = read(&directory.join("memory.max"));
        let limit = limit.and_then(|text| text.trim().parse().ok());
        least = least.into_iter().chain(limit).min();
        directory.pop();
    }
    usize::try_from(least.unwrap_or(FALLBACK) / 4).unwrap_or(usize::MAX)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn machine(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The memory that is assumed if none is known, in bytes.
const FALLBACK: u64 = 4 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_whole_and_are_given_back() {
        let all = Arc::new(Buffered::default());
        let (mut one, mut other) = (all.share(10), all.share(10));
        assert!(one.grow(6) && other.has_room(4) && !other.has_room(5));
        assert!(!other.grow(5) && other.grow(4) && !one.grow(1));
        assert_eq!(all.bytes(), 10);
        drop(one);
        assert_eq!(all.bytes(), 4);
        assert!(other.grow(6) && !other.grow(usize::MAX));
        drop(other);
        assert_eq!(all.bytes(), 0);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(machine("MemFree: 1 kB\n"), None);
        assert_eq!(
            machine("MemTotal:       16 kB\nMemFree: 1 kB\n"),
            Some(16 << 10)
        );
        assert!(quarter_of_memory() > 1 << 20);
    }
}

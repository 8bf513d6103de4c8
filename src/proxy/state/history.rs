//! The texts of the last configurations, with secrets masked, so that a person can see what a reload has changed.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::config::{Config, Shown};

/// The last configurations, newest last.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Past>>);

/// A configuration that is or was in force.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub generation: u64,
    pub applied_at: SystemTime,
    pub hash: String,
    pub files: Arc<[Shown]>,
}

impl History {
    /// Keeps a configuration. The oldest ones are dropped when there are too many, or when they are too large together.
    pub(crate) fn keep(&self, config: &Config, generation: u64, wall: SystemTime) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(Past {
            generation,
            applied_at: wall,
            hash: config.hash.clone(),
            files: config.shown.clone(),
        });
        while all.len() > 1
            && (all.len() > MOST || all.iter().map(Past::bytes).sum::<usize>() > MOST_BYTES)
        {
            all.pop_front();
        }
    }

    /// The configurations that are kept, newest first.
    pub(crate) fn list(&self) -> Vec<Past> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().cloned().collect()
    }
}

impl Past {
    fn bytes(&self) -> usize {
        let text = |file: &Shown| file.text.as_ref().map_or(0, String::len);
        self.files.iter().map(text).sum()
    }
}

/// The most configurations that are kept.
const MOST: usize = 10;

/// The most bytes of all of them.
const MOST_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_last_ten_are_kept_newest_first() {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = crate::config::demo(address(1), address(2), address(3));
        let config = config.expect("a configuration");
        let history = History::default();
        for generation in 1..=15 {
            history.keep(&config, generation, SystemTime::UNIX_EPOCH);
        }
        let kept: Vec<u64> = history.list().iter().map(|past| past.generation).collect();
        assert_eq!(kept, [15, 14, 13, 12, 11, 10, 9, 8, 7, 6]);
        assert!(history.list()[0].bytes() > 0);
    }
}

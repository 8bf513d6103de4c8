//! The memory of a socket: the conversation behind each response that may be continued on it.
use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

/// The responses of a socket, oldest first. Conversations that continue each other share their bytes.
#[derive(Debug)]
pub struct Chain {
    entries: VecDeque<Entry>,
    /// The bytes of all entries together; shared bytes count once.
    bytes: usize,
    /// The most bytes.
    most: usize,
}

#[derive(Debug)]
struct Entry {
    id: String,
    /// The items of the whole conversation; each segment is a JSON list without its brackets.
    segments: Vec<Bytes>,
}

impl Chain {
    /// A memory of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    /// The conversation up to and including that response.
    pub fn history(&self, id: &str) -> Option<&[Bytes]> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        Some(&entry.segments)
    }

    /// Remembers a response: what it continued, its new input, and its output. The oldest responses make room.
    pub fn remember(&mut self, id: String, previous: Option<&str>, input: Bytes, output: Bytes) {
        let before = match previous.map(|previous| self.history(previous)) {
            None => &[],
            Some(Some(history)) => history,
            // A conversation whose beginning is not known cannot be continued here.
            Some(None) => return,
        };
        if self.history(&id).is_some() {
            return;
        }
        let new = [input, output]
            .into_iter()
            .filter(|items| !items.is_empty());
        let segments = before.iter().cloned().chain(new).collect();
        self.entries.push_back(Entry { id, segments });
        self.bytes = self.count();
        while self.bytes > self.most || self.entries.len() > MOST_ENTRIES {
            self.entries.pop_front();
            self.bytes = self.count();
        }
    }

    /// The bytes that are held.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn count(&self) -> usize {
        let mut seen = HashSet::new();
        let segments = self.entries.iter().flat_map(|entry| &entry.segments);
        segments
            .filter(|segment| seen.insert(segment.as_ptr()))
            .map(Bytes::len)
            .sum()
    }
}

/// The most responses that may be continued at a time: two for each lane.
const MOST_ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Bytes {
        Bytes::from(vec![b'x'; length])
    }

    fn length(chain: &Chain, id: &str) -> Option<usize> {
        Some(chain.history(id)?.iter().map(Bytes::len).sum())
    }

    #[test]
    fn a_conversation_grows_by_what_is_new() {
        let mut chain = Chain::new(100);
        chain.remember("a".into(), None, bytes(10), bytes(5));
        chain.remember("b".into(), Some("a"), bytes(1), bytes(2));
        assert_eq!(length(&chain, "a"), Some(15));
        assert_eq!(length(&chain, "b"), Some(18));
        assert_eq!(chain.bytes(), 18);
        chain.remember("c".into(), Some("unknown"), bytes(1), bytes(1));
        assert_eq!(length(&chain, "c"), None);
    }

    #[test]
    fn the_oldest_make_room_and_what_is_shared_is_counted_once() {
        let mut chain = Chain::new(40);
        chain.remember("a".into(), None, bytes(20), bytes(0));
        chain.remember("fork-1".into(), Some("a"), bytes(5), bytes(0));
        chain.remember("fork-2".into(), Some("a"), bytes(5), bytes(0));
        assert_eq!(chain.bytes(), 30);
        chain.remember("d".into(), Some("fork-2"), bytes(12), bytes(0));
        assert_eq!(length(&chain, "a"), None, "the oldest went");
        assert_eq!(length(&chain, "d"), Some(37));
        assert_eq!((chain.bytes(), length(&chain, "fork-1")), (37, None));
        chain.clear();
        assert_eq!((chain.bytes(), length(&chain, "d")), (0, None));
    }

    #[test]
    fn what_is_longer_than_all_is_not_kept() {
        let mut chain = Chain::new(10);
        chain.remember("a".into(), None, bytes(11), bytes(0));
        assert_eq!((length(&chain, "a"), chain.bytes()), (None, 0));
        for index in 0..1_000 {
            chain.remember(format!("r{index}"), None, bytes(0), bytes(0));
        }
        assert!(length(&chain, "r999").is_some() && length(&chain, "r935").is_none());
    }

    #[test]
    fn the_count_is_right_in_the_end_whatever_was_forked() {
        let mut chain = Chain::new(1_000);
        let mut seed = 7_usize;
        for index in 0..2_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let parent =
                (index > 0).then(|| format!("r{}", index - 1 - (seed >> 33) % index.min(80)));
            chain.remember(
                format!("r{index}"),
                parent.as_deref(),
                bytes((seed >> 40) % 30),
                bytes(1),
            );
            assert!(chain.bytes() <= 1_000);
            let longest = chain
                .entries
                .iter()
                .map(|entry| entry.segments.iter().map(Bytes::len).sum::<usize>())
                .max();
            assert!(
                chain.bytes() >= longest.unwrap_or(0),
                "less than one conversation was counted"
            );
        }
    }
}

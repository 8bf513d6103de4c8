//! A bounded map that forgets entries which are not used.
use std::borrow::Borrow;
use std::hash::Hash;

use ahash::AHashMap;

/// Holds at most twice `room` entries: if the young half is full, it becomes the old half, and the previous old half is
/// dropped.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: AHashMap<K, V>,
    old: AHashMap<K, V>,
    room: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            young: AHashMap::new(),
            old: AHashMap::new(),
            room,
        }
    }

    /// A copy of the value. An entry that is found becomes young again.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.room && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_twice_its_room_and_keeps_what_is_used() {
        let mut recent = Recent::new(8);
        recent.put(u64::MAX, 7);
        for key in 0..1000 {
            recent.put(key, key);
            assert!(recent.len() <= 16, "{}", recent.len());
            assert_eq!(recent.get(&u64::MAX), Some(7), "after {key}");
        }
        assert_eq!(recent.get(&999), Some(999));
        assert_eq!(recent.get(&3), None);
    }
}

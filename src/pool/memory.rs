//! A map with a bounded number of entries; those that are used stay longest.
//!
//! There are two generations per shard. New and used entries live in the young one. When that is full it becomes the
//! old one, and the previous old one is dropped as a whole. No entry is ever searched for eviction, so nothing ever
//! stalls. Both generations keep their allocated memory: memory that is allocated and freed with every generation looks
//! like a leak, and leaves holes.
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A bounded map from a hash to a small value.
#[derive(Debug)]
pub struct Memory<V> {
    shards: [Mutex<Generations<V>>; SHARDS],
    /// The most entries in one generation of one shard.
    per_generation: usize,
}

#[derive(Clone, Debug)]
struct Generations<V> {
    young: HashMap<u64, V, BuildHasherDefault<AlreadyHashed>>,
    old: HashMap<u64, V, BuildHasherDefault<AlreadyHashed>>,
}

impl<V> Default for Generations<V> {
    fn default() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }
}

/// Copies one shard after the other, so that at most one is locked at a time.
impl<V: Copy> Clone for Memory<V> {
    fn clone(&self) -> Self {
        Self {
            shards: std::array::from_fn(|place| Mutex::new(lock(&self.shards[place]).clone())),
            per_generation: self.per_generation,
        }
    }
}

impl<V: Copy> Memory<V> {
    /// Holds at least `capacity / 2` of the most recently used entries, and never more than `capacity` (rounded up to a
    /// multiple of the shards).
    pub fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            per_generation: capacity.div_ceil(2 * SHARDS).max(1),
        }
    }

    /// The value of `key`; a read counts as a use.
    pub fn get(&self, key: u64) -> Option<V> {
        let mut shard = self.shard(key);
        if let Some(value) = shard.young.get(&key) {
            return Some(*value);
        }
        let value = shard.old.remove(&key)?;
        self.put(&mut shard, key, value);
        Some(value)
    }

    /// Sets the value of `key`.
    pub fn insert(&self, key: u64, value: V) {
        let mut shard = self.shard(key);
        shard.old.remove(&key);
        self.put(&mut shard, key, value);
    }

    /// All entries, in no order; each shard as it is at the moment when it is read.
    pub fn entries(&self) -> Vec<(u64, V)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let entries = shard.old.iter().chain(&shard.young);
            all.extend(entries.map(|(key, value)| (*key, *value)));
        }
        all
    }

    /// Forgets `key`.
    pub fn remove(&self, key: u64) {
        let mut shard = self.shard(key);
        shard.old.remove(&key);
        shard.young.remove(&key);
    }

    fn put(&self, shard: &mut Generations<V>, key: u64, value: V) {
        if shard.young.len() >= self.per_generation && !shard.young.contains_key(&key) {
            std::mem::swap(&mut shard.old, &mut shard.young);
            shard.young.clear();
        }
        shard.young.insert(key, value);
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Generations<V>> {
        // The map below uses the low bits of the key, so the shard takes the high ones.
        let place = (key >> 60) as usize % SHARDS;
        lock(&self.shards[place])
    }
}

/// Locks the mutex, also if a thread panicked while it held the lock: no update here can be observed half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl std::hash::Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The number of shards, each with its own lock.
const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::affinity::mix;
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let memory = Memory::new(1024);
        for key in 0..100_000 {
            memory.insert(mix(key), key);
        }
        let sizes = memory.shards.iter().map(|shard| {
            let shard = lock(shard);
            shard.young.len() + shard.old.len()
        });
        assert!((512..=1024).contains(&sizes.sum::<usize>()));
    }

    #[test]
    fn a_generation_goes_into_the_room_of_the_one_before() {
        let memory = Memory::new(1024);
        let room = || {
            let shards = memory.shards.iter().map(|shard| {
                let shard = lock(shard);
                shard.young.capacity() + shard.old.capacity()
            });
            shards.sum::<usize>()
        };
        let fill = |from| (from..from + 2048).for_each(|key| memory.insert(mix(key), key));
        fill(0);
        let full = room();
        for from in 1..50 {
            fill(from * 10_000);
            assert_eq!(room(), full);
        }
    }

    #[test]
    fn what_is_used_stays() {
        let memory = Memory::new(1024);
        memory.insert(mix(7), 7);
        for key in 1000..50_000 {
            memory.insert(mix(key), key);
            assert_eq!(memory.get(mix(7)), Some(7));
        }
        memory.remove(mix(7));
        assert_eq!(memory.get(mix(7)), None);
    }
}

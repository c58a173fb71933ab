//! What is remembered of the newest of many.

use std::collections::{BTreeMap, VecDeque};

/// A map that holds so many entries at most: the oldest goes for a new one.
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
    limit: usize,
}

impl<K: Ord + Copy, V> Recent<K, V> {
    /// An empty one.
    pub fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new(), limit }
    }

    /// Adds an entry, or changes it; the key of the one that went for it.
    pub fn insert(&mut self, key: K, value: V) -> Option<K> {
        if self.entries.insert(key, value).is_some() {
            return None;
        }
        self.order.push_back(key);
        let oldest = (self.order.len() > self.limit).then(|| self.order.pop_front()).flatten()?;
        self.entries.remove(&oldest);
        Some(oldest)
    }

    /// What is remembered under a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Whether something is.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn the_oldest_goes() {
        let mut recent = Recent::new(2);
        assert_eq!([recent.insert(1, 'a'), recent.insert(2, 'b'), recent.insert(1, 'c')], [None; 3]);
        assert_eq!(recent.insert(3, 'd'), Some(1));
        assert_eq!((recent.get(&1), recent.get(&2), recent.contains(&3)), (None, Some(&'b'), true));
    }
}

//! Bodies of functions and classes, by the hash of their content.

use std::collections::BTreeMap;

/// Every body that was put. Content never changes under a hash, so the first copy stays.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Functions {
    bodies: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Functions {
    /// Keeps a body.
    pub fn put(&mut self, hash: Vec<u8>, body: Vec<u8>) {
        self.bodies.entry(hash).or_insert(body);
    }

    /// The body, if it was put.
    pub fn get(&self, hash: &[u8]) -> Option<&[u8]> {
        self.bodies.get(hash).map(Vec::as_slice)
    }

    /// Every body with its hash, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.bodies.iter().map(|(hash, body)| (hash.as_slice(), body.as_slice()))
    }
}

//! Large values, which places keep beside the events, each once.

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a large value is called: the SHA-256 of its content.
pub type Digest = [u8; 32];

/// From this size on a value is kept beside the events.
pub const LARGE_BYTES: usize = 64 << 10;

/// A large value of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Large<'a> {
    /// What it is called.
    pub digest: Digest,
    /// The value.
    pub bytes: &'a [u8],
}

/// A large value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeBody {
    /// What it is called.
    pub digest: Digest,
    /// The value; empty in a record that was read and whose value was not fetched yet.
    pub bytes: Vec<u8>,
}

impl LargeBody {
    /// A value with its name.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: digest_of(&bytes), bytes }
    }
}

/// What a value is called.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(digest)
}

/// The large values that a place has, and what refers to them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The last event that refers to it; 0 where none is known.
    values: BTreeMap<Digest, u64>,
    /// What the newest snapshot refers to, and the one before it.
    snapshots: [BTreeSet<Digest>; 2],
}

impl Known {
    /// The place has these values, which are taken for those of the snapshot before the newest.
    pub(crate) fn found(values: impl Iterator<Item = Digest>) -> Self {
        let values: BTreeMap<Digest, u64> = values.map(|digest| (digest, 0)).collect();
        let earlier = values.keys().copied().collect();
        Self { values, snapshots: [BTreeSet::new(), earlier] }
    }

    /// The newest snapshot refers to these.
    pub(crate) fn newest_snapshot(&mut self, digests: impl Iterator<Item = Digest>) {
        self.snapshots[0] = digests.collect();
    }

    /// Whether the place has it.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.values.contains_key(digest)
    }

    /// An event refers to it; 0 for something that is yet to count.
    pub(crate) fn note(&mut self, digest: Digest, index: u64) {
        let last = self.values.entry(digest).or_default();
        *last = index.max(*last);
    }

    /// There is a newer snapshot.
    pub(crate) fn note_snapshot(&mut self, digests: impl Iterator<Item = Digest>) {
        let newest = std::mem::replace(&mut self.snapshots[0], digests.collect());
        self.snapshots[1] = newest;
    }

    /// Takes out what neither snapshot nor any event behind `through` refers to.
    pub(crate) fn take_unused(&mut self, through: u64) -> Vec<Digest> {
        let snapshots = &self.snapshots;
        let is_unused = |digest: &Digest, last: &mut u64| {
            *last <= through && !snapshots.iter().any(|digests| digests.contains(digest))
        };
        self.values.extract_if(.., is_unused).map(|(digest, _)| digest).collect()
    }
}

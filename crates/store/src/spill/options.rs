//! What the store is told of files.

use crate::spill::storage::Storage;
use std::sync::Arc;
use trygon_store_core::SpillLimits;

const THRESHOLD: f64 = 0.8;
const DISK_SHARE: f64 = 0.95;
const FILE_BYTES: u64 = 100_000_000;
const FILE_OBJECTS: u64 = 2_000;
/// A file takes at most this share of the store, so that a small one need not be emptied before its first space comes free.
const STORE_SHARE: u64 = 8;
/// Files that are written at once.
const MOST_WRITES: usize = 2;

/// How objects are written to files.
#[derive(Debug, Clone)]
pub struct SpillOptions {
    /// Whether they are at all.
    pub is_on: bool,
    /// Where the files are, used in turn: folders, and the names of what `remote` has.
    pub directories: Vec<String>,
    /// The places among them that are no folders.
    pub remote: Vec<Arc<dyn Storage>>,
    /// The share of the store above which objects are written before anybody waits for space.
    pub threshold: f64,
    /// Bytes that go into one file, as far as there are so many.
    pub file_bytes: u64,
    /// Objects that go into one file at most.
    pub file_objects: u64,
    /// Bytes that all files may take together; 0 for no limit but the disk's.
    pub quota_bytes: u64,
    /// The share of a disk, whoever uses it, above which nothing more is written to it.
    pub disk_share: f64,
}

impl SpillOptions {
    /// Nothing is ever written.
    pub fn off() -> Self {
        Self { is_on: false, ..Self::in_directories(Vec::new()) }
    }

    /// The defaults, with files in these folders.
    pub fn in_directories(directories: Vec<String>) -> Self {
        Self {
            is_on: !directories.is_empty(),
            directories,
            remote: Vec::new(),
            threshold: THRESHOLD,
            file_bytes: FILE_BYTES,
            file_objects: FILE_OBJECTS,
            quota_bytes: 0,
            disk_share: DISK_SHARE,
        }
    }

    pub(crate) fn limits(&self, capacity_bytes: u64) -> SpillLimits {
        if !self.is_on {
            return SpillLimits::off();
        }
        SpillLimits {
            is_on: true,
            threshold_bytes: (capacity_bytes as f64 * self.threshold) as u64,
            batch_bytes: self.file_bytes.min(capacity_bytes / STORE_SHARE).max(1),
            batch_objects: usize::try_from(self.file_objects).unwrap_or(usize::MAX).max(1),
            quota_bytes: if self.quota_bytes == 0 { u64::MAX } else { self.quota_bytes },
            most_writes: MOST_WRITES,
        }
    }
}

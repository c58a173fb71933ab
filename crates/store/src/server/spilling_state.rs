//! The data of files in the daemon's loop.

use crate::spill::{DiskFailure, SpillEvents, Spiller};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_shm::ReadOnlyMapping;

/// The part of the store that has to do with files.
#[derive(Debug, Default)]
pub(crate) struct Spilling {
    /// From the first write on.
    pub(crate) spiller: Option<Spiller>,
    pub(crate) events: Option<SpillEvents>,
    /// Nobody polls the events yet.
    pub(crate) is_new: bool,
    /// For reading what is written.
    pub(crate) mappings: HashMap<SegmentId, Arc<ReadOnlyMapping>>,
    /// Why the last file could not be written; empty when the quota was the reason.
    pub(crate) failures: Vec<DiskFailure>,
    /// Why objects cannot be read that were in files. Bounded; without its entry an object is lost as well.
    pub(crate) unreadable: BTreeMap<ObjectId, String>,
    /// Which of its questions about an object a process waits for an answer to.
    pub(crate) numbers: BTreeMap<(WorkerId, ObjectId), u64>,
    /// Copies got no room because the disk was full.
    pub(crate) copies_lack_disk: bool,
    /// Bytes read back into memory so far, and objects.
    pub(crate) restored_bytes: u64,
    pub(crate) restored_objects: u64,
    pub(crate) write_time: Duration,
    pub(crate) read_time: Duration,
    /// What people are to be told.
    pub(crate) notices: Vec<String>,
    /// Whether they were told that objects are written.
    pub(crate) was_told: bool,
    /// When processes were last asked for memory, and how many requests had waited by then.
    pub(crate) called_ms: u64,
    pub(crate) called_for: u64,
}

impl Spilling {
    /// The number of the question that an answer is for.
    pub(crate) fn number(&self, from: WorkerId, object: &ObjectId) -> u64 {
        self.numbers.get(&(from, *object)).copied().unwrap_or(0)
    }

    pub(crate) fn delete(&self, file: u64) {
        if let Some(spiller) = &self.spiller {
            spiller.delete(file);
        }
    }
}

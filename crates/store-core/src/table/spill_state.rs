//! The data of spilling, and what goes in and out.

use crate::table::location::ObjectLocation;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

/// How objects go into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillLimits {
    /// Whether they do at all.
    pub is_on: bool,
    /// From so many bytes of objects on they are written before anybody waits for space.
    pub threshold_bytes: u64,
    /// Bytes that go into one file, as far as there are so many; an object larger than this has its own.
    pub batch_bytes: u64,
    /// Objects that go into one file at most.
    pub batch_objects: usize,
    /// Bytes that all files together may take.
    pub quota_bytes: u64,
    /// Files that are written at once.
    pub most_writes: usize,
}

impl SpillLimits {
    /// Nothing is ever written.
    pub fn off() -> Self {
        Self {
            is_on: false,
            threshold_bytes: u64::MAX,
            batch_bytes: 0,
            batch_objects: 0,
            quota_bytes: 0,
            most_writes: 0,
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePart {
    /// The file.
    pub file: u64,
    /// Offset in it.
    pub offset_bytes: u64,
}

/// Where the bytes come from that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSource {
    /// From the object's place in memory.
    Memory,
    /// From a file of which most is not needed any more.
    File(FilePart),
}

/// One object of a file that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePart {
    /// The object.
    pub object: ObjectId,
    /// Where it lies, or lay, in memory: by this it is known.
    pub location: ObjectLocation,
    /// Where its bytes are.
    pub source: PartSource,
}

/// What a process that asks for an object is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is where it was, and stays there until the process says that it looks no more.
    Here,
    /// It is in a file.
    InFile(FilePart),
    /// Its file could not be read.
    Unreadable,
    /// There is no such object.
    Gone,
}

/// Whether a file has what is in memory too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDisk {
    No,
    /// It is being written into this file.
    Writing(u64),
    Written(FilePart),
}

/// Names an object: two attempts of a task may both have sealed its result.
pub(crate) type Key = (SegmentId, u64, ObjectId);

/// An object that goes into a file, its size, and where its bytes are.
pub(crate) type Queued = (Key, u64, PartSource);

/// An object that is not in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spilled {
    pub(crate) owner: WorkerId,
    pub(crate) size_bytes: u64,
    /// `None` when its file could not be read.
    pub(crate) part: Option<FilePart>,
}

/// A file that is complete.
#[derive(Debug)]
pub(crate) struct FileEntry {
    pub(crate) size_bytes: u64,
    pub(crate) live_bytes: u64,
    /// What in it is needed, by offset.
    pub(crate) live: BTreeMap<u64, (Key, u64)>,
    /// The file that what is needed of it is being written into.
    pub(crate) moving_to: Option<u64>,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) parts: Vec<Queued>,
    pub(crate) size_bytes: u64,
    /// Memory of objects that were freed meanwhile: it is given back when nothing reads it any more.
    pub(crate) held: Vec<ObjectLocation>,
}

#[derive(Debug, Default)]
pub(crate) struct SpillState {
    pub(crate) spilled: BTreeMap<Key, Spilled>,
    pub(crate) files: BTreeMap<u64, FileEntry>,
    pub(crate) writes: BTreeMap<u64, Write>,
    pub(crate) next_file: u64,
    /// Sizes of complete files, and of those that are being written.
    pub(crate) file_bytes: u64,
    pub(crate) writing_bytes: u64,
    /// Where what a process asked for lies.
    pub(crate) looks: BTreeMap<(WorkerId, ObjectId), ObjectLocation>,
    /// Objects that are being sent to other nodes from where they are, and how many times.
    pub(crate) sends: BTreeMap<ObjectId, (ObjectLocation, u32)>,
    /// Memory that was taken from objects and is still with its writers.
    pub(crate) expected_bytes: u64,
    /// From then on it is not expected any more, nor a process's word on what it looks at.
    pub(crate) expected_until_ms: u64,
    /// Until then the disk counts as full.
    pub(crate) disk_full_until_ms: Option<u64>,
    /// The largest object in a file since there were none.
    pub(crate) largest_bytes: u64,
    pub(crate) spilled_bytes_total: u64,
    pub(crate) spilled_objects_total: u64,
}

impl SpillState {
    /// Memory went back to the store.
    pub(crate) fn came_back(&mut self, bytes: u64) {
        self.expected_bytes = self.expected_bytes.saturating_sub(bytes);
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full_until_ms.is_some()
    }

    /// Bytes of writes that take objects out of memory.
    pub(crate) fn leaving_bytes(&self) -> u64 {
        let parts = self.writes.values().flat_map(|write| &write.parts);
        parts.filter(|(_, _, source)| *source == PartSource::Memory).map(|(_, size_bytes, _)| size_bytes).sum()
    }

    /// Files whose remains are being written into others.
    pub(crate) fn is_rewriting(&self) -> bool {
        self.files.values().any(|file| file.moving_to.is_some())
    }

    /// Objects in files only, by segment.
    pub(crate) fn is_needed(&self, key: &Key, part: FilePart) -> bool {
        let file = self.files.get(&part.file);
        file.and_then(|file| file.live.get(&part.offset_bytes)).is_some_and(|(live, _)| live == key)
    }

    /// Keys of what a dead process owned.
    pub(crate) fn owned_by(&self, owner: WorkerId) -> BTreeSet<Key> {
        self.spilled.iter().filter(|(_, spilled)| spilled.owner == owner).map(|(key, _)| *key).collect()
    }
}

/// No id comes before it. (The nil id comes last.)
pub(crate) const FIRST_WORKER: WorkerId = WorkerId::new([0; 28]);

/// How a process came to look at an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Since {
    /// It did when it was told to ask.
    Before,
    /// It asked.
    Asked,
}

/// What is known of one segment.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) since_ms: u64,
    /// Processes that have not said yet what they look at.
    pub(crate) awaiting: BTreeSet<WorkerId>,
    /// What is looked at, by offset, and by whom.
    pub(crate) lookers: BTreeSet<(u64, WorkerId, Since)>,
}

impl Watch {
    pub(crate) fn is_looked_at(&self, offset_bytes: u64) -> bool {
        let first = (offset_bytes, FIRST_WORKER, Since::Before);
        self.lookers.range(first..).next().is_some_and(|(offset, ..)| *offset == offset_bytes)
    }
}

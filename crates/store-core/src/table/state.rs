//! The table's data, and what goes in and out.

use crate::table::dead_workers::DeadWorkers;
use crate::table::defects::StoreDefects;
use crate::table::location::{NODE_SHIFT, ObjectLocation};
use crate::table::spill_state::{OnDisk, SpillLimits, SpillState, Watch, WritePart};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

/// What the table is told when it is made.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Memory that all segments together may take.
    pub capacity_bytes: u64,
    /// How long a request waits for space before it is refused (STORE-4).
    pub wait_ms: u64,
    /// Number of the node in its cluster; 0 where there is no cluster. A segment's number begins with it.
    pub node_number: u32,
    /// The daemon as a writer: it holds copies, which are dropped and never spilled.
    pub own: WorkerId,
    /// What may be written to files.
    pub spill: SpillLimits,
}

/// What the daemon has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make a segment and populate it, then report `on_created` or `on_create_failed`.
    Create {
        /// The new segment.
        segment: SegmentId,
        /// Its exact size.
        size_bytes: u64,
    },
    /// Give the segment to its writer.
    Grant {
        /// The writer.
        to: WorkerId,
        /// Its request.
        request_id: u64,
        /// The segment.
        segment: SegmentId,
        /// Its size.
        size_bytes: u64,
    },
    /// Tell a writer that there is no space for it.
    Refuse {
        /// The writer.
        to: WorkerId,
        /// Its request.
        request_id: u64,
        /// What it had asked for.
        size_bytes: u64,
        /// Bytes in segments.
        used_bytes: u64,
        /// Why.
        cause: RefuseCause,
    },
    /// Give a reader a read-only descriptor; none when the size is 0, because the segment is gone.
    Map {
        /// The reader.
        to: WorkerId,
        /// The segment.
        segment: SegmentId,
        /// Its size, or 0.
        size_bytes: u64,
        /// The reader is to ask before it looks at an object of the segment.
        watched: bool,
    },
    /// Tell the writer that a range is its own again.
    Reclaim {
        /// The writer.
        to: WorkerId,
        /// The range.
        range: ObjectLocation,
    },
    /// Give these ranges, whole pages, back to the system: nobody reads them.
    Trim {
        /// The segment.
        segment: SegmentId,
        /// Offset and length of each.
        ranges: Vec<(u64, u64)>,
    },
    /// The segment is not needed any more.
    Release {
        /// The segment.
        segment: SegmentId,
        /// Nobody reads it, though some may still have it mapped: its pages can go at once.
        erase: bool,
    },
    /// Tell a process to ask from now on before it looks at an object of the segment, and to say what it looks at now (`on_watched`).
    Watch {
        /// The process.
        to: WorkerId,
        /// The segment.
        segment: SegmentId,
    },
    /// Write these one after the other into a new file of this number, then report `on_written` or `on_write_failed`.
    Write {
        /// The file.
        file: u64,
        /// What goes into it, in order.
        parts: Vec<WritePart>,
    },
    /// Nothing of the file is needed any more.
    DeleteFile {
        /// The file.
        file: u64,
    },
}

/// Why a request for space is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseCause {
    /// No empty store could hold it, or the system has no memory for it.
    TooLarge,
    /// Nothing could be dropped or written to files for too long.
    Full,
    /// The files have no space left.
    DiskFull,
}

/// A message that no correct client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// The object lies in a segment that the sender does not write.
    NotTheWriter,
    /// The object lies outside its segment.
    OutOfBounds,
    /// The object lies where another one is.
    Overlap,
}

impl std::fmt::Display for Reject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

impl Reject {
    /// What is wrong with the message.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotTheWriter => "an object was sealed in a segment of another process",
            Self::OutOfBounds => "an object was sealed beyond the end of its segment",
            Self::Overlap => "an object was sealed on top of another one",
        }
    }
}

/// Sums over the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The limit.
    pub capacity_bytes: u64,
    /// Memory in segments.
    pub used_bytes: u64,
    /// Segments there are.
    pub segments: u64,
    /// Segments whose writer is gone.
    pub segments_without_writer: u64,
    /// Sealed objects.
    pub objects: u64,
    /// Their size.
    pub object_bytes: u64,
    /// Size of objects whose owner died while others may still read them.
    pub held_for_readers_bytes: u64,
    /// Requests that wait for space.
    pub waiting_requests: u64,
    /// What they ask for together.
    pub waiting_bytes: u64,
    /// Requests refused so far.
    pub refused_requests: u64,
    /// Objects sealed so far.
    pub sealed_objects: u64,
    /// Objects that are in a file and not in memory.
    pub spilled_objects: u64,
    /// Their size.
    pub spilled_bytes: u64,
    /// Files there are.
    pub spill_files: u64,
    /// Their size, with the parts that nobody needs any more.
    pub spill_file_bytes: u64,
    /// Bytes of objects written to files so far.
    pub spilled_bytes_total: u64,
    /// Objects written to files so far.
    pub spilled_objects_total: u64,
    /// Bytes that processes look at in segments from which objects were to be written to files.
    pub looked_at_bytes: u64,
}

/// Who answers for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// The owner frees it.
    Owned(WorkerId),
    /// The owner died; others may still read it (STORE-2).
    HeldForReaders,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ObjectEntry {
    pub(crate) id: ObjectId,
    pub(crate) size_bytes: u64,
    pub(crate) life: Life,
    /// Whether a file has it too.
    pub(crate) disk: OnDisk,
}

/// Whether a segment can be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The daemon makes it, for this request.
    Creating {
        request_id: u64,
        asked_bytes: u64,
    },
    Ready,
}

#[derive(Debug)]
pub(crate) struct SegmentEntry {
    /// None once it died or gave the segment back.
    pub(crate) writer: Option<WorkerId>,
    pub(crate) stage: Stage,
    pub(crate) size_bytes: u64,
    /// What of its size counts: less once parts went back to the system.
    pub(crate) charged_bytes: u64,
    /// Sealed objects by offset. The id alone would not do: two attempts of a task may both have sealed its result.
    pub(crate) objects: BTreeMap<u64, ObjectEntry>,
    /// Living processes that have it mapped, without the writer.
    pub(crate) readers: BTreeSet<WorkerId>,
    /// Objects whose owner freed them before the writer's word that they are sealed came; the two use different sockets.
    pub(crate) freed_early: BTreeSet<(u64, ObjectId)>,
    /// An object went while someone may still read it: the pages must stay for those who have them mapped.
    pub(crate) must_not_erase: bool,
    /// Who looks at what, once the segment's objects are to go into files.
    pub(crate) watch: Option<Box<Watch>>,
    /// When something in it was last sealed or looked for; a count, not a time.
    pub(crate) used_stamp: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitingRequest {
    pub(crate) from: WorkerId,
    pub(crate) request_id: u64,
    pub(crate) least_bytes: u64,
    pub(crate) asked_ms: u64,
    pub(crate) deadline_ms: u64,
}

/// The store's memory as the daemon knows it.
#[derive(Debug)]
pub struct StoreTable {
    pub(crate) limits: StoreLimits,
    pub(crate) segments: BTreeMap<SegmentId, SegmentEntry>,
    pub(crate) waiting: VecDeque<WaitingRequest>,
    pub(crate) dead: DeadWorkers,
    pub(crate) used_bytes: u64,
    pub(crate) next_segment: u64,
    pub(crate) refused_requests: u64,
    pub(crate) sealed_objects: u64,
    pub(crate) next_stamp: u64,
    pub(crate) waited_requests: u64,
    pub(crate) spill: SpillState,
    pub(crate) defects: StoreDefects,
}

impl StoreTable {
    /// A store without segments.
    pub fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            segments: BTreeMap::new(),
            waiting: VecDeque::new(),
            dead: DeadWorkers::default(),
            used_bytes: 0,
            next_segment: u64::from(limits.node_number) << NODE_SHIFT | 1,
            refused_requests: 0,
            sealed_objects: 0,
            next_stamp: 1,
            waited_requests: 0,
            spill: SpillState::default(),
            defects: StoreDefects::default(),
        }
    }

    /// Takes rules away; for the simulator.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: StoreDefects) {
        self.defects = defects;
    }

    /// Who the daemon is as a writer.
    pub fn set_own(&mut self, own: WorkerId) {
        self.limits.own = own;
    }

    pub(crate) fn stamp(&mut self) -> u64 {
        self.next_stamp += 1;
        self.next_stamp
    }

    /// Number of this node.
    pub fn node_number(&self) -> u32 {
        self.limits.node_number
    }

    /// The cluster gave the node a number. Segments that exist keep theirs, so that there must be none.
    pub fn set_node_number(&mut self, node_number: u32) {
        self.limits.node_number = node_number;
        self.next_segment = u64::from(node_number) << NODE_SHIFT | 1;
    }

    /// Sums over the store.
    pub fn stats(&self) -> StoreStats {
        let mut stats = StoreStats {
            capacity_bytes: self.limits.capacity_bytes,
            used_bytes: self.used_bytes,
            segments: self.segments.len() as u64,
            waiting_requests: self.waiting.len() as u64,
            waiting_bytes: self.waiting.iter().map(|request| request.least_bytes).sum(),
            refused_requests: self.refused_requests,
            sealed_objects: self.sealed_objects,
            ..StoreStats::default()
        };
        for segment in self.segments.values() {
            stats.segments_without_writer += u64::from(segment.writer.is_none());
            stats.objects += segment.objects.len() as u64;
            for object in segment.objects.values() {
                stats.object_bytes += object.size_bytes;
                if object.life == Life::HeldForReaders {
                    stats.held_for_readers_bytes += object.size_bytes;
                }
            }
            stats.looked_at_bytes += segment.looked_at_bytes();
        }
        self.add_spill_stats(&mut stats);
        stats
    }
}

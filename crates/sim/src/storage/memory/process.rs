//! A process that writes, owns and looks at objects, and what it and the daemon say to one another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::SegmentId;
use trygon_store_core::{Effect, Look, ObjectLocation, WriterPool};

/// What a process says to the daemon.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Request { request_id: u64, least_bytes: u64 },
    Sealed { id: u64, location: ObjectLocation, owner: u8 },
    Freed { id: u64, location: ObjectLocation, reclaimed: bool },
    Watched { segment: SegmentId, offsets: Vec<u64> },
    Asked { id: u64, location: ObjectLocation },
    LookEnded { id: u64 },
    EarlyLookEnded { segment: SegmentId, offset_bytes: u64 },
}

/// What the daemon says to a process.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Effect(Effect),
    Found { id: u64, location: ObjectLocation, look: Look },
}

/// One process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) pool: WriterPool,
    pub(super) mapped: BTreeSet<SegmentId>,
    /// Segments of which it asks before it looks.
    pub(super) watched: BTreeSet<SegmentId>,
    /// Objects that it looks at, and where.
    pub(super) pins: BTreeMap<u64, ObjectLocation>,
    /// What it looked at before it was told to ask.
    pub(super) early: BTreeSet<(SegmentId, u64)>,
    /// Ranges that came back while it looked at them: they go to the pool when it looks no more.
    pub(super) late: BTreeSet<(SegmentId, u64)>,
    pub(super) inbox: VecDeque<Heard>,
    pub(super) outbox: VecDeque<Said>,
}

impl Process {
    /// Whether it looks at the object, or is about to: then it has a reference.
    pub(super) fn needs(&self, wanted: u64) -> bool {
        let asks = self.outbox.iter().any(|said| matches!(said, Said::Asked { id, .. } if *id == wanted));
        let is_told = self.inbox.iter().any(|heard| matches!(heard, Heard::Found { id, .. } if *id == wanted));
        asks || is_told || self.pins.contains_key(&wanted)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.outbox.is_empty()
    }

    /// An object that it looks at there.
    pub(super) fn looks_into(&self, segment: SegmentId, start: u64, end: u64) -> Option<u64> {
        let overlaps = |pin: &ObjectLocation| {
            pin.segment == segment && pin.offset_bytes < end && pin.offset_bytes + pin.size_bytes > start
        };
        self.pins.iter().find(|(_, pin)| overlaps(pin)).map(|(id, _)| *id)
    }
}

//! A node that receives the object: its tables, its room, and what it is being sent.

use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store_core::{Chunks, FetchOutcome, ObjectLocation, PullFailure, PullTable, Source};

/// Where the object comes from.
pub(super) const ORIGIN: u32 = 1;

pub(super) fn object() -> ObjectId {
    ObjectId::new([1; ObjectId::LEN])
}

pub(super) fn worker() -> WorkerId {
    WorkerId::new([1; WorkerId::LEN])
}

pub(super) fn location(node: u32, size_bytes: u64) -> ObjectLocation {
    ObjectLocation { segment: SegmentId(u64::from(node) << 40 | 1), offset_bytes: 64, size_bytes }
}

/// Room for a copy.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) number: u64,
    pub(super) chunks: Chunks,
    /// Whether each chunk's bytes are the object's.
    pub(super) is_right: Vec<bool>,
}

/// What one connection brings.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) span: u64,
    pub(super) next_bytes: u64,
    /// Of the sender's span, when it began.
    pub(super) generation: u32,
    /// The sender's room, and the number under which its table knows of the transfer.
    pub(super) room: u64,
    pub(super) send: Option<u64>,
    /// The sender has looked, and reads.
    pub(super) is_reading: bool,
}

/// A fetch that runs.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) attempt: u64,
    pub(super) source: Source,
    pub(super) spans: Vec<u64>,
    pub(super) streams: Vec<Stream>,
    pub(super) is_accepted: bool,
    pub(super) has_moved: bool,
    pub(super) end: Option<FetchOutcome>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) table: PullTable,
    pub(super) room: Option<Room>,
    /// The rooms before it: whoever is sent what was in one still looks at it.
    pub(super) given_up: Vec<Room>,
    pub(super) fetch: Option<Fetch>,
    /// When it begins to want the object.
    pub(super) starts_ms: u64,
    pub(super) result: Option<Result<(), PullFailure>>,
    /// It sends, and nothing reaches it, without an end to its connections.
    pub(super) is_deaf: bool,
}

impl Node {
    pub(super) fn new(table: PullTable, starts_ms: u64) -> Self {
        Self { table, room: None, given_up: Vec::new(), fetch: None, starts_ms, result: None, is_deaf: false }
    }

    /// The room of a number, and whether it is still one.
    pub(super) fn room_of(&self, number: u64) -> Option<(&Room, bool)> {
        let now = self.room.as_ref().filter(|room| room.number == number).map(|room| (room, true));
        now.or_else(|| self.given_up.iter().find(|room| room.number == number).map(|room| (room, false)))
    }
}

//! What is known of objects that the daemon has to be asked for, and why an object cannot be had.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_worker_core::Location;

/// Why an object cannot be written or read.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// The store is full: capacity and use in bytes.
    Full {
        /// Limit of the store.
        capacity_bytes: u64,
        /// In segments now.
        used_bytes: u64,
        /// A sentence for people.
        message: String,
    },
    /// Objects have to go to the disk, and the disk is full.
    DiskFull(String),
    /// The segment is gone: the object was freed, or its writer's node is lost.
    Gone,
    /// No copy can be had of an object of another node, for this reason.
    Lost(String),
    /// A node that lives could not be reached for too long.
    TimedOut(String),
    /// The daemon is gone, or the system refused.
    Failed(String),
}

impl StoreError {
    /// What happened, for people.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Full { message, .. } => message,
            Self::Gone => "it is gone",
            Self::DiskFull(reason) | Self::Lost(reason) | Self::TimedOut(reason) | Self::Failed(reason) => reason,
        }
    }
}

/// Why a copy is wanted; the daemon fetches the first kinds first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// `get` waits for it.
    Get,
    /// `wait` does.
    Wait,
    /// A task's arguments.
    Argument,
}

/// What the daemon keeps for this process.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) location: Location,
    pub(crate) since_ns: u64,
    /// Whether it was looked at since.
    pub(crate) was_seen: bool,
    /// Somebody was told that it is here, because the object is lost elsewhere: it is not given up for want of memory.
    pub(crate) is_kept: bool,
}

#[derive(Debug)]
pub(crate) enum Copy {
    Coming {
        urgency: Urgency,
        /// Where it comes from, as its owner said.
        from: Location,
        /// Names the question: an earlier one about the same object may still be answered.
        number: u64,
        /// Tokens to be pushed when it is here: queue and token.
        waiters: Vec<(u32, u64)>,
    },
    Here(Held),
    /// It could not be had from there.
    Failed {
        from: Location,
        error: StoreError,
    },
}

/// The copies that this process holds or waits for.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    /// Number of this process's node; 0 where there is no cluster.
    pub(crate) node_number: u32,
    pub(crate) copies: HashMap<ObjectId, Copy>,
    /// Counts answers, so that a waiter looks again only when there is something to see.
    pub(crate) arrivals: u64,
    pub(crate) next_number: u64,
    /// Segments that the daemon was asked for.
    pub(crate) mapping: HashSet<SegmentId>,
    /// Segments of this node whose objects may be in files, so that the daemon is asked before one is looked at. With what this process
    /// looked at when it was told, by offset, and still does.
    pub(crate) watched: HashMap<SegmentId, BTreeSet<u64>>,
    /// Lost objects of this process of which a copy is being fetched.
    pub(crate) rescues: HashSet<ObjectId>,
    /// Borrowers that were asked for a copy: until when an answer is waited for, the object and the borrower.
    pub(crate) asked: VecDeque<(u64, ObjectId, WorkerId)>,
    /// What the log was told of losses: once each.
    pub(crate) told: HashSet<String>,
}

/// Where an object can be read.
pub(crate) enum Place {
    /// Here: on this node, from the start or as a copy.
    Here(Location),
    Coming,
    Failed(StoreError),
}
